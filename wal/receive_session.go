package wal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"sync"
	"sync/atomic"
	"time"

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
	altered   bool      // its DDL made the catalog another
	begun     pgoutput.Begin
	digest    hash.Hash          // of the transaction's messages
	underWay  bool               // large transactions are sent while they are under way
	streams   streams            // those of which parts were received
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
	s := &session{run: r, side: sd, incoming: incoming{
		relations: make(map[uint32]*relation), streams: streams{open: make(map[uint32]*stream)}, digest: sha256.New()}}
	defer s.streams.close()
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
