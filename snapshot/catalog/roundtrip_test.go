package catalog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

var (
	server   *pgtemp.Server
	makeRich sync.Once
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		server, err = pgtemp.Start(context.Background(), pgtemp.Options{
			BinDir:   os.Getenv("PGRECALL_TEST_CATALOG_BIN"),
			Settings: map[string]string{"fsync": "off", "autovacuum": "off"}})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer server.Remove()
		conn, err := pgx.Connect(context.Background(), server.ConnString("postgres"))
		if err == nil {
			_, err = conn.Exec(context.Background(), "CREATE ROLE cat_owner; CREATE ROLE cat_reader; CREATE ROLE cat_other; CREATE ROLE \"4242\"")
			conn.Close(context.Background())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

func databaseName(t *testing.T, name string) string {
	name = "t_" + strings.ToLower(strings.NewReplacer("/", "_", " ", "_").Replace(t.Name())) + "_" + name
	return name[max(0, len(name)-60):]
}

// newDatabase makes an empty database and connects with the settings of a pinned session.
func newDatabase(t *testing.T, name string, options ...string) *pgx.Conn {
	t.Helper()
	uri, err := server.NewDatabase(t.Context(), databaseName(t, name), options...)
	if err != nil {
		t.Fatal(err)
	}
	return connect(t, uri, "UTF8")
}

func connect(t *testing.T, uri, encoding string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(uri)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range format.SessionSettings() {
		config.RuntimeParams[name] = value
	}
	config.RuntimeParams["client_encoding"] = encoding
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func run(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("%v\n%s", err, sql[:min(len(sql), 400)])
	}
}

// newRich makes a database with everything of the fixture, as far as the server's version has it. It is made
// once and then cloned.
func newRich(t *testing.T, name string) *pgx.Conn {
	t.Helper()
	makeRich.Do(func() {
		uri, err := server.NewDatabase(t.Context(), "rich")
		if err != nil {
			t.Fatal(err)
		}
		conn := connect(t, uri, "UTF8")
		for _, f := range []struct {
			since int
			name  string
		}{{14, "rich.sql"}, {15, "rich15.sql"}, {17, "rich17.sql"}, {18, "rich18.sql"},
			{14, "rich_tables.sql"}, {15, "rich_tables15.sql"}, {16, "rich_tables16.sql"}, {18, "rich_tables18.sql"},
			{14, "rich_routines.sql"}, {17, "rich_routines17.sql"}, {18, "rich_routines18.sql"},
			{14, "rich_outside.sql"}, {15, "rich_outside15.sql"}, {16, "rich_outside16.sql"}, {17, "rich_outside17.sql"}, {18, "rich_outside18.sql"},
			{14, "rich_largeobjects.sql"}} {
			if server.Version() < f.since {
				continue
			}
			sql, err := os.ReadFile(filepath.Join("testdata", f.name))
			if err != nil {
				t.Fatal(err)
			}
			run(t, conn, "SET search_path = public; SET row_security = on;\n"+string(sql))
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	admin := connect(t, server.ConnString("postgres"), "UTF8")
	name = databaseName(t, name)
	run(t, admin, "CREATE DATABASE "+catalog.QuoteIdent(name)+" TEMPLATE rich")
	return connect(t, server.ConnString(name), "UTF8")
}

func read(t *testing.T, conn *pgx.Conn) *catalog.Catalog {
	t.Helper()
	var c *catalog.Catalog
	err := pgx.BeginTxFunc(t.Context(), conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var err error
		c, err = catalog.Read(t.Context(), tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ddl(t *testing.T, c *catalog.Catalog, o catalog.DDLOptions) catalog.Script {
	t.Helper()
	s, err := c.DDL(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func text(s catalog.Script) string {
	var b strings.Builder
	for _, statement := range s.Statements {
		fmt.Fprintf(&b, "-- %s %d %s %s\n%s;\n", statement.Section, statement.Stage, statement.Kind, statement.Name, statement.SQL)
	}
	return b.String()
}

// execute runs a script as a restore does: what is marked IfMissing only where it is missing.
func execute(t *testing.T, conn *pgx.Conn, s catalog.Script) {
	t.Helper()
	run(t, conn, "SET check_function_bodies = off; SET row_security = on")
	skip := map[int]bool{}
	for i, statement := range s.Statements {
		if statement.Exists == "" {
			continue
		}
		var there bool
		if err := conn.QueryRow(t.Context(), "SELECT "+statement.Exists).Scan(&there); err != nil {
			t.Fatalf("%s: %v", statement.Exists, err)
		}
		if there && !statement.IfMissing {
			t.Fatalf("%s %s is there already", statement.Kind, statement.Name)
		}
		skip[i] = there
	}
	for i, statement := range s.Statements {
		if skip[i] {
			continue
		}
		if _, err := conn.Exec(t.Context(), statement.SQL, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s %s: %v\n%s", statement.Kind, statement.Name, err, statement.SQL)
		}
	}
}

// dump is what pg_dump says of a database's schema.
func dump(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	program := filepath.Join(server.BinDir(), "pg_dump")
	args := []string{"--schema-only", "--no-sync", "-d", server.ConnString(conn.Config().Database)}
	if other := os.Getenv("PGRECALL_TEST_PG_DUMP"); other != "" {
		fields := strings.Fields(other)
		program, args = fields[0], append(fields[1:], args...)
	}
	out, err := exec.CommandContext(t.Context(), program, args...).Output()
	if err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			t.Fatalf("pg_dump: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, `\restrict`) && !strings.HasPrefix(line, `\unrestrict`) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// equal fails the test with the first differing lines.
func equal(t *testing.T, what, want, got string) {
	t.Helper()
	if want == got {
		return
	}
	dir := os.Getenv("PGRECALL_TEST_KEEP")
	if dir == "" {
		dir = t.TempDir()
	}
	a, b := filepath.Join(dir, "want"), filepath.Join(dir, "got")
	os.WriteFile(a, []byte(want), 0o644)
	os.WriteFile(b, []byte(got), 0o644)
	diff, _ := exec.CommandContext(t.Context(), "diff", "-U4", a, b).Output()
	t.Errorf("%s differ:\n%s", what, bytes.TrimSpace(diff[:min(len(diff), 6000)]))
}

// columnOrder lists the columns of every relation and composite type, in order. pg_dump does not show it of inherited ones.
func columnOrder(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	var list string
	err := conn.QueryRow(t.Context(), `SELECT string_agg(line, E'\n' ORDER BY line) || E'\n' FROM (
		SELECT concat_ws(' ', c.oid::regclass, string_agg(a.attname || ' ' || a.attislocal || a.attinhcount, ', ' ORDER BY a.attnum)) AS line
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)' GROUP BY c.oid) s`).Scan(&list)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestARestoredDatabaseIsTheSourceToPgDumpAndToRead(t *testing.T) {
	source, target := newRich(t, "source"), newDatabase(t, "target")
	c := read(t, source)
	script := ddl(t, c, catalog.DDLOptions{})
	execute(t, target, script)
	equal(t, "pg_dump of source and copy", dump(t, source), dump(t, target))
	equal(t, "DDL of source and copy", text(script), text(ddl(t, read(t, target), catalog.DDLOptions{})))
	equal(t, "the order of columns in source and copy", columnOrder(t, source), columnOrder(t, target))
	for _, left := range script.LeftOut {
		t.Errorf("left out: %s: %s", left.What, left.Why)
	}
}

func TestTheModelSurvivesJSONAndTheTextIsAlwaysTheSame(t *testing.T) {
	source := newRich(t, "source")
	c := read(t, source)
	first := text(ddl(t, c, catalog.DDLOptions{}))
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := catalog.Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "DDL before and after JSON", first, text(ddl(t, decoded, catalog.DDLOptions{})))
	again, _ := json.Marshal(decoded)
	equal(t, "JSON before and after JSON", string(encoded), string(again))
	for range 3 {
		equal(t, "DDL of one database", first, text(ddl(t, read(t, source), catalog.DDLOptions{})))
	}
}
