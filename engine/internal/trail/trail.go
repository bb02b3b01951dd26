// Package trail follows the form of one table through the log, from its rows in a snapshot to a point after DDL.
//
// Logical replication tells a row's columns by name and type only (a layout); the messages of the DDL capture tell what each
// statement made of a table, with the numbers of its columns, which survive every rename. A [Trail] takes in both,
// transaction by transaction, and says of each record which columns its fields are. Stretches of the log in which
// the fields were the same columns and the identity the same are folded together, whatever else was done to the
// table; from one stretch to the next rows are brought by a merge.Reshape: columns that were dropped go, columns that
// were added hold what the server says rows written before hold (pg_attribute.attmissingval).
//
// What cannot be told is a [Conflict], and nothing is guessed. All here is a pure function of what goes in.
package trail

import (
	"bytes"
	"fmt"
	"slices"
	"sort"

	"github.com/pgrecall/pgrecall/engine/internal/merge"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
	"github.com/pgrecall/pgrecall/wal"
	"github.com/pgrecall/pgrecall/wal/fold"
)

// Conflict is why the changes of a table cannot be brought to the target.
type Conflict struct {
	// Txn is the transaction at which it shows.
	Txn  format.Transaction
	What string
}

// Count is the number of records of one layout in a transaction.
type Count struct {
	Layout  *format.Layout
	Records uint64
}

// Trail is the form of one table along the log.
type Trail struct {
	name string
	base *format.TableData // nil: it was made after the snapshot
	// forms in the order of the log: the snapshot's, if there is one, then what each message says.
	forms []form
	// steps are the transactions with messages, and the last of their forms.
	steps     []step
	stretches []stretch
	missing   map[int16][]byte // what rows from before hold in a column that was added, as a field; none: NULL
	highest   int16            // number of a column so far
}

// step says that from the transaction that ends at a position on the form is forms[last].
type step struct {
	end  format.LSN
	last int
}

// stretch is a part of the log whose records are folded together.
type stretch struct {
	attnums  []int16 // the fields of a record
	identity format.Identity
	records  uint64
}

// Of begins the trail of a table of a snapshot: its rows, and its columns and replica identity as the snapshot's catalog has them.
func Of(base *format.TableData, columns []catalog.Column, identity string) *Trail {
	t := &Trail{name: base.Schema + "." + base.Name, base: base, missing: map[int16][]byte{}}
	first := form{identity: identity}
	for _, c := range base.Columns {
		first.columns = append(first.columns, column{attnum: c.Attnum, name: c.Name, typ: c.Type, typmod: c.Typmod})
	}
	for _, c := range formOf(columns).columns {
		if c.generated != "" {
			first.columns = append(first.columns, c)
		}
	}
	first.sort()
	t.forms, t.highest = []form{first}, first.highest()
	return t
}

// Made begins the trail of a table that was made after the snapshot. Its first form is what the first message says, and
// was there before that: a statement like CREATE TABLE AS writes its rows before its message.
func Made(name string) *Trail { return &Trail{name: name, missing: map[int16][]byte{}} }

// Transaction takes in what a transaction did to the table: what the messages in it say of it, in order, and
// its records. Transactions come in commit order.
func (t *Trail) Transaction(txn format.Transaction, said []*wal.DDLTable, counts []Count) *Conflict {
	conflict := func(format string, arguments ...any) *Conflict {
		return &Conflict{txn, fmt.Sprintf(format, arguments...)}
	}
	for _, table := range said {
		if table.Columns == nil {
			return conflict("it is one of very many tables that a statement touched, and the log does not tell its columns")
		}
		if what := t.append(formSaid(table)); what != "" {
			return conflict("%s", what)
		}
	}
	if len(said) > 0 {
		t.steps = append(t.steps, step{txn.EndLSN, len(t.forms) - 1})
	}
	all := make([]fields, len(counts))
	for i, c := range counts {
		var what string
		if all[i], what = t.match(c.Layout, txn.EndLSN); what != "" {
			return conflict("%s", what)
		}
	}
	for i := range all {
		for k := range all {
			if all[i].around(&all[k]) {
				return conflict("a transaction changed its form and changed it back, and wrote to it all the while, so that its changes cannot be told apart")
			}
		}
		t.add(all[i], counts[i].Records)
	}
	return nil
}

// around says whether records of the one may lie before those of the other and after them.
func (f *fields) around(o *fields) bool {
	return !f.alike(o) && slices.ContainsFunc(o.forms, func(i int) bool { return f.forms[0] < i && i < f.forms[len(f.forms)-1] })
}

func (f *fields) alike(o *fields) bool {
	return slices.Equal(f.attnums, o.attnums) && f.identity.Kind == o.identity.Kind && slices.Equal(f.identity.Attnums, o.identity.Attnums)
}

// append takes in the next form of the table.
func (t *Trail) append(f form) (conflict string) {
	if n := len(t.forms); n > 0 {
		before := &t.forms[n-1]
		if before.same(&f) && before.identity == f.identity {
			return ""
		}
		if what := f.unlike(before); what != "" {
			return what
		}
		for _, c := range f.columns {
			if before.column(c.attnum) != nil {
				continue
			}
			if c.attnum <= t.highest { // numbers are never given again
				return fmt.Sprintf("column %q has a number that another had before", c.name)
			}
			if c.missing != nil {
				t.missing[c.attnum] = c.missing
			}
		}
	}
	t.highest = max(t.highest, f.highest())
	if len(t.forms) == 0 {
		first := f
		first.identity = "" // it may have got one at the end of the statement that made it and wrote rows
		t.forms = append(t.forms, first)
	}
	t.forms = append(t.forms, f)
	return ""
}

// span returns the forms that the table had in a transaction: from the one at its begin to the one at its end.
func (t *Trail) span(end format.LSN) (first, last int) {
	i := sort.Search(len(t.steps), func(i int) bool { return t.steps[i].end >= end })
	if i > 0 {
		first = t.steps[i-1].last
	}
	last = first
	if i < len(t.steps) && t.steps[i].end == end {
		last = t.steps[i].last
	}
	return first, last
}

// fields is what a layout says: which column each field is.
type fields struct {
	forms    []int // in which it may be
	attnums  []int16
	left     []bool // fields of stored generated columns, which are left out; nil: there are none
	identity format.Identity
}

// match says what the fields of a layout are, in a transaction that ends at a position.
func (t *Trail) match(l *format.Layout, end format.LSN) (f fields, conflict string) {
	first, last := t.span(end)
	found := false
	for i := first; i <= last && i < len(t.forms); i++ {
		attnums, left, ok := t.forms[i].fit(l)
		if !ok {
			continue
		}
		if found && !slices.Equal(f.attnums, attnums) {
			return f, "a column was dropped and one of its name and type added in a transaction that also wrote to the table: which of the two its rows hold is not told"
		}
		f.attnums, f.left, f.forms, found = attnums, left, append(f.forms, i), true
	}
	if !found {
		return f, "its columns in the log are others than those that its statements tell of"
	}
	key := f.keyOf(l)
	switch {
	case t.base != nil && (len(t.steps) == 0 || t.steps[0].end > end):
		f.identity, conflict = identityOf(t.base, l, key)
	case l.ReplicaIdentity == "f":
		f.identity.Kind = format.IdentityFull
	case l.ReplicaIdentity == "n" || len(key) == 0:
		f.identity.Kind = format.IdentityNone
	default:
		f.identity = format.Identity{Kind: format.IdentityKey, Attnums: key}
		if slices.Contains(key, 0) {
			return f, "a generated column is part of its replica identity"
		}
	}
	return f, conflict
}

// keyOf returns the columns that the layout marks as the identity's; 0 for one that is left out.
func (f *fields) keyOf(l *format.Layout) (key []int16) {
	next := 0
	for i, c := range l.Columns {
		attnum := int16(0)
		if f.left == nil || !f.left[i] {
			attnum = f.attnums[next]
			next++
		}
		if c.Key {
			key = append(key, attnum)
		}
	}
	return key
}

// identityOf is the identity of a record from before any statement on the table: the snapshot's. FULL logs whole old rows,
// from which a key is taken as well, and marks every column as key.
func identityOf(base *format.TableData, l *format.Layout, key []int16) (format.Identity, string) {
	switch base.Identity.Kind {
	case format.IdentityKey:
		want := slices.Sorted(slices.Values(base.Identity.Attnums))
		if l.ReplicaIdentity != "f" && (l.ReplicaIdentity == "n" || !slices.Equal(key, want)) {
			return base.Identity, fmt.Sprintf("its replica identity was switched (to %q), and no statement in the log says why", l.ReplicaIdentity)
		}
	case format.IdentityFull:
		if l.ReplicaIdentity != "f" {
			return base.Identity, fmt.Sprintf("its replica identity was switched (from FULL to %q), and no statement in the log says why", l.ReplicaIdentity)
		}
	}
	return base.Identity, ""
}

// add takes in records. Where nothing identifies rows only inserts and truncates can be logged, which any identity folds.
func (t *Trail) add(f fields, records uint64) {
	if n := len(t.stretches); n > 0 && t.stretches[n-1].takes(&f) {
		s := &t.stretches[n-1]
		s.records += records
		if s.identity.Kind == format.IdentityNone {
			s.identity = f.identity
		}
		return
	}
	t.stretches = append(t.stretches, stretch{f.attnums, f.identity, records})
}

func (s *stretch) takes(f *fields) bool {
	return slices.Equal(s.attnums, f.attnums) && (s.identity.Kind == format.IdentityNone || f.identity.Kind == format.IdentityNone ||
		s.identity.Kind == f.identity.Kind && slices.Equal(s.identity.Attnums, f.identity.Attnums))
}

// End holds the last form against the table in the catalog of the target; empty: it is the same.
func (t *Trail) End(columns []catalog.Column) (conflict string) {
	if len(t.forms) == 0 {
		return "no statement in the log tells that it was made"
	}
	if last, want := &t.forms[len(t.forms)-1], formOf(columns); !last.same(&want) {
		return "its columns are others than those that its statements tell of"
	}
	return t.sameMissing(columns)
}

// sameMissing holds what the statements say of rows from before against what the catalog says, where it still does: any
// role can write a message, and nobody but the server the catalog.
func (t *Trail) sameMissing(columns []catalog.Column) string {
	for i := range columns {
		c := &columns[i]
		if c.Generated != "" || t.forms[0].column(c.Attnum) != nil {
			continue
		}
		var want []byte
		if c.Missing != "" {
			value, err := wal.MissingValue(c.Missing)
			if err != nil {
				return fmt.Sprintf("what rows from before hold in column %q cannot be read: %v", c.Name, err)
			}
			want = format.AppendField([]byte{}, value)
		}
		if (want == nil) != (t.missing[c.Attnum] == nil) || !bytes.Equal(want, t.missing[c.Attnum]) {
			return fmt.Sprintf("what rows from before hold in column %q is not what the statement that added it tells, or no longer known, as after VACUUM FULL", c.Name)
		}
	}
	return ""
}

// Base is the table's entry in the snapshot; nil: it was made later.
func (t *Trail) Base() *format.TableData { return t.base }

// Records is the number of all records taken in.
func (t *Trail) Records() (n uint64) {
	for i := range t.stretches {
		n += t.stretches[i].records
	}
	return n
}

// Stage is one stretch as it is to be folded and merged.
type Stage struct {
	// Fold lacks where files go.
	Fold fold.Options
	// Records is the number of records to be folded; with 0 there is nothing to fold.
	Records uint64
	// Reshape follows the merge; nil: none.
	Reshape *merge.Reshape
}

// Stages are what the rows go through to have the columns given, which are those of the last form. There is at least one. The
// first takes the rows of the snapshot.
func (t *Trail) Stages(columns []format.Column) []Stage {
	var attnums [][]int16
	var stages []Stage
	enter := func(s stretch) {
		o := fold.Options{Table: t.name, Columns: len(s.attnums)}
		if s.identity.Kind == format.IdentityKey {
			for _, attnum := range s.identity.Attnums {
				o.Key = append(o.Key, slices.Index(s.attnums, attnum))
			}
		}
		attnums, stages = append(attnums, s.attnums), append(stages, Stage{Fold: o, Records: s.records})
	}
	if t.base != nil {
		if own := attnumsOf(t.base.Columns); len(t.stretches) == 0 || !slices.Equal(t.stretches[0].attnums, own) {
			enter(stretch{attnums: own})
		}
	}
	for _, s := range t.stretches {
		enter(s)
	}
	if len(stages) == 0 {
		enter(stretch{attnums: attnumsOf(columns)})
	}
	for i := range stages {
		next := attnumsOf(columns)
		if i+1 < len(stages) {
			next = attnums[i+1]
		}
		stages[i].Reshape = t.reshape(attnums[i], next)
	}
	return stages
}

// reshape brings rows from one stretch's columns to those of another.
func (t *Trail) reshape(from, to []int16) *merge.Reshape {
	if slices.Equal(from, to) {
		return nil
	}
	r := &merge.Reshape{From: len(from)}
	for _, attnum := range to {
		f := merge.ReshapedField{From: slices.Index(from, attnum), Value: t.missing[attnum]}
		if f.From < 0 && f.Value == nil {
			f.Value = []byte(format.Null)
		}
		r.Fields = append(r.Fields, f)
	}
	return r
}

func attnumsOf(columns []format.Column) []int16 {
	attnums := make([]int16, len(columns))
	for i, c := range columns {
		attnums[i] = c.Attnum
	}
	return attnums
}

// Reader says of records, in the order of the log, which stretch they belong to.
type Reader struct {
	trail *Trail
	at    int
	lead  int // stages before the first stretch

	// The last answer, which is mostly the next one too.
	layout *format.Layout
	end    format.LSN
	fields fields
}

// Reader begins to read the records that the trail has taken in.
func (t *Trail) Reader() *Reader {
	r := &Reader{trail: t}
	if t.base != nil && len(t.stretches) > 0 && !slices.Equal(t.stretches[0].attnums, attnumsOf(t.base.Columns)) {
		r.lead = 1
	}
	return r
}

// Place returns the number of the stage that folds a record of a layout, of a transaction that ends at a position, and the fields that
// are to be left out of its rows (nil: none). A layout must stay as it is.
func (r *Reader) Place(l *format.Layout, end format.LSN) (stage int, left []bool, err error) {
	if r.layout != l || r.end != end {
		f, conflict := r.trail.match(l, end)
		if conflict != "" {
			return 0, nil, fmt.Errorf("table %s: %s", r.trail.name, conflict)
		}
		r.layout, r.end, r.fields = l, end, f
		for r.at < len(r.trail.stretches) && !r.trail.stretches[r.at].takes(&f) {
			r.at++
		}
		if r.at == len(r.trail.stretches) {
			return 0, nil, fmt.Errorf("table %s: a transaction changed its form and changed it back, and wrote to it all the while: its changes cannot be told apart", r.trail.name)
		}
	}
	return r.lead + r.at, r.fields.left, nil
}
