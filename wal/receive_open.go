package wal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
)

// open makes the replication connection, checks that the source is the one whose
// log we hold and that nothing of it is missing, and begins to stream.
func (s *session) open(ctx context.Context) error {
	now, err := s.checkPublication(ctx)
	if err != nil {
		return err
	}
	s.xidRef = now.nextXID
	if err := s.checkSlot(ctx); err != nil {
		return err
	}
	if s.repl, err = connectReplication(ctx, s.Source, s.side); err != nil {
		return err
	}
	if err := s.checkServer(ctx); err != nil {
		return err
	}
	if s.Once {
		if err := s.setTarget(ctx, now.insert); err != nil {
			return err
		}
	}
	// With Once, what is under way at the end would be sent for nothing, each time.
	s.underWay = s.whole == 0 && !s.Once
	if err := s.repl.start(ctx, s.Start.Slot, s.Start.Publication, s.start(), s.underWay); err != nil {
		if hasCode(err, codeInUse) {
			return s.busy(ctx)
		}
		return err
	}
	s.received = s.end()
	if s.Last != nil {
		s.overlap = &s.Last.Last
	}
	s.heardAt = time.Now()
	s.lastLocal.Store(s.heardAt.UnixNano())
	return s.checkHeld(ctx)
}

// checkPublication compares what the source publishes, and tells of DDL, with what the log was made with.
func (s *session) checkPublication(ctx context.Context) (moment, error) {
	m, err := s.side.moment(ctx, s.Start.Publication)
	if err != nil {
		return m, err
	}
	switch {
	case m.publication.OID == 0:
		err = &GapError{From: s.end(), Reason: fmt.Sprintf("publication %q is gone", s.Start.Publication)}
	case m.unpublished != "":
		err = &GapError{From: s.end(),
			Reason: fmt.Sprintf("publication %q leaves out %s, so that changes are missing", s.Start.Publication, m.unpublished)}
	case s.publication.OID == 0:
		s.publication = m.publication
	case m.publication.Capture != s.publication.Capture:
		err = &GapError{From: s.end(), Reason: "the event triggers of pgrecall, or their functions, were switched off, altered or made " +
			"anew, so that DDL may be missing"}
	case m.publication != s.publication:
		err = &GapError{From: s.end(), Reason: fmt.Sprintf(
			"publication %q was altered or made anew, so that changes may be missing", s.Start.Publication)}
	}
	return m, err
}

func (s *session) checkSlot(ctx context.Context) error {
	return s.side.ask(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		state, ok, err := readSlot(ctx, conn, s.Start.Slot)
		if err != nil {
			return err
		}
		if !ok {
			return &GapError{From: s.end(), Reason: fmt.Sprintf("replication slot %q is gone", s.Start.Slot)}
		}
		if state.active != 0 {
			// Another receiver moves the slot, and stores what we have not seen: that is no gap.
			holder, err := slotHolder(ctx, conn, s.Start.Slot)
			if err != nil {
				return err
			}
			return holder
		}
		if ms, err := readSenderTimeout(ctx, conn); err != nil {
			return err
		} else if s.statusEvery = statusInterval; ms > 0 {
			s.statusEvery = min(statusInterval, max(ms/3, 50*time.Millisecond))
		}
		return state.check(s.Start.Slot, &s.Start, s.start(), s.end())
	})
}

func readSenderTimeout(ctx context.Context, conn *pgx.Conn) (time.Duration, error) {
	var ms int64
	err := conn.QueryRow(ctx, `select setting::bigint from pg_catalog.pg_settings where name = 'wal_sender_timeout'`).Scan(&ms)
	if err != nil {
		return 0, fmt.Errorf("read wal_sender_timeout: %w", err)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// checkServer compares the server with the log's.
func (s *session) checkServer(ctx context.Context) error {
	id, err := s.repl.identify(ctx)
	if err != nil {
		return err
	}
	gap := func(f string, args ...any) error { return &GapError{From: s.end(), Reason: fmt.Sprintf(f, args...)} }
	position := format.LSN(id.XLogPos)
	switch {
	case id.SystemID != s.Start.SystemID:
		return gap("the source is another cluster: its system identifier is %s, the log's %s", id.SystemID, s.Start.SystemID)
	case id.Timeline != s.Start.Timeline:
		return gap("the source is on timeline %d, the log on %d: it was promoted or restored", id.Timeline, s.Start.Timeline)
	case s.side.database.oid != s.Start.DatabaseOID:
		return gap("the source is another database: its oid is %d, the log's %d", s.side.database.oid, s.Start.DatabaseOID)
	case position < s.end():
		return gap("the source is at %s, behind the end of the log: it was set back to an earlier state", position)
	}
	return nil
}

// checkHeld makes sure that the slot we stream from is the one we checked: both
// connections may have reached different servers, and the slot may have been moved
// between the check and the start.
func (s *session) checkHeld(ctx context.Context) error {
	return s.side.ask(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		state, ok, err := readSlot(ctx, conn, s.Start.Slot)
		if err != nil {
			return err
		}
		if !ok || state.active != int32(s.repl.pid) {
			return errors.New("the slot is not held by the connection just made: it was lost at once, " +
				"or the two connections to the source reached different servers (then name one host)")
		}
		return state.check(s.Start.Slot, &s.Start, s.start(), s.end())
	})
}

func (s *session) busy(ctx context.Context) error {
	var holder *SlotBusyError
	err := s.side.ask(ctx, func(ctx context.Context, conn *pgx.Conn) (err error) {
		holder, err = slotHolder(ctx, conn, s.Start.Slot)
		return err
	})
	if err != nil {
		return err
	}
	return holder
}

// setTarget decides what Once receives: all that was committed before now. The
// heartbeat's commit lies beyond its message and so beyond all that; where none may
// be written, the server's keepalives tell when it has sent everything.
func (s *session) setTarget(ctx context.Context, now format.LSN) error {
	s.target = now
	beat, err := s.side.heartbeat(ctx)
	if err == nil {
		s.target = beat
	} else if ctx.Err() != nil {
		return err
	} else {
		s.warnHeartbeat(err)
	}
	s.statusEvery = min(s.statusEvery, time.Second)
	return nil
}
