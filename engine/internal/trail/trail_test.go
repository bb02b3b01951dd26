package trail_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/engine/internal/trail"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
	"github.com/pgrecall/pgrecall/wal"
)

// numeric is the typmod of numeric(precision, scale) (make_numeric_typmod in src/backend/utils/adt/numeric.c).
func numeric(precision, scale int32) int32 { return precision<<16 | scale + 4 }

func TestOnlyTypesWhoseTextStaysAreCrossed(t *testing.T) {
	const text, varchar, num, int4, tstz, bpchar = 25, 1043, 1700, 23, 1184, 1042
	for _, c := range []struct {
		name            string
		typ, typ2       uint32
		typmod, typmod2 int32
		crossed         bool
	}{
		{"varchar(10) to varchar(20)", varchar, varchar, 14, 24, true},
		{"varchar(10) to varchar", varchar, varchar, 14, -1, true},
		{"varchar(20) to varchar(10)", varchar, varchar, 24, 14, false},
		{"varchar to varchar(10)", varchar, varchar, -1, 14, false},
		{"varchar(10) to text", varchar, text, 14, -1, true},
		{"text to varchar", text, varchar, -1, -1, true},
		{"text to varchar(10)", text, varchar, -1, 14, false},
		{"char(3) to text", bpchar, text, 7, -1, false},
		{"int to text", int4, text, -1, -1, false},
		{"numeric(8,2) to numeric(10,2)", num, num, numeric(8, 2), numeric(10, 2), true},
		{"numeric(8,2) to numeric(10,3)", num, num, numeric(8, 2), numeric(10, 3), false},
		{"numeric(8,2) to numeric(6,2)", num, num, numeric(8, 2), numeric(6, 2), false},
		{"numeric(8,2) to numeric", num, num, numeric(8, 2), -1, true},
		{"numeric to numeric(8,2)", num, num, -1, numeric(8, 2), false},
		{"timestamptz(0) to timestamptz(3)", tstz, tstz, 0, 3, true},
		{"timestamptz to timestamptz(3)", tstz, tstz, -1, 3, false},
	} {
		base := &format.TableData{Columns: []format.Column{{Attnum: 1, Name: "a", Type: c.typ, Typmod: c.typmod}}, Identity: format.Identity{Kind: format.IdentityFull}}
		followed := trail.Of(base, []catalog.Column{{Attnum: 1, Name: "a", Type: c.typ, Typmod: c.typmod}}, "f")
		said := &wal.DDLTable{Identity: "f", Columns: []wal.DDLColumn{{Attnum: 1, Name: "a", Type: c.typ2, Typmod: c.typmod2}}}
		conflict := followed.Transaction(format.Transaction{EndLSN: 10}, []*wal.DDLTable{said}, nil)
		if (conflict == nil) != c.crossed {
			t.Errorf("%s: %+v", c.name, conflict)
		}
	}
}

func TestWhatTheStatementsDoNotTellIsAConflict(t *testing.T) {
	columns := []catalog.Column{{Attnum: 1, Name: "a", Type: 23, Typmod: -1}, {Attnum: 2, Name: "g", Type: 23, Typmod: -1, Generated: "s"}}
	base := &format.TableData{Columns: []format.Column{{Attnum: 1, Name: "a", Type: 23, Typmod: -1}}, Identity: format.Identity{Kind: format.IdentityKey, Attnums: []int16{1}}}
	a, g := wal.DDLColumn{Attnum: 1, Name: "a", Type: 23, Typmod: -1}, wal.DDLColumn{Attnum: 2, Name: "g", Type: 23, Typmod: -1, Generated: "s"}
	ordinary := g
	ordinary.Generated = ""
	say := func(columns ...wal.DDLColumn) []*wal.DDLTable {
		return []*wal.DDLTable{{Identity: "d", Columns: columns}}
	}
	count := func(identity string, key bool, names ...string) []trail.Count {
		l := &format.Layout{ReplicaIdentity: identity}
		for i, name := range names {
			l.Columns = append(l.Columns, format.LayoutColumn{Name: name, Type: 23, Typmod: -1, Key: key && i == 0})
		}
		return []trail.Count{{Layout: l, Records: 1}}
	}
	for _, c := range []struct {
		name     string
		said     []*wal.DDLTable
		counts   []trail.Count
		conflict string
	}{
		{"nothing", nil, nil, ""},
		{"its rows", nil, count("d", true, "a"), ""},
		{"its rows with what is generated", nil, count("d", true, "a", "g"), ""},
		{"DROP EXPRESSION", say(a, ordinary), nil, `column "g"`},
		{"very many tables", []*wal.DDLTable{{}}, nil, "one of very many"},
		{"a column of another name", nil, count("d", true, "b"), "its columns in the log are others"},
		{"another key", say(a, g), count("d", false, "a"), ""}, // inserts only
		{"another key, and nobody said so", nil, count("d", false, "a"), "its replica identity was switched"},
	} {
		followed := trail.Of(base, columns, "d")
		conflict := followed.Transaction(format.Transaction{EndLSN: 10}, c.said, c.counts)
		switch {
		case c.conflict == "" && conflict != nil, c.conflict != "" && (conflict == nil || !strings.Contains(conflict.What, c.conflict)):
			t.Errorf("%s: %+v", c.name, conflict)
		case conflict == nil && followed.End(columns) != "":
			t.Errorf("%s: at the end: %s", c.name, followed.End(columns))
		case conflict == nil && followed.End(columns[:1]) == "":
			t.Errorf("%s: a column that is gone at the end is not missed", c.name)
		}
	}
	if trail.Made("public.t").End(columns) == "" {
		t.Error("a table that no statement made has an end")
	}
}

// Any role can write a message into the log; none may make rows others than they were.
func TestForgedMessagesAreAConflict(t *testing.T) {
	base := &format.TableData{Columns: []format.Column{{Attnum: 1, Name: "a", Type: 25, Typmod: -1}, {Attnum: 2, Name: "b", Type: 25, Typmod: -1}}, Identity: format.Identity{Kind: format.IdentityFull}}
	columns := []catalog.Column{{Attnum: 1, Name: "a", Type: 25, Typmod: -1}, {Attnum: 2, Name: "b", Type: 25, Typmod: -1}}
	added := append(slices.Clone(columns), catalog.Column{Attnum: 3, Name: "c", Type: 25, Typmod: -1, Missing: "{true}"})
	text := func(attnum int16, name string) wal.DDLColumn {
		return wal.DDLColumn{Attnum: attnum, Name: name, Type: 25, Typmod: -1}
	}
	missing := func(value string) wal.DDLColumn {
		c := text(3, "c")
		c.HasMissing, c.Missing = true, []byte(value)
		return c
	}
	for _, c := range []struct {
		name string
		said [][]wal.DDLColumn
		end  []catalog.Column
		ok   bool
	}{
		{"a column added", [][]wal.DDLColumn{{text(1, "a"), text(2, "b"), missing("true")}}, added, true},
		{"a value of somebody else before", [][]wal.DDLColumn{{text(1, "a"), text(2, "b"), missing("forged")}, {text(1, "a"), text(2, "b"), missing("true")}}, added, false},
		{"a value where there is none", [][]wal.DDLColumn{{text(1, "a"), text(2, "b"), text(3, "c")}}, added, false},
		{"a column gone and back", [][]wal.DDLColumn{{text(1, "a"), text(3, "b")}, {text(1, "a"), text(2, "b")}}, columns, false},
		{"names exchanged at the end", [][]wal.DDLColumn{{text(1, "b"), text(2, "a")}}, columns, false},
	} {
		followed := trail.Of(base, columns, "f")
		what := ""
		for i, said := range c.said {
			if conflict := followed.Transaction(format.Transaction{EndLSN: format.LSN(10 * (i + 1))}, []*wal.DDLTable{{Identity: "f", Columns: said}}, nil); conflict != nil {
				what = conflict.What
			}
		}
		if what == "" {
			what = followed.End(c.end)
		}
		if (what == "") != c.ok {
			t.Errorf("%s: %q", c.name, what)
		}
	}
}

func TestFieldsOfGeneratedColumnsAreLeftOut(t *testing.T) {
	columns := []catalog.Column{{Attnum: 1, Name: "g", Type: 23, Typmod: -1, Generated: "s"}, {Attnum: 2, Name: "v", Type: 23, Typmod: -1, Generated: "v"}, {Attnum: 3, Name: "a", Type: 23, Typmod: -1}}
	base := &format.TableData{Columns: []format.Column{{Attnum: 3, Name: "a", Type: 23, Typmod: -1}}, Identity: format.Identity{Kind: format.IdentityFull}}
	followed := trail.Of(base, columns, "f")
	l := &format.Layout{ReplicaIdentity: "f", Columns: []format.LayoutColumn{{Name: "g", Type: 23, Typmod: -1, Key: true}, {Name: "a", Type: 23, Typmod: -1, Key: true}}}
	if c := followed.Transaction(format.Transaction{EndLSN: 10}, nil, []trail.Count{{Layout: l, Records: 3}}); c != nil {
		t.Fatal(c.What)
	}
	stage, left, err := followed.Reader().Place(l, 10)
	if err != nil || stage != 0 || !slices.Equal(left, []bool{true, false}) {
		t.Fatalf("stage %d, %v, %v", stage, left, err)
	}
	if stages := followed.Stages(base.Columns); len(stages) != 1 || stages[0].Records != 3 || stages[0].Reshape != nil {
		t.Fatalf("%+v", stages)
	}
}
