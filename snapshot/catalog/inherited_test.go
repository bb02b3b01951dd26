package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

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

// TestAChildWithoutAParentsNotNullIsOneInTheCopy is about servers before PostgreSQL 18. pg_dump's copies lack it.
func TestAChildWithoutAParentsNotNullIsOneInTheCopy(t *testing.T) {
	if server.Version() >= 18 {
		return // there is no such child
	}
	source, target := newDatabase(t, "source"), newDatabase(t, "target")
	run(t, source, `SET search_path = public;
		CREATE TABLE parent (a integer NOT NULL, b integer NOT NULL, c integer, PRIMARY KEY (a));
		CREATE TABLE child (b integer, d integer) INHERITS (parent);
		CREATE TABLE grandchild (e integer) INHERITS (child);
		CREATE TABLE other (a integer) INHERITS (parent);
		ALTER TABLE ONLY child ALTER a DROP NOT NULL, ALTER b DROP NOT NULL;
		ALTER TABLE ONLY parent ALTER c SET NOT NULL;
		ALTER TABLE parent ADD COLUMN late integer NOT NULL, ADD COLUMN later integer;
		ALTER TABLE ONLY child ALTER late DROP NOT NULL, ALTER later SET NOT NULL;
		ALTER TABLE other ADD COLUMN f integer;`)
	script := ddl(t, read(t, source), catalog.DDLOptions{})
	execute(t, target, script)
	nulls := func(conn *pgx.Conn) (list string) {
		err := conn.QueryRow(t.Context(), `SELECT string_agg(relname || ' ' || columns, E'\n' ORDER BY relname) FROM (
			SELECT relname, string_agg(attname || ' ' || attnotnull, ', ' ORDER BY attnum) AS columns FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
			WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum > 0 GROUP BY relname) s`).Scan(&list)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	equal(t, "NOT NULLs of source and copy", nulls(source), nulls(target))
	equal(t, "DDL of source and copy", text(script), text(ddl(t, read(t, target), catalog.DDLOptions{})))
}
