package repository_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/engine/internal/repository"
	"github.com/pgrecall/pgrecall/engine/internal/store"
	"github.com/pgrecall/pgrecall/format"
)

func now() time.Time { return time.Date(2024, 12, 24, 12, 0, 0, 0, time.UTC) }

var identity = format.Source{Name: "Käse.db", SystemID: "7", DatabaseOID: 5, Database: "Käse.db", Encoding: "UTF8", Created: now()}

func newSource(t *testing.T) (string, store.Store, *repository.Source) {
	t.Helper()
	dir := t.TempDir()
	s := store.NewFolder(filepath.Join(dir, "repo"))
	r, err := repository.Create(t.Context(), s, now())
	if err != nil {
		t.Fatal(err)
	}
	source, err := r.AddSource(t.Context(), identity)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "repo"), s, source
}

func envelope() (*format.Envelope, *format.Body) {
	e := &format.Envelope{SystemID: "7", DatabaseOID: 5, ServerVersion: 150000, Encoding: "UTF8", Started: now(),
		Groups: []format.Group{{Visibility: format.Visibility{Xmin: 5, Xmax: 5}, LSN: 9, Time: now()}}, Parts: []format.ObjectRef{}}
	return e, &format.Body{Database: "Käse.db", Catalog: []byte(`{}`), Tables: []format.TableData{}, Sequences: []format.SequenceSample{}}
}

// putPart puts a part with one row.
func putPart(ctx context.Context, run *repository.Run, row string) (format.ObjectRef, error) {
	ref := format.ObjectRef{ID: uuid.Must(uuid.NewV7())}
	var err error
	ref.Name, err = run.PutPart(ctx, ref.ID, func(w io.Writer) error {
		o, err := format.NewWriter(w, format.KindPart, ref.ID, format.None)
		if err != nil {
			return err
		}
		if err := o.WriteChunk(format.Chunk{Kind: format.ChunkRows, Table: 1, Rows: 1}, []byte(row+"\n")); err != nil {
			return err
		}
		sum, err := o.Close()
		ref.Size, ref.SHA256 = sum.Size, sum.SHA256
		return err
	})
	return ref, err
}

func objects(t *testing.T, s store.Store) []string {
	t.Helper()
	var names []string
	if err := s.List(t.Context(), "", func(i store.Info) error { names = append(names, i.Name); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func TestASourceKeepsItsDatabase(t *testing.T) {
	_, s, source := newSource(t)
	r, err := repository.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Source(t.Context(), "Käse.db"); err != nil || got.Source != identity {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := r.AddSource(t.Context(), identity); err != nil {
		t.Errorf("the same database again: %v", err)
	}
	other := identity
	other.DatabaseOID = 6
	if _, err := r.AddSource(t.Context(), other); !errors.Is(err, repository.ErrOtherDatabase) {
		t.Errorf("another oid: %v", err)
	}
	if err := source.CheckDatabase("8", 5); !errors.Is(err, repository.ErrOtherDatabase) {
		t.Errorf("another system: %v", err)
	}
	if _, err := r.Source(t.Context(), "käse.db"); !errors.Is(err, repository.ErrNoSource) {
		t.Errorf("another name: %v", err)
	}
	if got := objects(t, s); !slices.Contains(got, "sources/%4B%C3%A4se.db/source") {
		t.Errorf("objects %q", got)
	}
}

func TestAPlaceWithOtherThingsIsNoRepository(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := store.NewFolder(dir)
	if _, err := repository.Open(t.Context(), s); !errors.Is(err, repository.ErrNoRepository) {
		t.Errorf("Open: %v", err)
	}
	if _, err := repository.Create(t.Context(), s, now()); err == nil || !strings.Contains(err.Error(), "thesis.txt") {
		t.Errorf("Create: %v", err)
	}
}

func TestASnapshotExistsOnceItsEnvelopeDoes(t *testing.T) {
	_, s, source := newSource(t)
	run, err := source.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ref, err := putPart(t.Context(), run, "hello")
	if err != nil {
		t.Fatal(err)
	}
	if all, err := source.Envelopes(t.Context()); err != nil || len(all) != 0 {
		t.Fatalf("before: %v, %v", all, err)
	}
	// Another process cleans up meanwhile, and must not touch a snapshot being taken.
	if n, err := source.Clean(t.Context()); err != nil || n != 0 {
		t.Fatalf("cleaned %d, %v", n, err)
	}
	e, b := envelope()
	e.Parts, b.Tables = []format.ObjectRef{ref}, []format.TableData{{OID: 1, Schema: "public", Name: "t", Parts: []format.Part{{Object: 0}}}}
	if err := run.Publish(t.Context(), e, b, now); err != nil {
		t.Fatal(err)
	}
	if err := run.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := source.Clean(t.Context()); err != nil || n != 0 {
		t.Fatalf("cleaned %d, %v", n, err)
	}
	all, err := source.Envelopes(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != run.ID() {
		t.Fatalf("after: %v, %v", all, err)
	}
	if _, err := source.Body(t.Context(), all[0]); err != nil {
		t.Error(err)
	}
	part, err := source.OpenPart(t.Context(), all[0].Parts[0])
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := part.ReadChunk(t.Context(), 0, nil); err != nil || string(rows) != "hello\n" {
		t.Errorf("part: %q, %v", rows, err)
	}
	if got := objects(t, s); len(got) != 5 { // config, source, envelope, body, part
		t.Errorf("objects %q", got)
	}
}

func TestWhatAnInterruptedSnapshotLeftIsCleaned(t *testing.T) {
	dir, s, source := newSource(t)
	run, err := source.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := putPart(t.Context(), run, "hello"); err != nil {
		t.Fatal(err)
	}
	// A killed process leaves its marker without the lock: as a copy of the file is.
	marker := filepath.Join(dir, "sources", "%4B%C3%A4se.db", "running", run.ID().String())
	if err := os.Remove(marker); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(marker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := source.Clean(t.Context()); err != nil || n == 0 {
		t.Errorf("cleaned %d, %v", n, err)
	}
	if got := objects(t, s); len(got) != 2 {
		t.Errorf("objects %q", got)
	}
}

func TestAnAbandonedRunRemovesItsParts(t *testing.T) {
	_, s, source := newSource(t)
	run, err := source.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := putPart(t.Context(), run, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := run.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := objects(t, s); len(got) != 2 {
		t.Errorf("objects %q", got)
	}
}

func TestAFailedPartTellsItsCause(t *testing.T) {
	_, _, source := newSource(t)
	run, err := source.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("the table is gone")
	if _, err := run.PutPart(t.Context(), uuid.New(), func(io.Writer) error { return cause }); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = run.PutPart(ctx, uuid.New(), func(w io.Writer) error {
		_, err := w.Write(make([]byte, 1<<20))
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestABodyThatDoesNotFitItsEnvelopeIsCorrupt: rows that the two count differently, and a part that no table owns.
func TestABodyThatDoesNotFitItsEnvelopeIsCorrupt(t *testing.T) {
	for name, change := range map[string]func(*format.Envelope){
		"rows":  func(e *format.Envelope) { e.Rows = 1 },
		"parts": func(e *format.Envelope) { e.Parts = []format.ObjectRef{{Name: "parts/x.part"}} },
	} {
		t.Run(name, func(t *testing.T) {
			_, _, source := newSource(t)
			run, err := source.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			e, b := envelope()
			change(e)
			if err := run.Publish(t.Context(), e, b, now); err != nil {
				t.Fatal(err)
			}
			if _, err := source.Body(t.Context(), e); !errors.Is(err, format.ErrCorrupt) || !strings.Contains(err.Error(), ".body") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestSwappedAndMissingObjectsAreCorrupt(t *testing.T) {
	dir, _, source := newSource(t)
	var refs []format.ObjectRef
	var ids []uuid.UUID
	for range 2 {
		run, err := source.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ref, err := putPart(t.Context(), run, "hello")
		if err != nil {
			t.Fatal(err)
		}
		e, b := envelope()
		e.Parts = []format.ObjectRef{ref}
		if err := run.Publish(t.Context(), e, b, now); err != nil {
			t.Fatal(err)
		}
		if err := run.End(t.Context()); err != nil {
			t.Fatal(err)
		}
		refs, ids = append(refs, ref), append(ids, run.ID())
	}
	path := func(name string) string { return filepath.Join(dir, filepath.FromSlash(source.Path(name))) }
	if err := os.Rename(path(refs[0].Name), path(refs[1].Name)); err != nil {
		t.Fatal(err)
	}
	for i, ref := range refs {
		if _, err := source.OpenPart(t.Context(), ref); !errors.Is(err, format.ErrCorrupt) {
			t.Errorf("part %d: %v", i, err)
		}
	}
	names, err := source.ListSnapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for name := range names {
		files = append(files, path(name))
	}
	if err := os.Rename(files[0], files[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Envelopes(t.Context()); !errors.Is(err, format.ErrCorrupt) {
		t.Errorf("an envelope of %v under another's name: %v", ids, err)
	}
}

func TestASourceWithoutItsFirstObjectIsMissed(t *testing.T) {
	dir, s, source := newSource(t)
	run, err := source.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := putPart(t.Context(), run, "row"); err != nil {
		t.Fatal(err)
	}
	other := identity
	other.Name = "other"
	r, err := repository.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.AddSource(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if all, err := r.Sources(t.Context()); err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	if err := os.Remove(filepath.Join(dir, "sources", "%4B%C3%A4se.db", "source")); err != nil {
		t.Fatal(err)
	}
	if all, err := r.Sources(t.Context()); !errors.Is(err, repository.ErrCorrupt) || !strings.Contains(err.Error(), "sources/%4B%C3%A4se.db/source is missing") {
		t.Errorf("%v, %v", all, err)
	}
}

func TestLogsAreListedByName(t *testing.T) {
	_, _, source := newSource(t)
	start := format.LogStart{Log: uuid.Must(uuid.NewV7()), SystemID: "7", DatabaseOID: 5, Slot: "s", Publication: "p", ConsistentPoint: 100,
		Visibility: format.Visibility{Xmin: 5, Xmax: 5}, Created: now()}
	if err := source.StartLog(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	sink := source.SegmentSink(start.Log, now)
	name := format.SegmentName{From: 100, To: 200, MinXID: 5, MaxXID: 6, MinTime: now(), MaxTime: now()}
	if err := sink.PutSegment(t.Context(), name, bytes.NewReader([]byte("segment"))); err != nil {
		t.Fatal(err)
	}
	if err := sink.PutSegment(t.Context(), name, bytes.NewReader([]byte("segment"))); !errors.Is(err, store.ErrExists) {
		t.Errorf("the same again: %v", err)
	}
	if err := source.NoteGap(t.Context(), format.Gap{Log: start.Log, From: 200, Reason: "lost", Noted: now()}); err != nil {
		t.Fatal(err)
	}
	logs, err := source.Logs(t.Context())
	if err != nil || len(logs) != 1 {
		t.Fatalf("%v, %v", logs, err)
	}
	l := logs[0]
	if l.Start.Log != start.Log || len(l.Segments) != 1 || l.Segments[0].SegmentName != name || l.Segments[0].Size != 7 {
		t.Errorf("got %+v", l)
	}
	if len(l.Gaps) != 1 || l.Gaps[0].Reason != "lost" {
		t.Errorf("gaps %+v", l.Gaps)
	}
}

// TestTheNewestLogIsToldByTheSource: a client's clock that was set back, and positions that go back with the source's
// files, each lead to another log than the one that goes on.
func TestTheNewestLogIsToldByTheSource(t *testing.T) {
	type log struct {
		timeline int32
		from     format.LSN
		hours    time.Duration // of the client's clock
		ended    bool
	}
	for name, logs := range map[string][]log{
		"in order":                        {{1, 100, 1, true}, {1, 200, 2, true}, {1, 300, 3, false}},
		"the client's clock was set back": {{1, 100, 8, true}, {1, 200, 9, true}, {1, 300, 1, false}},
		"all have ended":                  {{1, 100, 8, true}, {1, 200, 9, true}, {1, 300, 1, true}},
		"the source was set back":         {{1, 100, 1, true}, {1, 300, 2, true}, {1, 200, 3, false}},
		"a promotion":                     {{1, 300, 3, true}, {2, 200, 1, true}, {3, 100, 2, false}},
		"the end of one was not recorded": {{1, 100, 9, false}, {1, 200, 1, false}},
		"positions alike, as never by us": {{1, 100, 1, true}, {1, 100, 2, true}},
	} {
		_, _, source := newSource(t)
		var want []uuid.UUID
		for _, l := range logs {
			start := format.LogStart{Log: uuid.New(), SystemID: "7", DatabaseOID: 5, Timeline: l.timeline, Slot: "s", Publication: "p",
				ConsistentPoint: l.from, Visibility: format.Visibility{Xmin: 5, Xmax: 5}, Created: now().Add(l.hours * time.Hour)}
			if err := source.StartLog(t.Context(), start); err != nil {
				t.Fatal(err)
			}
			if l.ended {
				if err := source.NoteGap(t.Context(), format.Gap{Log: start.Log, From: l.from, Reason: "ended", Noted: now()}); err != nil {
					t.Fatal(err)
				}
			}
			want = append(want, start.Log)
		}
		listed, err := source.Logs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []uuid.UUID
		for _, l := range listed {
			got = append(got, l.Start.Log)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
