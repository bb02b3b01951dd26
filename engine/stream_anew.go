package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot"
	"github.com/pgrecall/pgrecall/wal"
)

// supplyAgain is the time until a snapshot that failed is tried again.
const supplyAgain = time.Hour

// noteGap records that a log ended.
func (s *stream) noteGap(ctx context.Context, g format.Gap) error {
	g.Noted = time.Now().UTC().Truncate(time.Microsecond)
	s.tracer.Note(Note{LevelAlert, fmt.Sprintf("the log has a gap after %v: %s", g.From, g.Reason)})
	s.result.Gaps = append(s.result.Gaps, GapInfo{Log: g.Log, From: g.From, To: g.To, Reason: g.Reason, Noted: g.Noted})
	return s.source.NoteGap(context.WithoutCancel(ctx), g)
}

// beginAnew makes the slot anew and begins a log.
func (s *stream) beginAnew(ctx context.Context, watched bool) error {
	conn, _, err := connect(ctx, s.config)
	if err != nil {
		return err
	}
	defer hangUp(ctx, conn)
	_, err = setUp(ctx, conn, s.source, wal.InitOptions{WithoutEventTriggers: watched}, s.tracer)
	return err
}

// supply takes the snapshot without which nothing of a log that began after a gap can be restored, unless it is there.
// Where it cannot be taken, the log is followed all the same, for otherwise the source would keep its WAL: then it
// is tried again later, and by the next stream.
func (s *stream) supply(ctx context.Context, log *format.LogStart) error {
	s.unsupplied = nil
	lacks, err := s.lacksSnapshot(ctx, log)
	switch {
	case err != nil:
		s.unsupplied = fmt.Errorf("it is not known whether the log has a snapshot, without which nothing in it can be restored: %w", err)
	case !lacks:
		return nil
	case s.o.NoSnapshot:
		s.tracer.Note(Note{LevelAlert, "a new log began; until a snapshot is taken nothing after the gap can be restored"})
		return nil
	default:
		s.tracer.Note(Note{LevelWarn, "a new log began; taking the snapshot that it needs"})
		err := s.takeWhatCanBeRead(ctx, log)
		if err == nil || ctx.Err() != nil {
			return err
		}
		s.unsupplied = fmt.Errorf("a new log began, and until a snapshot is taken nothing after the gap can be restored; this one failed: %w", err)
	}
	s.tracer.Note(Note{LevelAlert, s.unsupplied.Error()})
	return nil
}

// lacksSnapshot says whether the log is another than the source's first, which init leaves to the caller, and no snapshot
// joins it.
func (s *stream) lacksSnapshot(ctx context.Context, log *format.LogStart) (bool, error) {
	logs, err := s.source.Logs(ctx)
	if err != nil || len(logs) < 2 {
		return false, err
	}
	envelopes, err := s.source.Envelopes(ctx)
	joins := func(e *format.Envelope) bool { return e.Log == log.Log && !e.CatalogVersion }
	return !slices.ContainsFunc(envelopes, joins), err
}

// takeWhatCanBeRead takes a snapshot that joins the log. Tables that the server cannot write are left out, so that the
// rest is protected: what could not be decoded cannot be copied either, as long as it is there.
func (s *stream) takeWhatCanBeRead(ctx context.Context, log *format.LogStart) error {
	o := snapshot.Options{Jobs: s.o.Jobs, Compression: s.compression, NoRolePasswords: s.o.NoRolePasswords}
	for {
		taken, err := takeSnapshot(ctx, s.source, s.config, log, o, s.tracer)
		unreadable := new(snapshot.UnreadableError)
		if !errors.As(err, &unreadable) {
			if err == nil {
				s.tracer.Note(Note{LevelInfo, fmt.Sprintf("took snapshot %v", taken.ID)})
			}
			return err
		}
		if unreadable.Schema == "pg_catalog" && o.LargeObjects != snapshot.LargeObjectsNever {
			o.LargeObjects = snapshot.LargeObjectsNever
			s.tracer.Note(Note{LevelAlert, fmt.Sprintf("the snapshot is taken without the large objects, which cannot be restored then: %v", unreadable.Err)})
			continue
		}
		table := quoteName(unreadable.Schema, unreadable.Name)
		if slices.Contains(o.Selection.ExcludeTables, table) {
			return err
		}
		o.Selection.ExcludeTables = append(o.Selection.ExcludeTables, table)
		s.tracer.Note(Note{LevelAlert, fmt.Sprintf("the snapshot is taken without the rows of %s, which cannot be restored then: %v", table, unreadable.Err)})
	}
}
