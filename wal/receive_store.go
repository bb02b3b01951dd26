package wal

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/pgrecall/pgrecall/format"
)

// storing is a segment on its way into the sink, in a goroutine of its own, so
// that the loop goes on answering the server.
type storing struct {
	done   chan struct{} // closed when the rest is set
	head   *format.SegmentHead
	moment moment
	look   *look // nil: there was none
	err    error
}

// cutIfDue closes the segment if it is old or large enough and no other is being
// stored. A segment twice as large waits for the other one: that is what bounds
// the spool, and lets the server keep what we cannot take.
func (s *session) cutIfDue(ctx context.Context, now time.Time) error {
	if s.segment == nil || s.inside {
		return nil
	}
	if s.storing != nil {
		if s.segment.raw < 2*s.SegmentSize {
			return nil
		}
		if err := s.await(ctx); err != nil {
			return err
		}
	}
	if s.segment.raw >= s.SegmentSize || !now.Before(s.opened.Add(s.FlushInterval)) {
		s.cut(ctx)
	}
	return nil
}

// cut begins to store the segment. None other is being stored.
func (s *session) cut(ctx context.Context) {
	b, last := s.segment, s.last
	s.segment = nil
	t := &storing{done: make(chan struct{})}
	s.storing = t
	s.beside.Go(func() {
		defer s.repl.wake() // when done can be seen
		defer close(t.done)
		t.err = s.store(ctx, b, last, t)
		if err := b.close(); t.err == nil && err != nil {
			s.Tracer.Warning(err)
		}
	})
}

// store makes the segment whole and durable. It runs beside the loop and touches
// only what the loop leaves alone while a segment is being stored.
func (s *session) store(ctx context.Context, b *segmentBuilder, last format.LastCommit, t *storing) error {
	// A publication altered while these changes were decoded may have left some out.
	m, err := s.checkPublication(ctx)
	if err != nil {
		return err
	}
	head := &format.SegmentHead{
		Log: s.Start.Log, SystemID: s.Start.SystemID, Timeline: s.Start.Timeline, DatabaseOID: s.Start.DatabaseOID,
		Last: last, Publication: m.publication,
	}
	sampled, err := s.side.sampleSequences(ctx)
	switch {
	case err == nil:
		head.Sequences, head.SampledAt, head.Unsampled = s.sequences.changed(sampled.values), m.flush, sampled.skipped
	case s.side.lost() || !transient(err):
		return err
	default:
		s.Tracer.Warning(err)
	}
	if sampled.forbidden > 0 && len(s.sequences) == 0 {
		s.Tracer.Warning(fmt.Errorf("%d sequences may not be read by this role and are not in the log: grant it SELECT on them",
			sampled.forbidden))
	}
	look, err := s.lookAtForms(ctx)
	switch {
	case err == nil:
		head.Forms = look.forms
	case s.side.lost():
		return err
	default:
		s.Tracer.Warning(err)
	}
	name := b.name()
	r, err := b.finish(head, time.Now().UTC())
	if err != nil {
		return &sinkError{err}
	}
	if err := s.Sink.PutSegment(ctx, name, r); err != nil {
		return &sinkError{fmt.Errorf("store segment %s: %w", name, err)}
	}
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return &sinkError{err}
	}
	s.sequences.remember(head.Sequences)
	s.forms.remember(look)
	s.Tracer.Segment(name, head, len(b.transactions), size)
	t.head, t.moment, t.look = head, m, look
	return nil
}

// collect takes note of a segment that has been stored; it does not wait.
func (s *session) collect() error {
	if s.storing == nil {
		return nil
	}
	select {
	case <-s.storing.done:
	default:
		return nil
	}
	t := s.storing
	s.storing = nil
	if t.err != nil {
		// What follows it must not be stored either: it comes again with it.
		if s.segment != nil {
			if err := s.segment.close(); err != nil {
				s.Tracer.Warning(err)
			}
			s.segment = nil
		}
		return t.err
	}
	s.Last, s.xidRef = t.head, t.moment.nextXID
	if t.look != nil {
		s.unexplained.notice(t.look)
		s.tellUnexplained(t.look.forms.Visibility, false)
	}
	s.statusAt = time.Unix(1, 0) // acknowledge now
	return nil
}

// await waits for the segment being stored, and keeps the connection alive.
func (s *session) await(ctx context.Context) error {
	for s.storing != nil {
		t := time.NewTimer(s.statusEvery)
		select {
		case <-s.storing.done:
			t.Stop()
			if err := s.collect(); err != nil {
				return err
			}
		case <-t.C:
			if err := s.status(time.Now()); err != nil {
				return err
			}
		}
	}
	s.heardAt = time.Now() // nobody listened meanwhile
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// flush makes all complete transactions durable and forgets an incomplete one.
func (s *session) flush(ctx context.Context) error {
	if s.segment != nil && s.inside {
		s.segment.rollback()
	}
	s.inside = false
	if err := s.await(ctx); err != nil {
		return err
	}
	if s.segment == nil || len(s.segment.transactions) == 0 {
		return nil
	}
	s.cut(ctx)
	return s.await(ctx)
}

// salvage stores what was received completely before the connection was lost: on
// a network where none lives as long as a segment, the log gets on all the same. It
// returns lost, or what is worse.
func (s *session) salvage(ctx context.Context, lost error) error {
	if s.segment != nil && s.inside {
		s.segment.rollback()
	}
	s.inside = false
	for {
		if s.storing != nil {
			<-s.storing.done
			if err := s.collect(); err != nil {
				if transient(err) {
					return lost
				}
				return err
			}
		}
		if s.segment == nil || len(s.segment.transactions) == 0 {
			return lost
		}
		s.cut(ctx)
	}
}

// finish ends a session that was asked to end.
func (s *session) finish(ctx context.Context) error {
	if err := s.flush(ctx); err != nil {
		return err
	}
	s.tellUnexplained(format.Visibility{}, true)
	if err := s.status(time.Now()); err != nil {
		return err
	}
	s.repl.end()
	return nil
}
