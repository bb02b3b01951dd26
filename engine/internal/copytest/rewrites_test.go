package copytest

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
)

var shop = []string{
	"CREATE TYPE mood AS ENUM ('sad', 'happy')", "CREATE TYPE pair AS (a int, b int)",
	`CREATE TABLE pets (id int PRIMARY KEY, name text, legs int, doubled int GENERATED ALWAYS AS (id * 2) STORED, mood mood, p pair, born timestamptz)`,
	"CREATE TABLE plain (a int, b text)", "CREATE TABLE bare (i int)",
	"CREATE TABLE events (id int, day date, note text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
	"CREATE TABLE e1 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
	"CREATE TABLE e2 PARTITION OF events DEFAULT",
	"CREATE TABLE owners (id int PRIMARY KEY, pet int REFERENCES pets)",
	"INSERT INTO pets (id, name, legs, mood, p, born) SELECT i, 'pet ' || i, i % 9, 'sad', ROW(i, 2)::pair, '2024-01-01Z'::timestamptz + i * '1 h'::interval FROM generate_series(1, 300) i",
	"INSERT INTO plain SELECT i % 5, 'b' FROM generate_series(1, 50) i",
	"INSERT INTO events SELECT i, '2024-06-01'::date + i, 'n' || i FROM generate_series(1, 300) i", "INSERT INTO owners SELECT i, i FROM generate_series(1, 40) i",
}

// write changes rows of all tables in every way, and is not told the names or the types of columns that statements change.
func write(t *testing.T, db string, n int) {
	t.Helper()
	pets := pgtest.Value(t, db, "SELECT CASE WHEN to_regclass('animals') IS NULL THEN 'pets' ELSE 'animals' END")
	pgtest.Exec(t, db,
		fmt.Sprintf("INSERT INTO %s (id, name, legs) VALUES (%d, 'new', %d); UPDATE %[1]s SET name = name || '!' WHERE id %% 7 = %[3]d; DELETE FROM %[1]s WHERE id %% 41 = %[3]d AND id NOT IN (SELECT pet FROM owners)", pets, 1000+n, n%7),
		fmt.Sprintf("UPDATE plain SET b = b || '%d' WHERE a = %d; INSERT INTO plain VALUES (%[1]d, 'x')", n, n%5),
		fmt.Sprintf("UPDATE %s SET id = id + 10000 WHERE id = %d", pets, 50+n),
		fmt.Sprintf("UPDATE events SET day = '2025-03-03' WHERE id = %d; DELETE FROM events WHERE id = %d; INSERT INTO events VALUES (%d, '2024-02-02', 'late')", n, 100+n, 2000+n),
		fmt.Sprintf("INSERT INTO owners VALUES (%d, %d)", 100+n, 1000+n))
}

func TestRowsThatTheLogDoesNotTellBeginWithTheirCopy(t *testing.T) {
	for _, c := range []struct {
		what, statement, why string
		setup                []string
	}{
		{"another type, by an expression", "ALTER TABLE pets ALTER legs TYPE bigint USING legs * 2", "rewrote table public.pets", nil},
		{"a volatile default", "ALTER TABLE pets ADD r float DEFAULT random(), ADD u uuid DEFAULT gen_random_uuid()", "rewrote table public.pets", nil},
		{"an expression dropped", "ALTER TABLE pets ALTER doubled DROP EXPRESSION; UPDATE pets SET doubled = 7 WHERE id = 9", `column "doubled" became an ordinary one`, nil},
		{"labels swapped", "ALTER TYPE mood RENAME VALUE 'sad' TO 'x'; ALTER TYPE mood RENAME VALUE 'happy' TO 'sad'; ALTER TYPE mood RENAME VALUE 'x' TO 'happy'", "altered a type", nil},
		{"a composite type", "ALTER TYPE pair ADD ATTRIBUTE c int", "altered a type", nil},
		{"another meaning without a rewrite", "SET timezone = 'UTC'; ALTER TABLE pets ALTER born TYPE timestamp", `the type of column "born" was changed`, nil},
		{"a rewrite, a rename and writes in one transaction", "INSERT INTO pets (id, legs) VALUES (900, 1); ALTER TABLE pets ALTER legs TYPE bigint USING legs + 1; " +
			"UPDATE pets SET legs = 7 WHERE id % 2 = 0; ALTER TABLE pets RENAME TO animals; DELETE FROM animals WHERE id = 299", "rewrote table public.animals", nil},
		{"a column replaced between writes", "INSERT INTO pets (id) VALUES (900); ALTER TABLE pets DROP born; ALTER TABLE pets ADD born timestamptz; INSERT INTO pets (id, born) VALUES (901, now())", "a column was dropped and one of its name", nil},
		{"names of objects", "ALTER TABLE called RENAME TO named; INSERT INTO names VALUES (3, 'named')", "table public.names holds names of objects",
			[]string{"CREATE TABLE called (i int)", "CREATE TABLE names (id int PRIMARY KEY, n regclass)", "INSERT INTO names VALUES (1, 'called'), (2, 'pets')"}},
		{"unlogged for a while", "ALTER TABLE plain SET UNLOGGED; UPDATE plain SET b = 'unseen' WHERE a = 1; ALTER TABLE plain SET LOGGED", "rewrote table public.plain", nil},
		{"partitions", "ALTER TABLE events ALTER note TYPE varchar(20) USING upper(note)", "rewrote table public.e1", nil},
		{"an empty table", "ALTER TABLE bare ALTER i TYPE text", "rewrote table public.bare", nil},
		{"every row replaced by a rewrite", "ALTER TABLE plain ALTER a TYPE int USING a + 1, ALTER b TYPE text USING b || a", "rewrote table public.plain", nil},
	} {
		t.Run(strings.ReplaceAll(c.what, " ", "_"), func(t *testing.T) {
			place, db := enginetest.Protect(t, server, append(slices.Clone(shop), c.setup...)...)
			write(t, db, 1)
			before := enginetest.MomentOf(t, db, "before")
			pgtest.Exec(t, db, c.statement)
			just := enginetest.MomentOf(t, db, "just after")
			drainWithout(t, place, db)
			write(t, db, 2)
			between := enginetest.MomentOf(t, db, "between")
			drainWithout(t, place, db)
			_, _, err := restore(t, place, engine.Target{})
			pgtest.ErrorContains(t, err, c.why, "nearest exact point before: --before-xid ", "after: none yet")
			windows := listed(t, place).Windows
			enginetest.Drain(t, place, db)
			if n := len(copies(t, place)); n != 1 {
				t.Fatalf("%d copies", n)
			}
			if now := listed(t, place); now.Windows[0].From != windows[0].From || len(now.Snapshots) != 1 {
				t.Errorf("the copy moved the window or is a snapshot: %+v", now)
			}
			pgtest.Exec(t, db, "DELETE FROM owners WHERE id = 3")
			write(t, db, 3)
			after := enginetest.MomentOf(t, db, "after")
			enginetest.Drain(t, place, db)
			if n := len(copies(t, place)); n != 1 {
				t.Fatalf("%d copies after no more than writes", n)
			}

			earlier, later := refused(t, place, between)
			equals(t, place, earlier, before)
			equals(t, place, later, between)
			if e, l := refused(t, place, just); e != earlier || l != later {
				t.Errorf("just after the nearest points are %v and %v, later on %v and %v", e, l, earlier, later)
			}
			r := after.Restores(t, server, place)
			if r != nil && !strings.Contains(strings.Join(r.Plan.Followed, "\n"), copies(t, place)[0].ID.String()) {
				t.Errorf("the plan does not name the copy: %q", r.Plan.Followed)
			}
			if _, _, err := restore(t, place, at(between), "owners"); err != nil && !strings.Contains(c.why, "pets") && !strings.Contains(c.why, "animals") {
				t.Errorf("another table: %v", err)
			}
		})
	}
}

func TestATableRewrittenTwiceBeginsWithItsLastCopyBeforeTheTarget(t *testing.T) {
	place, db := enginetest.Protect(t, server, shop...)
	var moments []enginetest.Moment
	step := func(what string, statements ...string) {
		pgtest.Exec(t, db, statements...)
		write(t, db, len(moments)+1)
		enginetest.Drain(t, place, db)
		write(t, db, len(moments)+20)
		moments = append(moments, enginetest.MomentOf(t, db, what))
		enginetest.Drain(t, place, db)
	}
	step("nothing yet")
	step("one rewrite", "ALTER TABLE pets ALTER legs TYPE bigint USING legs * 2")
	step("a column added after the copy", "ALTER TABLE pets ADD extra int DEFAULT 5", "UPDATE pets SET extra = 6 WHERE id % 3 = 0")
	step("another table", "ALTER TABLE owners ADD r float DEFAULT random()")
	step("rewritten again and renamed", "ALTER TABLE pets ALTER legs TYPE text USING legs || 'x'", "ALTER TABLE pets RENAME TO animals", "ALTER TABLE animals DROP extra")
	step("emptied", "TRUNCATE animals CASCADE", "INSERT INTO animals (id) SELECT generate_series(1, 400)", "ALTER TABLE animals ADD more int DEFAULT 8")
	if n := len(copies(t, place)); n != 3 {
		t.Errorf("%d copies", n)
	}
	for _, m := range moments {
		m.Restores(t, server, place)
	}
	verified, err := engine.Verify(t.Context(), engine.VerifyOptions{Place: place})
	if err != nil || verified.Snapshots != 1 {
		t.Errorf("verify: %+v, %v", verified, err)
	}
}

func TestATableMadeAfterTheSnapshotBeginsWithItsCopy(t *testing.T) {
	place, db := enginetest.Protect(t, server, shop...)
	pgtest.Exec(t, db, "CREATE TABLE late (id int PRIMARY KEY, v int)", "INSERT INTO late SELECT i, i FROM generate_series(1, 100) i",
		"ALTER TABLE late ALTER v TYPE text USING 'v' || v", "UPDATE late SET v = 'w' WHERE id < 10")
	enginetest.Drain(t, place, db)
	pgtest.Exec(t, db, "UPDATE late SET v = 'x' WHERE id > 90; DELETE FROM late WHERE id = 50")
	m := enginetest.MomentOf(t, db, "after")
	enginetest.Drain(t, place, db)
	m.Restores(t, server, place)
	var out bytes.Buffer
	if _, err := engine.Cat(t.Context(), engine.CatOptions{Place: place, Table: "late", Out: &out}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	slices.Sort(lines)
	if want := pgtest.Value(t, db, `SELECT string_agg(l, ' ' ORDER BY l COLLATE "C") FROM (SELECT id || E'\t' || v AS l FROM late) l`); strings.Join(lines, " ") != want {
		t.Errorf("cat wrote %q, not %q", lines, want)
	}
}

func TestVacuumFullThatLosesMissingValuesIsEndedByACopy(t *testing.T) {
	place, db := enginetest.Protect(t, server, shop...)
	pgtest.Exec(t, db, "ALTER TABLE plain ADD c int DEFAULT 5", "UPDATE plain SET c = 6 WHERE a = 2")
	enginetest.Drain(t, place, db)
	pgtest.Exec(t, db, "VACUUM FULL plain", "CREATE TABLE other ()")
	enginetest.Drain(t, place, db)
	pgtest.Exec(t, db, "UPDATE plain SET c = 7 WHERE a = 3")
	m := enginetest.MomentOf(t, db, "after")
	enginetest.Drain(t, place, db)
	m.Restores(t, server, place)
}

func TestVeryManyTablesOfOneStatementAreCopied(t *testing.T) {
	setup := []string{"CREATE TABLE many (id int, v text) PARTITION BY LIST (id)",
		"DO $$ BEGIN FOR i IN 1..230 LOOP EXECUTE format('CREATE TABLE m%s PARTITION OF many FOR VALUES IN (%s)', i, i); END LOOP; END $$",
		"INSERT INTO many SELECT i, 'v' FROM generate_series(1, 230) i"}
	place, db := enginetest.Protect(t, server, setup...)
	pgtest.Exec(t, db, "ALTER TABLE many ADD c int DEFAULT 3", "UPDATE many SET c = id WHERE id % 2 = 0")
	enginetest.Drain(t, place, db)
	pgtest.Exec(t, db, "UPDATE many SET v = 'w' WHERE id % 3 = 0")
	m := enginetest.MomentOf(t, db, "after")
	enginetest.Drain(t, place, db)
	m.Restores(t, server, place)
}

// TestThePointAfterIsOneOfAllTables: where the first copy after the target is, another table may have none yet.
func TestThePointAfterIsOneOfAllTables(t *testing.T) {
	place, db := enginetest.Protect(t, server, shop...)
	pgtest.Exec(t, db, "ALTER TABLE pets ALTER legs TYPE bigint USING legs * 2", "ALTER TABLE plain ALTER b TYPE text USING b || 'x'")
	drainWithout(t, place, db)
	between := enginetest.MomentOf(t, db, "between")
	pgtest.Exec(t, db, "DELETE FROM plain WHERE a = 1")
	if _, err := engine.Snapshot(t.Context(), engine.SnapshotOptions{Place: place, DB: db, Tables: []string{"pets"}}); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, db, "DELETE FROM plain WHERE a = 2")
	enginetest.Drain(t, place, db)
	after := enginetest.MomentOf(t, db, "after")
	pgtest.Exec(t, db, "DELETE FROM plain WHERE a = 3")
	enginetest.Drain(t, place, db)
	_, later := refused(t, place, between)
	equals(t, place, later, after)
}

func TestADamagedCopyIsNamedAndNotRestored(t *testing.T) {
	place, db := enginetest.Protect(t, server, shop...)
	pgtest.Exec(t, db, "ALTER TABLE pets ALTER legs TYPE bigint USING legs * 2")
	enginetest.Drain(t, place, db)
	id := copies(t, place)[0].ID.String()
	var part string
	err := filepath.WalkDir(place.Repository, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(path, "/parts/") && strings.Contains(path, id) {
			part = path
		}
		return err
	})
	if err != nil || part == "" {
		t.Fatalf("no part of the copy: %v", err)
	}
	content, err := os.ReadFile(part)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 4
	if err := os.Chmod(part, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(part, content, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := engine.Verify(t.Context(), engine.VerifyOptions{Place: place})
	if engine.ExitCode(err) != 4 || len(r.Broken) != 1 || r.Broken[0].Table != "public.pets" {
		t.Errorf("verify: %+v, %v", r, err)
	}
	if _, _, err := restore(t, place, engine.Target{}); engine.ExitCode(err) != 4 {
		t.Errorf("restored: %v", err)
	}
	if _, _, err := restore(t, place, engine.Target{}, "plain"); err != nil {
		t.Errorf("another table: %v", err)
	}
}
