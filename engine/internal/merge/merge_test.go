package merge_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgrecall/pgrecall/engine/internal/merge"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal/fold"
)

// net folds the records of a table whose first column is the key.
func net(t testing.TB, columns int, records ...format.Record) *fold.Net {
	t.Helper()
	f, err := fold.New(fold.Options{Table: "public.t", Columns: columns, Key: []int{0}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	for _, r := range records {
		if err := f.Apply(r); err != nil {
			t.Fatal(err)
		}
	}
	n, err := f.Seal()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func update(s string) format.Record { return format.Record{Op: format.Update, New: []byte(s)} }

func TestAChunkWithoutChangesGoesOutAsItCame(t *testing.T) {
	chunk := []byte("1\ta\n2\tb\n")
	for name, changes := range map[string]merge.Changes{
		"no changes at all": nil, "changes elsewhere": net(t, 2, update("3\tx")),
	} {
		m := merge.New(changes, 2, merge.Options{})
		calls := 0
		err := m.Chunk(chunk, func(rows []byte) error {
			if calls++; &rows[0] != &chunk[0] || len(rows) != len(chunk) {
				t.Errorf("%s: copied to %q", name, rows)
			}
			return nil
		})
		if err != nil || calls != 1 {
			t.Errorf("%s: %d calls, %v", name, calls, err)
		}
		if c := m.Counts(); c.Base != 2 || c.Rows() != 2 || c.Bytes != int64(len(chunk)) || c.Delta != (format.ContentHash{}) {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestAChunkThatIsNotWholeRowsIsRefused(t *testing.T) {
	for name, chunk := range map[string]string{
		"no end": "1\ta\n2\tb", "too few fields": "1\ta\n2\n", "too many fields": "1\ta\tb\n",
	} {
		for _, changes := range []merge.Changes{nil, net(t, 2), net(t, 2, format.Record{Op: format.Truncate})} {
			err := merge.New(changes, 2, merge.Options{}).Chunk([]byte(chunk), func([]byte) error { return nil })
			if !errors.Is(err, format.ErrCorrupt) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if err := merge.New(nil, 0, merge.Options{}).Chunk([]byte("\n\n"), func([]byte) error { return nil }); err != nil {
		t.Errorf("a table without columns: %v", err)
	}
}

func TestATruncatedTableLetsNoBaseRowOut(t *testing.T) {
	m := merge.New(net(t, 2, format.Record{Op: format.Truncate}), 2, merge.Options{})
	err := m.Chunk([]byte("1\ta\n2\tb\n"), func(rows []byte) error { return fmt.Errorf("%q came out", rows) })
	if c := m.Counts(); err != nil || c.Dropped != 2 || c.Rows() != 0 {
		t.Fatalf("%+v, %v", c, err)
	}
}

func TestAnErrorOfTheOutputEndsTheMerge(t *testing.T) {
	broken := errors.New("broken pipe")
	n := net(t, 2, update("1\tx"), format.Record{Op: format.Insert, New: []byte("9\ty")})
	m := merge.New(n, 2, merge.Options{})
	emit := func([]byte) error { return broken }
	if err := m.Chunk([]byte("1\ta\n"), emit); !errors.Is(err, broken) {
		t.Errorf("a changed chunk: %v", err)
	}
	if err := m.Chunk([]byte("2\ta\n"), emit); !errors.Is(err, broken) {
		t.Errorf("an unchanged chunk: %v", err)
	}
	added, err := n.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Add(added, 0, added.Len(), emit); !errors.Is(err, broken) {
		t.Errorf("an added row: %v", err)
	}
}

// Small rows that became large must not all be in memory at once.
func TestRowsThatGrewAreLetOutPieceByPiece(t *testing.T) {
	const n, size = 20, 3 << 20
	var chunk, want []byte
	var records []format.Record
	for i := range n {
		grown := fmt.Appendf(nil, "%d\t\\u\t%s", i, bytes.Repeat([]byte{byte('a' + i%26)}, size+i*100_000))
		records = append(records, format.Record{Op: format.Update, New: grown})
		chunk = fmt.Appendf(chunk, "%d\tbase%d\tsmall\n", i, i)
		want = append(want, bytes.Replace(grown, []byte(`\u`), fmt.Appendf(nil, "base%d", i), 1)...)
		want = append(want, '\n')
	}
	slices.Reverse(records)
	m := merge.New(net(t, 3, records...), 3, merge.Options{})
	var got []byte
	largest := 0
	err := m.Chunk(chunk, func(rows []byte) error {
		got = append(got, rows...)
		largest = max(largest, len(rows))
		return nil
	})
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes of other rows than the %d wanted, %v", len(got), len(want), err)
	}
	if largest > 9<<20 {
		t.Errorf("%d bytes were let out at once", largest)
	}
}

func TestAChunkWithMoreChangesThanAreLoadedAtOnce(t *testing.T) {
	const n = 20_000
	var chunk []byte
	var records []format.Record
	for i := range n {
		chunk = fmt.Appendf(chunk, "%d\tbase\n", i)
		if i%3 == 0 {
			records = append(records, update(fmt.Sprint(i, "\tnew")))
		}
		if i%7 == 0 {
			records = append(records, format.Record{Op: format.Delete, OldKind: format.OldKey, Old: fmt.Appendf(nil, "%d\t\\N", i)})
		}
	}
	m := merge.New(net(t, 2, records...), 2, merge.Options{})
	var got bytes.Buffer
	if err := m.Chunk(chunk, func(rows []byte) error { _, err := got.Write(rows); return err }); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for i := range n {
		switch {
		case i%7 == 0:
		case i%3 == 0:
			fmt.Fprintf(&want, "%d\tnew\n", i)
		default:
			fmt.Fprintf(&want, "%d\tbase\n", i)
		}
	}
	if got.String() != want.String() {
		t.Fatal("other rows came out than should")
	}
}

// A base row that the log changed or deleted and that is not there, or is there
// twice, is a contradiction; so is a row at a key that the log inserted.
func TestABaseThatDoesNotFitTheLogIsNeverRestored(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		for range rapid.IntRange(2, 8).Draw(t, "transactions") {
			m.transact(t)
		}
		base, records := m.cut(t)
		known := m.needed(records)
		if known == nil {
			t.Skip("the table is truncated: the base does not matter")
		}
		var victims []int
		for _, id := range slices.Sorted(maps.Keys(base)) {
			if known[m.identity(base[id])] {
				victims = append(victims, id)
			}
		}
		if len(victims) == 0 {
			t.Skip("the log touches no base row")
		}
		id := rapid.SampledFrom(victims).Draw(t, "victim")
		if len(m.key) > 0 && rapid.Bool().Draw(t, "twice") {
			base[-1] = base[id]
		} else {
			// Of rows that are equal all go, so that none is left for the log.
			gone := string(line(base[id]))
			for other, fields := range base {
				if string(line(fields)) == gone {
					delete(base, other)
				}
			}
		}
		if err := restoreAll(m, dir, base, records); !errors.Is(err, fold.ErrContradiction) {
			t.Fatalf("restored, with error %v", err)
		}
	})
}

// identity is by what the log tells a row.
func (m *model) identity(fields []string) string {
	if len(m.key) == 0 {
		return string(line(fields))
	}
	return m.keyOf(fields)
}

// needed is the rows that must be in the base for the log to be possible; nil if
// there is a truncate in it.
func (m *model) needed(records []format.Record) map[string]bool {
	needed := map[string]bool{}
	count := map[string]int{}
	of := func(row []byte) string { return m.identity(strings.Split(string(row), "\t")) }
	for _, r := range records {
		old := r.Old
		if r.Op == format.Update && r.OldKind == format.OldNone {
			old = r.New
		}
		if r.Op == format.Truncate {
			return nil
		}
		if r.Op != format.Insert {
			count[of(old)]--
			needed[of(old)] = needed[of(old)] || count[of(old)] < 0
		}
		if r.Op != format.Delete {
			count[of(complete(r))]++
		}
	}
	return needed
}

// complete is the new row with unchanged fields from the old one.
func complete(r format.Record) []byte {
	fields := strings.Split(string(r.New), "\t")
	for i, field := range fields {
		if field == format.Unchanged && r.OldKind != format.OldNone {
			fields[i] = strings.Split(string(r.Old), "\t")[i]
		}
	}
	return []byte(strings.Join(fields, "\t"))
}

func restoreAll(m *model, dir string, base map[int][]string, records []format.Record) error {
	f, err := fold.New(fold.Options{Table: "public.t", Columns: m.columns, Key: m.key, Dir: dir})
	if err != nil {
		return err
	}
	defer f.Close()
	for _, r := range records {
		if err := f.Apply(r); err != nil {
			return err
		}
	}
	n, err := f.Seal()
	if err != nil {
		return err
	}
	defer n.Close()
	merger := merge.New(n, m.columns, merge.Options{})
	for _, s := range lines(base) {
		if err := merger.Chunk([]byte(s+"\n"), func([]byte) error { return nil }); err != nil {
			return err
		}
	}
	_, err = n.Finish()
	return err
}
