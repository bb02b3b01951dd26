// Package storetest is the conformance suite that every store passes.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/pgrecall/pgrecall/engine/internal/store"
)

// Run runs the suite; open returns an empty store.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, store.Store)
	}{
		{"an object is read back in whole and in ranges", readBack},
		{"a taken name is refused and its object untouched", createOnly},
		{"of many writers of one name exactly one wins", oneWinner},
		{"an object whose reader fails is not visible", failedReader},
		{"an object whose context ends is not visible", cancelled},
		{"a range past the end is an error", shortRange},
		{"what does not exist is said to be absent", absent},
		{"a prefix lists what begins with it", listing},
		{"a listing can be ended", listingEnds},
		{"a deleted object is gone and its name free", deletes},
		{"an invalid name is refused by every method", invalidNames},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func put(t *testing.T, s store.Store, name string, content string) {
	t.Helper()
	if err := s.Put(t.Context(), name, bytes.NewReader([]byte(content))); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s store.Store, name string) string {
	t.Helper()
	info, err := s.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, info.Size)
	if err := s.ReadRange(t.Context(), name, 0, p); err != nil {
		t.Fatal(err)
	}
	return string(p)
}

func names(t *testing.T, s store.Store, prefix string) []string {
	t.Helper()
	got := []string{}
	err := s.List(t.Context(), prefix, func(i store.Info) error {
		got = append(got, fmt.Sprintf("%s:%d", i.Name, i.Size))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	return got
}

func readBack(t *testing.T, s store.Store) {
	put(t, s, "a/b/c", "0123456789")
	put(t, s, "empty", "")
	if got := get(t, s, "a/b/c"); got != "0123456789" {
		t.Errorf("got %q", got)
	}
	if got := get(t, s, "empty"); got != "" {
		t.Errorf("got %q", got)
	}
	p := make([]byte, 4)
	if err := s.ReadRange(t.Context(), "a/b/c", 3, p); err != nil || string(p) != "3456" {
		t.Errorf("range: %q, %v", p, err)
	}
}

func createOnly(t *testing.T, s store.Store) {
	put(t, s, "x", "first")
	if err := s.Put(t.Context(), "x", bytes.NewReader([]byte("second"))); !errors.Is(err, store.ErrExists) {
		t.Errorf("second Put: %v, want ErrExists", err)
	}
	if got := get(t, s, "x"); got != "first" {
		t.Errorf("got %q", got)
	}
}

func oneWinner(t *testing.T, s store.Store) {
	const writers = 8
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[i] = s.Put(t.Context(), "deep/er/x", bytes.NewReader([]byte{byte('0' + i)}))
		}()
	}
	wg.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Errorf("writers %d and %d both won", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, store.ErrExists):
			t.Errorf("writer %d: %v", i, err)
		}
	}
	if winner < 0 {
		t.Fatal("nobody won")
	}
	if got := get(t, s, "deep/er/x"); got != string(rune('0'+winner)) {
		t.Errorf("content of %q, winner %d", got, winner)
	}
}

// broken gives some bytes and then an error.
type broken struct {
	left int
	end  func() error
}

func (b *broken) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, b.end()
	}
	n := min(b.left, len(p))
	b.left -= n
	return n, nil
}

func failedReader(t *testing.T, s store.Store) {
	cause := errors.New("the source went away")
	err := s.Put(t.Context(), "x", &broken{1 << 20, func() error { return cause }})
	if !errors.Is(err, cause) {
		t.Errorf("got %v, want the reader's error", err)
	}
	if got := names(t, s, ""); len(got) != 0 {
		t.Errorf("visible: %q", got)
	}
}

func cancelled(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Put(ctx, "x", &broken{1 << 20, func() error { cancel(); return io.EOF }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if got := names(t, s, ""); len(got) != 0 {
		t.Errorf("visible: %q", got)
	}
}

func shortRange(t *testing.T, s store.Store) {
	put(t, s, "x", "01234")
	for _, off := range []int64{2, 5, 99} {
		if err := s.ReadRange(t.Context(), "x", off, make([]byte, 4)); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("range at %d: %v, want io.ErrUnexpectedEOF", off, err)
		}
	}
}

func absent(t *testing.T, s store.Store) {
	if err := s.ReadRange(t.Context(), "a/b", 0, make([]byte, 1)); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("ReadRange: %v", err)
	}
	if _, err := s.Stat(t.Context(), "a/b"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("Stat: %v", err)
	}
	if err := s.Delete(t.Context(), "a/b"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if got := names(t, s, "a/"); len(got) != 0 {
		t.Errorf("List: %q", got)
	}
}

func listing(t *testing.T, s store.Store) {
	for _, name := range []string{"a/1", "a/2", "a/b/3", "ab", "b/a/1"} {
		put(t, s, name, name)
	}
	for prefix, want := range map[string][]string{
		"":      {"a/1:3", "a/2:3", "a/b/3:5", "ab:2", "b/a/1:5"},
		"a":     {"a/1:3", "a/2:3", "a/b/3:5", "ab:2"},
		"a/":    {"a/1:3", "a/2:3", "a/b/3:5"},
		"a/b/":  {"a/b/3:5"},
		"b/a/1": {"b/a/1:5"},
		"c/":    {},
	} {
		if got := names(t, s, prefix); !slices.Equal(got, want) {
			t.Errorf("prefix %q: %q, want %q", prefix, got, want)
		}
	}
}

func listingEnds(t *testing.T, s store.Store) {
	put(t, s, "a", "")
	put(t, s, "b", "")
	enough, calls := errors.New("enough"), 0
	err := s.List(t.Context(), "", func(store.Info) error { calls++; return enough })
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

func deletes(t *testing.T, s store.Store) {
	put(t, s, "a/b/x", "1")
	if err := s.Delete(t.Context(), "a/b/x"); err != nil {
		t.Fatal(err)
	}
	if got := names(t, s, ""); len(got) != 0 {
		t.Errorf("still there: %q", got)
	}
	put(t, s, "a/b/x", "2")
	if got := get(t, s, "a/b/x"); got != "2" {
		t.Errorf("got %q", got)
	}
}

func invalidNames(t *testing.T, s store.Store) {
	for _, name := range []string{"", "/a", "a/", "a//b", "..", "a/../b", ".tmp/x", "a b", "a\x00", "ä", "a\\b"} {
		if err := s.Put(t.Context(), name, bytes.NewReader(nil)); !errors.Is(err, store.ErrName) {
			t.Errorf("Put(%q): %v", name, err)
		}
		if err := s.ReadRange(t.Context(), name, 0, nil); !errors.Is(err, store.ErrName) {
			t.Errorf("ReadRange(%q): %v", name, err)
		}
		if _, err := s.Stat(t.Context(), name); !errors.Is(err, store.ErrName) {
			t.Errorf("Stat(%q): %v", name, err)
		}
		if err := s.Delete(t.Context(), name); !errors.Is(err, store.ErrName) {
			t.Errorf("Delete(%q): %v", name, err)
		}
	}
}
