package engine

import (
	"slices"
	"testing"
)

// told keeps what a Tracer hears of progress.
type told struct{ progress []Progress }

func (t *told) Note(Note)           {}
func (t *told) Progress(p Progress) { t.progress = append(t.progress, p) }

func TestTheWholeEndsAtItsTotalAndEachTableToldOfEnds(t *testing.T) {
	var heard told
	m := newMeter(&heard, "data", 300)
	m.did(1, "s.a", 100, 1, 10) // the first report is told
	m.did(2, "s.b", 200, 1, 10) // too soon after it
	m.did(1, "s.a", 100, 5, 50)
	m.done(1)
	m.done(2)
	m.did(3, "s.c", 0, 1, 5)
	m.end()
	tables := slices.DeleteFunc(slices.Clone(heard.progress), func(p Progress) bool { return p.Table == "" })
	if len(tables) != 2 || tables[0].Table != "s.a" || tables[0].Done || tables[0].TotalBytes != 100 {
		t.Fatalf("tables told of: %+v", tables)
	}
	if end := tables[1]; !end.Done || end.Rows != 6 || end.Bytes != 60 || end.TotalBytes != 60 {
		t.Errorf("the end of s.a: %+v", end)
	}
	whole := heard.progress[len(heard.progress)-1]
	if !whole.Done || whole.Rows != 8 || whole.Bytes != 75 || whole.TotalBytes != 75 {
		t.Errorf("the end of the whole: %+v", whole)
	}
	if m.whole.TotalBytes != 75 || heard.progress[1].TotalBytes != 300 {
		t.Errorf("the whole at first: %+v", heard.progress[1])
	}
}
