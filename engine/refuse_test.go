package engine

import (
	"testing"
)

func TestATargetAcrossAChangeOfLayoutIsRefusedByName(t *testing.T) {
	place, db := protect(t, schema...)
	to := newDatabase(t)
	for i, c := range []struct {
		name      string
		statement string
		table     string // one table that the statement does not hinder
		words     []string
		lenient   bool // --catalog-of-snapshot accepts it
	}{
		{"a column added", "ALTER TABLE users ADD COLUMN extra int", "orders", []string{"ALTER TABLE", "public.users"}, false},
		{"a column's type", "ALTER TABLE orders ALTER COLUMN n TYPE bigint", "users", []string{"public.orders"}, false},
		{"a label renamed", "ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'", "orders", []string{"ALTER TYPE", "public.users"}, false},
		{"a table made", "CREATE TABLE novel (id int PRIMARY KEY)", "users", []string{"CREATE TABLE", "novel"}, false},
		{"a table dropped", "DROP TABLE novel", "users", []string{"DROP TABLE", "public.novel"}, false},
		{"a function", "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'", "users", []string{"CREATE FUNCTION", "one"}, true},
		{"an index", "CREATE INDEX ON users (born)", "users", []string{"CREATE INDEX"}, true},
		{"a constraint", "ALTER TABLE orders ADD CHECK (n <> -7)", "users", []string{"ALTER TABLE", "public.orders"}, true},
		{"an identity switched", "ALTER TABLE users REPLICA IDENTITY FULL", "orders", []string{"public.users"}, false},
	} {
		if i > 0 {
			take(t, place, db) // a snapshot after it makes what follows restorable
		}
		exec(t, db, "INSERT INTO log VALUES ('before')", c.statement, "INSERT INTO log VALUES ('after')")
		drainOnly(t, place, db)
		_, err := Restore(t.Context(), RestoreOptions{Place: place, To: to})
		contains(t, err, append(c.words, "--before-xid")...)
		if ExitCode(err) != 3 {
			t.Errorf("%s: exit code %d", c.name, ExitCode(err))
		}
		if value(t, to, "SELECT count(*)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace") != "0" {
			t.Errorf("%s: a refused restore changed the target", c.name)
		}
		if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Tables: []string{c.table}, DryRun: true}); err != nil {
			t.Errorf("%s: table %s, which it does not touch: %v", c.name, c.table, err)
		}
		r, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, CatalogOfSnapshot: true, DryRun: true})
		switch {
		case c.lenient && (err != nil || len(r.Plan.NotIncluded) != 1):
			t.Errorf("%s: --catalog-of-snapshot: %v, not included %q", c.name, err, r.Plan.NotIncluded)
		case !c.lenient && ExitCode(err) != 3:
			t.Errorf("%s: --catalog-of-snapshot: %v", c.name, err)
		}
	}
}

func TestANewPartitionHindersItsPartitionedTable(t *testing.T) {
	place, db := protect(t, schema...)
	exec(t, db, "CREATE TABLE events_2030 PARTITION OF events FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')", "INSERT INTO events VALUES (1, '2030-05-05', 'new')")
	drainOnly(t, place, db)
	to := newDatabase(t)
	_, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Tables: []string{"events"}})
	contains(t, err, "events_2030", "--before-xid")
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Tables: []string{"users"}}); err != nil {
		t.Errorf("a table that it is no partition of: %v", err)
	}
	exec(t, db, "ALTER TABLE events DETACH PARTITION events_2030")
	take(t, place, db)
	exec(t, db, "ALTER TABLE events ATTACH PARTITION events_2030 FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')", "INSERT INTO log VALUES ('x')")
	drainOnly(t, place, db)
	for _, lenient := range []bool{false, true} {
		_, err = Restore(t.Context(), RestoreOptions{Place: place, To: to, Tables: []string{"events"}, CatalogOfSnapshot: lenient})
		contains(t, err, "ALTER TABLE", "events")
	}
}

func TestWhatChangesNothingDoesNotHinder(t *testing.T) {
	place, db := protect(t, schema...)
	exec(t, db, "CREATE MATERIALIZED VIEW totals AS SELECT user_id, sum(amount) FROM orders GROUP BY 1")
	take(t, place, db)
	conn := open(t, db)
	for _, sql := range []string{"CREATE TEMP TABLE scratch (x int)", "CREATE INDEX ON scratch (x)", "DROP TABLE scratch",
		"DELETE FROM orders WHERE id < 100", "REFRESH MATERIALIZED VIEW totals", "VACUUM users", "REINDEX TABLE users"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	drainOnly(t, place, db)
	to := newDatabase(t)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to}); err != nil {
		t.Fatal(err)
	}
	sameDatabase(t, contents(t, db), to)
}
