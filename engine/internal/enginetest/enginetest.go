// Package enginetest gives suites of tests outside package engine what they all do with it: protect a database, follow it, and hold what
// is restored against what was there.
package enginetest

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
	"github.com/pgrecall/pgrecall/format"
)

// Protect makes a database, follows it and takes a snapshot of it.
func Protect(t *testing.T, server *pgtemp.Server, statements ...string) (engine.Place, string) {
	t.Helper()
	db := pgtest.NewDatabase(t, server, statements...)
	place := engine.Place{Repository: filepath.Join(t.TempDir(), "repo")}
	if _, err := engine.Init(t.Context(), engine.InitOptions{Place: place, DB: db}); err != nil {
		t.Fatal(err)
	}
	// The test's own context has ended by then, and the server has 20 slots for all tests.
	t.Cleanup(func() {
		_, _ = engine.Uninstall(context.Background(), engine.UninstallOptions{Place: place, DB: db})
	})
	Take(t, place, db)
	return place, db
}

// Take takes a snapshot.
func Take(t *testing.T, place engine.Place, db string) *engine.SnapshotResult {
	t.Helper()
	r, err := engine.Snapshot(t.Context(), engine.SnapshotOptions{Place: place, DB: db})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Drain follows a database up to now.
func Drain(t *testing.T, place engine.Place, db string) *engine.StreamResult {
	t.Helper()
	r, err := engine.Stream(t.Context(), engine.StreamOptions{Place: place, DB: db, Once: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Moment is a database as it was at a position: its objects and its rows.
type Moment struct {
	What             string // for messages
	LSN              format.LSN
	Schema, Contents string
}

// MomentOf is a database as it is, while nobody writes to it.
func MomentOf(t *testing.T, db, what string) Moment {
	t.Helper()
	lsn, err := format.ParseLSN(pgtest.Value(t, db, "SELECT pg_current_wal_insert_lsn()::text"))
	if err != nil {
		t.Fatal(err)
	}
	return Moment{what, lsn, Definitions(t, db), pgtest.Contents(t, db)}
}

// Restores restores a moment into a new database and compares all of it.
func (m Moment) Restores(t *testing.T, server *pgtemp.Server, place engine.Place) *engine.RestoreResult {
	t.Helper()
	to := pgtest.NewDatabase(t, server)
	r, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: to, Target: engine.Target{Kind: engine.TargetLSN, LSN: m.LSN}})
	if err != nil {
		t.Errorf("%s: %v", m.What, err)
		return nil
	}
	m.Equals(t, to)
	return r
}

// Equals fails unless a database is as it was at the moment.
func (m Moment) Equals(t *testing.T, db string) {
	t.Helper()
	if got := Definitions(t, db); got != m.Schema {
		t.Errorf("%s: the objects differ:\n%s", m.What, difference(m.Schema, got))
	}
	if got := pgtest.Contents(t, db); got != m.Contents {
		t.Errorf("%s: the rows differ\nwant\n%s\ngot\n%s", m.What, m.Contents, got)
	}
}

// Definitions is the SQL of all objects of a database.
func Definitions(t *testing.T, db string) string {
	t.Helper()
	var sql bytes.Buffer
	if err := engine.Schema(t.Context(), engine.SchemaOptions{Live: true, DB: db}, &sql); err != nil {
		t.Fatal(err)
	}
	return sql.String()
}

// difference is the lines that one of the two texts has and the other has not.
func difference(want, got string) string {
	var out []string
	for _, d := range []struct{ sign, in, without string }{{"-", want, got}, {"+", got, want}} {
		for _, line := range strings.Split(d.in, "\n") {
			if !strings.Contains("\n"+d.without+"\n", "\n"+line+"\n") {
				out = append(out, d.sign+line)
			}
		}
	}
	return strings.Join(out, "\n")
}

// Run executes statements, many of which may fail, together in one transaction or each in its own, and returns their text with those that were
// not kept as comments.
func Run(t *testing.T, conn *pgx.Conn, statements []string, together bool) string {
	t.Helper()
	if together {
		sql := "BEGIN; " + strings.Join(statements, "; ") + "; COMMIT"
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			_, _ = conn.Exec(t.Context(), "ROLLBACK")
			return "-- rolled back: " + sql
		}
		return sql
	}
	for i, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			statements[i] = "-- " + sql
		}
	}
	return strings.Join(statements, ";\n")
}
