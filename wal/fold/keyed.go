package fold

import (
	"slices"
	"sync/atomic"

	"github.com/pgrecall/pgrecall/format"
)

// The low five bits of an entry of a keyed table. Above them is the place of the
// row that stands at the key, 0 if it is the untouched base row or none.
const (
	atNone    uint64 = 0 << 2 // no row
	atSelf    uint64 = 1 << 2 // the base row with this key
	atNew     uint64 = 2 << 2 // a row that the log inserted
	atMoved   uint64 = 3 << 2 // a base row with another key; its origin is in the spill
	atMask    uint64 = 3 << 2
	inBase    uint64 = 1 << 0 // the base holds a row with this key
	wasMet    uint64 = 1 << 1 // that row has been matched
	isPatched uint64 = 1 << 4 // the row at the place has \u fields
)

// keyed folds the changes of a table whose rows are known by a key.
type keyed struct {
	shape
	hasher
	table    *table
	spill    *spill
	resolver resolver
	buf      [2][]byte // keys
	row      []byte    // a row completed from its previous version
	emptied  bool
	added    []place // of new rows whose entry is taken by a moved row; set by seal
}

func (k *keyed) apply(r format.Record) error {
	switch r.Op {
	case format.Insert:
		return k.insert(r.New)
	case format.Update:
		return k.update(r)
	case format.Delete:
		return k.remove(r)
	}
	k.table, k.emptied = newTable(), true
	k.spill.reset()
	return nil
}

// hashOf is the hash of a row's key; which tells the two keys of a record apart.
func (k *keyed) hashOf(row []byte, which int) (hash, error) {
	key, err := k.keyOf(k.buf[which][:0], row)
	if err != nil {
		return hash{}, err
	}
	if !k.run {
		k.buf[which] = key
	}
	return k.sum(key), nil
}

func (k *keyed) insert(row []byte) error {
	h, err := k.hashOf(row, 0)
	if err != nil {
		return err
	}
	if hasUnchanged(row) {
		return reasonUnresolved
	}
	e, _ := k.table.insert(h)
	if e.val&atMask != atNone {
		return reasonExists
	}
	return k.place(e, row, atNew, hash{}, 0)
}

// place writes row to the spill and makes it the one that stands at e.
func (k *keyed) place(e *entry, row []byte, at uint64, origin hash, old place) error {
	p, err := k.spill.put(row, origin, old)
	if err != nil {
		return err
	}
	e.val = uint64(p) | at | e.val&inBase
	if at != atNew && hasUnchanged(row) {
		e.val |= isPatched
	}
	return nil
}

// touch returns the entry of a row that a record says exists. If nothing is known
// of it, it is a base row.
func (k *keyed) touch(h hash) (*entry, error) {
	e := k.table.find(h)
	switch {
	case e == nil && k.emptied:
		return nil, reasonEmptiedTwice
	case e == nil:
		e, _ = k.table.insert(h)
		e.val = inBase | atSelf
	case e.val&atMask == atNone:
		return nil, reasonAbsent
	}
	return e, nil
}

func (k *keyed) remove(r format.Record) error {
	if r.OldKind == format.OldNone {
		return reasonNoOld
	}
	h, err := k.hashOf(r.Old, 0)
	if err != nil {
		return err
	}
	e, err := k.touch(h)
	if err != nil {
		return err
	}
	e.val &= inBase
	return nil
}

func (k *keyed) update(r format.Record) error {
	row, err := k.resolver.afterOld(&k.shape, r)
	if err != nil {
		return err
	}
	newKey, err := k.hashOf(row, 0)
	if err != nil {
		return err
	}
	oldKey := newKey
	if r.OldKind != format.OldNone {
		if oldKey, err = k.hashOf(r.Old, 1); err != nil {
			return err
		}
	}
	e, err := k.touch(oldKey)
	if err != nil {
		return err
	}
	row, origin, err := k.after(e, row)
	if err != nil {
		return err
	}
	if newKey == oldKey {
		if origin == oldKey {
			origin = hash{}
		}
		return k.place(e, row, e.val&atMask, origin, place(e.val)&placeMask)
	}
	old := place(e.val) & placeMask
	e.val &= inBase
	return k.arrive(newKey, row, origin, old)
}

// after completes the next version of the row at e from the one in the spill, and
// tells the key of the base row that it comes from, zero if it is a new row.
func (k *keyed) after(e *entry, row []byte) (_ []byte, origin hash, err error) {
	at := e.val & atMask
	if at == atSelf {
		origin = e.key
	}
	previous := place(e.val) & placeMask
	patch := hasUnchanged(row) // of a new row the previous version is complete, so the next is
	if previous == 0 || at != atMoved && !patch {
		return row, origin, nil
	}
	last, err := k.spill.load(previous)
	if err != nil {
		return nil, hash{}, err
	}
	if at == atMoved {
		origin = last.origin
	}
	if !patch {
		return row, origin, nil
	}
	k.row, err = k.resolver.fill(k.row[:0], row, last.row, nil)
	return k.row, origin, err
}

// arrive lets a row stand at another key than before.
func (k *keyed) arrive(h hash, row []byte, origin hash, old place) error {
	e, _ := k.table.insert(h)
	if e.val&atMask != atNone {
		return reasonExists
	}
	switch origin {
	case hash{}:
		return k.place(e, row, atNew, origin, old)
	case h:
		return k.place(e, row, atSelf, hash{}, old)
	}
	return k.place(e, row, atMoved, origin, old)
}

// seal attaches the rows that moved to the entries of their origins, after which
// atSelf means: the base row is replaced by the row at the place.
func (k *keyed) seal() error {
	var moved []place // with isPatched
	k.table.each(func(e *entry) {
		if e.val&atMask == atMoved {
			moved = append(moved, place(e.val)&(placeMask|place(isPatched)))
			e.val &= inBase
		}
	})
	slices.Sort(moved)
	w := window{s: k.spill}
	for i, p := range moved {
		r, err := w.row(moved[i:])
		if err != nil {
			return err
		}
		e := k.table.find(r.origin)
		if e == nil || e.val&inBase == 0 || e.val&atMask == atSelf {
			return reasonOrigin
		}
		if e.val&atMask == atNew {
			k.added = append(k.added, place(e.val)&placeMask)
		}
		e.val = uint64(p) | inBase | atSelf
	}
	return nil
}

func (k *keyed) match(row []byte) (Fate, error) {
	var buf [256]byte
	key, err := k.keyOf(buf[:0], row)
	if err != nil {
		return 0, err
	}
	e := k.table.find(k.sum(key))
	if e == nil {
		return 0, nil
	}
	val := atomic.OrUint64(&e.val, wasMet)
	switch {
	case val&inBase == 0:
		return 0, reasonAppeared
	case val&wasMet != 0:
		return 0, reasonTwice
	case val&atMask == atSelf:
		return Fate(val) & (Fate(placeMask) | patched | replaced), nil
	}
	return dropped, nil
}

// agrees tells whether a row that replaces base may: it moved, or has its key.
func (k *keyed) agrees(base []byte, r spilled) (bool, error) {
	if r.moved {
		return true, nil
	}
	var buf [2][256]byte
	a, err := k.keyOf(buf[0][:0], base)
	if err != nil {
		return false, err
	}
	b, err := k.keyOf(buf[1][:0], r.row)
	return string(a) == string(b), err
}

// totals is to be asked before the first match.
func (k *keyed) totals() (t totals) {
	k.table.each(func(e *entry) {
		if e.val&inBase != 0 {
			t.expected++
			if e.val&atMask == atSelf {
				t.replaced++
			} else {
				t.dropped++
			}
		}
		if e.val&atMask == atNew {
			t.added++
		}
	})
	t.added += int64(len(k.added))
	return t
}

func (k *keyed) missing() (n int64) {
	k.table.each(func(e *entry) {
		if val := atomic.LoadUint64(&e.val); val&inBase != 0 && val&wasMet == 0 {
			n++
		}
	})
	return n
}

func (k *keyed) additions(list []place) []place {
	list = append(list, k.added...)
	k.table.each(func(e *entry) {
		if val := atomic.LoadUint64(&e.val); val&atMask == atNew {
			list = append(list, place(val)&placeMask)
		}
	})
	return list
}
