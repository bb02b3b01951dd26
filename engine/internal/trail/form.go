package trail

import (
	"fmt"
	"slices"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
	"github.com/pgrecall/pgrecall/wal"
)

// form is what a table was between two statements.
type form struct {
	columns []column // that are not dropped, by their numbers
	// identity is its replica identity, as pg_class.relreplident; empty: not known.
	identity string
}

type column struct {
	attnum    int16
	name      string
	typ       uint32
	typmod    int32
	generated string
	missing   []byte // as a field of COPY text; nil: none
}

func (c *column) same(o *column) bool {
	return c.attnum == o.attnum && c.name == o.name && c.typ == o.typ && c.typmod == o.typmod && c.generated == o.generated
}

func formOf(columns []catalog.Column) form {
	f := form{columns: make([]column, 0, len(columns))}
	for _, c := range columns {
		f.columns = append(f.columns, column{attnum: c.Attnum, name: c.Name, typ: c.Type, typmod: c.Typmod, generated: c.Generated})
	}
	return f
}

func formSaid(t *wal.DDLTable) form {
	f := form{columns: make([]column, 0, len(t.Columns)), identity: t.Identity}
	for _, c := range t.Columns {
		if c.Dropped {
			continue
		}
		own := column{attnum: c.Attnum, name: c.Name, typ: c.Type, typmod: c.Typmod, generated: c.Generated}
		if c.HasMissing {
			own.missing = format.AppendField([]byte{}, c.Missing)
		}
		f.columns = append(f.columns, own)
	}
	f.sort()
	return f
}

func (f *form) sort() {
	slices.SortFunc(f.columns, func(a, b column) int { return int(a.attnum) - int(b.attnum) })
}

// highest is the greatest number of a column.
func (f *form) highest() int16 {
	if len(f.columns) == 0 {
		return 0
	}
	return f.columns[len(f.columns)-1].attnum
}

func (f *form) column(attnum int16) *column {
	for i := range f.columns {
		if f.columns[i].attnum == attnum {
			return &f.columns[i]
		}
	}
	return nil
}

// fit says which columns the fields of a layout are, if it is one of this form: all columns but generated ones, or, from a
// server that sends them (18 and later), stored generated ones too, which are to be left out.
func (f *form) fit(l *format.Layout) (attnums []int16, left []bool, ok bool) {
	if f.identity != "" && f.identity != l.ReplicaIdentity {
		return nil, nil, false
	}
	for _, stored := range []bool{false, true} {
		attnums, left = []int16{}, []bool{}
		at := 0
		for i := range f.columns {
			c := &f.columns[i]
			if c.generated == "v" || c.generated == "s" && !stored {
				continue
			}
			if at == len(l.Columns) || l.Columns[at].Name != c.name || l.Columns[at].Type != c.typ || l.Columns[at].Typmod != c.typmod {
				at = -1
				break
			}
			at++
			left = append(left, c.generated != "")
			if c.generated == "" {
				attnums = append(attnums, c.attnum)
			}
		}
		if at == len(l.Columns) {
			if !slices.Contains(left, true) {
				left = nil
			}
			return attnums, left, true
		}
	}
	return nil, nil, false
}

// same says whether two forms have the same columns.
func (f *form) same(o *form) bool {
	return slices.EqualFunc(f.columns, o.columns, func(a, b column) bool { return a.same(&b) })
}

// unlike says why rows of the form before cannot become rows of this one; empty: they can.
func (f *form) unlike(before *form) string {
	for i := range f.columns {
		c := &f.columns[i]
		was := before.column(c.attnum)
		switch {
		case was == nil:
		case (was.generated == "") != (c.generated == ""):
			return fmt.Sprintf("column %q became an ordinary one or a generated one, and what rows hold in it is not in the log", c.name)
		case c.generated == "" && !c.keepsText(was):
			return fmt.Sprintf("the type of column %q was changed", c.name)
		}
	}
	return ""
}

// The types whose values keep their text when they become each other without a rewrite (pg_type.dat).
const (
	typeText      = 25
	typeVarchar   = 1043
	typeNumeric   = 1700
	typeVarbit    = 1562
	typeTime      = 1083
	typeTimestamp = 1114
	typeTimetz    = 1266
	typeTstz      = 1184
)

// keepsText says whether values of the column are written as they were under its former type. What needs a rewrite is
// told by a message of its own, so that here only those matter that need none (ATColumnChangeRequiresRewrite in
// src/backend/commands/tablecmds.c): of them only such whose text is certain to stay.
func (c *column) keepsText(was *column) bool {
	if c.typ == was.typ && c.typmod == was.typmod {
		return true
	}
	wider := c.typmod == -1 || was.typmod != -1 && c.typmod >= was.typmod
	switch {
	case c.typ != was.typ:
		return c.typ == typeText && was.typ == typeVarchar || c.typ == typeVarchar && was.typ == typeText && c.typmod == -1
	case c.typ == typeNumeric && c.typmod != -1: // precision may grow, the scale not change
		return was.typmod != -1 && wider && (c.typmod-4)&0xffff == (was.typmod-4)&0xffff
	}
	return wider && slices.Contains([]uint32{typeVarchar, typeNumeric, typeVarbit, typeTime, typeTimestamp, typeTimetz, typeTstz}, c.typ)
}
