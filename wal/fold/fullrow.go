package fold

import (
	"sync"
	"sync/atomic"

	"github.com/pgrecall/pgrecall/format"
)

// tally is what the fold knows of all the rows with the same content.
type tally struct {
	place place // of one such row in the spill, without its length; 0 if none was put there
	net   int64 // came less went
	need  int64 // how many the base must hold for no count ever to have been negative
}

// An entry of a full-row table is a tally in 64 bits: 40 of offset, 12 of net in
// two's complement, 12 of need. Greater numbers are kept in a map, marked by the
// least net there is.
const (
	countBits = 12
	countMask = 1<<countBits - 1
	countMax  = 1<<(countBits-1) - 1
	isGreat   = 1 << (2*countBits - 1)
	netMask   = countMask << countBits
)

func pack(t tally) (val uint64, fits bool) {
	if t.net > countMax || t.net < -countMax || t.need > countMask {
		return isGreat, false
	}
	return uint64(t.place) | uint64(t.net)&countMask<<countBits | uint64(t.need), true
}

func unpack(val uint64) tally {
	return tally{
		place: place(val) & offsetMask,
		net:   int64(val<<(64-2*countBits)) >> (64 - countBits),
		need:  int64(val & countMask),
	}
}

// fullRow folds the changes of a table whose rows are known by all their fields.
type fullRow struct {
	shape
	hasher
	table    *table
	spill    *spill
	resolver resolver
	emptied  bool

	mu    sync.Mutex // guards great once the fold is sealed
	great map[hash]*tally
}

func (f *fullRow) apply(r format.Record) error {
	switch r.Op {
	case format.Insert:
		return f.add(r.New)
	case format.Update:
		if err := f.remove(r); err != nil {
			return err
		}
		row, err := f.resolver.afterOld(&f.shape, r)
		if err != nil {
			return err
		}
		return f.add(row)
	case format.Delete:
		return f.remove(r)
	}
	f.table, f.great, f.emptied = newTable(), nil, true
	f.spill.reset()
	return nil
}

func (f *fullRow) add(row []byte) error {
	if hasUnchanged(row) {
		return reasonUnresolved
	}
	e, _ := f.table.insert(f.sum(row))
	t := f.get(e)
	t.net++
	if t.net > 0 && t.place == 0 {
		p, err := f.spill.put(row, hash{}, 0)
		if err != nil {
			return err
		}
		t.place = p & offsetMask
	}
	f.set(e, t)
	return nil
}

func (f *fullRow) remove(r format.Record) error {
	switch {
	case r.OldKind == format.OldNone:
		return reasonNoOld
	case r.OldKind != format.OldFull:
		return reasonPartialOld
	case hasUnchanged(r.Old):
		return reasonUnresolved
	}
	e, _ := f.table.insert(f.sum(r.Old))
	t := f.get(e)
	t.net--
	t.need = max(t.need, -t.net)
	if f.emptied && t.need > 0 {
		return reasonEmptiedTwice
	}
	f.set(e, t)
	return nil
}

func (f *fullRow) get(e *entry) tally {
	if e.val&netMask == isGreat {
		return *f.great[e.key]
	}
	return unpack(e.val)
}

func (f *fullRow) set(e *entry, t tally) {
	val, fits := pack(t)
	if e.val&netMask == isGreat {
		*f.great[e.key] = t
		return
	}
	if !fits {
		if f.great == nil {
			f.great = make(map[hash]*tally)
		}
		great := t
		f.great[e.key] = &great
	}
	e.val = val
}

func (f *fullRow) seal() error { return nil }

// match takes one from what the base must hold, and drops the row as long as there
// are rows to drop: which of several equal ones goes makes no difference.
func (f *fullRow) match(row []byte) (Fate, error) {
	e := f.table.find(f.sum(row))
	if e == nil {
		return 0, nil
	}
	for {
		val := atomic.LoadUint64(&e.val)
		if val&netMask == isGreat {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.great[e.key].meet(), nil
		}
		t := unpack(val)
		if t.need == 0 {
			return 0, nil
		}
		fate := t.meet()
		after, _ := pack(t)
		if atomic.CompareAndSwapUint64(&e.val, val, after) {
			return fate, nil
		}
	}
}

func (t *tally) meet() Fate {
	if t.need == 0 {
		return 0
	}
	t.need--
	if t.net >= 0 {
		return 0
	}
	t.net++
	return dropped
}

// agrees: no base row is ever replaced.
func (f *fullRow) agrees([]byte, spilled) (bool, error) { return false, nil }

func (f *fullRow) each(fn func(t tally)) {
	f.table.each(func(e *entry) {
		val := atomic.LoadUint64(&e.val)
		if val&netMask != isGreat {
			fn(unpack(val))
			return
		}
		f.mu.Lock()
		t := *f.great[e.key]
		f.mu.Unlock()
		fn(t)
	})
}

func (f *fullRow) totals() (n totals) {
	f.each(func(t tally) {
		n.expected += t.need
		n.dropped += max(0, -t.net)
		n.added += max(0, t.net)
	})
	return n
}

func (f *fullRow) missing() (n int64) {
	f.each(func(t tally) { n += t.need })
	return n
}

func (f *fullRow) additions(list []place) []place {
	f.each(func(t tally) {
		for ; t.net > 0; t.net-- {
			list = append(list, t.place)
		}
	})
	return list
}
