package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

func fingerprint(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	f, err := catalog.Fingerprint(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTheFingerprintChangesWithEveryDDLAndWithNothingElse(t *testing.T) {
	conn := newRich(t, "source")
	other := connect(t, server.ConnString(conn.Config().Database), "UTF8")
	now := fingerprint(t, other)
	for _, sql := range []string{
		"INSERT INTO app.nothing DEFAULT VALUES",
		"INSERT INTO app.users (email) SELECT 'u' || n FROM generate_series(1, 1000) n",
		"UPDATE app.whole SET b = 1",
		"DELETE FROM app.no_identity",
		"VACUUM app.users",
		"ANALYZE app.users",
		"TRUNCATE app.nothing",
		"VACUUM FULL app.nothing",
		"SELECT setval('app.plain', 99)",
		"CREATE TEMPORARY TABLE temporary (id serial PRIMARY KEY, t text DEFAULT 'x' CHECK (t <> ''))",
		"CREATE TEMPORARY VIEW tv AS SELECT * FROM app.users",
		"CREATE INDEX ON pg_temp.temporary (t)",
		"DROP TABLE pg_temp.temporary",
		"REFRESH MATERIALIZED VIEW app.aa_top",
		"SELECT lo_from_bytea(4711, 'x'); COMMENT ON LARGE OBJECT 4711 IS 'x'; GRANT SELECT ON LARGE OBJECT 4711 TO cat_reader",
		"SELECT lo_unlink(4711)",
		"CREATE SCHEMA pgrecall; CREATE TABLE pgrecall.marks (name text PRIMARY KEY); CREATE FUNCTION pgrecall.f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
		"CREATE EVENT TRIGGER pgrecall_ddl ON ddl_command_end EXECUTE FUNCTION pgrecall.f()",
		"CREATE PUBLICATION pgrecall FOR TABLE app.users",
		"CREATE ROLE cat_elsewhere; ALTER ROLE cat_elsewhere RENAME TO cat_somewhere; DROP ROLE cat_somewhere",
		"CREATE ROLE cat_elsewhere",
		"DROP ROLE cat_elsewhere",
	} {
		run(t, conn, sql)
		if next := fingerprint(t, other); next != now {
			t.Errorf("changed with %s", sql)
			now = next
		}
	}
	for _, sql := range []string{
		"CREATE ROLE cat_granted; GRANT USAGE ON SCHEMA app TO cat_granted",
		"ALTER ROLE cat_granted RENAME TO cat_renamed",
		"DROP OWNED BY cat_renamed; DROP ROLE cat_renamed",
		"CREATE TABLE app.new (a integer)",
		"ALTER TABLE app.new ADD b integer",
		"ALTER TABLE app.new RENAME b TO c",
		"ALTER TABLE app.new ALTER c SET DEFAULT 1",
		"ALTER TABLE app.new ALTER c SET DEFAULT 2",
		"ALTER TABLE app.new SET (fillfactor = 50)",
		"ALTER TABLE app.new ADD d text; ALTER TABLE app.new SET (toast.autovacuum_enabled = off)",
		"CREATE INDEX new_c ON app.new (c)",
		"ALTER INDEX app.new_c RENAME TO new_cc",
		"ALTER TABLE app.new ADD CHECK (a > 0)",
		"ALTER TABLE app.new INHERIT app.no_identity",
		"ALTER TABLE app.log DETACH PARTITION app.log_2024",
		"ALTER SEQUENCE app.plain OWNED BY app.new.a",
		"ALTER SEQUENCE app.plain CACHE 9",
		"COMMENT ON TABLE app.new IS 'x'",
		"GRANT SELECT ON app.new TO cat_reader",
		"GRANT SELECT (a) ON app.new TO cat_reader",
		"ALTER TABLE app.new OWNER TO cat_owner",
		"ALTER TABLE app.new REPLICA IDENTITY FULL",
		"ALTER TABLE app.new ENABLE ROW LEVEL SECURITY",
		"CREATE POLICY p ON app.new USING (true)",
		"CREATE OR REPLACE VIEW app.checked_local AS SELECT a FROM app.checked WHERE a > 2",
		"CREATE OR REPLACE FUNCTION app.f(text) RETURNS text LANGUAGE sql AS 'SELECT $1 || $1'",
		"ALTER TYPE app.mood RENAME VALUE 'ok' TO 'okay'",
		"ALTER TYPE app.mood ADD VALUE 'last'",
		"ALTER TYPE app.nested ADD ATTRIBUTE z integer",
		"ALTER DOMAIN app.even DROP CONSTRAINT even_check",
		"ALTER TABLE app.orders DISABLE TRIGGER touch",
		"ALTER TABLE app.no_identity ENABLE RULE copy_insert",
		"CREATE STATISTICS app.s ON a, c FROM app.new",
		"ALTER PUBLICATION nothing ADD TABLE app.new",
		"ALTER EVENT TRIGGER watch ENABLE",
		"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO cat_reader",
		"COMMENT ON DATABASE " + catalog.QuoteIdent(conn.Config().Database) + " IS 'x'",
		"ALTER DATABASE " + catalog.QuoteIdent(conn.Config().Database) + " SET work_mem = '5MB'",
		"ALTER EXTENSION hstore ADD FUNCTION app.f(text)",
		"CREATE TEXT SEARCH CONFIGURATION app.words (COPY = simple)",
		"ALTER TEXT SEARCH CONFIGURATION app.words DROP MAPPING FOR url",
		"CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w",
		"ALTER SERVER s OPTIONS (a 'b')",
		"CREATE USER MAPPING FOR PUBLIC SERVER s",
		"ALTER USER MAPPING FOR PUBLIC SERVER s OPTIONS (password 'x')",
		"CREATE FOREIGN TABLE app.far (a integer) SERVER s",
		"ALTER FOREIGN TABLE app.far OPTIONS (a 'b')",
		"ALTER FOREIGN TABLE app.far ALTER a OPTIONS (a 'b')",
		"REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) FROM PUBLIC",
		"GRANT SELECT (subconninfo) ON pg_catalog.pg_subscription TO cat_reader",
		"REVOKE EXECUTE ON FUNCTION ext.hstore_out(ext.hstore) FROM PUBLIC",
		"SET allow_system_table_mods = on; INSERT INTO pg_seclabel VALUES ('app.new'::regclass, 'pg_class'::regclass, 0, 'dummy', 'x')",
		"CREATE OR REPLACE AGGREGATE kit.total (bigint) (sfunc = int8pl, stype = bigint, initcond = '1')",
		"CREATE OPERATOR kit.>> (leftarg = integer, rightarg = integer, function = int4pl)",
		"ALTER OPERATOR kit.< (kit.small, kit.small) SET (RESTRICT = NONE)",
		"ALTER OPERATOR FAMILY kit.small_family USING btree DROP OPERATOR 1 (kit.small, integer)",
		"ALTER OPERATOR FAMILY kit.small_family USING btree DROP FUNCTION 4 (kit.small, kit.small)",
		"DROP OPERATOR CLASS kit.words USING gin",
		"CREATE OPERATOR FAMILY kit.more USING gin",
		"COMMENT ON OPERATOR FAMILY kit.more USING gin IS 'x'",
		"ALTER TYPE kit.small SET (RECEIVE = NONE)",
		"DROP TYPE kit.shell CASCADE",
		"ALTER LANGUAGE untrusted RENAME TO renamed",
		"CREATE TRANSFORM FOR bigint LANGUAGE sql (TO SQL WITH FUNCTION int8recv(internal))",
		"DROP CONVERSION kit.plain",
		"DROP CAST (money AS text)",
		"COMMENT ON ACCESS METHOD gist2 IS 'x'",
		"GRANT EXECUTE ON FUNCTION kit.smalls(kit.small, kit.small) TO cat_owner",
	} {
		run(t, conn, sql)
		next := fingerprint(t, other)
		if next == now {
			t.Errorf("unchanged with %s", sql)
		}
		now = next
	}
}

func TestWhatTheModelLacksIsListedByKindAndName(t *testing.T) {
	conn := newDatabase(t, "source")
	run(t, conn, `SET search_path = public;
		CREATE OPERATOR public.<+> (leftarg = integer, rightarg = integer, function = int4pl, commutator = operator(public.<->));
		DROP OPERATOR public.<+> (integer, integer);
		CREATE FUNCTION pg_catalog.stray(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'; CREATE OPERATOR pg_catalog.<+> (rightarg = integer, function = pg_catalog.stray);
		CREATE TYPE information_schema.stray AS ENUM (); CREATE AGGREGATE information_schema.total (integer) (sfunc = int4pl, stype = integer)`)
	var got []string
	for _, u := range read(t, conn).Unsupported {
		got = append(got, u.Kind+": "+u.Name)
	}
	for _, want := range []string{
		"operator: public.<->(integer,integer)", "function: pg_catalog.stray(integer)", "operator: pg_catalog.<+>(NONE,integer)",
		"type: information_schema.stray", "aggregate: information_schema.total(integer)",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("not listed: %s", want)
		}
	}
	if len(got) != 5 {
		t.Errorf("%d listed:\n%s", len(got), strings.Join(got, "\n"))
	}
	if u := read(t, newRich(t, "rich")).Unsupported; len(u) != 0 {
		t.Errorf("listed in the fixture: %v", u)
	}
}

func TestWhatPgrecallMadeOnTheSourceIsNotRead(t *testing.T) {
	conn := newDatabase(t, "source")
	run(t, conn, `CREATE TABLE public.without (a integer); CREATE TABLE public.users_own (a integer); CREATE TABLE public.keyed (a integer PRIMARY KEY, b integer);
		CREATE SCHEMA pgrecall; CREATE TABLE pgrecall.identities (relid oid, schema text, name text, original "char");
		CREATE FUNCTION pgrecall.ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN END';
		INSERT INTO pgrecall.identities VALUES ('public.without'::regclass, 'public', 'without', 'n');
		ALTER TABLE public.without REPLICA IDENTITY FULL; ALTER TABLE public.users_own REPLICA IDENTITY FULL; ALTER TABLE public.keyed REPLICA IDENTITY FULL;
		CREATE EVENT TRIGGER pgrecall_ddl ON ddl_command_end EXECUTE FUNCTION pgrecall.ddl();
		CREATE PUBLICATION pgrecall FOR ALL TABLES`)
	c := read(t, conn)
	script := text(ddl(t, c, catalog.DDLOptions{}))
	if strings.Contains(script, "pgrecall") || len(c.Unsupported) != 0 {
		t.Errorf("the script names pgrecall, or not all is known: %v\n%s", c.Unsupported, script)
	}
	for name, want := range map[string]string{"public.without": "nf0", "public.users_own": "ff0", "public.keyed": "ff1"} {
		table := table(t, c, name)
		got := table.ReplicaIdentity + table.LiveIdentity + string(rune('0'+len(table.IdentityAttnums)))
		if got != want {
			t.Errorf("%s: identity, live identity, columns %s; want %s", name, got, want)
		}
	}
}

func TestTheEffectiveIdentityIsThePrimaryKeyOrTheIndexChosen(t *testing.T) {
	conn := newDatabase(t, "source")
	run(t, conn, `CREATE TABLE public.plain (a integer, b integer, PRIMARY KEY (b, a));
		CREATE TABLE public.deferred (a integer PRIMARY KEY DEFERRABLE);
		CREATE TABLE public.chosen (a integer PRIMARY KEY, b integer NOT NULL UNIQUE); ALTER TABLE public.chosen REPLICA IDENTITY USING INDEX chosen_b_key;
		CREATE TABLE public.lost (a integer PRIMARY KEY, b integer NOT NULL UNIQUE); ALTER TABLE public.lost REPLICA IDENTITY USING INDEX lost_b_key;
		ALTER TABLE public.lost DROP CONSTRAINT lost_b_key;
		CREATE TABLE public.none (a integer PRIMARY KEY); ALTER TABLE public.none REPLICA IDENTITY NOTHING;
		CREATE TABLE public.generated (a integer, g integer GENERATED ALWAYS AS (a + 1) STORED PRIMARY KEY)`)
	c := read(t, conn)
	for name, want := range map[string][]int16{"plain": {2, 1}, "deferred": nil, "chosen": {2}, "lost": nil, "none": nil, "generated": nil} {
		if got := table(t, c, "public."+name).IdentityAttnums; !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if columns := slices.Collect(table(t, c, "public.generated").CopyColumns()); len(columns) != 1 || columns[0].Name != "a" {
		t.Errorf("columns copied: %+v", columns)
	}
}

func TestTextThatIsNotUTF8FailsNamingTheObject(t *testing.T) {
	conn := newDatabase(t, "ascii", "ENCODING 'SQL_ASCII'", "LOCALE 'C'")
	run(t, conn, "CREATE TABLE public.fine (\"\u00e4\" integer DEFAULT 1); COMMENT ON TABLE public.fine IS 'gr\u00fc\u00df'")
	c := read(t, conn)
	if got := table(t, c, "public.fine"); got.Comment != "gr\u00fc\u00df" || got.Columns[0].Name != "\u00e4" {
		t.Errorf("read: %+v", got)
	}
	var encoding string
	if err := conn.QueryRow(t.Context(), "SHOW client_encoding").Scan(&encoding); err != nil || encoding != "UTF8" {
		t.Errorf("client_encoding after reading: %s %v", encoding, err)
	}
	latin := connect(t, server.ConnString(conn.Config().Database), "SQL_ASCII")
	run(t, latin, "CREATE TABLE public.latin (a integer); COMMENT ON TABLE public.latin IS 'gr\xfc\xdf'")
	err := pgx.BeginTxFunc(t.Context(), conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		_, err := catalog.Read(t.Context(), tx)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "Table public.latin") {
		t.Errorf("error: %v", err)
	}
}
