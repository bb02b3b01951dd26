package fold

import (
	"hash/maphash"
	"math/bits"
	"math/rand/v2"

	"github.com/zeebo/xxh3"
)

// hash stands for a key or a whole row. lo is never 0, which marks a free slot.
type hash struct{ hi, lo uint64 }

// hasher holds the two secret seeds of one fold.
type hasher struct {
	hi maphash.Seed
	lo uint64
}

func newHasher() hasher {
	return hasher{hi: maphash.MakeSeed(), lo: rand.Uint64()}
}

func (s *hasher) sum(b []byte) hash {
	return hash{hi: maphash.Bytes(s.hi, b), lo: max(1, xxh3.HashSeed(b, s.lo))}
}

// entry is what memory keeps of a changed row. The meaning of val is its user's.
type entry struct {
	key hash
	val uint64
}

// A page holds its entries ordered by lo, each at or soon after its home slot, so
// that a search ends at the first greater one and is short at a load of nine tenths.
// The slots beyond the last home take what is pushed past it.
const (
	pageSlots = 1365 // with the two small fields exactly 32 KiB, an allocation size of Go's
	pageHomes = 1321
	pageFull  = 1229
)

type page struct {
	slots [pageSlots]entry
	used  uint16
	depth uint8 // how many leading bits of hi all keys of this page share
}

func home(lo uint64) int {
	h, _ := bits.Mul64(lo, pageHomes)
	return int(h)
}

// table is an extendible hash table: the leading bits of a hash select a page, and
// a full page splits in two. Pages are never copied or given up, so growth makes
// no garbage. Entries are never removed, only all at once.
type table struct {
	dir   []*page // 1<<depth of them; neighbours may be the same page
	depth uint8
	pages int
	n     int
}

func newTable() *table {
	return &table{dir: []*page{new(page)}, pages: 1}
}

func (t *table) page(h hash) *page { return t.dir[h.hi>>(64-t.depth)] }

// find returns the entry of h, or nil. It is valid until the next insert.
func (t *table) find(h hash) *entry {
	p := t.page(h)
	i, found := p.search(h)
	if !found {
		return nil
	}
	return &p.slots[i]
}

// insert returns the entry of h and whether it is a new one, with val 0.
// It is valid until the next insert.
func (t *table) insert(h hash) (e *entry, added bool) {
	for {
		p := t.page(h)
		i, found := p.search(h)
		if found {
			return &p.slots[i], false
		}
		if p.used < pageFull && p.push(i) {
			p.slots[i] = entry{key: h}
			p.used++
			t.n++
			return &p.slots[i], true
		}
		t.split(p, h)
	}
}

// search returns where h is or belongs.
func (p *page) search(h hash) (i int, found bool) {
	for i = home(h.lo); i < pageSlots; i++ {
		k := &p.slots[i].key
		if k.lo == h.lo && k.hi == h.hi {
			return i, true
		}
		if k.lo > h.lo || k.lo == 0 {
			return i, false
		}
	}
	return i, false
}

// push frees slot i by moving those from i on to the next free one; false if none.
func (p *page) push(i int) bool {
	free := i
	for free < pageSlots && p.slots[free].key.lo != 0 {
		free++
	}
	if free >= pageSlots {
		return false
	}
	copy(p.slots[i+1:free+1], p.slots[i:free])
	return true
}

// split gives half of p's keys, p being the page of h, to a new page.
func (t *table) split(p *page, h hash) {
	if p.depth == t.depth {
		dir := make([]*page, 2*len(t.dir))
		for i, q := range t.dir {
			dir[2*i], dir[2*i+1] = q, q
		}
		t.dir = dir
		t.depth++
	}
	right := &page{depth: p.depth + 1}
	p.depth++
	p.part(right)
	t.pages++
	// Of the directory's places that share p's old prefix the second half is right's.
	width := 1 << (t.depth - p.depth)
	first := int(h.hi>>(64-t.depth)) &^ (2*width - 1)
	for i := first + width; i < first+2*width; i++ {
		t.dir[i] = right
	}
}

// part moves the entries whose bit at the new depth is set to right and closes up
// the others. Every entry moves towards its home or stays, so one pass in order does.
func (p *page) part(right *page) {
	bit := uint64(1) << (64 - p.depth)
	nextLeft, nextRight := 0, 0
	for i := range p.slots {
		e := p.slots[i]
		if e.key.lo == 0 {
			continue
		}
		p.slots[i] = entry{}
		at := home(e.key.lo)
		if e.key.hi&bit != 0 {
			at = max(at, nextRight)
			right.slots[at] = e
			right.used++
			nextRight = at + 1
		} else {
			at = max(at, nextLeft)
			p.slots[at] = e
			nextLeft = at + 1
		}
	}
	p.used -= right.used
}

// each calls fn with every entry, page by page; fn may change val.
func (t *table) each(fn func(e *entry)) {
	for i := 0; i < len(t.dir); {
		p := t.dir[i]
		for s := range p.slots {
			if p.slots[s].key.lo != 0 {
				fn(&p.slots[s])
			}
		}
		i += 1 << (t.depth - p.depth)
	}
}

// bytes is the memory the table takes.
func (t *table) bytes() int64 { return int64(t.pages)*32<<10 + int64(len(t.dir))*8 }
