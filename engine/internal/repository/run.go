package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/engine/internal/store"
	"github.com/pgrecall/pgrecall/format"
)

// Run is a snapshot being taken. PutPart is safe for concurrent use.
type Run struct {
	source  *Source
	id      uuid.UUID
	day     string
	release func() error
}

// Begin begins a snapshot: from now on until End its objects are safe from Clean.
func (s *Source) Begin(ctx context.Context) (*Run, error) {
	r := &Run{source: s, id: newID(), release: func() error { return nil }}
	r.day = runDay(r.id)
	if holder, ok := underlying(s.repo.store).(store.Holder); ok {
		release, err := holder.Hold(ctx, s.folder+"/running/"+r.id.String())
		if err != nil {
			return nil, fmt.Errorf("begin a snapshot: %w", err)
		}
		r.release = release
	}
	return r, nil
}

// underlying unwraps what counts and watches a store.
func underlying(s store.Store) store.Store {
	for {
		u, ok := s.(interface{ Unwrap() store.Store })
		if !ok {
			return s
		}
		s = u.Unwrap()
	}
}

// runDay is the day a run began, by its id.
func runDay(id uuid.UUID) string {
	sec, nsec := id.Time().UnixTime()
	return day(time.Unix(sec, nsec))
}

// PutPart streams one part into the repository; it is durable when nil is returned. The name is relative to the source.
func (r *Run) PutPart(ctx context.Context, id uuid.UUID, write func(w io.Writer) error) (string, error) {
	name := fmt.Sprintf("parts/%s/%v/%v.part", r.day, r.id, id)
	in, out := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := write(out)
		written <- err
		_ = out.CloseWithError(err) // nil is the end of the object
	}()
	err := r.source.repo.store.Put(ctx, r.source.folder+"/"+name, in)
	_ = in.CloseWithError(errors.Join(err, errPutEnded))
	if werr := <-written; werr != nil && (err == nil || !errors.Is(werr, errPutEnded)) {
		return "", werr // the cause, and not its echo through the pipe
	}
	if err != nil {
		return "", fmt.Errorf("put a part: %w", err)
	}
	return name, nil
}

var errPutEnded = errors.New("the object was given up")

// Publish writes the body and then the envelope, which makes the snapshot exist. The snapshot gets the run's id, so
// that what an interrupted Publish leaves is found by the run's marker; e.Body and e.Finished are completed.
func (r *Run) Publish(ctx context.Context, e *format.Envelope, b *format.Body, now func() time.Time) error {
	e.ID, b.ID = r.id, r.id
	folder := "snapshots/" + r.day + "/" + e.ID.String()
	var buf bytes.Buffer
	id := newID()
	sum, err := format.WriteDocument(&buf, format.KindBody, id, b)
	if err != nil {
		return fmt.Errorf("write snapshot %v: %w", e.ID, err)
	}
	e.Body = format.ObjectRef{Name: folder + ".body", ID: id, Size: sum.Size, SHA256: sum.SHA256}
	if err := r.source.repo.store.Put(ctx, r.source.folder+"/"+e.Body.Name, &buf); err != nil {
		return fmt.Errorf("write snapshot %v: %w", e.ID, err)
	}
	e.Finished = now().UTC().Truncate(time.Microsecond)
	if err := r.source.repo.writeDocument(ctx, r.source.folder+"/"+folder+".snapshot", e.ID, format.KindEnvelope, e); err != nil {
		return fmt.Errorf("write snapshot %v: %w", e.ID, err)
	}
	return nil
}

// ID is the run's own id, and that of the snapshot it publishes.
func (r *Run) ID() uuid.UUID { return r.id }

// End ends a run. The objects that it did not publish are removed.
func (r *Run) End(ctx context.Context) error {
	_, err := r.source.removeUnpublished(ctx, r.id)
	return errors.Join(err, r.release())
}

// Clean removes what interrupted snapshots left and returns the number of objects removed. Runs of living processes are not touched.
func (s *Source) Clean(ctx context.Context) (int, error) {
	holder, ok := underlying(s.repo.store).(store.Holder)
	if !ok {
		return 0, nil
	}
	prefix := s.folder + "/running/"
	var markers []string
	if err := s.repo.store.List(ctx, prefix, func(i store.Info) error { markers = append(markers, i.Name); return nil }); err != nil {
		return 0, fmt.Errorf("look for interrupted snapshots: %w", err)
	}
	cleaned := 0
	for _, marker := range markers {
		id, err := uuid.Parse(strings.TrimPrefix(marker, prefix))
		if err != nil {
			continue // not ours
		}
		held, err := holder.Held(ctx, marker)
		if err != nil {
			return cleaned, fmt.Errorf("look for interrupted snapshots: %w", err)
		}
		if held {
			continue
		}
		n, err := s.removeUnpublished(ctx, id)
		cleaned += n
		if err == nil {
			err = s.repo.store.Delete(ctx, marker)
		}
		if err != nil {
			return cleaned, fmt.Errorf("remove an interrupted snapshot: %w", err)
		}
	}
	if f, ok := holder.(*store.Folder); ok {
		n, err := f.CleanTemps(ctx)
		return cleaned + n, err
	}
	return cleaned, nil
}

// removeUnpublished removes the objects of a run that its envelope does not name: all, where there is none; else
// those of tries that the snapshot began anew after.
func (s *Source) removeUnpublished(ctx context.Context, run uuid.UUID) (int, error) {
	snapshot := fmt.Sprintf("snapshots/%s/%v", runDay(run), run)
	keep := map[string]bool{}
	e, err := s.Envelope(ctx, snapshot+".snapshot", run)
	switch {
	case err == nil:
		keep[snapshot+".snapshot"], keep[e.Body.Name] = true, true
		for _, part := range e.Parts {
			keep[part.Name] = true
		}
	case !errors.Is(err, store.ErrNotExist):
		return 0, err
	}
	var names []string
	list := func(i store.Info) error {
		if !keep[strings.TrimPrefix(i.Name, s.folder+"/")] {
			names = append(names, i.Name)
		}
		return nil
	}
	if err := s.repo.store.List(ctx, s.folder+"/"+snapshot+".", list); err != nil {
		return 0, err
	}
	if err := s.repo.store.List(ctx, fmt.Sprintf("%s/parts/%s/%v/", s.folder, runDay(run), run), list); err != nil {
		return 0, err
	}
	for i, name := range names {
		if err := s.repo.store.Delete(ctx, name); err != nil {
			return i, err
		}
	}
	return len(names), nil
}

// SegmentSink puts the segments of one log; it is what the receiver writes through.
type SegmentSink struct {
	source *Source
	log    uuid.UUID
	now    func() time.Time
}

// SegmentSink returns a sink for the log.
func (s *Source) SegmentSink(log uuid.UUID, now func() time.Time) *SegmentSink {
	return &SegmentSink{source: s, log: log, now: now}
}

// PutSegment stores one segment; it is durable when nil is returned.
func (k *SegmentSink) PutSegment(ctx context.Context, name format.SegmentName, r io.Reader) error {
	object := fmt.Sprintf("%s/log/%v/%s/%v.segment", k.source.folder, k.log, segmentDay(name, k.now()), name)
	if err := k.source.repo.store.Put(ctx, object, r); err != nil {
		return fmt.Errorf("put segment %v to %v: %w", name.From, name.To, err)
	}
	return nil
}
