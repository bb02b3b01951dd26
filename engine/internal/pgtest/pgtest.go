// Package pgtest gives the tests of a package one temporary server, with a database of its own for each test, and what they
// all ask of databases.
package pgtest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// Main starts a server without fsync, with further settings, for fn to run the package's tests on, and removes it. It returns the
// exit code.
func Main(settings map[string]string, fn func(*pgtemp.Server) int) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	all := map[string]string{"fsync": "off"}
	maps.Copy(all, settings)
	server, err := pgtemp.Start(ctx, pgtemp.Options{Settings: all})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = server.Remove() }()
	return fn(server)
}

var databases atomic.Int64

// NewDatabase makes a database and returns its connection string.
func NewDatabase(t *testing.T, server *pgtemp.Server, statements ...string) string {
	t.Helper()
	db, err := server.NewDatabase(t.Context(), fmt.Sprintf("db%d", databases.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	Exec(t, db, statements...)
	return db
}

// Open connects to a database for the rest of the test.
func Open(t *testing.T, db string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// Exec runs statements, each in a transaction of its own.
func Exec(t *testing.T, db string, statements ...string) {
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

// Value returns the text of a query's one value.
func Value(t *testing.T, db, sql string) string {
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

// Contents is a line for every table and materialized view of the user's, with the number of its rows and a hash of all of them.
func Contents(t *testing.T, db string) string {
	t.Helper()
	return Value(t, db, `SELECT coalesce(string_agg(format('%s: %s', c.oid::regclass,
			(xpath('/row/h/text()', query_to_xml(format('SELECT count(*) || '' '' || md5(coalesce(string_agg(r::text, E''\n'' ORDER BY r::text), '''')) AS h FROM ONLY %s r',
				c.oid::regclass), false, true, '')))[1]::text), E'\n' ORDER BY c.oid::regclass::text), '')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgrecall', 'pg_toast')`)
}

// SameContents fails unless a database has the contents wanted.
func SameContents(t *testing.T, want, db string) {
	t.Helper()
	if got := Contents(t, db); want != got {
		t.Errorf("the rows differ\nwant\n%s\ngot\n%s", want, got)
	}
}

// ErrorContains fails unless err says all of the words.
func ErrorContains(t *testing.T, err error, words ...string) {
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
