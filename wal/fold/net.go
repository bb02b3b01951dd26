package fold

import (
	"cmp"
	"fmt"
	"slices"
)

// Fate is what became of a base row. The zero value: nothing, it stays as it is.
type Fate uint64

const (
	replaced Fate = 1 << 0
	dropped  Fate = 1 << 1
	patched  Fate = 1 << 4
)

// Untouched says that the base row is a row of the target too.
func (f Fate) Untouched() bool { return f == 0 }

// Dropped says that the row is not in the target. (Of rows known by all their fields
// an updated one is dropped here, and its new version added at the end.)
func (f Fate) Dropped() bool { return f&dropped != 0 }

// Replaced says that the target holds another row instead, which Net.Load reads.
func (f Fate) Replaced() bool { return f&replaced != 0 }

// Patched says that fields of the replacing row are format.Unchanged and are to be
// taken from the base row.
func (f Fate) Patched() bool { return f&patched != 0 }

// Size is about how many bytes of memory Load takes for the replacing row; rows of
// 4 MiB and more count as 4 MiB.
func (f Fate) Size() int {
	n, _ := place(f).length()
	return n
}

// matcher is a way of identifying rows, once their changes are folded.
type matcher interface {
	match(row []byte) (Fate, error)
	agrees(base []byte, r spilled) (bool, error)
	totals() totals
	missing() int64
	additions(list []place) []place
}

// totals counts rows of the base that must come, and what the fold makes of them.
type totals struct{ expected, replaced, dropped, added int64 }

// Net is the net change of one table. Match and Load may be called by several
// goroutines at once, each with rows of its own; each base row of the table must be
// matched exactly once before Finish.
type Net struct {
	table    string
	columns  int
	rows     matcher
	spill    *spill
	stats    Stats
	expected int64
	emptied  bool
}

func newNet(f *Fold) *Net {
	n := &Net{table: f.options.Table, columns: f.options.Columns, spill: f.spill, stats: f.stats}
	var t *table
	switch r := f.rows.(type) {
	case *keyed:
		n.rows, n.emptied, t = r, r.emptied, r.table
	case *fullRow:
		n.rows, n.emptied, t = r, r.emptied, r.table
	}
	c := n.rows.totals()
	n.expected = c.expected
	n.stats.Replaced, n.stats.Dropped, n.stats.Added = c.replaced, c.dropped, c.added
	n.stats.SpillBytes, n.stats.TableBytes = f.spill.written, t.bytes()
	return n
}

// Stats tells what was folded and what came of it.
func (n *Net) Stats() Stats { return n.stats }

// Emptied says that the table was truncated: no base row is in the target, and the
// base need not be read.
func (n *Net) Emptied() bool { return n.emptied }

// Columns is the number of fields of each row.
func (n *Net) Columns() int { return n.columns }

// Match tells what became of a base row, given as COPY text without its newline.
// A row that cannot be there is an [ErrContradiction].
func (n *Net) Match(row []byte) (Fate, error) {
	if n.emptied {
		return dropped, nil
	}
	fate, err := n.rows.match(row)
	if err != nil {
		return 0, blame(n.table, "", err)
	}
	return fate, nil
}

// Batch collects base rows that are replaced, to read the replacing ones together,
// in the order in which they are in the spill. The zero value is ready. One
// goroutine each.
type Batch struct {
	fates []Fate
	bases [][]byte
	rows  [][]byte
	order []int32 // of fates, by place
	ahead []place // in that order
	arena []byte
	win   []byte
	size  int
}

// Add appends a base row that Match said is replaced; base must stay as it is until
// Load returns.
func (b *Batch) Add(fate Fate, base []byte) {
	b.fates = append(b.fates, fate)
	b.bases = append(b.bases, base)
	b.size += fate.Size()
}

// Len is the number of rows.
func (b *Batch) Len() int { return len(b.fates) }

// Size is about how many bytes Load will need for the rows.
func (b *Batch) Size() int { return b.size }

// Row is the row that replaces base row i, and whether fields of it are
// format.Unchanged; valid from Load until the next Load or Reset.
func (b *Batch) Row(i int) (row []byte, patched bool) { return b.rows[i], b.fates[i].Patched() }

// Reset empties the batch and keeps its memory, unless that has become large.
func (b *Batch) Reset() {
	b.fates, b.bases, b.size = b.fates[:0], b.bases[:0], 0
	clear(b.rows)
	if cap(b.arena) > 4*spanMax {
		b.arena = nil
	}
	if cap(b.win) > 4*spanMax {
		b.win = nil
	}
}

// Load reads the rows of a batch.
func (n *Net) Load(b *Batch) error {
	b.order, b.arena = b.order[:0], b.arena[:0]
	b.rows = slices.Grow(b.rows[:0], len(b.fates))[:len(b.fates)]
	for i := range b.fates {
		b.order = append(b.order, int32(i))
	}
	slices.SortFunc(b.order, func(x, y int32) int { return cmp.Compare(b.fates[x], b.fates[y]) })
	b.ahead = b.ahead[:0]
	for _, o := range b.order {
		b.ahead = append(b.ahead, place(b.fates[o])&placeMask)
	}
	b.arena = slices.Grow(b.arena, b.size)
	w := window{s: n.spill, buf: b.win[:0]}
	defer func() { b.win = w.buf }()
	for i, o := range b.order {
		r, err := w.row(b.ahead[i:])
		if err != nil {
			return fmt.Errorf("merging the changes of table %s: %w", n.table, err)
		}
		same, err := n.rows.agrees(b.bases[o], r)
		if err == nil && !same {
			err = reasonOtherKey
		}
		if err != nil {
			return blame(n.table, "", err)
		}
		b.rows[o] = b.keep(r.row)
	}
	return nil
}

// keep copies a row to where it stays until the next Load.
func (b *Batch) keep(row []byte) []byte {
	if len(b.arena)+len(row) > cap(b.arena) {
		return slices.Clone(row)
	}
	at := len(b.arena)
	b.arena = append(b.arena, row...)
	return b.arena[at:len(b.arena):len(b.arena)]
}

// Finish is to be called when all base rows have been matched. It makes sure that
// every row came which the log changed or deleted, else that is an
// [ErrContradiction], and gives the rows to add.
func (n *Net) Finish() (*Added, error) {
	if !n.emptied {
		if missing := n.rows.missing(); missing > 0 {
			return nil, &ContradictionError{Table: n.table, Reason: fmt.Sprintf(reasonRowsUnmatched, missing, n.expected)}
		}
	}
	list := n.rows.additions(make([]place, 0, n.stats.Added))
	slices.Sort(list)
	return &Added{net: n, places: list}, nil
}

// Added is the rows of the target that no base row became. Safe for concurrent use.
type Added struct {
	net    *Net
	places []place
}

// Len is their number.
func (a *Added) Len() int { return len(a.places) }

// Each calls fn with the rows from number from up to but without number to, in the
// order of the log as far as rows were not changed again. A row has no newline, is
// complete, and valid during the call only. An error of fn ends it and is returned.
func (a *Added) Each(from, to int, fn func(row []byte) error) error {
	w := window{s: a.net.spill}
	for i := from; i < to; i++ {
		r, err := w.row(a.places[i:to])
		if err != nil {
			return fmt.Errorf("adding the new rows of table %s: %w", a.net.table, err)
		}
		if err := fn(r.row); err != nil {
			return err
		}
	}
	return nil
}

// Close gives up the spill and all memory of changed rows. No method may be called
// after it or during it.
func (n *Net) Close() error {
	n.rows = nil
	return n.spill.close()
}
