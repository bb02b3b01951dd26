package wal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
)

// slotApplication is the application name of the connection that makes the slot.
const slotApplication = "pgrecall init"

// makeSlot makes the slot, unless the log's own is there, and notes where the log starts.
func (s *setup) makeSlot(ctx context.Context) (err error) {
	if s.state.slot, s.state.slotExists, err = readSlot(ctx, s.conn, s.slot); err != nil {
		return err
	}
	if s.state.slotExists {
		if s.slotUnusable() == "" {
			s.result.Log = s.o.Started
			return nil
		}
		if err := s.dropSlot(ctx); err != nil {
			return err
		}
	}
	if err := s.createSlot(ctx); err != nil {
		return err
	}
	s.changed(StepSlot, s.slotChange())
	start, err := s.moveOn(ctx)
	if err != nil {
		// A slot without a log holds WAL for nobody.
		if _, dropErr := s.conn.Exec(context.WithoutCancel(ctx), "SELECT pg_catalog.pg_drop_replication_slot($1)", s.slot); dropErr != nil {
			err = errors.Join(err, fmt.Errorf("drop the replication slot %q: %w", s.slot, dropErr))
		}
		return err
	}
	s.report(Progress{Step: StepLog})
	// Only now, on another connection than the one that made the slot: whatever this does not see is decoded.
	// The xmax of a snapshot is one beyond the last transaction that ended (GetSnapshotData in
	// src/backend/storage/ipc/procarray.c), and an open one may have a greater id: its commit record may already lie
	// before the slot's start, as while it waits for a standby, and yet a later snapshot with it as xmin would
	// seem to join. A transaction of our own that ends now moves the xmax beyond all ids given so far.
	if _, err := s.nextXID(ctx); err != nil {
		return err
	}
	v, err := currentVisibility(ctx, s.conn)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make an id for the log: %w", err)
	}
	s.result.NewLog = true
	s.result.Log = &format.LogStart{Log: id, SystemID: s.server.systemID, Timeline: s.server.timeline,
		DatabaseOID: s.server.databaseOID, Slot: s.slot, Publication: Publication, ConsistentPoint: start,
		Visibility: v, Created: time.Now().UTC()}
	return nil
}

func (s *setup) slotChange() Change {
	return Change{What: "create the replication slot " + s.slot + ", which keeps the WAL not yet received",
		SQL: "SELECT pg_create_logical_replication_slot('" + s.slot + "', 'pgoutput')"}
}

// createSlot makes the slot on a connection of its own, without exporting a snapshot. The server waits for the
// transactions that are open, of all databases, and this one looks who they are.
func (s *setup) createSlot(ctx context.Context) error {
	config := s.conn.Config()
	config.RuntimeParams["application_name"] = slotApplication
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("open a second connection to create the replication slot: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := freeOfTimeouts(ctx, conn); err != nil {
		return err
	}
	// Where the server can, it notices that this process is gone and does not leave the slot behind.
	_, err = conn.Exec(ctx, "SELECT set_config('client_connection_check_interval', '1s', false)")
	if err != nil {
		_, err = conn.Exec(ctx, "SELECT 1")
	}
	if err != nil {
		return fmt.Errorf("prepare to create the replication slot: %w", err)
	}
	pid := int32(conn.PgConn().PID())
	done := make(chan error, 1)
	go func() {
		_, err := conn.Exec(ctx, "SELECT pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')", s.slot)
		done <- err
	}()
	ended, made := false, error(nil)
	err = s.wait(ctx, StepSlot, func(ctx context.Context, since time.Duration) ([]Backend, error) {
		select {
		case made = <-done:
			ended = true
			return nil, nil
		default:
			return slotBlockers(ctx, s.conn, pid)
		}
	})
	if !ended {
		// The server takes back a slot whose making is cancelled.
		_, cancelErr := s.conn.Exec(context.WithoutCancel(ctx), "SELECT pg_cancel_backend($1)", pid)
		if cancelErr != nil {
			err = errors.Join(err, fmt.Errorf("cancel the making of the replication slot: %w", cancelErr))
			conn.Close(ctx)
		}
		if made = <-done; made == nil {
			return nil // in the same moment
		}
	}
	if err != nil {
		return err
	}
	if made != nil {
		return fmt.Errorf("create the replication slot %q: %w", s.slot, made)
	}
	return nil
}

// moveOn lets the log start a little later than the slot, and returns where. While the server makes a slot, or comes
// past that place again, it keeps one picture of the catalogs that may lack what committed between the
// first and the second record of running transactions it meets: such commits are not looked at
// (xact_decode in src/backend/replication/logical/decode.c), and a transaction that was open at the second record
// makes them count as open. A table truncated in that moment has a file that decoding cannot find, again and again
// ("could not map filenode"), and an altered one could be decoded by its former columns. The picture is drawn anew at
// the next commit that changes the catalogs (SnapBuildCommitTxn in snapbuild.c). So there is one, those who are
// open then end, and what commits before that is left to the snapshot. Moving a slot reads the log
// without looking up any table (pg_logical_replication_slot_advance in src/backend/replication/slotfuncs.c).
func (s *setup) moveOn(ctx context.Context) (format.LSN, error) {
	if err := s.touchCatalogs(ctx); err != nil {
		return 0, err
	}
	next, err := s.nextXID(ctx)
	if err != nil {
		return 0, err
	}
	err = s.wait(ctx, StepSlot, func(ctx context.Context, _ time.Duration) ([]Backend, error) {
		older, err := backends(ctx, s.conn, next)
		return slices.DeleteFunc(older, func(b Backend) bool { return b.Database != s.server.database }), err
	})
	if err != nil {
		return 0, err
	}
	var from, to string
	if err := s.conn.QueryRow(ctx, "SELECT pg_catalog.pg_current_wal_insert_lsn()::text").Scan(&from); err != nil {
		return 0, fmt.Errorf("read the WAL position: %w", err)
	}
	// A slot moves within WAL that is flushed, and this flushes it.
	if err := s.touchCatalogs(ctx); err != nil {
		return 0, err
	}
	err = s.conn.QueryRow(ctx,
		"SELECT end_lsn::text FROM pg_catalog.pg_replication_slot_advance($1, $2::text::pg_lsn)", s.slot, from).Scan(&to)
	if err != nil {
		return 0, fmt.Errorf("move the replication slot %q to where the log starts: %w", s.slot, err)
	}
	wanted, err := format.ParseLSN(from)
	if err != nil {
		return 0, err
	}
	start, err := format.ParseLSN(to)
	if err == nil && start < wanted {
		err = fmt.Errorf("the replication slot %q is at %s where the log was to start at %s; run init again", s.slot, start, wanted)
	}
	return start, err
}

// touchCatalogs commits a change of a catalog, which comes to nothing, and flushes it. A large object is a row of a
// catalog, and no event trigger's business.
func (s *setup) touchCatalogs(ctx context.Context) error {
	err := inTx(ctx, s.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = local"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "SELECT pg_catalog.lo_unlink(pg_catalog.lo_create(0))")
		return err
	})
	if err != nil {
		return fmt.Errorf("change a catalog so that decoding looks at them again: %w", err)
	}
	return nil
}

// slotBlockers returns whose end the process waits for; itself if the server does not say, so that the wait goes on.
func slotBlockers(ctx context.Context, conn *pgx.Conn, pid int32) ([]Backend, error) {
	blockers, err := readBackends(ctx, conn, `
		SELECT h.pid, h.transactionid AS xid FROM pg_catalog.pg_locks w
		JOIN pg_catalog.pg_locks h ON h.locktype = 'transactionid' AND h.transactionid = w.transactionid AND h.granted
		WHERE w.pid = $1 AND w.locktype = 'transactionid' AND NOT w.granted`, pid)
	if err != nil {
		return nil, fmt.Errorf("read whom the making of the replication slot waits for: %w", err)
	}
	if len(blockers) == 0 {
		blockers = []Backend{{PID: pid, Application: slotApplication, State: "active"}}
	}
	return blockers, nil
}

// dropSlot removes a slot that cannot carry the log on.
func (s *setup) dropSlot(ctx context.Context) error {
	if err := s.releasedSlot(ctx); err != nil {
		return err
	}
	why := s.slotUnusable()
	_, err := s.conn.Exec(ctx, "SELECT pg_catalog.pg_drop_replication_slot($1)", s.slot)
	if hasCode(err, codeInUse) {
		return s.releasedSlot(ctx)
	}
	if err != nil && !hasCode(err, codeNoObject) {
		return fmt.Errorf("drop the replication slot %q: %w", s.slot, err)
	}
	s.state.slotExists = false
	s.changed(StepSlot, Change{What: "drop the replication slot " + s.slot + ": " + why,
		SQL: "SELECT pg_drop_replication_slot('" + s.slot + "')"})
	return nil
}

// releasedSlot waits for a killed Init's connection to let the slot go, and refuses if somebody else holds it.
func (s *setup) releasedSlot(ctx context.Context) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		holder, err := slotHolder(ctx, s.conn, s.slot)
		if err != nil || holder.PID == 0 {
			return err
		}
		if holder.Application != slotApplication || time.Now().After(deadline) {
			return holder
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// plan computes what Init would do and does nothing.
func (s *setup) plan(ctx context.Context) error {
	changes := schemaChanges(s.state.schema)
	if !s.o.WithoutEventTriggers {
		changes = append(changes, triggerChanges(s.state.triggers)...)
	}
	tables, err := s.tablesToChange(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if t.needed != needNone {
			changes = append(changes, t.change())
		}
	}
	publication, err := s.publicationChanges(ctx)
	if err != nil {
		return err
	}
	changes = append(changes, publication...)
	if s.o.WithoutEventTriggers {
		if s.o.FullIdentities {
			keyed, err := keyedTables(ctx, s.conn)
			if err != nil {
				return err
			}
			for _, t := range keyed {
				if !slices.ContainsFunc(tables, func(o tableNeed) bool { return o.oid == t.oid }) {
					changes = append(changes, t.change())
				}
			}
		}
		unlisted, err := unlistedTables(ctx, s.conn)
		if err != nil {
			return err
		}
		for _, t := range unlisted {
			if t.mine {
				changes = append(changes, t.listing())
			}
		}
	}
	if !s.state.slotExists || s.slotUnusable() != "" {
		if s.state.slotExists {
			changes = append(changes, Change{What: "drop the replication slot " + s.slot + ": " + s.slotUnusable(),
				SQL: "SELECT pg_drop_replication_slot('" + s.slot + "')"})
		}
		changes = append(changes, s.slotChange())
	}
	s.result.Changes = changes
	return s.findUnpublishable(ctx)
}
