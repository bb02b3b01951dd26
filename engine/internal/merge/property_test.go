package merge_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgrecall/pgrecall/engine/internal/merge"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal/fold"
)

// TestMain asks for more histories than rapid's 100, unless the command line says how many.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "1000"); err != nil {
		panic(err)
	}
	m.Run()
}

// The model: a table whose rows have an identity that nobody sees, as a tuple has,
// and whose transactions are executed one statement after the other.
type model struct {
	columns int
	key     []int // none: REPLICA IDENTITY FULL without a key
	full    bool  // old rows are logged complete
	few     bool  // values are few, so that rows are often equal
	rows    map[int][]string
	next    int
	history []transaction
}

type transaction struct {
	records []format.Record
	steps   []step
	// touched are the rows and keys that the transaction wrote: another one that
	// touched one of them had to wait for it, or it for the other.
	touched   map[string]bool
	truncates bool
}

// step sets a row, or removes it; clear removes all.
type step struct {
	id     int
	fields []string
	clear  bool
}

func (s step) do(rows map[int][]string) {
	switch {
	case s.clear:
		clear(rows)
	case s.fields == nil:
		delete(rows, s.id)
	default:
		rows[s.id] = s.fields
	}
}

func line(fields []string) []byte { return []byte(strings.Join(fields, "\t")) }

func (m *model) keyOf(fields []string) string {
	var key []string
	for _, k := range m.key {
		key = append(key, fields[k])
	}
	return strings.Join(key, "\t")
}

func (m *model) taken(key string) bool {
	for _, fields := range m.rows {
		if m.keyOf(fields) == key {
			return true
		}
	}
	return false
}

// value draws a field. Values that begin with T are in TOAST: an update that keeps
// one does not log it.
func value(t *rapid.T) string {
	if rapid.IntRange(0, 4).Draw(t, "null") == 0 {
		return format.Null
	}
	raw := rapid.SampledFrom([]string{"", "a", "b", "T1", "T2", "T3", "\\u", "\\N", "T\t\\u\n\\", "u", "\x01\r\v", "ü", "Tlong" + strings.Repeat("x", 300)}).Draw(t, "value")
	return string(format.AppendField(nil, []byte(raw)))
}

func (m *model) draw(t *rapid.T) []string {
	fields := make([]string, m.columns)
	for i := range fields {
		if slices.Contains(m.key, i) {
			fields[i] = rapid.SampledFrom([]string{"1", "2", "3", "4", "T5", "", `\\u`, `a\tb`}).Draw(t, "key")
		} else if m.few {
			fields[i] = rapid.SampledFrom([]string{"T1", "T2"}).Draw(t, "one of two")
		} else {
			fields[i] = value(t)
		}
	}
	return fields
}

func (m *model) pick(t *rapid.T) int {
	ids := slices.Sorted(maps.Keys(m.rows))
	return ids[rapid.IntRange(0, len(ids)-1).Draw(t, "row")]
}

func (m *model) isKey(i int) bool { return slices.Contains(m.key, i) }

func (m *model) log(x *transaction, r format.Record, s step) {
	x.records = append(x.records, r)
	x.steps = append(x.steps, s)
	if s.clear {
		x.truncates = true
	}
	x.touched[fmt.Sprint("row ", s.id)] = true
	for _, fields := range [][]string{m.rows[s.id], s.fields} {
		if len(m.key) > 0 && fields != nil {
			x.touched["key "+m.keyOf(fields)] = true
		}
	}
	s.do(m.rows)
}

func (m *model) insert(t *rapid.T, x *transaction) {
	fields := m.draw(t)
	if len(m.key) > 0 && m.taken(m.keyOf(fields)) {
		return
	}
	m.next++
	m.log(x, format.Record{Op: format.Insert, New: line(fields)}, step{id: m.next, fields: fields})
}

// old is the old row as the server logs it: heapam.c, ExtractReplicaIdentity.
func (m *model) old(fields []string) (byte, []byte) {
	if m.full {
		return format.OldFull, line(fields)
	}
	key := slices.Clone(fields)
	for i := range key {
		if !m.isKey(i) {
			key[i] = format.Null
		}
	}
	return format.OldKey, line(key)
}

func (m *model) update(x *transaction, id int, fields []string) {
	was := m.rows[id]
	r := format.Record{Op: format.Update}
	toastedKey := false
	logged := slices.Clone(fields)
	for i := range fields {
		if strings.HasPrefix(fields[i], "T") && fields[i] == was[i] {
			logged[i] = format.Unchanged
			toastedKey = toastedKey || m.isKey(i)
		}
	}
	r.New = line(logged)
	if m.full || toastedKey || m.keyOf(fields) != m.keyOf(was) {
		r.OldKind, r.Old = m.old(was)
	}
	m.log(x, r, step{id: id, fields: fields})
}

func (m *model) change(t *rapid.T, x *transaction) {
	id := m.pick(t)
	fields := slices.Clone(m.rows[id])
	drawn := m.draw(t)
	for i := range fields {
		if rapid.IntRange(0, 2).Draw(t, "set") == 0 {
			fields[i] = drawn[i]
		}
	}
	if len(m.key) > 0 && m.keyOf(fields) != m.keyOf(m.rows[id]) && m.taken(m.keyOf(fields)) {
		return
	}
	m.update(x, id, fields)
}

// swap exchanges the keys of two rows by way of a third key.
func (m *model) swap(t *rapid.T, x *transaction) {
	a, b := m.pick(t), m.pick(t)
	if a == b || len(m.key) == 0 {
		return
	}
	with := func(id int, from []string) []string {
		fields := slices.Clone(m.rows[id])
		for _, k := range m.key {
			fields[k] = from[k]
		}
		return fields
	}
	aside := slices.Clone(m.rows[a])
	for _, k := range m.key {
		aside[k] = "aside"
	}
	keyA, keyB := m.rows[a], m.rows[b]
	m.update(x, a, aside)
	m.update(x, b, with(b, keyA))
	m.update(x, a, with(a, keyB))
}

func (m *model) remove(t *rapid.T, x *transaction) {
	id := m.pick(t)
	kind, old := m.old(m.rows[id])
	m.log(x, format.Record{Op: format.Delete, OldKind: kind, Old: old}, step{id: id})
}

func (m *model) transact(t *rapid.T) {
	x := transaction{touched: map[string]bool{}}
	for range rapid.IntRange(1, 8).Draw(t, "statements") {
		what := rapid.IntRange(0, 40).Draw(t, "statement")
		switch {
		case what == 40:
			m.log(&x, format.Record{Op: format.Truncate}, step{clear: true})
		case what < 14 || len(m.rows) == 0:
			m.insert(t, &x)
		case what < 28:
			m.change(t, &x)
		case what < 34:
			m.swap(t, &x)
		default:
			m.remove(t, &x)
		}
	}
	m.history = append(m.history, x)
}

// cut draws which transactions a snapshot sees: any set in which no transaction is
// seen without all earlier ones that it had to wait for.
func (m *model) cut(t *rapid.T) (base map[int][]string, rest []format.Record) {
	base = map[int][]string{}
	var unseen []transaction
	for _, x := range m.history {
		seen := rapid.IntRange(0, 2).Draw(t, "seen") > 0
		for _, u := range unseen {
			if x.truncates || u.truncates {
				seen = false
			}
			for k := range x.touched {
				seen = seen && !u.touched[k]
			}
		}
		if !seen {
			unseen = append(unseen, x)
			rest = append(rest, x.records...)
			continue
		}
		for _, s := range x.steps {
			s.do(base)
		}
	}
	return base, rest
}

func lines(rows map[int][]string) []string {
	var out []string
	for _, fields := range rows {
		out = append(out, string(line(fields)))
	}
	slices.Sort(out)
	return out
}

func newModel(t *rapid.T) *model {
	m := &model{columns: rapid.IntRange(1, 5).Draw(t, "columns"), rows: map[int][]string{}}
	if rapid.Bool().Draw(t, "keyed") {
		all := make([]int, m.columns)
		for i := range all {
			all[i] = i
		}
		m.key = rapid.Permutation(all).Draw(t, "order")[:rapid.IntRange(1, min(3, m.columns)).Draw(t, "key columns")]
		m.full = rapid.IntRange(0, 3).Draw(t, "full") == 0
	} else {
		m.full = true
		m.few = rapid.Bool().Draw(t, "few values")
	}
	return m
}

func TestMergeOfAnyHistoryEqualsExecutingIt(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		for range rapid.IntRange(0, 12).Draw(t, "transactions") {
			m.transact(t)
		}
		base, records := m.cut(t)
		f, err := fold.New(fold.Options{Table: "public.t", Columns: m.columns, Key: m.key, Dir: dir,
			Memory: rapid.SampledFrom([]int{0, 1, 300}).Draw(t, "memory")})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, r := range records {
			// The record must not be kept: it is overwritten after the call.
			r.Old, r.New = bytes.Clone(r.Old), bytes.Clone(r.New)
			if err := f.Apply(r); err != nil {
				t.Fatal(err)
			}
			clear(r.Old)
			clear(r.New)
		}
		net, err := f.Seal()
		if err != nil {
			t.Fatal(err)
		}
		defer net.Close()
		got, counts := mergeParts(t, net, parts(t, base))
		if want := lines(m.rows); !slices.Equal(got, want) {
			t.Fatalf("restored %q\nwant     %q\nbase     %q", got, want, lines(base))
		}
		checkCounts(t, m, net, base, counts)
	})
}

// parts draws a division of the rows into parts, and of those into chunks.
func parts(t *rapid.T, base map[int][]string) [][][]byte {
	all := make([][][]byte, rapid.IntRange(1, 4).Draw(t, "parts"))
	for _, id := range rapid.Permutation(slices.Sorted(maps.Keys(base))).Draw(t, "ctids") {
		p := rapid.IntRange(0, len(all)-1).Draw(t, "part")
		if n := len(all[p]); n == 0 || rapid.Bool().Draw(t, "new chunk") {
			all[p] = append(all[p], nil)
		}
		n := len(all[p])
		all[p][n-1] = append(append(all[p][n-1], line(base[id])...), '\n')
	}
	return all
}

// mergeParts merges every part in a goroutine of its own and then the added rows in
// two.
func mergeParts(t *rapid.T, net *fold.Net, parts [][][]byte) ([]string, merge.Counts) {
	var mu sync.Mutex
	var total merge.Counts
	var out []string
	var failed error
	emit := func(rows []byte) error {
		mu.Lock()
		defer mu.Unlock()
		if len(rows) == 0 || rows[len(rows)-1] != '\n' {
			return fmt.Errorf("emitted %q", rows)
		}
		out = append(out, strings.Split(string(rows[:len(rows)-1]), "\n")...)
		return nil
	}
	run := func(jobs int, job func(m *merge.Merger, i int) error) {
		var wg sync.WaitGroup
		for i := range jobs {
			wg.Go(func() {
				m := merge.New(net, net.Columns(), merge.Options{HashBase: true})
				err := job(m, i)
				mu.Lock()
				defer mu.Unlock()
				total.Add(m.Counts())
				if err != nil {
					failed = err
				}
			})
		}
		wg.Wait()
		if failed != nil {
			t.Fatal(failed)
		}
	}
	run(len(parts), func(m *merge.Merger, i int) error {
		for _, chunk := range parts[i] {
			if err := m.Chunk(chunk, emit); err != nil {
				return err
			}
		}
		return nil
	})
	added, err := net.Finish()
	if err != nil {
		t.Fatal(err)
	}
	half := added.Len() / 2
	run(2, func(m *merge.Merger, i int) error {
		if i == 0 {
			return m.Add(added, 0, half, emit)
		}
		return m.Add(added, half, added.Len(), emit)
	})
	slices.Sort(out)
	return out, total
}

func checkCounts(t *rapid.T, m *model, net *fold.Net, base map[int][]string, c merge.Counts) {
	var before, after format.ContentHash
	var bytes int64
	for _, s := range lines(base) {
		before.AddRow([]byte(s))
	}
	for _, s := range lines(m.rows) {
		after.AddRow([]byte(s))
		bytes += int64(len(s)) + 1
	}
	if c.Base != int64(len(base)) || c.Rows() != int64(len(m.rows)) || c.Bytes != bytes {
		t.Fatalf("%d rows in, %d rows and %d bytes out: %+v", len(base), len(m.rows), bytes, c)
	}
	hash := c.BaseHash
	hash.Add(c.Delta)
	if c.BaseHash != before || hash != after {
		t.Fatalf("content hashes %v and %v, want %v and %v", c.BaseHash, hash, before, after)
	}
	s := net.Stats()
	if s.Replaced != c.Replaced || s.Added != c.Added || !net.Emptied() && s.Dropped != c.Dropped {
		t.Fatalf("the fold foretold %+v, the merge did %+v", s, c)
	}
}
