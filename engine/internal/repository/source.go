package repository

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/engine/internal/store"
	"github.com/pgrecall/pgrecall/format"
)

// Source is one source of a repository. It is safe for concurrent use.
type Source struct {
	format.Source
	repo   *Repository
	folder string
}

// CheckDatabase returns an ErrOtherDatabase if the source is not that database.
func (s *Source) CheckDatabase(systemID string, oid uint32) error {
	if s.SystemID == systemID && s.DatabaseOID == oid {
		return nil
	}
	return fmt.Errorf("%w: %q is database %q with oid %d on system %s, the connection reaches oid %d on system %s; choose another source name",
		ErrOtherDatabase, s.Name, s.Database, s.DatabaseOID, s.SystemID, oid, systemID)
}

// Objects calls fn for every object of the source, in no promised order.
func (s *Source) Objects(ctx context.Context, fn func(name string, size int64) error) error {
	return s.repo.store.List(ctx, s.folder+"/", func(i store.Info) error { return fn(i.Name, i.Size) })
}

// Path returns the name in the store of an object of the source.
func (s *Source) Path(name string) string { return s.folder + "/" + name }

// ReadRange reads from an object of the source, for Verify.
func (s *Source) ReadRange(ctx context.Context, name string, off int64, p []byte) error {
	return s.repo.store.ReadRange(ctx, s.folder+"/"+name, off, p)
}

// ListSnapshots returns the names of the envelopes, relative to the source, with the ids they must hold.
func (s *Source) ListSnapshots(ctx context.Context) (map[string]uuid.UUID, error) {
	found := map[string]uuid.UUID{}
	prefix := s.folder + "/snapshots/"
	err := s.repo.store.List(ctx, prefix, func(i store.Info) error {
		name, ok := strings.CutSuffix(path.Base(i.Name), ".snapshot")
		if !ok {
			return nil
		}
		id, err := uuid.Parse(name)
		if err != nil {
			return fmt.Errorf("%s is not the name of a snapshot: %w", i.Name, ErrCorrupt)
		}
		found[strings.TrimPrefix(i.Name, s.folder+"/")] = id
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the snapshots of %q: %w", s.Name, err)
	}
	return found, nil
}

// Envelope reads one of ListSnapshots.
func (s *Source) Envelope(ctx context.Context, name string, id uuid.UUID) (*format.Envelope, error) {
	e := new(format.Envelope)
	if err := s.repo.readDocument(ctx, s.folder+"/"+name, id, format.KindEnvelope, e); err != nil {
		return nil, fmt.Errorf("read snapshot %v: %w", id, err)
	}
	if e.ID != id {
		return nil, fmt.Errorf("%s/%s is of snapshot %v: %w", s.folder, name, e.ID, ErrCorrupt)
	}
	if e.SystemID != s.SystemID || e.DatabaseOID != s.DatabaseOID {
		return nil, fmt.Errorf("snapshot %v is of another database than the source %q: %w", id, s.Name, ErrCorrupt)
	}
	return e, nil
}

// Envelopes returns the envelopes of all snapshots, oldest first.
func (s *Source) Envelopes(ctx context.Context) ([]*format.Envelope, error) {
	names, err := s.ListSnapshots(ctx)
	if err != nil {
		return nil, err
	}
	var envelopes []*format.Envelope
	for name, id := range names {
		e, err := s.Envelope(ctx, name, id)
		if err != nil {
			return nil, err
		}
		envelopes = append(envelopes, e)
	}
	slices.SortFunc(envelopes, func(a, b *format.Envelope) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return envelopes, nil
}

// Body reads the body of a snapshot and holds it against the envelope (format.Envelope.CheckBody).
func (s *Source) Body(ctx context.Context, e *format.Envelope) (*format.Body, error) {
	b := new(format.Body)
	name := s.folder + "/" + e.Body.Name
	o := format.Object{Name: name, Size: e.Body.Size, Kind: format.KindBody, ID: e.Body.ID}
	if err := s.repo.checkSize(ctx, name, e.Body.Size); err != nil {
		return nil, fmt.Errorf("read snapshot %v: %w", e.ID, err)
	}
	if err := format.ReadDocument(ctx, object{s.repo.store, name}, o, b); err != nil {
		return nil, fmt.Errorf("read snapshot %v: %w", e.ID, err)
	}
	if err := e.CheckBody(b); err != nil {
		return nil, &format.CorruptError{Object: name, Chunk: -1, Failure: format.FailDocument, Err: err}
	}
	return b, nil
}

// checkSize tells a missing or shortened object before it is read. What the manifest names and is not there is corrupt.
func (r *Repository) checkSize(ctx context.Context, name string, size int64) error {
	info, err := r.store.Stat(ctx, name)
	if errors.Is(err, store.ErrNotExist) {
		return &format.CorruptError{Object: name, Chunk: -1, Failure: format.FailTruncated, Reason: "the object is missing"}
	}
	if err == nil && info.Size != size {
		err = &format.CorruptError{Object: name, Chunk: -1, Failure: format.FailTruncated,
			Reason: fmt.Sprintf("it has %d bytes where %d were written", info.Size, size)}
	}
	return err
}

// CheckPart says whether a part is there in its size, without reading it.
func (s *Source) CheckPart(ctx context.Context, ref format.ObjectRef) error {
	return s.repo.checkSize(ctx, s.folder+"/"+ref.Name, ref.Size)
}

// OpenPart opens a part.
func (s *Source) OpenPart(ctx context.Context, ref format.ObjectRef) (*format.Reader, error) {
	name := s.folder + "/" + ref.Name
	if err := s.repo.checkSize(ctx, name, ref.Size); err != nil {
		return nil, err
	}
	return s.repo.open(ctx, name, ref.Size, ref.ID, format.KindPart)
}

// StartLog begins a log.
func (s *Source) StartLog(ctx context.Context, l format.LogStart) error {
	err := s.repo.writeDocument(ctx, fmt.Sprintf("%s/log/%v/start", s.folder, l.Log), l.Log, format.KindLogStart, l)
	if err != nil {
		return fmt.Errorf("begin log %v: %w", l.Log, err)
	}
	return nil
}

// NoteGap records a gap.
func (s *Source) NoteGap(ctx context.Context, g format.Gap) error {
	id := newID()
	err := s.repo.writeDocument(ctx, fmt.Sprintf("%s/log/%v/gaps/%v.gap", s.folder, g.Log, id), id, format.KindGap, g)
	if err != nil {
		return fmt.Errorf("record a gap of log %v: %w", g.Log, err)
	}
	return nil
}

// segmentDay is the folder of a segment: the day of its last local commit, or today where it has none.
func segmentDay(n format.SegmentName, now time.Time) string {
	if n.MaxTime.IsZero() {
		return day(now)
	}
	return day(n.MaxTime)
}

// Logs returns the logs, the earliest first: those that have ended, as a recorded gap says, go before one that has not,
// and where that does not decide, what the source said of their beginnings does. Created, the clock of whoever began a
// log, only comes after that: it may have been set back.
func (s *Source) Logs(ctx context.Context) ([]plan.Log, error) {
	found := map[uuid.UUID]*plan.Log{}
	var gaps []string
	prefix := s.folder + "/log/"
	err := s.repo.store.List(ctx, prefix, func(i store.Info) error {
		rest := strings.TrimPrefix(i.Name, prefix)
		folder, _, ok := strings.Cut(rest, "/")
		id, err := uuid.Parse(folder)
		if err != nil || !ok {
			return fmt.Errorf("%s is not in the folder of a log: %w", i.Name, ErrCorrupt)
		}
		if found[id] == nil {
			found[id] = &plan.Log{Start: format.LogStart{Log: id}}
		}
		file := path.Base(rest)
		switch {
		case strings.HasSuffix(file, ".segment"):
			name, err := format.ParseSegmentName(strings.TrimSuffix(file, ".segment"))
			if err != nil {
				return fmt.Errorf("%s: %w: %w", i.Name, err, ErrCorrupt)
			}
			found[id].Segments = append(found[id].Segments, plan.Segment{SegmentName: name, Object: strings.TrimPrefix(i.Name, s.folder+"/"), Size: i.Size})
		case strings.HasSuffix(file, ".gap"):
			gaps = append(gaps, i.Name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the logs of %q: %w", s.Name, err)
	}
	var logs []plan.Log
	for id, l := range found {
		if err := s.readStart(ctx, id, &l.Start); err != nil {
			return nil, err
		}
	}
	for _, name := range gaps {
		var g format.Gap
		if err := s.repo.readDocument(ctx, name, uuid.Nil, format.KindGap, &g); err != nil {
			return nil, fmt.Errorf("read a gap: %w", err)
		}
		l := found[g.Log]
		if l == nil || !strings.HasPrefix(name, fmt.Sprintf("%s%v/", prefix, g.Log)) {
			return nil, fmt.Errorf("%s is of log %v: %w", name, g.Log, ErrCorrupt)
		}
		l.Gaps = append(l.Gaps, g)
	}
	for _, l := range found {
		logs = append(logs, *l)
	}
	slices.SortFunc(logs, compareLogs)
	return logs, nil
}

// compareLogs orders logs. The source's positions do not come first, for they go back when its files are set back to a
// copy; the log that was followed until then has ended.
func compareLogs(a, b plan.Log) int {
	goesOn := func(l plan.Log) int {
		if len(l.Gaps) > 0 {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(goesOn(a), goesOn(b)), cmp.Compare(a.Start.Timeline, b.Start.Timeline),
		cmp.Compare(a.Start.ConsistentPoint, b.Start.ConsistentPoint), a.Start.Created.Compare(b.Start.Created),
		bytes.Compare(a.Start.Log[:], b.Start.Log[:]))
}

func (s *Source) readStart(ctx context.Context, id uuid.UUID, start *format.LogStart) error {
	*start = format.LogStart{}
	name := fmt.Sprintf("%s/log/%v/start", s.folder, id)
	if err := s.repo.readDocument(ctx, name, id, format.KindLogStart, start); err != nil {
		if errors.Is(err, store.ErrNotExist) {
			err = &format.CorruptError{Object: name, Chunk: -1, Failure: format.FailTruncated, Reason: "the object is missing"}
		}
		return fmt.Errorf("read the start of log %v: %w", id, err)
	}
	if start.Log != id || start.SystemID != s.SystemID || start.DatabaseOID != s.DatabaseOID {
		return fmt.Errorf("%s is of another log or database: %w", name, ErrCorrupt)
	}
	return nil
}

// OpenSegment opens a segment of the listing.
func (s *Source) OpenSegment(ctx context.Context, seg plan.Segment) (*format.Reader, error) {
	r, err := s.repo.open(ctx, s.folder+"/"+seg.Object, seg.Size, uuid.Nil, format.KindSegment)
	if err != nil {
		return nil, fmt.Errorf("open segment %v to %v: %w", seg.From, seg.To, err)
	}
	return r, nil
}
