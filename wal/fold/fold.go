package fold

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pgrecall/pgrecall/format"
)

// Options say which table is folded, and where.
type Options struct {
	// Table names the table in errors.
	Table string
	// Columns is the number of fields of each row.
	Columns int
	// Key holds the positions among the columns, from 0, of those that identify a
	// row. They are never null. None: a row is identified by all its columns.
	Key []int
	// Memory is how many bytes of changed rows are kept in memory before a spill
	// file is made. 0 means 8 MiB. What memory keeps of each row comes on top.
	Memory int
	// Dir is the folder of the spill file; "" is the system's for temporary files.
	Dir string
	// Open makes the spill file in another way than as an unlinked file in Dir, for
	// example one that seals what is written. nil: that unlinked file.
	Open func() (File, error)
}

// For gives the Options of a table of a snapshot: its name, columns and identity.
// A table whose log cannot tell its rows (format.IdentityNone) is folded as one
// identified by all its columns: inserts and truncates are all that can be logged.
func For(t *format.TableData) (Options, error) {
	o := Options{Table: t.Schema + "." + t.Name, Columns: len(t.Columns)}
	if t.Identity.Kind != format.IdentityKey {
		return o, nil
	}
	for _, attnum := range t.Identity.Attnums {
		i := slices.IndexFunc(t.Columns, func(c format.Column) bool { return c.Attnum == attnum })
		if i < 0 {
			return o, fmt.Errorf("folding the changes of table %s: column %d of its identity is not among those that a snapshot copies, "+
				"as a generated column is not; give the table REPLICA IDENTITY FULL and take a new snapshot", o.Table, attnum)
		}
		o.Key = append(o.Key, i)
	}
	if len(o.Key) == 0 {
		return o, fmt.Errorf("folding the changes of table %s: its identity is a key without columns", o.Table)
	}
	return o, nil
}

const defaultMemory = 8 << 20

// rows is a way of identifying rows, while their changes are being folded.
type rows interface {
	apply(r format.Record) error
	seal() error
}

// Fold takes the records of one table. It is for one goroutine.
type Fold struct {
	options Options
	shape   shape
	spill   *spill
	rows    rows
	stats   Stats
	err     error // the first one; it ends the fold
}

// Stats says what a fold took in and what came of it.
type Stats struct {
	// Records were applied; the next four are of each kind.
	Records, Inserted, Updated, Deleted, Truncated int64
	// Replaced and Dropped are rows of the base that will be met, Added those that
	// follow it. Of a table identified by all columns an update is one row dropped
	// and one added. They are known once the fold is sealed.
	Replaced, Dropped, Added int64
	// SpillBytes were written to a spill file: 0 if memory was enough.
	SpillBytes int64
	// TableBytes is the memory of the table of changed rows.
	TableBytes int64
}

// New makes a fold with no changes in it. The caller must Close it, or the Net made
// of it.
func New(o Options) (*Fold, error) {
	for i, k := range o.Key {
		if k < 0 || k >= o.Columns {
			return nil, fmt.Errorf("folding the changes of table %s: key column %d of %d", o.Table, k, o.Columns)
		}
		for _, other := range o.Key[:i] {
			if other == k {
				return nil, fmt.Errorf("folding the changes of table %s: key column %d twice", o.Table, k)
			}
		}
	}
	if o.Memory <= 0 {
		o.Memory = defaultMemory
	}
	if o.Open == nil {
		o.Open = func() (File, error) { return unlinked(o.Dir) }
	}
	f := &Fold{options: o, shape: newShape(o.Columns, o.Key), spill: newSpill(o.Memory, o.Open)}
	if len(o.Key) == 0 {
		f.rows = &fullRow{shape: f.shape, hasher: newHasher(), table: newTable(), spill: f.spill}
	} else {
		f.rows = &keyed{shape: f.shape, hasher: newHasher(), table: newTable(), spill: f.spill}
	}
	return f, nil
}

var errSealed = errors.New("the fold is sealed")

// Apply folds the next record of the table, in commit order. The record is not kept.
// A [ContradictionError] or any other error ends the fold: all later calls return it.
func (f *Fold) Apply(r format.Record) error {
	if f.err != nil {
		return f.err
	}
	f.stats.Records++
	err := f.check(r)
	if err == nil {
		err = f.rows.apply(r)
	}
	if err != nil {
		f.err = blame(f.options.Table, fmt.Sprintf("at change %d of this table: ", f.stats.Records), err)
	}
	return f.err
}

// check looks at the record by itself.
func (f *Fold) check(r format.Record) error {
	switch r.Op {
	case format.Insert:
		f.stats.Inserted++
		return f.shape.check(r.New)
	case format.Update:
		f.stats.Updated++
		if err := f.shape.check(r.New); err != nil || r.OldKind == format.OldNone {
			return err
		}
		return f.shape.check(r.Old)
	case format.Delete:
		f.stats.Deleted++
		return f.shape.check(r.Old)
	case format.Truncate:
		f.stats.Truncated++
		return nil
	}
	return reasonUnknownOp
}

// Seal ends the fold: no more records, the Net holds what came of them and owns the
// spill from now on.
func (f *Fold) Seal() (*Net, error) {
	if f.err != nil {
		return nil, f.err
	}
	err := f.spill.seal()
	if err == nil {
		err = f.rows.seal()
	}
	if err != nil {
		f.err = blame(f.options.Table, "", err)
		return nil, f.err
	}
	f.err = errSealed
	return newNet(f), nil
}

// Close gives the spill up. After Seal the Net does that and this does nothing.
func (f *Fold) Close() error {
	if f.err == errSealed {
		return nil
	}
	if f.err == nil {
		f.err = errors.New("the fold is closed")
	}
	return f.spill.close()
}
