package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// TestAnInheritedNotNullIsSpokenOfByTheNameItGets: PostgreSQL 18 names it after the first parent's that is there when the table is made,
// which in a copy need not be the one that was there first in the source.
func TestAnInheritedNotNullIsSpokenOfByTheNameItGets(t *testing.T) {
	table := func(oid uint32, name string, validated bool, constraint string, parents ...uint32) catalog.Table {
		k := catalog.Constraint{OID: 100 + oid, Name: constraint, Kind: "n", Definition: "NOT NULL a", Validated: validated, Enforced: true,
			Local: len(parents) == 0, Inherited: int32(len(parents)), Columns: []int16{1}, Comment: "of " + name}
		if !validated {
			k.Definition += " NOT VALID"
		}
		return catalog.Table{Object: catalog.Object{OID: oid, Schema: "public", Name: name, Owner: "o"}, Kind: "r", Parents: parents,
			Columns:     []catalog.Column{{Attnum: 1, Name: "a", TypeName: "integer", Statistics: -1, Local: len(parents) == 0}},
			Constraints: []catalog.Constraint{k}}
	}
	c := &catalog.Catalog{ServerVersion: 180000, Tables: []catalog.Table{
		table(1, "heir", true, "unsure_a", 2, 3), table(2, "unsure", false, "unsure_a"), table(3, "sure", true, "sure_a"),
		table(4, "child", true, "unsure_a", 2), table(5, "grandchild", true, "unsure_a", 4), table(6, "below", true, "unsure_a", 1)}}
	script := ddl(t, c, catalog.DDLOptions{})
	for sql, stage := range map[string]int{
		"COMMENT ON CONSTRAINT sure_a ON public.heir IS 'of heir'":               catalog.StageGrants,
		"COMMENT ON CONSTRAINT sure_a ON public.below IS 'of below'":             catalog.StageGrants,
		"COMMENT ON CONSTRAINT unsure_a ON public.child IS 'of child'":           catalog.StageGrants,
		"COMMENT ON CONSTRAINT unsure_a ON public.grandchild IS 'of grandchild'": catalog.StageGrants,
		"ALTER TABLE public.child VALIDATE CONSTRAINT unsure_a":                  catalog.StageTriggers,
		"ALTER TABLE public.unsure ADD CONSTRAINT unsure_a NOT NULL a NOT VALID": catalog.StageForeignKeys,
	} {
		i := slices.IndexFunc(script.Statements, func(s catalog.Statement) bool { return s.SQL == sql })
		if i < 0 || script.Statements[i].Stage != stage {
			t.Errorf("not at stage %d: %s", stage, sql)
		}
	}
	for _, s := range script.Statements {
		if strings.Contains(s.SQL, "public.heir") && strings.Contains(s.SQL, "unsure_a") || strings.Contains(s.SQL, "heir VALIDATE") {
			t.Errorf("not in the copy: %s", s.SQL)
		}
	}
	if len(script.LeftOut) != 2 || !strings.Contains(script.LeftOut[0].Why, "sure_a") {
		t.Errorf("left out: %v", script.LeftOut)
	}
}
