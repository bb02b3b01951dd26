package windowtest

import (
	"strings"
	"testing"
	"time"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
)

// drainOnly drains without taking a version of the catalog, as where none can be read.
func drainOnly(t *testing.T, place engine.Place, db string) {
	t.Helper()
	if _, err := engine.Stream(t.Context(), engine.StreamOptions{Place: place, DB: db, Once: true, NoVersions: true}); err != nil {
		t.Fatal(err)
	}
}

func TestTheNearestPointsAroundAStatementAreExact(t *testing.T) {
	place, db := enginetest.Protect(t, server, pgtest.Schema...)
	pgtest.Exec(t, db, "DELETE FROM users WHERE id % 3 = 0")
	before := enginetest.MomentOf(t, db, "before")
	pgtest.Exec(t, db, "ALTER TABLE users ADD COLUMN extra int DEFAULT 5", "UPDATE users SET extra = 6 WHERE id % 2 = 0")
	between := enginetest.MomentOf(t, db, "between")
	pgtest.Exec(t, db, "CREATE INDEX ON users (extra)")
	after := enginetest.MomentOf(t, db, "after")
	pgtest.Exec(t, db, "DELETE FROM log")
	drainOnly(t, place, db)
	to := pgtest.NewDatabase(t, server)
	_, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: to, Target: engine.Target{Kind: engine.TargetLSN, LSN: between.LSN}})
	pgtest.ErrorContains(t, err, "no version of the catalog", "--before-xid ", "none yet")
	enginetest.Take(t, place, db)
	drainOnly(t, place, db)
	_, err = engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: to, Target: engine.Target{Kind: engine.TargetLSN, LSN: between.LSN}})
	pgtest.ErrorContains(t, err, "ALTER TABLE on public.users", "--before-xid ", "--xid ")
	for flag, m := range map[string]enginetest.Moment{"--before-xid ": before, "after: --xid ": after} {
		_, rest, _ := strings.Cut(err.Error(), flag)
		xid := rest[:strings.IndexAny(rest, " ;")]
		flags := engine.TargetFlags{XID: xid}
		if flag == "--before-xid " {
			flags = engine.TargetFlags{BeforeXID: xid}
		}
		target, err := engine.ParseTarget(flags, time.Now(), nil)
		if err != nil {
			t.Fatal(err)
		}
		to := pgtest.NewDatabase(t, server)
		if _, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: to, Target: target}); err != nil {
			t.Fatal(err)
		}
		m.Equals(t, to)
	}
	lenient := pgtest.NewDatabase(t, server)
	taken := enginetest.Take(t, place, db)
	pgtest.Exec(t, db, "CREATE INDEX ON users (born)", "DELETE FROM orders WHERE id % 5 = 0")
	drainOnly(t, place, db)
	if _, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: lenient, CatalogOfSnapshot: true}); err != nil {
		t.Fatal(err)
	}
	pgtest.SameContents(t, pgtest.Contents(t, db), lenient)
	_, err = engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: pgtest.NewDatabase(t, server)})
	pgtest.ErrorContains(t, err, "--before-xid ")
	if err := windowOf(t, place, taken); err != nil {
		t.Error(err)
	}
}

// windowOf restores a snapshot's own instant.
func windowOf(t *testing.T, place engine.Place, taken *engine.SnapshotResult) error {
	_, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: pgtest.NewDatabase(t, server), Target: engine.Target{Kind: engine.TargetSnapshot, Name: taken.ID.String()}})
	return err
}
