package merge_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgrecall/pgrecall/engine/internal/merge"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal/fold"
)

// alter gives the model's table another form, as DDL without a rewrite does: columns go, others come with one value in all
// rows, and the identity may be another. The number of columns may become 0.
func (m *model) alter(t *rapid.T) *merge.Reshape {
	r := &merge.Reshape{From: m.columns}
	for i := range m.columns {
		if rapid.IntRange(0, 3).Draw(t, "keep") > 0 {
			r.Fields = append(r.Fields, merge.ReshapedField{From: i})
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "new columns") {
		r.Fields = append(r.Fields, merge.ReshapedField{From: -1, Value: []byte(value(t))})
	}
	for id, fields := range m.rows {
		shaped := []string{}
		for _, f := range r.Fields {
			if f.From < 0 {
				shaped = append(shaped, string(f.Value))
			} else {
				shaped = append(shaped, fields[f.From])
			}
		}
		m.rows[id] = shaped
	}
	m.columns, m.key, m.full, m.history = len(r.Fields), nil, true, nil
	if key := rapid.IntRange(0, max(0, m.columns-1)).Draw(t, "key"); m.columns > 0 && m.unique(key) {
		m.key, m.few, m.full = []int{key}, false, rapid.IntRange(0, 3).Draw(t, "full") == 0
	}
	return r
}

// unique says whether a column can be a key.
func (m *model) unique(column int) bool {
	seen := map[string]bool{format.Null: true}
	for _, fields := range m.rows {
		if seen[fields[column]] {
			return false
		}
		seen[fields[column]] = true
	}
	return true
}

func (m *model) fold(t *rapid.T, dir string, records []format.Record) *fold.Net {
	f, err := fold.New(fold.Options{Table: "public.t", Columns: m.columns, Key: m.key, Dir: dir, Memory: 300})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, r := range records {
		if err := f.Apply(r); err != nil {
			t.Fatal(err)
		}
	}
	net, err := f.Seal()
	if err != nil {
		t.Fatal(err)
	}
	return net
}

func TestAChainOfMergesAcrossFormsEqualsExecutingAll(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		for range rapid.IntRange(0, 6).Draw(t, "transactions") {
			m.transact(t)
		}
		base, records := m.cut(t)
		cut := parts(t, base)
		var stages []merge.Stage
		var nets []*fold.Net
		for i := range rapid.IntRange(1, 4).Draw(t, "stages") {
			if i > 0 {
				stages[i-1].Reshape = m.alter(t)
				for range rapid.IntRange(0, 4).Draw(t, "transactions") {
					m.transact(t)
				}
				records = nil
				for _, x := range m.history {
					records = append(records, x.records...)
				}
			}
			net := m.fold(t, dir, records)
			defer net.Close()
			nets, stages = append(nets, net), append(stages, merge.Stage{Changes: net, Columns: m.columns})
		}
		got, last := runChain(t, stages, nets, cut)
		want := lines(m.rows)
		if !slices.Equal(got, want) {
			t.Fatalf("restored %q\nwant     %q\nbase     %q", got, want, lines(base))
		}
		if last.Rows() != int64(len(want)) {
			t.Fatalf("the last stage tells %d rows, not %d", last.Rows(), len(want))
		}
	})
}

// runChain merges the parts, each in a chain of its own, then stage by stage what each adds, and returns the rows and the
// counts of the last stage.
func runChain(t *rapid.T, stages []merge.Stage, nets []*fold.Net, parts [][][]byte) (out []string, last merge.Counts) {
	emit := func(rows []byte) error {
		if len(rows) == 0 || rows[len(rows)-1] != '\n' {
			return fmt.Errorf("emitted %q", rows)
		}
		out = append(out, strings.Split(string(rows[:len(rows)-1]), "\n")...)
		return nil
	}
	for _, part := range parts {
		c := merge.NewChain(stages, 0, merge.Options{HashBase: true})
		for _, chunk := range part {
			if err := c.Chunk(chunk, emit); err != nil {
				t.Fatal(err)
			}
		}
		last.Add(c.Counts(len(stages) - 1))
	}
	for i, net := range nets {
		added, err := net.Finish()
		if err != nil {
			t.Fatal(err)
		}
		c := merge.NewChain(stages, i, merge.Options{})
		if err := c.Add(added, 0, added.Len(), emit); err != nil {
			t.Fatal(err)
		}
		last.Add(c.Counts(len(stages) - 1))
	}
	slices.Sort(out)
	return out, last
}

func TestARowOfAnotherFormIsNotReshaped(t *testing.T) {
	two := &merge.Reshape{From: 2, Fields: []merge.ReshapedField{{From: 1}, {From: -1, Value: []byte("x")}}}
	for rows, want := range map[string]string{"1\ta\n": "a\tx\n", "1\n": "", "1\ta": "", "1\ta\tb\n": ""} {
		var got string
		c := merge.NewChain([]merge.Stage{{Columns: 2, Reshape: two}}, 0, merge.Options{})
		err := c.Chunk([]byte(rows), func(rows []byte) error { got += string(rows); return nil })
		if want == "" && !errors.Is(err, format.ErrCorrupt) || want != "" && (err != nil || got != want) {
			t.Errorf("%q: %q, %v", rows, got, err)
		}
	}
}
