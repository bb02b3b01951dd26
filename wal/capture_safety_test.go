package wal

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestNoNameOfTheUsersIsRunAsInit: an owner of a schema gives the names of types, functions and operators that the
// capture uses a meaning of his own, and puts his schema first. Whatever of it ran as the role that ran init would
// make him a superuser.
func TestNoNameOfTheUsersIsRunAsInit(t *testing.T) {
	d := newDatabase(t)
	d.init(InitOptions{})
	d.exec("DROP ROLE IF EXISTS mallory", "CREATE ROLE mallory LOGIN", "GRANT CREATE ON DATABASE "+d.name+" TO mallory")
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), d.uri)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if _, err := conn.PgConn().Exec(context.Background(), "DROP OWNED BY mallory; DROP ROLE mallory").ReadAll(); err != nil {
			t.Error(err)
		}
	})
	mallory := d.connect("mallory")
	execOn(t, mallory, "CREATE SCHEMA evil",
		`CREATE FUNCTION evil.run() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
			IF session_user <> current_user THEN EXECUTE 'ALTER ROLE mallory SUPERUSER'; END IF; RETURN true; END $$`,
		"SET search_path = evil, pg_catalog, pg_temp")
	for _, name := range []string{"text", "bytea", "json", "oid", "int4", "bigint", "boolean", "name", "record", "regclass"} {
		execOn(t, mallory, `DO $$ BEGIN CREATE DOMAIN evil."`+name+`" AS pg_catalog.text CHECK (evil.run()); EXCEPTION WHEN OTHERS THEN NULL; END $$`)
	}
	for _, f := range []string{"current_setting(text)", "concat(VARIADIC \"any\")", "json_build_object(VARIADIC \"any\")", "convert_to(text, name)",
		"pg_logical_emit_message(boolean, text, bytea)", "set_config(text, text, boolean)", "pg_has_role(name, text)"} {
		execOn(t, mallory, `DO $do$ BEGIN EXECUTE $x$ SET LOCAL search_path = pg_catalog; CREATE FUNCTION evil.`+f+
			` RETURNS pg_catalog.text LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.run(); RETURN NULL; END $$ $x$; EXCEPTION WHEN OTHERS THEN NULL; END $do$`)
	}
	// The functions are compiled in a session's first command: a new session, with the names there already.
	fresh := d.connect("mallory")
	execOn(t, fresh, "SET search_path = evil, pg_catalog, pg_temp", "CREATE TABLE evil.a (a pg_catalog.int4)",
		"ALTER TABLE evil.a ADD b pg_catalog.int4 DEFAULT random()", "DROP TABLE evil.a")
	wantText(t, "superuser", d.text("SELECT rolsuper::text FROM pg_roles WHERE rolname = 'mallory'"), "false")
}

// TestSerializableTransactionsThatMakeTablesDoNotConflict: they do not on a server without pgrecall, and an
// application that makes tables in such transactions must not begin to see serialization failures.
func TestSerializableTransactionsThatMakeTablesDoNotConflict(t *testing.T) {
	d := newDatabase(t)
	d.init(InitOptions{})
	one, two := d.connect("app"), d.connect("app")
	execOn(t, one, "BEGIN ISOLATION LEVEL SERIALIZABLE", "CREATE TABLE one (a int)")
	execOn(t, two, "BEGIN ISOLATION LEVEL SERIALIZABLE", "CREATE TABLE two (a int)", "ALTER TABLE two ADD PRIMARY KEY (a)")
	execOn(t, one, "ALTER TABLE one ADD b int DEFAULT random()", "COMMIT")
	execOn(t, two, "ALTER TABLE two DROP CONSTRAINT two_pkey", "COMMIT")
}

// TestAnOldSnapshotDoesNotKeepATableFromItsIdentity: in a transaction that began before another gave the table an
// identity, that row of pgrecall.identities may not be updated; the table gets its identity all the same.
func TestAnOldSnapshotDoesNotKeepATableFromItsIdentity(t *testing.T) {
	d := newDatabase(t)
	d.init(InitOptions{})
	app, other := d.connect("app"), d.connect("app")
	execOn(t, other, "CREATE TABLE early (a int)")
	execOn(t, app, "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1")
	execOn(t, other, "ALTER TABLE early REPLICA IDENTITY NOTHING", "CREATE TABLE late (a int)", "INSERT INTO late VALUES (1)")
	for _, table := range []string{"early", "late"} {
		execOn(t, app, "ALTER TABLE "+table+" REPLICA IDENTITY NOTHING")
		var identity string
		if err := app.QueryRow(d.ctx, "SELECT relreplident::text FROM pg_class WHERE relname = $1", table).Scan(&identity); err != nil {
			t.Fatal(err)
		}
		wantText(t, table, identity, "f")
	}
	execOn(t, app, "COMMIT", "UPDATE late SET a = 2")
}

// TestWhatWasNotedOfADroppedTableGoesWithIt: an application that makes and drops tables all day must not fill
// pgrecall's own.
func TestWhatWasNotedOfADroppedTableGoesWithIt(t *testing.T) {
	d := newDatabase(t)
	d.init(InitOptions{})
	app := d.connect("app")
	execOn(t, app, "CREATE TABLE stays (a int)", "CREATE TABLE a (a int)", "CREATE TABLE b (a int)", "DROP TABLE a, b")
	wantText(t, "noted", d.text("SELECT string_agg(name, ',') FROM pgrecall.identities"), "stays")
}

// TestARoleThatLostItsRightsIsFound: the event triggers run as the role that ran init; where it may not alter a new
// table, that table's UPDATE fails.
func TestARoleThatLostItsRightsIsFound(t *testing.T) {
	d := newDatabase(t)
	d.exec("DROP ROLE IF EXISTS fallen", "CREATE ROLE fallen LOGIN SUPERUSER")
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), d.uri)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if _, err := conn.PgConn().Exec(context.Background(), "DROP OWNED BY fallen; DROP ROLE fallen").ReadAll(); err != nil {
			t.Error(err)
		}
	})
	if _, err := Init(d.ctx, d.connect("fallen"), d.name, InitOptions{}); err != nil {
		t.Fatal(err)
	}
	execOn(t, d.connect("app"), "CREATE TABLE plain (a int)")
	blocked := func() bool {
		findings, err := Inspect(d.ctx, d.conn, d.name, "")
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(findings, func(f Finding) bool {
			return f.Severity == Blocker && f.Topic == "capture" && strings.Contains(f.What, "app")
		})
	}
	if blocked() {
		t.Error("a superuser may")
	}
	d.exec("ALTER ROLE fallen NOSUPERUSER")
	if !blocked() {
		t.Error("not found")
	}
}
