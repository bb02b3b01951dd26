package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/engine/internal/repository"
	"github.com/pgrecall/pgrecall/format"
	"golang.org/x/sync/errgroup"
)

// VerifyOptions say what to verify.
type VerifyOptions struct {
	// Place: with no Source named every source is verified.
	Place
	// Snapshot, the beginning of an id, verifies that snapshot and no log; empty verifies everything.
	Snapshot string
	// Quick checks presence and sizes only, without reading content.
	Quick  bool
	Jobs   int
	Tracer Tracer
}

// Breakage is one thing broken.
type Breakage struct {
	Source string `json:"source"`
	Object string `json:"object"`
	// Chunk is the chunk's ordinal, -1 where the whole object is meant.
	Chunk int    `json:"chunk"`
	Table string `json:"table,omitempty"`
	// Reason is what is wrong; Lost is what cannot be restored because of it.
	Reason string `json:"reason"`
	Lost   string `json:"lost"`
}

// VerifyResult says what was read and what is broken.
type VerifyResult struct {
	Snapshots int        `json:"snapshots"`
	Segments  int        `json:"segments"`
	Broken    []Breakage `json:"broken"`
	// Gaps are recorded holes of the logs: known, and no breakage.
	Gaps    []GapInfo `json:"gaps,omitempty"`
	Reading Reading   `json:"reading"`
}

// Verify reads everything and checks it. With anything broken it returns both the result and an ErrIntegrity.
func Verify(ctx context.Context, o VerifyOptions) (*VerifyResult, error) {
	opened, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	var sources []*repository.Source
	if o.Source != "" || o.Snapshot != "" {
		s, err := opened.source(ctx, o.Source)
		if err != nil {
			return nil, err
		}
		sources = []*repository.Source{s}
	} else if sources, err = opened.repo.Sources(ctx); err != nil {
		return nil, err
	}
	v := &verification{o: o, result: &VerifyResult{Broken: []Breakage{}}, tracer: tracing(o.Tracer)}
	for _, s := range sources {
		if err := v.source(ctx, s); err != nil {
			return nil, err
		}
	}
	v.result.Reading = opened.reading()
	if n := len(v.result.Broken); n > 0 {
		return v.result, integrityf("%d thing(s) in the repository are broken", n)
	}
	return v.result, nil
}

// verification is one Verify under way.
type verification struct {
	o      VerifyOptions
	tracer Tracer

	mu     sync.Mutex
	result *VerifyResult
}

// broken records what is wrong with an object; an error that does not tell of its content ends the verification.
func (v *verification) broken(err error, b Breakage) error {
	var corrupt *format.CorruptError
	switch {
	case errors.As(err, &corrupt):
		b.Object, b.Chunk, b.Reason = corrupt.Object, corrupt.Chunk, err.Error()
	case errors.Is(err, format.ErrCorrupt), errors.Is(err, ErrIntegrity):
		b.Chunk, b.Reason = -1, err.Error()
	default:
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.result.Broken = append(v.result.Broken, b)
	v.tracer.Note(Note{LevelAlert, fmt.Sprintf("broken: %s; lost: %s", b.Reason, b.Lost)})
	return nil
}

// group returns a group of as many goroutines as the options say.
func (v *verification) group(ctx context.Context) (*errgroup.Group, context.Context) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, v.o.Jobs))
	if v.o.Jobs <= 0 {
		g.SetLimit(min(4, runtime.NumCPU()))
	}
	return g, ctx
}

func (v *verification) source(ctx context.Context, s *repository.Source) error {
	names, err := s.ListSnapshots(ctx)
	if err != nil {
		return v.broken(err, Breakage{Source: s.Name, Lost: "the listing of snapshots"})
	}
	found := false
	for _, name := range sortedKeys(names) {
		if v.o.Snapshot != "" && !hasPrefix(names[name], v.o.Snapshot) {
			continue
		}
		found = true
		if err := v.snapshot(ctx, s, name, names[name]); err != nil {
			return err
		}
	}
	if v.o.Snapshot != "" {
		if !found {
			return windowf("nothing matches: no snapshot has an id that begins with %q", v.o.Snapshot)
		}
		return nil
	}
	return v.logs(ctx, s)
}

func (v *verification) snapshot(ctx context.Context, s *repository.Source, name string, id uuid.UUID) error {
	v.result.Snapshots++
	lost := Breakage{Source: s.Name, Object: s.Path(name), Lost: fmt.Sprintf("snapshot %v", id)}
	e, err := s.Envelope(ctx, name, id)
	if err != nil {
		return v.broken(err, lost)
	}
	if e.CatalogVersion {
		v.result.Snapshots--
		lost.Lost = fmt.Sprintf("version %v of the catalog", id)
		if e.CopiedTables > 0 {
			lost.Lost = fmt.Sprintf("copy %v of %d tables", id, e.CopiedTables)
		}
	}
	lost.Object = s.Path(e.Body.Name)
	body, err := s.Body(ctx, e)
	if err == nil && !v.o.Quick {
		err = v.digest(ctx, s, e.Body)
	}
	if err == nil {
		_, err = takeCatalog(body)
	}
	if err != nil {
		return v.broken(err, lost)
	}
	meter := newMeter(v.tracer, "verify", e.RawBytes)
	defer meter.end()
	g, ctx := v.group(ctx)
	for i := range body.Tables {
		t := &body.Tables[i]
		var verified atomic.Int32
		for _, p := range t.Parts {
			g.Go(func() error {
				ref := e.Parts[p.Object]
				err := v.part(ctx, s, t, p, ref)
				meter.did(t.OID, nameOf(t), t.RawBytes, p.Rows, p.RawBytes)
				if int(verified.Add(1)) == len(t.Parts) {
					meter.done(t.OID)
				}
				if err == nil {
					return nil
				}
				return v.broken(err, Breakage{Source: s.Name, Object: s.Path(ref.Name), Table: nameOf(t),
					Lost: fmt.Sprintf("table %s of snapshot %v", nameOf(t), id)})
			})
		}
	}
	return g.Wait()
}

// part verifies one part: size, SHA-256, every chunk, and the rows against the manifest.
func (v *verification) part(ctx context.Context, s *repository.Source, t *format.TableData, p format.Part, ref format.ObjectRef) error {
	if err := s.CheckPart(ctx, ref); err != nil || v.o.Quick {
		return err
	}
	h := &history{held: &holding{source: s}, choice: plan.Choice{Base: &plan.Base{Envelope: &format.Envelope{Parts: []format.ObjectRef{ref}}}}}
	p.Object = 0
	data := *t
	data.Parts = []format.Part{p}
	rows := &tableRows{past: h, data: &data}
	if _, err := rows.part(ctx, 0, func([]byte) error { return nil }); err != nil {
		return err // it names the chunk, which the digest cannot
	}
	return v.digest(ctx, s, ref)
}

// digest compares an object's bytes with the SHA-256 that the envelope tells.
func (v *verification) digest(ctx context.Context, s *repository.Source, ref format.ObjectRef) error {
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for off := int64(0); off < ref.Size; off += int64(len(buf)) {
		p := buf[:min(int64(len(buf)), ref.Size-off)]
		if err := s.ReadRange(ctx, ref.Name, off, p); err != nil {
			return err
		}
		h.Write(p)
	}
	if format.Digest(h.Sum(nil)) != ref.SHA256 {
		return &format.CorruptError{Object: s.Path(ref.Name), Chunk: -1, Failure: format.FailChecksum, Reason: "its SHA-256 is not the one in the envelope"}
	}
	return nil
}

func (v *verification) logs(ctx context.Context, s *repository.Source) error {
	logs, err := s.Logs(ctx)
	if err != nil {
		return v.broken(err, Breakage{Source: s.Name, Lost: "the log"})
	}
	for _, l := range logs {
		_, holes := plan.Follow(l)
		for _, hole := range holes {
			if hole.Recorded == nil {
				err := integrityf("log %v has a hole from %v to %v and no gap is recorded: a segment is missing", l.Start.Log, hole.From, hole.To)
				if err := v.broken(err, Breakage{Source: s.Name, Object: s.Path(fmt.Sprintf("log/%v", l.Start.Log)), Lost: fmt.Sprintf("every point of this log after %v", hole.From)}); err != nil {
					return err
				}
				continue
			}
			v.result.Gaps = append(v.result.Gaps, GapInfo{Log: hole.Log, From: hole.From, To: hole.To, Reason: hole.Recorded.Reason, Noted: hole.Recorded.Noted})
		}
		var size int64
		for _, segment := range l.Segments {
			size += segment.Size
		}
		meter := newMeter(v.tracer, "verify the log", size)
		g, ctx := v.group(ctx)
		for _, segment := range l.Segments {
			v.result.Segments++
			g.Go(func() error {
				err := v.segment(ctx, s, segment)
				meter.did(0, fmt.Sprintf("log %v", l.Start.Log), size, 0, segment.Size)
				if err == nil {
					return nil
				}
				return v.broken(err, Breakage{Source: s.Name, Object: s.Path(segment.Object), Lost: fmt.Sprintf("every point of log %v after %v", l.Start.Log, segment.From)})
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		meter.done(0)
		meter.end()
	}
	return nil
}

// segment verifies one segment: every chunk, and that its lanes are what its transactions count.
func (v *verification) segment(ctx context.Context, s *repository.Source, segment plan.Segment) error {
	if v.o.Quick {
		return nil
	}
	h := &holding{source: s}
	seg, err := h.openSegment(ctx, segment)
	if err != nil {
		return err
	}
	tables := map[uint32]bool{}
	for _, table := range seg.Tables() {
		tables[table] = true
	}
	for _, t := range seg.Transactions() {
		for _, c := range t.Tables {
			tables[seg.Layouts()[c.Layout].Table] = true
		}
	}
	for _, table := range sortedKeys(tables) {
		if err := seg.Records(ctx, table, func(format.Record) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

func hasPrefix(id uuid.UUID, prefix string) bool {
	return len(prefix) <= len(id.String()) && id.String()[:len(prefix)] == prefix
}
