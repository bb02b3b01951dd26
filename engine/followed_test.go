package engine

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

func TestTablesThatNoLogFollowsAreToldApart(t *testing.T) {
	virtual := []catalog.Column{{Attnum: 1, Name: "a"}, {Attnum: 2, Name: "b", Generated: "v"}}
	for _, c := range []struct {
		name  string
		table catalog.Table
		words string
	}{
		{"ordinary", catalog.Table{Kind: "r", Persistence: "p", Columns: virtual[:1]}, ""},
		{"unlogged", catalog.Table{Kind: "r", Persistence: "u", Columns: virtual[:1]}, "unlogged"},
		{"virtual column and key", catalog.Table{Kind: "r", Persistence: "p", Columns: virtual, IdentityAttnums: []int16{1}}, ""},
		{"virtual column without key", catalog.Table{Kind: "r", Persistence: "p", Columns: virtual}, "virtual"},
		{"its partitioned parent", catalog.Table{Kind: "p", Persistence: "p", Columns: virtual}, ""},
	} {
		if got := unfollowed(&c.table, ""); !strings.Contains(got, c.words) || c.words == "" && got != "" {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func TestRowsOfASnapshotAreSaidToBeThatInEveryCommand(t *testing.T) {
	place, db := protect(t, "CREATE UNLOGGED TABLE pets (id int PRIMARY KEY)", "INSERT INTO pets VALUES (1)")
	exec(t, db, "INSERT INTO pets VALUES (2)", "CREATE TEMP TABLE unseen (id int)")
	drain(t, place, db)
	const said = "changes of table public.pets after the snapshot: unlogged"
	r, err := Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t)})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(r.Plan.LeftOut, func(what string) bool { return strings.HasPrefix(what, said) }) {
		t.Errorf("the restore does not say it: %q", r.Plan.LeftOut)
	}
	var out bytes.Buffer
	told := newNotes(t)
	if _, err := Cat(t.Context(), CatOptions{Place: place, Table: "pets", Out: &out, Tracer: told}); err != nil {
		t.Fatal(err)
	}
	close(told.texts)
	var all string
	for text := range told.texts {
		all += text + "\n"
	}
	if out.String() != "1\n" || !strings.Contains(all, said) {
		t.Errorf("cat wrote %q and said %q", out.String(), all)
	}
}

func TestWhatCannotBeExactIsCountedByItsKind(t *testing.T) {
	virtual := []catalog.Column{{Attnum: 1, Name: "a", Generated: "v"}}
	taken := &snapshot.Taken{
		Catalog: &catalog.Catalog{
			Tables: []catalog.Table{{Object: catalog.Object{OID: 1}, Kind: "r", Persistence: "u"}, {Object: catalog.Object{OID: 2}, Kind: "r", Persistence: "u"},
				{Object: catalog.Object{OID: 3}, Kind: "r", Persistence: "p", Columns: virtual}, {Object: catalog.Object{OID: 4}, Kind: "r", Persistence: "p"}},
			Views:       []catalog.View{{Kind: "m", Populated: true}, {Kind: "m"}, {Kind: "v"}},
			Unsupported: []catalog.Unsupported{{Kind: "operator"}, {Kind: "aggregate"}, {Kind: "rows of extension table", Table: 5}},
			LargeObjects: catalog.LargeObjects{Groups: []catalog.LargeObjectGroup{{OIDs: catalog.OIDs{{First: 1, Last: 7}}},
				{OIDs: catalog.OIDs{{First: 8, Last: 9}}, Unreadable: true}}},
		},
		Body: format.Body{Tables: []format.TableData{{OID: 1}, {OID: 3}, {OID: 4}, {OID: format.LargeObjectTable}}}, // table 2 was not chosen
	}
	want := format.Inexact{UnloggedTables: 1, UnfollowedTables: 1, LargeObjects: 7, SkippedTables: 2, SkippedLargeObjects: 2, MaterializedViews: 1, Unsupported: 2}
	if got := inexact(taken); *got != want {
		t.Errorf("%+v, want %+v", *got, want)
	}
	taken.Body.Tables = taken.Body.Tables[:3]
	want.LargeObjects, want.SkippedLargeObjects = 0, 9
	if got := inexact(taken); *got != want {
		t.Errorf("without large objects: %+v, want %+v", *got, want)
	}
}
