package catalog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// texts are the rows of a query of one column.
func texts(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return strings.Join(lines, "\n")
}

// allPrivileges tells the access control lists of a database's own objects.
const allPrivileges = `SELECT 'table ' || relname || ' ' || coalesce(relacl::text, '-') FROM pg_class WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^(public|app)$')
	UNION ALL SELECT 'column ' || attname || ' ' || attacl::text FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid >= 16384
	UNION ALL SELECT 'schema ' || nspname || ' ' || coalesce(nspacl::text, '-') FROM pg_namespace WHERE nspname IN ('public', 'app')
	UNION ALL SELECT 'function ' || proname || ' ' || coalesce(proacl::text, '-') FROM pg_proc WHERE oid >= 16384
	UNION ALL SELECT 'default ' || defaclrole::regrole || ' ' || coalesce(defaclnamespace::regnamespace::text, '') || defaclobjtype::text || ' ' || defaclacl::text FROM pg_default_acl
	ORDER BY 1`

func TestGrantsComeBackAsTheyWere(t *testing.T) {
	source, target := newDatabase(t, "source"), newDatabase(t, "target")
	run(t, source, `CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO cat_owner, cat_reader, cat_other; GRANT USAGE ON SCHEMA app TO "4242";
		-- Two roles hold their grant option from each other alone.
		CREATE TABLE app.circle (a integer); ALTER TABLE app.circle OWNER TO cat_owner;
		SET ROLE cat_owner; GRANT SELECT, UPDATE ON app.circle TO cat_reader, cat_other WITH GRANT OPTION;
		SET ROLE cat_reader; GRANT SELECT ON app.circle TO cat_other WITH GRANT OPTION;
		SET ROLE cat_other; GRANT SELECT ON app.circle TO cat_reader WITH GRANT OPTION; GRANT SELECT ON app.circle TO PUBLIC;
		SET ROLE cat_owner; REVOKE SELECT ON app.circle FROM cat_reader; REVOKE GRANT OPTION FOR SELECT ON app.circle FROM cat_other;
		-- One privilege came from the owner, another from a third role.
		RESET ROLE; CREATE TABLE app.mixed (a integer, b integer); ALTER TABLE app.mixed OWNER TO cat_owner;
		SET ROLE cat_owner; GRANT INSERT ON app.mixed TO cat_other WITH GRANT OPTION; GRANT SELECT ON app.mixed TO cat_reader WITH GRANT OPTION; GRANT SELECT (b) ON app.mixed TO cat_other WITH GRANT OPTION;
		SET ROLE cat_other; GRANT INSERT ON app.mixed TO cat_reader WITH GRANT OPTION; GRANT SELECT (b) ON app.mixed TO cat_reader, PUBLIC;
		SET ROLE cat_reader; GRANT INSERT, SELECT ON app.mixed TO "4242";
		-- The owner gave up a part, all, the right on a column; the grantor lost its way to the object.
		RESET ROLE; CREATE TABLE app.partly (a integer); REVOKE TRUNCATE ON app.partly FROM postgres;
		CREATE TABLE app.nothing (a integer); REVOKE ALL ON app.nothing FROM postgres;
		CREATE TABLE app.everything (a integer); GRANT ALL ON app.everything TO cat_reader; GRANT ALL (a) ON app.everything TO cat_other WITH GRANT OPTION;
		CREATE TABLE app.hidden (a integer); GRANT SELECT ON app.hidden TO cat_other WITH GRANT OPTION;
		SET ROLE cat_other; GRANT SELECT ON app.hidden TO cat_owner; RESET ROLE; REVOKE USAGE ON SCHEMA app FROM cat_other;
		CREATE SEQUENCE app.numbers; GRANT ALL ON SEQUENCE app.numbers TO cat_reader; REVOKE ALL ON SEQUENCE app.numbers FROM postgres;
		CREATE FUNCTION app.f() RETURNS void LANGUAGE sql AS ''; REVOKE ALL ON FUNCTION app.f() FROM PUBLIC, postgres;
		CREATE PROCEDURE app.p() LANGUAGE sql AS ''; GRANT EXECUTE ON PROCEDURE app.p() TO pg_monitor WITH GRANT OPTION;
		GRANT pg_monitor TO cat_reader; SET ROLE cat_reader; GRANT EXECUTE ON PROCEDURE app.p() TO cat_other; RESET ROLE; REVOKE pg_monitor FROM cat_reader;
		ALTER DEFAULT PRIVILEGES FOR ROLE cat_owner REVOKE ALL ON TABLES FROM cat_owner;
		ALTER DEFAULT PRIVILEGES FOR ROLE cat_owner REVOKE ALL ON FUNCTIONS FROM PUBLIC, cat_owner;
		ALTER DEFAULT PRIVILEGES FOR ROLE cat_owner REVOKE USAGE ON TYPES FROM PUBLIC;
		ALTER DEFAULT PRIVILEGES FOR ROLE cat_owner GRANT ALL ON SCHEMAS TO cat_reader WITH GRANT OPTION;
		ALTER DEFAULT PRIVILEGES FOR ROLE cat_owner IN SCHEMA app GRANT ALL ON TABLES TO cat_reader, PUBLIC;
		ALTER DEFAULT PRIVILEGES FOR ROLE cat_owner IN SCHEMA app GRANT ALL ON SEQUENCES TO cat_owner;
		ALTER DEFAULT PRIVILEGES FOR ROLE cat_reader IN SCHEMA public GRANT EXECUTE ON ROUTINES TO cat_owner`)
	if server.Version() >= 18 {
		run(t, source, "ALTER DEFAULT PRIVILEGES FOR ROLE cat_owner GRANT ALL ON LARGE OBJECTS TO cat_reader")
	}
	want := texts(t, source, allPrivileges)
	script := ddl(t, read(t, source), catalog.DDLOptions{})
	execute(t, target, script)
	equal(t, "privileges of source and copy", want, texts(t, target, allPrivileges))
	if script := text(script); strings.Contains(script, "GRANT ALL ON TABLE app.everything") != (server.Version() >= 17) || strings.Contains(script, "REVOKE ALL ON TABLE app.partly") {
		t.Errorf("more is said than what differs, so that a newer server's privileges come and go with it:\n%s", script)
	}
}

func TestRolesThatNoLongerExistAreNotGrantedTo(t *testing.T) {
	source, target := newDatabase(t, "source"), newDatabase(t, "target")
	run(t, source, `CREATE SCHEMA app; CREATE TABLE app.t (a integer); GRANT SELECT ON app.t TO "4242", cat_reader; CREATE TABLE app.u (a integer);
		SET allow_system_table_mods = on; UPDATE pg_class SET relacl = relacl || makeaclitem(987654, 10, 'UPDATE', false) || makeaclitem('cat_reader'::regrole, 987654, 'INSERT', false) WHERE relname = 't';
		UPDATE pg_class SET relacl = ARRAY[makeaclitem(987654, 10, 'SELECT', false)] WHERE relname = 'u';
		CREATE TABLE app.orphan (a integer); UPDATE pg_class SET relowner = 987654 WHERE relname = 'orphan'`)
	script := ddl(t, read(t, source), catalog.DDLOptions{})
	execute(t, target, script)
	if !strings.Contains(leftOut(script), "owner of table app.orphan: the role does not exist on the source: unknown (OID=987654)") {
		t.Errorf("left out: %s", leftOut(script))
	}
	got := texts(t, target, "SELECT relname || ' ' || relacl::text FROM pg_class WHERE relname IN ('t', 'u') ORDER BY 1")
	initial := texts(t, target, "SELECT acldefault('r', 10)::text")
	if want := "t " + strings.TrimSuffix(initial, "}") + ",4242=r/postgres,cat_reader=ar/postgres}\nu {}"; got != want {
		t.Errorf("privileges: %s\nwant %s", got, want)
	}
}

func TestThePublicSchemaBecomesTheSources(t *testing.T) {
	for i, change := range []string{
		"",
		"COMMENT ON SCHEMA public IS NULL",
		"COMMENT ON SCHEMA public IS 'mine'; GRANT ALL ON SCHEMA public TO PUBLIC",
		"REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO cat_reader",
		"ALTER SCHEMA public OWNER TO cat_owner; GRANT CREATE ON SCHEMA public TO cat_reader WITH GRANT OPTION",
		"DROP SCHEMA public; CREATE SCHEMA public",
		"DROP SCHEMA public; CREATE SCHEMA public AUTHORIZATION cat_owner; COMMENT ON SCHEMA public IS 'standard public schema'",
	} {
		source, target := newDatabase(t, fmt.Sprint("source", i)), newDatabase(t, fmt.Sprint("target", i))
		if change != "" {
			run(t, source, change)
		}
		execute(t, target, ddl(t, read(t, source), catalog.DDLOptions{}))
		equal(t, "pg_dump with "+change, dump(t, source), dump(t, target))
		schema := "SELECT nspowner::regrole || coalesce(nspacl, acldefault('n', nspowner))::text || coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace WHERE nspname = 'public'"
		equal(t, "public with "+change, texts(t, source, schema), texts(t, target, schema))
	}
}

// systemPrivileges are those of objects that initdb and extensions made.
const systemPrivileges = `SELECT d.oid::regclass || coalesce(d.relacl::text, '-') FROM pg_class d WHERE d.oid < 16384 OR d.relname ~ '^pg_stat_statements'
	UNION ALL SELECT attrelid::regclass || '.' || attname || attacl::text FROM pg_attribute WHERE attrelid < 16384 AND attacl IS NOT NULL
	UNION ALL SELECT oid::regprocedure || coalesce(proacl::text, '-') FROM pg_proc WHERE oid < 16384 OR proname ~ '^(hstore|pg_stat)'
	UNION ALL SELECT oid::regtype || coalesce(typacl::text, '-') FROM pg_type WHERE oid < 16384 OR typname = 'hstore'
	UNION ALL SELECT nspname || coalesce(nspacl::text, '-') FROM pg_namespace WHERE oid < 16384
	UNION ALL SELECT lanname || coalesce(lanacl::text, '-') FROM pg_language
	UNION ALL SELECT fdwname || coalesce(fdwacl::text, '-') FROM pg_foreign_data_wrapper
	ORDER BY 1`

const regrant = `CREATE EXTENSION hstore SCHEMA public; CREATE EXTENSION postgres_fdw SCHEMA public; CREATE EXTENSION pg_stat_statements SCHEMA public;
	REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) FROM PUBLIC; GRANT EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) TO cat_reader WITH GRANT OPTION;
	SET ROLE cat_reader; GRANT EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) TO cat_other; RESET ROLE;
	GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text), pg_catalog.pg_ls_waldir() TO cat_reader;
	REVOKE EXECUTE ON FUNCTION pg_catalog.pg_ls_waldir() FROM pg_monitor;
	GRANT SELECT ON pg_catalog.pg_authid TO cat_reader; GRANT SELECT (rolname, rolpassword) ON pg_catalog.pg_authid TO cat_other;
	REVOKE SELECT ON pg_catalog.pg_stat_activity FROM PUBLIC; REVOKE SELECT (subname) ON pg_catalog.pg_subscription FROM PUBLIC;
	REVOKE ALL ON pg_catalog.pg_class FROM postgres;
	GRANT UPDATE ON information_schema.sql_features TO cat_reader; REVOKE SELECT ON information_schema.tables FROM PUBLIC;
	REVOKE USAGE ON SCHEMA information_schema FROM PUBLIC; GRANT CREATE ON SCHEMA pg_catalog TO cat_other;
	REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC; GRANT USAGE ON LANGUAGE plpgsql TO cat_reader; GRANT USAGE ON LANGUAGE sql TO cat_other;
	REVOKE USAGE ON TYPE pg_catalog.int4 FROM PUBLIC; GRANT USAGE ON TYPE pg_catalog.int4 TO cat_owner; GRANT SELECT ON information_schema.transforms TO PUBLIC;
	REVOKE EXECUTE ON FUNCTION public.hstore_out(public.hstore) FROM PUBLIC; GRANT USAGE ON TYPE public.hstore TO cat_reader;
	GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO cat_reader WITH GRANT OPTION;
	REVOKE SELECT ON public.pg_stat_statements FROM PUBLIC; GRANT SELECT (query) ON public.pg_stat_statements TO cat_reader`

func TestPrivilegesOnWhatTheSystemAndExtensionsMadeComeBack(t *testing.T) {
	source, target := newDatabase(t, "source"), newDatabase(t, "target")
	run(t, source, regrant)
	c := read(t, source)
	if len(c.Unsupported) != 0 {
		t.Errorf("not kept: %+v", c.Unsupported)
	}
	script := ddl(t, c, catalog.DDLOptions{})
	execute(t, target, script)
	equal(t, "privileges of source and copy", texts(t, source, systemPrivileges), texts(t, target, systemPrivileges))
	equal(t, "pg_dump of source and copy", dump(t, source), dump(t, target))
	for _, s := range script.Statements {
		if s.Kind == "ACL" && s.Optional == "" && s.Name != "public" {
			t.Errorf("must not fail, as another version may lack the object: %s", s.SQL)
		}
	}
}

func TestANewOwnerOfAnExtensionsObjectChangesNoPrivileges(t *testing.T) {
	source, target := newDatabase(t, "source"), newDatabase(t, "target")
	run(t, source, `CREATE EXTENSION pg_stat_statements SCHEMA public; ALTER VIEW public.pg_stat_statements OWNER TO cat_owner; GRANT SELECT ON public.pg_stat_statements TO cat_reader`)
	script := ddl(t, read(t, source), catalog.DDLOptions{})
	if got := wanted(script, "public.pg_stat_statements"); len(got) != 1 || got[0].SQL != "GRANT SELECT ON TABLE public.pg_stat_statements TO cat_reader" {
		t.Errorf("statements: %+v", got)
	}
	execute(t, target, script)
}
