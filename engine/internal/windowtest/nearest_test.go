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

// TestOneTableAmidStatementsOnOthersIsExact: where no version of the catalog is the target's, the one before it does for tables that no
// statement since concerns, changed as they are since the snapshot.
func TestOneTableAmidStatementsOnOthersIsExact(t *testing.T) {
	place, db := enginetest.Protect(t, server, "CREATE TABLE users (id int PRIMARY KEY, name text)", "INSERT INTO users SELECT i, 'u' FROM generate_series(1, 100) i",
		"CREATE TYPE mood AS ENUM ('sad')", "CREATE TABLE moods (id int PRIMARY KEY, m mood)", "CREATE TABLE days (d int) PARTITION BY LIST (d)", "CREATE TABLE d1 PARTITION OF days FOR VALUES IN (1)")
	pgtest.Exec(t, db, "ALTER TABLE users ADD born int DEFAULT 1990; UPDATE users SET born = id WHERE id < 50", "ALTER TABLE moods ADD note text", "ALTER TABLE days ADD note text")
	enginetest.Drain(t, place, db)
	pgtest.Exec(t, db, "CREATE TABLE scratch (a int)", "ALTER TYPE mood ADD VALUE 'glad'", "INSERT INTO moods VALUES (1, 'glad')", "CREATE TABLE users_new (a int)",
		"CREATE TABLE d2 PARTITION OF days FOR VALUES IN (2)", "DELETE FROM users WHERE id % 3 = 0; INSERT INTO days VALUES (1), (2)")
	rows := "SELECT string_agg(u::text, ' ' ORDER BY id) FROM users u"
	between, want := enginetest.MomentOf(t, db, "between"), pgtest.Value(t, db, rows)
	pgtest.Exec(t, db, "ALTER TABLE users ADD late int", "DELETE FROM users WHERE id < 60")
	enginetest.Drain(t, place, db)
	target := engine.Target{Kind: engine.TargetLSN, LSN: between.LSN}
	for _, c := range []struct{ table, refused string }{{table: "users"}, {"moods", "mood"}, {"users*", "asked for"}, {"days", "asked for"}, {"", "no version of the catalog"}} {
		o := engine.RestoreOptions{Place: place, To: pgtest.NewDatabase(t, server), Target: target}
		if c.table != "" {
			o.Tables = []string{c.table, "users"}
		}
		r, err := engine.Restore(t.Context(), o)
		if c.refused != "" {
			pgtest.ErrorContains(t, err, c.refused, "--before-xid ", "--xid ")
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := pgtest.Value(t, o.To, rows); got != want {
			t.Errorf("users: %s\nwant %s", got, want)
		}
		if said := strings.Join(r.Plan.NotIncluded, "\n"); !strings.Contains(said, "scratch") {
			t.Errorf("the plan does not tell what is not included: %q", said)
		}
	}
	// A name that --rename gives chooses as a pattern does: it may be another's at the target.
	pgtest.Exec(t, db, "CREATE SCHEMA other; CREATE TABLE other.users (id int PRIMARY KEY)")
	target.LSN = enginetest.MomentOf(t, db, "another of the name").LSN
	pgtest.Exec(t, db, "CREATE TABLE last (a int)")
	enginetest.Drain(t, place, db)
	o := engine.RestoreOptions{Place: place, To: pgtest.NewDatabase(t, server), Target: target, Rename: map[string]string{"users": "then"}}
	_, err := engine.Restore(t.Context(), o)
	pgtest.ErrorContains(t, err, "asked for")
}

// windowOf restores a snapshot's own instant.
func windowOf(t *testing.T, place engine.Place, taken *engine.SnapshotResult) error {
	_, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: pgtest.NewDatabase(t, server), Target: engine.Target{Kind: engine.TargetSnapshot, Name: taken.ID.String()}})
	return err
}
