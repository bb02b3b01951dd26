package wal

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
)

// lookAtSlot is the slot's state and the WAL it holds.
func (i *inspection) lookAtSlot(ctx context.Context) error {
	if !i.state.slotExists {
		if i.state.publication.exists {
			i.add(Blocker, "slot", "the replication slot "+i.slot+" is missing",
				"run init again; the log before has ended, so take a snapshot too")
		}
		return nil
	}
	var held, safe *int64
	var status *string
	err := i.conn.QueryRow(ctx, `
		SELECT (pg_current_wal_lsn() - restart_lsn)::bigint, safe_wal_size, wal_status
		FROM pg_catalog.pg_replication_slots WHERE slot_name = $1`, i.slot).Scan(&held, &safe, &status)
	if err != nil {
		return fmt.Errorf("read the state of the slot %s: %w", i.slot, err)
	}
	slot := i.state.slot
	if slot.plugin != "pgoutput" || slot.database != i.server.databaseOID {
		i.add(Blocker, "slot", "the replication slot "+i.slot+" belongs to another database or plugin", "give this source another name")
		return nil
	}
	heldText := "an unknown amount"
	if held != nil {
		heldText = bytesText(*held)
	}
	switch {
	case slot.walStatus == "lost":
		i.add(Blocker, "slot", "the replication slot "+i.slot+" was invalidated: the log has a gap",
			"run init again, then take a snapshot; raise max_slot_wal_keep_size or keep the stream running")
	case slot.walStatus == "unreserved":
		i.add(Blocker, "slot", "the replication slot "+i.slot+" holds "+heldText+" of WAL and is about to be invalidated",
			"start the stream now")
	case slot.active == 0:
		i.add(Warning, "slot", "nobody receives from the replication slot "+i.slot+", which holds "+heldText+" of WAL", "start the stream")
	default:
		i.add(Info, "slot", fmt.Sprintf("process %d receives from the replication slot %s, which holds %s of WAL",
			slot.active, i.slot, heldText), "")
	}
	if safe != nil && slot.walStatus != "lost" && held != nil && *safe < *held {
		i.add(Warning, "slot", "after "+bytesText(*safe)+" more of WAL the replication slot "+i.slot+" may be invalidated",
			"let the stream catch up")
	}
	i.add(Info, "slot", "while the slot exists DROP DATABASE, ALTER DATABASE … RENAME and CREATE DATABASE … TEMPLATE of this database fail",
		"uninstall first")
	return nil
}

// lookAtOtherSlots tells of slots of others that hold WAL, and of pgrecall's on other databases.
func (i *inspection) lookAtOtherSlots(ctx context.Context) error {
	rows, err := i.conn.Query(ctx, `
		SELECT slot_name::text, coalesce(database::text, ''), (pg_current_wal_lsn() - restart_lsn)::bigint
		FROM pg_catalog.pg_replication_slots
		WHERE slot_name <> $1 AND NOT active AND restart_lsn IS NOT NULL ORDER BY 3 DESC`, i.slot)
	if err != nil {
		return fmt.Errorf("read the replication slots: %w", err)
	}
	var name, database string
	var held int64
	_, err = pgx.ForEachRow(rows, []any{&name, &database, &held}, func() error {
		what := "nobody receives from the replication slot " + name
		if database != "" {
			what += " of the database " + database
		}
		i.add(Warning, "other slots", what+", which holds "+bytesText(held)+" of WAL", "drop it if it is not needed")
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the replication slots: %w", err)
	}
	return nil
}

// longTransaction is from when on a transaction is named.
const longTransaction = 5 * time.Minute

// lookAtTransactions names the transactions that making a slot, or a snapshot that joins the log, has to wait for, and
// those that keep dead rows from being removed.
func (i *inspection) lookAtTransactions(ctx context.Context) error {
	old, err := backends(ctx, i.conn, math.MaxUint64)
	if err != nil {
		return err
	}
	for _, b := range old {
		switch {
		case b.PID == 0:
			i.add(Warning, "transactions", b.String()+" is open", "commit or roll it back: init and the next snapshot wait for it")
		case b.Age > longTransaction:
			i.add(Warning, "transactions", b.String()+" is open", "init and the next snapshot wait for it")
		}
	}
	rows, err := i.conn.Query(ctx, `
		SELECT pid, coalesce(usename, ''), coalesce(application_name, ''), coalesce(state, ''),
		       extract(epoch FROM clock_timestamp() - xact_start)::float8
		FROM pg_catalog.pg_stat_activity
		WHERE backend_xmin IS NOT NULL AND backend_xid IS NULL AND backend_type = 'client backend' AND pid <> pg_backend_pid()
		  AND xact_start < clock_timestamp() - make_interval(secs => $1) ORDER BY xact_start`, longTransaction.Seconds())
	if err != nil {
		return fmt.Errorf("read which snapshots are old: %w", err)
	}
	var b Backend
	var seconds float64
	_, err = pgx.ForEachRow(rows, []any{&b.PID, &b.User, &b.Application, &b.State, &seconds}, func() error {
		b.Age = time.Duration(seconds * float64(time.Second))
		i.add(Info, "transactions", b.String()+" holds an old snapshot, which keeps dead rows", "")
		return nil
	})
	if err != nil {
		return fmt.Errorf("read which snapshots are old: %w", err)
	}
	return nil
}

// bytesText writes an amount of bytes for people.
func bytesText(n int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB"}
	v, unit := float64(n), 0
	for v >= 1024 && unit < len(units)-1 {
		v, unit = v/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[unit])
}
