package fold

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// memFile is a File that fails or lies when told to.
type memFile struct {
	mu     sync.Mutex
	b      []byte
	full   int // writes beyond fail
	closed bool
}

func (f *memFile) WriteAt(p []byte, at int64) (int, error) {
	if int(at)+len(p) > f.full {
		return 0, syscall.ENOSPC
	}
	f.b = append(f.b[:at], p...)
	return len(p), nil
}

func (f *memFile) ReadAt(p []byte, at int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return bytes.NewReader(f.b).ReadAt(p, at)
}

func (f *memFile) Close() error { f.closed = true; return nil }

func TestSpillGivesRowsBackFromMemoryAndFile(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	s := newSpill(20_000, func() (File, error) { return unlinked(t.TempDir()) })
	var places []place
	var rows []string
	var origins []hash
	for i := range 3000 {
		n := r.IntN(200)
		switch i {
		case 500:
			n = 5 << 20 // longer than a place can tell
		case 700:
			n = 300_000
		}
		row := strings.Repeat(string(rune('a'+i%26)), n)
		var origin hash
		if i%3 == 0 {
			origin = hash{uint64(i), uint64(i + 1)}
		}
		var old place
		if i%5 == 4 { // in the place of the row before, if it fits there
			old = places[i-1]
			rows[i-1] = ""
		}
		p, err := s.put([]byte(row), origin, old)
		if err != nil {
			t.Fatal(err)
		}
		if p == 0 {
			t.Fatal("a row is nowhere")
		}
		places, rows, origins = append(places, p), append(rows, row), append(origins, origin)
		at := r.IntN(i + 1)
		checkSpilled(t, s.load, places[at], rows[at], origins[at])
	}
	if err := s.seal(); err != nil {
		t.Fatal(err)
	}
	w := window{s: s}
	for i := range places {
		load := func(p place) (spilled, error) { return w.row(places[i:]) }
		if i%7 == 0 {
			load = func(p place) (spilled, error) { return w.row([]place{p & offsetMask}) } // of unknown length
		}
		checkSpilled(t, load, places[i], rows[i], origins[i])
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
}

func checkSpilled(t *testing.T, load func(place) (spilled, error), p place, row string, origin hash) {
	t.Helper()
	if row == "" {
		return // dead
	}
	got, err := load(p)
	if err != nil || string(got.row) != row || got.origin != origin || got.moved != (origin != hash{}) {
		t.Fatalf("at %d: got %d bytes, origin %v, %v; want %d bytes, origin %v", p.offset(), len(got.row), got.origin, err, len(row), origin)
	}
}

func TestARowChangedOverAndOverTakesNoRoom(t *testing.T) {
	s := newSpill(1<<20, nil)
	var p place
	for i := range 1000 {
		var err error
		if p, err = s.put(fmt.Appendf(nil, "%04d", i), hash{}, p); err != nil {
			t.Fatal(err)
		}
	}
	if s.end() > 100 {
		t.Fatalf("%d bytes for one row", s.end())
	}
}

func TestSpillFileLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	f, err := unlinked(dir)
	if err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 0 {
		t.Fatalf("%v, %v", names, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAFullDiskEndsTheFold(t *testing.T) {
	file := &memFile{full: 10_000}
	f, err := New(Options{Table: "public.t", Columns: 2, Key: first, Memory: 1000, Open: func() (File, error) { return file, nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range 100_000 {
		if err = f.Apply(ins(fmt.Sprint(i, " some_value"))); err != nil {
			break
		}
	}
	if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrContradiction) || !strings.Contains(err.Error(), "public.t") {
		t.Fatalf("%v", err)
	}
}

func TestADamagedSpillIsFound(t *testing.T) {
	for at := range 100 {
		file := &memFile{full: 1 << 20}
		o := Options{Columns: 2, Key: first, Memory: 1, Open: func() (File, error) { return file, nil }}
		f, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []string{"1 some_value", "2 \\u", "3 a_value"} {
			if err := f.Apply(upd(r)); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Apply(updK(`3 \N`, `4 \u`)); err != nil {
			t.Fatal(err)
		}
		n, err := f.Seal()
		if err != nil {
			t.Fatal(err)
		}
		if at >= len(file.b) {
			break
		}
		file.b[at] ^= 1
		out, err := merged(n, []string{"1 a", "2 b", "3 c"})
		if err == nil && strings.Join(out, ",") != "1 some_value,2 b,4 a_value" {
			t.Fatalf("byte %d flipped gave %q", at, out)
		}
		if err := n.Close(); err != nil || !file.closed {
			t.Fatalf("not closed: %v", err)
		}
	}
}
