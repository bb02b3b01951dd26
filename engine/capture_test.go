package engine

import (
	"strings"
	"testing"
)

func TestDDLWhileNobodyCapturedItIsAGapNeverMissed(t *testing.T) {
	all := func(do string) string {
		var sql strings.Builder
		for _, trigger := range []string{"ddl_command_end", "sql_drop", "table_rewrite"} {
			sql.WriteString("ALTER EVENT TRIGGER pgrecall_" + trigger + " " + do + ";")
		}
		return sql.String()
	}
	for _, c := range []struct {
		name       string
		followed   bool // a segment is there already
		statements []string
	}{
		{"a column dropped and added under its name", true, []string{all("DISABLE"), "ALTER TABLE pets DROP owner", "ALTER TABLE pets ADD owner int", all("ENABLE ALWAYS")}},
		{"before the first segment", false, []string{all("DISABLE"), "ALTER TABLE pets ALTER owner TYPE int USING owner + 100", all("ENABLE ALWAYS")}},
		{"labels exchanged", true, []string{all("DISABLE"), "ALTER TYPE kind RENAME VALUE 'cat' TO 'x'", "ALTER TYPE kind RENAME VALUE 'dog' TO 'cat'",
			"ALTER TYPE kind RENAME VALUE 'x' TO 'dog'", all("ENABLE ALWAYS")}},
		{"a table made anew, and triggers that stay off", true, []string{all("DISABLE"), "DROP TABLE pets", "CREATE TABLE pets (id int PRIMARY KEY, kind kind, owner int)"}},
		{"a trigger dropped", true, []string{"DROP EVENT TRIGGER pgrecall_table_rewrite", "ALTER TABLE pets ALTER owner TYPE int USING owner + 100"}},
		{"a function replaced", true, []string{"CREATE OR REPLACE FUNCTION pgrecall.on_rewrite() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
			"ALTER TABLE pets ALTER owner TYPE int USING owner + 100"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			place, db := protect(t, "CREATE TYPE kind AS ENUM ('cat', 'dog')", "CREATE TABLE pets (id int PRIMARY KEY, kind kind, owner int)",
				"INSERT INTO pets SELECT i, (ARRAY['cat', 'dog'])[1 + i % 2]::kind, i FROM generate_series(1, 20) i")
			if c.followed {
				exec(t, db, "DELETE FROM pets WHERE id = 7")
				drain(t, place, db)
			}
			exec(t, db, c.statements...)
			exec(t, db, "INSERT INTO pets VALUES (30, 'cat', 1)")
			if gaps := drain(t, place, db).Gaps; len(gaps) != 1 || !strings.Contains(gaps[0].Reason, "event triggers") {
				t.Errorf("gaps %v", gaps)
			}
			exec(t, db, "UPDATE pets SET kind = 'dog' WHERE id % 3 = 0")
			drain(t, place, db)
			to := newDatabase(t)
			if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to}); err != nil {
				t.Fatal(err)
			}
			sameDatabase(t, contents(t, db), to)
		})
	}
}

func TestATableMovedIntoTheSchemaOfPgrecallIsRefused(t *testing.T) {
	place, db := protect(t, "CREATE TABLE pets (id int PRIMARY KEY)", "INSERT INTO pets VALUES (1)")
	exec(t, db, "ALTER TABLE pets SET SCHEMA pgrecall", "UPDATE pgrecall.pets SET id = 2")
	drain(t, place, db)
	for _, o := range []RestoreOptions{{}, {CatalogOfSnapshot: true}} {
		o.Place, o.To = place, newDatabase(t)
		_, err := Restore(t.Context(), o)
		contains(t, err, "SET SCHEMA pgrecall")
	}
	_, err := Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t), Tables: []string{"pets"}})
	contains(t, err, "nothing matches")
}
