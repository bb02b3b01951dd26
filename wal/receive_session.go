package wal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal/pgoutput"
)

// session is one pair of connections: everything that is forgotten when the
// network fails. Its fields are the loop's, but those that say otherwise.
type session struct {
	*run
	side   *side
	repl   *replication
	beside sync.WaitGroup // the goroutines beside the loop
	incoming
	liveness

	// The segment being built.
	segment  *segmentBuilder // nil: nothing received since the last cut
	opened   time.Time       // when its first transaction began to arrive
	last     format.LastCommit
	received format.LSN // end of the last commit received
	storing  *storing   // the segment being stored; nil: none

	// What ends the session.
	target   format.LSN  // Once: received up to here is enough
	complete bool        // Once: the target is reached
	stopping atomic.Bool // Stop was closed; any goroutine
}

// incoming is what is known of the stream: the tables it described, and the transaction being received.
type incoming struct {
	decoder   pgoutput.Decoder
	relations map[uint32]*relation
	relation  *relation // the last one used
	inside    bool      // between Begin and Commit
	begun     pgoutput.Begin
	digest    hash.Hash          // of the transaction's messages
	overlap   *format.LastCommit // what the first transaction must be; nil: seen, or nothing to compare
	xidRef    uint64             // a recent next transaction id, 64 bits
}

// liveness is when each side last gave the other a sign of life.
type liveness struct {
	statusEvery time.Duration // the longest time between two status messages of ours
	statusAt    time.Time     // when the next one is due
	heard       uint64        // messages received
	heardBefore uint64        // as many as at the last look
	heardAt     time.Time     // when there was a new one at a look
	lastLocal   atomic.Int64  // Unix nanoseconds when a local commit was received; any goroutine
}

// statusInterval is the longest time between two status messages.
const statusInterval = 10 * time.Second

// session connects, streams until something ends it, and joins all it began.
func (r *run) session(ctx context.Context) error {
	sd, err := connectSide(ctx, r.Source)
	if err != nil {
		return err
	}
	defer sd.close(ctx)
	s := &session{run: r, side: sd, incoming: incoming{relations: make(map[uint32]*relation), digest: sha256.New()}}
	if err := s.open(ctx); err != nil {
		if s.repl != nil {
			s.repl.close()
		}
		return err
	}
	defer s.repl.close()
	r.connected, r.busySince = true, time.Time{}
	r.Tracer.Connection(nil, 0)

	within, cancel := context.WithCancel(ctx)
	s.beside.Go(func() { s.watch(within) })
	s.beside.Go(func() { s.beat(within) })
	err = s.loop(ctx)
	cancel()
	if err != nil && transient(err) && ctx.Err() == nil {
		err = s.salvage(ctx, err)
	}
	s.beside.Wait()
	// A segment that has become durable since is where the next session goes on.
	if stored := s.collect(); stored != nil && (err == nil || !transient(stored)) {
		err = stored
	}
	if err != nil && !transient(err) && ctx.Err() == nil {
		s.repl.end() // so that the caller finds the slot free
	}
	if s.segment != nil {
		err = errors.Join(err, s.segment.close())
	}
	return err
}

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
	if err := s.repl.start(ctx, s.Start.Slot, s.Start.Publication, s.start()); err != nil {
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
		err = &GapError{From: s.end(), Reason: fmt.Sprintf("publication %q leaves out %s, so that changes are missing", s.Start.Publication, m.unpublished)}
	case s.publication.OID == 0:
		s.publication = m.publication
	case m.publication.Capture != s.publication.Capture:
		err = &GapError{From: s.end(), Reason: "the event triggers of pgrecall, or their functions, were switched off, altered or made anew, so that DDL may be missing"}
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

// watch wakes the loop when the caller wants it to end.
func (s *session) watch(ctx context.Context) {
	select {
	case <-s.Stop:
		s.stopping.Store(true)
	case <-ctx.Done():
	}
	s.repl.wake()
}

// beat writes a heartbeat at the start and whenever no local commit has been
// received for a flush interval, so that the slot and the recovery window of an
// idle source move on. A commit received from elsewhere proves no time.
func (s *session) beat(ctx context.Context) {
	if s.Once {
		return
	}
	var written time.Time
	for {
		idle := time.Unix(0, s.lastLocal.Load())
		if idle.Before(written) {
			idle = written
		}
		if wait := time.Until(idle.Add(s.FlushInterval)); wait > 0 && !written.IsZero() {
			t := time.NewTimer(wait)
			select {
			case <-ctx.Done():
				t.Stop()
				return
			case <-t.C:
			}
			continue
		}
		_, err := s.side.heartbeat(ctx)
		if ctx.Err() != nil {
			return
		}
		s.warnHeartbeat(err)
		written = time.Now()
	}
}

// warnHeartbeat tells the tracer once of each way heartbeats fail. It is called
// by one goroutine at a time.
func (s *session) warnHeartbeat(err error) {
	if err == nil {
		s.warned = ""
		return
	}
	if text := err.Error(); text != s.warned {
		s.warned = text
		s.Tracer.Warning(err)
	}
}

// loop receives until something ends the session. It returns nil when everything
// wanted is durable and acknowledged.
func (s *session) loop(ctx context.Context) error {
	if err := s.status(time.Now()); err != nil {
		return err
	}
	for {
		m, err := s.repl.receive(s.deadline())
		switch {
		case err != nil:
			return err
		case m == nil:
			err = s.turn(ctx)
		default:
			s.heard++
			err = s.message(ctx, m)
		}
		if err == nil && (s.stopping.Load() || s.complete) {
			return s.finish(ctx)
		}
		if err != nil {
			return s.suspect(ctx, err)
		}
	}
}

// deadline is when the loop has something to do even if nothing arrives.
func (s *session) deadline() time.Time {
	if s.segment != nil && s.storing == nil && !s.inside {
		if cut := s.opened.Add(s.FlushInterval); cut.Before(s.statusAt) {
			return cut
		}
	}
	return s.statusAt
}

// turn does what time and the other goroutines ask for.
func (s *session) turn(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	now := time.Now()
	if s.heard != s.heardBefore {
		s.heardBefore, s.heardAt = s.heard, now
	}
	if now.Sub(s.heardAt) > s.silence {
		defer func() { s.silence = min(2*s.silence, mostSilence) }()
		return fmt.Errorf("the source has said nothing for %s", s.silence)
	}
	if err := s.collect(); err != nil {
		return err
	}
	if err := s.cutIfDue(ctx, now); err != nil {
		return err
	}
	if !now.Before(s.statusAt) {
		return s.status(now)
	}
	return nil
}

// status acknowledges what is durable, but for the last commit: that one is sent
// again at the next start and must then be the same (a source set back to an
// earlier state cannot be told from the positions alone).
func (s *session) status(now time.Time) error {
	s.statusAt = now.Add(s.statusEvery)
	reply := s.Once || now.Sub(s.heardAt) > s.statusEvery*3
	return s.repl.sendStatus(s.start(), reply)
}

// message handles one protocol message.
func (s *session) message(ctx context.Context, m pgproto3.BackendMessage) error {
	switch m := m.(type) {
	case *pgproto3.CopyData:
		return s.copyData(ctx, m.Data)
	case *pgproto3.ErrorResponse:
		return fmt.Errorf("the source ended the stream: %w", pgconn.ErrorResponseToPgError(m))
	case *pgproto3.CopyDone, *pgproto3.CommandComplete, *pgproto3.ReadyForQuery:
		return errors.New("the source ended the stream")
	}
	return nil // notices and parameter changes
}

func (s *session) copyData(ctx context.Context, b []byte) error {
	switch {
	case len(b) >= xlogDataHeader && b[0] == xlogDataKind:
		s.repl.sawPosition(lsnAt(b, 1))
		return s.transactional(ctx, b[xlogDataHeader:])
	case len(b) == keepaliveSize && b[0] == keepaliveKind:
		position := lsnAt(b, 1)
		s.repl.sawPosition(position)
		if o := s.overlap; o != nil && !s.inside && position > o.EndLSN {
			return s.another("nothing") // all up to position has been sent
		}
		if s.Once && !s.inside && position >= s.target {
			s.complete = true
		}
		if b[17] == 1 {
			return s.status(time.Now())
		}
		return nil
	}
	return protocolErrorf("the source sent a message of %d bytes that the streaming protocol does not know", len(b))
}

// suspect looks at the error that ends the session: the same failure to decode the
// same transaction, again and again, is not the network's.
func (s *session) suspect(ctx context.Context, err error) error {
	if !decoding(err) {
		return err
	}
	var at format.LSN
	if s.inside {
		at = s.begun.CommitLSN
	}
	if !s.poison.same(at, s.received, err) {
		return err
	}
	// What came before it would be discarded with the session again and again.
	if flushErr := s.flush(ctx); flushErr != nil {
		return flushErr
	}
	p := &PoisonError{After: s.end(), Err: err}
	if at != 0 {
		p.CommitLSN, p.Time, p.XID = at, s.begun.Time, fullXID(s.begun.XID, s.xidRef)
	}
	return p
}

// suspicion counts equal failures to decode.
type suspicion struct {
	at, after format.LSN
	text      string
	count     int
}

// poisonAttempts is how often the server must fail in the same way at the same place.
const poisonAttempts = 3

func (p *suspicion) same(at, after format.LSN, err error) bool {
	if p.at != at || p.after != after || p.text != err.Error() {
		*p = suspicion{at: at, after: after, text: err.Error()}
	}
	p.count++
	return p.count >= poisonAttempts
}

// xidText is a 64-bit transaction id for messages.
func xidText(xid uint64) string { return strconv.FormatUint(xid, 10) }
