package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// labelled makes an object of every kind that can have a security label, and labels of a provider that no server here has.
const labelled = `CREATE SCHEMA app; CREATE TABLE app.t (a integer, "b c" text); CREATE TABLE app.id (n integer GENERATED ALWAYS AS IDENTITY);
	CREATE TABLE app.log (at date) PARTITION BY RANGE (at); CREATE VIEW app.v AS SELECT a FROM app.t; CREATE MATERIALIZED VIEW app.m AS SELECT a FROM app.t; CREATE SEQUENCE app.s;
	CREATE FUNCTION app.f(integer, text DEFAULT 'x') RETURNS integer LANGUAGE sql AS 'SELECT 1'; CREATE PROCEDURE app.p() LANGUAGE sql AS '';
	CREATE DOMAIN app.d AS text; CREATE TYPE app.e AS ENUM (); CREATE TYPE app.c AS (x integer);
	CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER et ON sql_drop EXECUTE FUNCTION app.on_ddl(); ALTER EVENT TRIGGER et DISABLE;
	CREATE PUBLICATION pub; CREATE EXTENSION hstore SCHEMA public;
	SET allow_system_table_mods = on;
	INSERT INTO pg_seclabel (objoid, classoid, objsubid, provider, label)
	SELECT a.objid, a.classid, a.objsubid, 'dummy', 'it''s \ ' || k FROM (VALUES
		('schema', '{app}', '{}'), ('table', '{app,t}', '{}'), ('table column', '{app,t,a}', '{}'), ('table column', '{app,t,"b c"}', '{}'), ('table', '{app,log}', '{}'),
		('sequence', '{app,id_n_seq}', '{}'), ('view', '{app,v}', '{}'), ('table column', '{app,v,a}', '{}'), ('materialized view', '{app,m}', '{}'), ('sequence', '{app,s}', '{}'),
		('function', '{app,f}', '{integer,text}'), ('procedure', '{app,p}', '{}'), ('type', '{app.d}', '{}'), ('type', '{app.e}', '{}'), ('type', '{app.c}', '{}'),
		('table column', '{app,c,x}', '{}'), ('event trigger', '{et}', '{}'), ('publication', '{pub}', '{}'),
		('function', '{public,hstore_out}', '{public.hstore}'), ('table', '{pg_catalog,pg_class}', '{}')) o (k, name, args)
	CROSS JOIN LATERAL pg_get_object_address(o.k, o.name::text[], o.args::text[]) a;
	INSERT INTO pg_seclabel VALUES ('app.t'::regclass, 'pg_class'::regclass, 0, 'Another One', 'x')`

func TestSecurityLabelsOfEveryKindAreWritten(t *testing.T) {
	source := newDatabase(t, "source")
	run(t, source, labelled)
	c := read(t, source)
	var got []string
	for _, s := range ddl(t, c, catalog.DDLOptions{}).Statements {
		if s.Kind == "SECURITY LABEL" {
			got = append(got, strings.TrimPrefix(s.SQL, "SECURITY LABEL FOR "))
		}
	}
	slices.Sort(got)
	equal(t, "security labels", strings.Join([]string{
		`"Another One" ON TABLE app.t IS 'x'`,
		`dummy ON COLUMN app.c.x IS E'it''s \\ table column'`,
		`dummy ON COLUMN app.t."b c" IS E'it''s \\ table column'`,
		`dummy ON COLUMN app.t.a IS E'it''s \\ table column'`,
		`dummy ON COLUMN app.v.a IS E'it''s \\ table column'`,
		`dummy ON DOMAIN app.d IS E'it''s \\ type'`,
		`dummy ON EVENT TRIGGER et IS E'it''s \\ event trigger'`,
		`dummy ON FUNCTION app.f(integer, text) IS E'it''s \\ function'`,
		`dummy ON MATERIALIZED VIEW app.m IS E'it''s \\ materialized view'`,
		`dummy ON PROCEDURE app.p() IS E'it''s \\ procedure'`,
		`dummy ON PUBLICATION pub IS E'it''s \\ publication'`,
		`dummy ON SCHEMA app IS E'it''s \\ schema'`,
		`dummy ON SEQUENCE app.id_n_seq IS E'it''s \\ sequence'`,
		`dummy ON SEQUENCE app.s IS E'it''s \\ sequence'`,
		`dummy ON TABLE app.log IS E'it''s \\ table'`,
		`dummy ON TABLE app.t IS E'it''s \\ table'`,
		`dummy ON TYPE app.c IS E'it''s \\ type'`,
		`dummy ON TYPE app.e IS E'it''s \\ type'`,
		`dummy ON VIEW app.v IS E'it''s \\ view'`,
	}, "\n"), strings.Join(got, "\n"))
	if len(c.Unsupported) != 1 || c.Unsupported[0].Name != "of dummy on 2 objects of the system or of extensions" {
		t.Errorf("not kept: %+v", c.Unsupported)
	}
}

func TestWithoutSecurityLabelsATargetNeedsNoProvider(t *testing.T) {
	source, target := newDatabase(t, "source"), newDatabase(t, "target")
	run(t, source, labelled)
	c := read(t, source)
	script := ddl(t, c, catalog.DDLOptions{})
	if s := script.Statements[slices.IndexFunc(script.Statements, func(s catalog.Statement) bool { return s.Kind == "SECURITY LABEL" })]; s.Section != catalog.PreData {
		t.Errorf("a label comes after rows are loaded, so that a provider that is missing is noticed late: %+v", s)
	}
	if _, err := target.Exec(t.Context(), "SECURITY LABEL FOR dummy ON SCHEMA public IS 'x'"); err == nil || !strings.Contains(err.Error(), "is not loaded") {
		t.Errorf("the server knows the provider: %v", err)
	}
	execute(t, target, ddl(t, c, catalog.DDLOptions{NoSecurityLabels: true}))
}
