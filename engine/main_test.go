package engine

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// server is the one server of this package's tests; each test has databases of its own.
var server *pgtemp.Server

func TestMain(m *testing.M) {
	if os.Getenv("ENGINE_CHILD_REPO") != "" {
		os.Exit(m.Run()) // a process to be killed, which uses its parent's server
	}
	code := func() int {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		s, err := pgtemp.Start(ctx, pgtemp.Options{Settings: map[string]string{"fsync": "off", "log_statement": "mod", "log_line_prefix": "%d|%a|"}})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = s.Remove() }()
		server = s
		return m.Run()
	}()
	os.Exit(code)
}

var databases atomic.Int64

// newDatabase makes a database and returns its connection string.
func newDatabase(t *testing.T, statements ...string) string {
	t.Helper()
	db, err := server.NewDatabase(t.Context(), fmt.Sprintf("db%d", databases.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, statements...)
	return db
}

func open(t *testing.T, db string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// exec runs statements, each in a transaction of its own.
func exec(t *testing.T, db string, statements ...string) {
	t.Helper()
	if len(statements) == 0 {
		return
	}
	conn, err := pgx.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// value returns the text of a query's one value.
func value(t *testing.T, db, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var v *string
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if v == nil {
		return "NULL"
	}
	return *v
}

// contents is every row of every table of the user's, in order, as text.
func contents(t *testing.T, db string) string {
	t.Helper()
	return value(t, db, `SELECT coalesce(string_agg(format('%s: %s', c.oid::regclass,
			(xpath('/row/h/text()', query_to_xml(format('SELECT count(*) || '' '' || md5(coalesce(string_agg(r::text, E''\n'' ORDER BY r::text), '''')) AS h FROM ONLY %s r', c.oid::regclass), false, true, '')))[1]::text), E'\n' ORDER BY c.oid::regclass::text), '')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgrecall', 'pg_toast')`)
}

// notes collects what a Tracer is told.
type notes struct {
	t     *testing.T
	texts chan string
}

func newNotes(t *testing.T) *notes { return &notes{t, make(chan string, 10000)} }

func (n *notes) Note(note Note) {
	select {
	case n.texts <- note.Text:
	default:
	}
}
func (n *notes) Progress(Progress) {}

// schema is a database with many forms of tables and values.
var schema = []string{
	`CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')`,
	`CREATE DOMAIN positive AS int CHECK (VALUE > 0)`,
	`CREATE TYPE pair AS (a int, b text)`,
	`CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, email text UNIQUE, mood mood DEFAULT 'ok',
		born timestamptz DEFAULT now(), doubled int GENERATED ALWAYS AS (length(name) * 2) STORED)`,
	`CREATE TABLE orders (id serial PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE, amount numeric(10,2), items text[], p pair, n positive, j jsonb, raw bytea)`,
	`CREATE INDEX ON orders (user_id)`,
	`CREATE TABLE log (line text, at timestamp)`,
	`CREATE TABLE events (id int, day date NOT NULL, note text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)`,
	`CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')`,
	`CREATE TABLE events_rest PARTITION OF events DEFAULT`,
	`CREATE VIEW happy AS SELECT * FROM users WHERE mood = 'happy'`,
	`CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.name := NEW.name || ''!''; RETURN NEW; END'`,
	`CREATE TRIGGER bumping BEFORE INSERT ON users FOR EACH ROW WHEN (NEW.name = 'bump') EXECUTE FUNCTION bump()`,
	`INSERT INTO users (name, email, mood) SELECT 'user' || i, i || '@x', (ARRAY['sad','ok','happy'])[1 + i % 3]::mood FROM generate_series(1, 2000) i`,
	`INSERT INTO users (name, email) VALUES ('bump', NULL), (E'tab\tnew\nline\\slash', ''), ('', 'empty')`,
	`INSERT INTO orders (user_id, amount, items, p, n, j, raw) SELECT 1 + i % 2000, i / 7.0, ARRAY['a,b', NULL, '"q"'], ROW(i, 'x' || i)::pair, i, jsonb_build_object('i', i), decode(md5(i::text), 'hex') FROM generate_series(1, 3000) i`,
	`INSERT INTO log SELECT 'line ' || i % 50, '2024-01-01'::timestamp FROM generate_series(1, 500) i`,
	`INSERT INTO events SELECT i, '2024-06-01'::date + i, 'e' || i FROM generate_series(1, 400) i`,
}

// sameDatabase compares two databases' rows.
func sameDatabase(t *testing.T, want, got string) {
	t.Helper()
	a, b := want, contents(t, got)
	if a != b {
		t.Errorf("the restored rows differ\nwant\n%s\ngot\n%s", a, b)
	}
}

// contains fails unless err says all of the words.
func contains(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
}
