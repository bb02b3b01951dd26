package engine

import (
	"strings"
	"testing"
)

func TestATargetAcrossAChangeOfLayoutIsRefusedByName(t *testing.T) {
	for _, c := range []struct {
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
		{"a table dropped", "DROP TABLE log", "users", []string{"DROP TABLE", "public.log"}, false},
		{"a function", "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'", "users", []string{"CREATE FUNCTION", "one"}, true},
		{"an index", "CREATE INDEX ON users (born)", "users", []string{"CREATE INDEX"}, true},
		{"a constraint", "ALTER TABLE orders ADD CHECK (n > 0)", "users", []string{"ALTER TABLE", "public.orders"}, true},
		{"an identity switched", "ALTER TABLE users REPLICA IDENTITY FULL", "orders", []string{"public.users"}, false},
		{"the publication changed", "ALTER PUBLICATION pgrecall SET (publish = 'insert')", "", []string{"publication"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			place, db := protect(t, schema...)
			exec(t, db, "INSERT INTO log VALUES ('before')")
			before := contents(t, db)
			exec(t, db, c.statement)
			if c.name != "a table dropped" {
				exec(t, db, "INSERT INTO log VALUES ('after')")
			}
			if _, err := Stream(t.Context(), StreamOptions{Place: place, DB: db, Once: true, NoSnapshot: true}); err != nil {
				t.Fatal(err)
			}
			to := newDatabase(t)
			_, err := Restore(t.Context(), RestoreOptions{Place: place, To: to})
			if c.table == "" {
				// The stream itself found it: a gap, and what lies before it.
				if err != nil {
					t.Fatal(err)
				}
				list, err := List(t.Context(), ListOptions{Place: place})
				if err != nil || len(list.Sources[0].Gaps) == 0 {
					t.Errorf("no gap is listed: %v", err)
				}
				return
			}
			contains(t, err, c.words...)
			if ExitCode(err) != 3 {
				t.Errorf("exit code %d", ExitCode(err))
			}
			if value(t, to, "SELECT count(*)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace") != "0" {
				t.Error("a refused restore changed the target")
			}
			// The nearest exact point before is as told.
			_, rest, _ := strings.Cut(err.Error(), "--before-xid ")
			digits := rest[:strings.IndexAny(rest+";", "; ")]
			target, perr := ParseTarget(TargetFlags{BeforeXID: digits}, nowForTest(), nil)
			if perr != nil {
				t.Fatal(perr)
			}
			if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Target: target}); err != nil {
				t.Fatal(err)
			}
			sameDatabase(t, before, to)
			other := newDatabase(t)
			if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: other, Tables: []string{c.table}}); err != nil {
				t.Errorf("table %s, which it does not touch: %v", c.table, err)
			}
			lenient := newDatabase(t)
			r, err := Restore(t.Context(), RestoreOptions{Place: place, To: lenient, CatalogOfSnapshot: true})
			switch {
			case c.lenient && err != nil:
				t.Errorf("--catalog-of-snapshot: %v", err)
			case c.lenient:
				sameDatabase(t, contents(t, db), lenient)
				if len(r.Plan.NotIncluded) != 1 {
					t.Errorf("not included: %q", r.Plan.NotIncluded)
				}
			case ExitCode(err) != 3:
				t.Errorf("--catalog-of-snapshot: %v", err)
			}
			// A new snapshot makes the time after it restorable.
			take(t, place, db)
			exec(t, db, "DELETE FROM events")
			drain(t, place, db)
			after := newDatabase(t)
			if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: after}); err != nil {
				t.Fatal(err)
			}
			sameDatabase(t, contents(t, db), after)
		})
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
	drain(t, place, db)
	to := newDatabase(t)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to}); err != nil {
		t.Fatal(err)
	}
	sameDatabase(t, contents(t, db), to)
}
