package catalog_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// withPartitions are the references to a table and to its partitions at every level.
func withPartitions(c *catalog.Catalog, oid uint32) map[catalog.Ref]string {
	gone := map[catalog.Ref]string{{Class: catalog.ClassRelation, OID: oid}: "it is excluded"}
	for grown := true; grown; {
		grown = false
		for _, t := range c.Tables {
			ref := catalog.Ref{Class: catalog.ClassRelation, OID: t.OID}
			if t.Partition && len(t.Parents) > 0 && gone[catalog.Ref{Class: catalog.ClassRelation, OID: t.Parents[0]}] != "" && gone[ref] == "" {
				gone[ref], grown = "it is excluded", true
			}
		}
	}
	return gone
}

// leavable are the objects that a test leaves out, by what is left out together: every table with its partitions, a twelfth of
// the tables at a time, and of the other kinds every fourth object, in two goes. What cannot be left out is counted only.
func leavable(t *testing.T, c *catalog.Catalog) (groups map[string]map[catalog.Ref]string, refused int) {
	t.Helper()
	groups = map[string]map[catalog.Ref]string{}
	add := func(group, what string, gone map[catalog.Ref]string) {
		_, told, err := c.Without(gone)
		switch {
		case err != nil && strings.Contains(err.Error(), "cannot be made without"):
			refused++
			return
		case err != nil:
			t.Fatalf("without %s: %v", what, err)
		case !slices.ContainsFunc(told, func(l catalog.LeftOut) bool { return l.Why == "it is excluded" }):
			t.Errorf("without %s: not told: %v", what, told)
		}
		if groups[group] == nil {
			groups[group] = map[catalog.Ref]string{}
		}
		maps.Copy(groups[group], gone)
	}
	for i, x := range c.Tables {
		add(fmt.Sprintf("tables %d", i%12), x.SQLName(), withPartitions(c, x.OID))
	}
	fourth := func(class catalog.Class, kind string, n int, object func(int) *catalog.Object) {
		for i := 0; i < n; i += 4 {
			o := object(i)
			add(fmt.Sprintf("%s %d", kind, i/4%2), o.SQLName(), map[catalog.Ref]string{{Class: class, OID: o.OID}: "it is excluded"})
		}
	}
	fourth(catalog.ClassFunction, "functions", len(c.Functions), func(i int) *catalog.Object { return &c.Functions[i].Object })
	fourth(catalog.ClassType, "types", len(c.Types), func(i int) *catalog.Object { return &c.Types[i].Object })
	fourth(catalog.ClassRelation, "views", len(c.Views), func(i int) *catalog.Object { return &c.Views[i].Object })
	fourth(catalog.ClassExtension, "extensions", len(c.Extensions), func(i int) *catalog.Object { return &c.Extensions[i].Object })
	fourth(catalog.ClassLanguage, "languages", len(c.Languages), func(i int) *catalog.Object { return &c.Languages[i].Object })
	fourth(catalog.ClassOperator, "operators", len(c.Operators), func(i int) *catalog.Object { return &c.Operators[i].Object })
	fourth(catalog.ClassForeignDataWrapper, "wrappers", len(c.ForeignDataWrappers), func(i int) *catalog.Object { return &c.ForeignDataWrappers[i].Object })
	fourth(catalog.ClassTextSearchTemplate, "templates", len(c.TextSearchTemplates), func(i int) *catalog.Object { return &c.TextSearchTemplates[i].Object })
	fourth(catalog.ClassCollation, "collations", len(c.Collations), func(i int) *catalog.Object { return &c.Collations[i].Object })
	return groups, refused
}

func TestWhateverIsLeftOutTheRestCanBeMade(t *testing.T) {
	source, target := newRich(t, "source"), newDatabase(t, "target")
	c := read(t, source)
	before := text(ddl(t, c, catalog.DDLOptions{}))
	groups, refused := leavable(t, c)
	if refused == 0 {
		t.Error("nothing is refused")
	}
	for group, gone := range groups {
		reduced, _, err := c.Without(gone)
		if err != nil {
			t.Fatalf("without %s: %v", group, err)
		}
		tx, err := target.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Run("without "+group, func(t *testing.T) { execute(t, target, ddl(t, reduced, catalog.DDLOptions{})) })
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "DDL of the catalog before and after", before, text(ddl(t, c, catalog.DDLOptions{})))
}
