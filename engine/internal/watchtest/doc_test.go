// Package watchtest tries sources that are followed without event triggers, by a role that is no superuser and owns its tables: whatever is
// done between two looks at the source, a target is restored exactly or refused.
package watchtest

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// server is the one server of these tests.
var server *pgtemp.Server

func TestMain(m *testing.M) {
	os.Exit(pgtest.Main(nil, func(s *pgtemp.Server) int {
		server = s
		return m.Run()
	}))
}

// owned makes a database in which the role keeper, no superuser, may do what following without event triggers needs, and returns how to connect as a
// superuser and as keeper.
func owned(t *testing.T, statements ...string) (super, db string) {
	t.Helper()
	super = pgtest.NewDatabase(t, server)
	pgtest.Exec(t, super, `DO $$ BEGIN CREATE ROLE keeper LOGIN REPLICATION; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
		`DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO keeper', current_database()); END $$`, "ALTER SCHEMA public OWNER TO keeper")
	u, err := url.Parse(super)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("user", "keeper")
	u.User, u.RawQuery = nil, q.Encode()
	db = u.String()
	pgtest.Exec(t, db, statements...)
	return super, db
}

// protect follows a database without event triggers, and takes a snapshot of it.
func protect(t *testing.T, statements ...string) (super string, place engine.Place, db string) {
	t.Helper()
	super, db = owned(t, statements...)
	place = engine.Place{Repository: filepath.Join(t.TempDir(), "repo")}
	if _, err := engine.Init(t.Context(), engine.InitOptions{Place: place, DB: db, WithoutEventTriggers: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = engine.Uninstall(context.Background(), engine.UninstallOptions{Place: place, DB: db})
	})
	enginetest.Take(t, place, db)
	return super, place, db
}

// drainWithoutCopies follows a database up to now, and copies no table anew.
func drainWithoutCopies(t *testing.T, place engine.Place, db string) {
	t.Helper()
	if _, err := engine.Stream(t.Context(), engine.StreamOptions{Place: place, DB: db, Once: true, NoCopies: true}); err != nil {
		t.Fatal(err)
	}
}

// restore restores a moment, and compares all of it. A refusal is returned.
func restore(t *testing.T, place engine.Place, m enginetest.Moment, tables ...string) error {
	t.Helper()
	to := pgtest.NewDatabase(t, server)
	_, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: to, Tables: tables, Target: engine.Target{Kind: engine.TargetLSN, LSN: m.LSN}})
	switch {
	case engine.ExitCode(err) == 3:
		return err
	case err != nil:
		t.Errorf("%s: %v", m.What, err)
	case len(tables) == 0:
		m.Equals(t, to)
	}
	return nil
}

// plan asks whether a moment can be restored; a refusal is returned.
func plan(t *testing.T, place engine.Place, m enginetest.Moment) error {
	t.Helper()
	_, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: server.ConnString("postgres"), DryRun: true,
		Target: engine.Target{Kind: engine.TargetLSN, LSN: m.LSN}})
	if err != nil && engine.ExitCode(err) != 3 {
		t.Errorf("%s: %v", m.What, err)
	}
	return err
}

// exact fails unless a moment is restored.
func exact(t *testing.T, place engine.Place, m enginetest.Moment) {
	t.Helper()
	if err := restore(t, place, m); err != nil {
		t.Errorf("%s: %v", m.What, err)
	}
}

// refused fails unless a moment is refused, with words.
func refused(t *testing.T, place engine.Place, m enginetest.Moment, words ...string) {
	t.Helper()
	err := plan(t, place, m)
	if err == nil {
		t.Errorf("%s: it was restored", m.What)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: %q lacks %q", m.What, err, w)
		}
	}
}
