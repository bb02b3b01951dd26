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
	var start format.LSN
	if start, err = s.createSlot(ctx); err != nil {
		return err
	}
	s.changed(StepSlot, s.slotChange())
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
func (s *setup) createSlot(ctx context.Context) (format.LSN, error) {
	config := s.conn.Config()
	config.RuntimeParams["application_name"] = slotApplication
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return 0, fmt.Errorf("open a second connection to create the replication slot: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := freeOfTimeouts(ctx, conn); err != nil {
		return 0, err
	}
	// Where the server can, it notices that this process is gone and does not leave the slot behind.
	_, err = conn.Exec(ctx, "SELECT set_config('client_connection_check_interval', '1s', false)")
	if err != nil {
		_, err = conn.Exec(ctx, "SELECT 1")
	}
	if err != nil {
		return 0, fmt.Errorf("prepare to create the replication slot: %w", err)
	}
	pid := int32(conn.PgConn().PID())
	type created struct {
		lsn string
		err error
	}
	done := make(chan created, 1)
	go func() {
		var c created
		c.err = conn.QueryRow(ctx, "SELECT lsn::text FROM pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')", s.slot).Scan(&c.lsn)
		done <- c
	}()
	var result *created
	err = s.wait(ctx, StepSlot, func(ctx context.Context, since time.Duration) ([]Backend, error) {
		select {
		case c := <-done:
			result = &c
			return nil, nil
		default:
			return slotBlockers(ctx, s.conn, pid)
		}
	})
	if result == nil {
		// The server takes back a slot whose making is cancelled.
		_, cancelErr := s.conn.Exec(context.WithoutCancel(ctx), "SELECT pg_cancel_backend($1)", pid)
		if cancelErr != nil {
			err = errors.Join(err, fmt.Errorf("cancel the making of the replication slot: %w", cancelErr))
			conn.Close(ctx)
		}
		c := <-done
		result = &c
		if err != nil && c.err == nil {
			// It was made in the same moment.
			return format.ParseLSN(c.lsn)
		}
	}
	if err != nil {
		return 0, err
	}
	if result.err != nil {
		return 0, fmt.Errorf("create the replication slot %q: %w", s.slot, result.err)
	}
	return format.ParseLSN(result.lsn)
}

// slotBlockers returns whose end the process waits for; itself if the server does not say, so that the wait goes on.
func slotBlockers(ctx context.Context, conn *pgx.Conn, pid int32) ([]Backend, error) {
	blockers, err := readBackends(ctx, conn, `
		SELECT coalesce(a.pid, 0), coalesce(p.gid, ''),
		       coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared)), 0)::float8,
		       coalesce(a.usename, p.owner, ''), coalesce(a.datname, p.database, ''), coalesce(a.application_name, ''),
		       CASE WHEN a.pid IS NULL THEN 'prepared' ELSE coalesce(a.state, '') END,
		       w.transactionid::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text
		FROM pg_catalog.pg_locks w
		JOIN pg_catalog.pg_locks h ON h.locktype = 'transactionid' AND h.transactionid = w.transactionid AND h.granted
		LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = h.pid
		LEFT JOIN pg_catalog.pg_prepared_xacts p ON h.pid IS NULL AND p.transaction = w.transactionid
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
	changes := slices.Concat(schemaChanges(s.state.schema), triggerChanges(s.state.triggers))
	tables, err := tablesToChange(ctx, s.conn)
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
