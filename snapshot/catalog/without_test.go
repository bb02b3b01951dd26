package catalog_test

import (
	"fmt"
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

func TestWhateverIsLeftOutTheRestCanBeMade(t *testing.T) {
	source, target := newRich(t, "source"), newDatabase(t, "target")
	c := read(t, source)
	before := text(ddl(t, c, catalog.DDLOptions{}))
	type one struct {
		what string
		gone map[catalog.Ref]string
	}
	var all []one
	for _, x := range c.Tables {
		all = append(all, one{"table " + x.SQLName(), withPartitions(c, x.OID)})
	}
	some := func(class catalog.Class, kind string, objects []*catalog.Object) {
		for i, o := range objects {
			if i%4 == 0 {
				all = append(all, one{kind + " " + o.SQLName(), map[catalog.Ref]string{{Class: class, OID: o.OID}: "it is excluded"}})
			}
		}
	}
	var functions, types, views, extensions, languages, operators, servers, parsers, collations []*catalog.Object
	for i := range c.Functions {
		functions = append(functions, &c.Functions[i].Object)
	}
	for i := range c.Types {
		types = append(types, &c.Types[i].Object)
	}
	for i := range c.Views {
		views = append(views, &c.Views[i].Object)
	}
	for i := range c.Extensions {
		extensions = append(extensions, &c.Extensions[i].Object)
	}
	for i := range c.Languages {
		languages = append(languages, &c.Languages[i].Object)
	}
	for i := range c.Operators {
		operators = append(operators, &c.Operators[i].Object)
	}
	for i := range c.ForeignDataWrappers {
		servers = append(servers, &c.ForeignDataWrappers[i].Object)
	}
	for i := range c.TextSearchTemplates {
		parsers = append(parsers, &c.TextSearchTemplates[i].Object)
	}
	for i := range c.Collations {
		collations = append(collations, &c.Collations[i].Object)
	}
	some(catalog.ClassFunction, "function", functions)
	some(catalog.ClassType, "type", types)
	some(catalog.ClassRelation, "view", views)
	some(catalog.ClassExtension, "extension", extensions)
	some(catalog.ClassLanguage, "language", languages)
	some(catalog.ClassOperator, "operator", operators)
	some(catalog.ClassForeignDataWrapper, "foreign-data wrapper", servers)
	some(catalog.ClassTextSearchTemplate, "text search template", parsers)
	some(catalog.ClassCollation, "collation", collations)
	refused := 0
	for _, x := range all {
		reduced, told, err := c.Without(x.gone)
		if err != nil {
			if !strings.Contains(err.Error(), "can not be made without") {
				t.Fatalf("without %s: %v", x.what, err)
			}
			refused++
			continue
		}
		if !slices.ContainsFunc(told, func(l catalog.LeftOut) bool { return l.Why == "it is excluded" }) {
			t.Errorf("without %s: not told: %v", x.what, told)
		}
		tx, err := target.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprintf("without %s", x.what), func(t *testing.T) { execute(t, target, ddl(t, reduced, catalog.DDLOptions{})) })
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if refused == len(all) || refused == 0 {
		t.Errorf("%d of %d refused", refused, len(all))
	}
	equal(t, "DDL of the catalog before and after", before, text(ddl(t, c, catalog.DDLOptions{})))
}
