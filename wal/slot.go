package wal

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
)

// slotState is a row of pg_replication_slots.
type slotState struct {
	plugin    string
	database  uint32
	active    int32 // process id; 0: nobody
	walStatus string
	confirmed format.LSN
}

// readSlot reads the slot's state; ok is false if there is no such slot.
func readSlot(ctx context.Context, conn *pgx.Conn, slot string) (s slotState, ok bool, err error) {
	var confirmed string
	err = conn.QueryRow(ctx, `select coalesce(plugin, ''), coalesce(datoid, 0), coalesce(active_pid, 0),
			coalesce(wal_status, ''), coalesce(confirmed_flush_lsn, '0/0')::text
		from pg_catalog.pg_replication_slots where slot_name = $1`, slot).
		Scan(&s.plugin, &s.database, &s.active, &s.walStatus, &confirmed)
	if errors.Is(err, pgx.ErrNoRows) {
		return s, false, nil
	}
	if err == nil {
		s.confirmed, err = format.ParseLSN(confirmed)
	}
	if err != nil {
		return s, false, fmt.Errorf("read the state of replication slot %q: %w", slot, err)
	}
	return s, true, nil
}

// check compares the slot with the log that ends at end and wants to go on at
// start. A difference is a GapError: what the slot has already let go is not sent
// again, and START_REPLICATION would only log that it is "forwarding"
// (src/backend/replication/logical/logical.c, CreateDecodingContext).
func (s *slotState) check(slot string, log *format.LogStart, start, end format.LSN) error {
	gap := func(f string, args ...any) error { return &GapError{From: end, Reason: fmt.Sprintf(f, args...)} }
	switch {
	case s.plugin != "pgoutput" || s.database != log.DatabaseOID:
		return gap("replication slot %q is not the log's any more: it has the plugin %q and the database %d, not pgoutput and %d",
			slot, s.plugin, s.database, log.DatabaseOID)
	case s.walStatus == "lost":
		return gap("replication slot %q was invalidated and lost the WAL it needs (more was held than max_slot_wal_keep_size allows, or "+
			"it was idle for too long)", slot)
	case s.confirmed == 0:
		return gap("replication slot %q is not usable: it has no confirmed position", slot)
	case s.confirmed > end:
		return &GapError{From: end, To: s.confirmed, Reason: fmt.Sprintf(
			"replication slot %q was moved on to %s by someone else", slot, s.confirmed)}
	case s.confirmed > start:
		return &GapError{From: end, To: s.confirmed, Reason: fmt.Sprintf(
			"replication slot %q was moved to %s by someone else, so that it cannot be proved that the log goes on from %s",
			slot, s.confirmed, start)}
	}
	return nil
}

// slotHolder says who receives from the slot, as far as the role may see it.
func slotHolder(ctx context.Context, conn *pgx.Conn, slot string) (*SlotBusyError, error) {
	e := &SlotBusyError{Slot: slot}
	var client string
	var since *time.Time
	err := conn.QueryRow(ctx, `select s.active_pid, coalesce(a.application_name, ''), coalesce(a.usename, ''),
			coalesce(host(a.client_addr), ''), a.backend_start
		from pg_catalog.pg_replication_slots s left join pg_catalog.pg_stat_activity a on a.pid = s.active_pid
		where s.slot_name = $1 and s.active_pid is not null`, slot).
		Scan(&e.PID, &e.Application, &e.User, &client, &since)
	if errors.Is(err, pgx.ErrNoRows) {
		return e, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find out who holds replication slot %q: %w", slot, err)
	}
	if addr, err := netip.ParseAddr(client); err == nil {
		e.Client = addr
	}
	if since != nil {
		e.Since = *since
	}
	return e, nil
}
