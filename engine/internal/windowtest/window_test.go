package windowtest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
)

// acrossAll runs steps, each followed by a version of the catalog, and restores the moments between all of them.
func acrossAll(t *testing.T, begin []string, steps ...string) (engine.Place, string) {
	t.Helper()
	place, db := enginetest.Protect(t, server, begin...)
	moments := []enginetest.Moment{enginetest.MomentOf(t, db, "the beginning")}
	for _, step := range steps {
		pgtest.Exec(t, db, step)
		moments = append(moments, enginetest.MomentOf(t, db, step))
		enginetest.Drain(t, place, db)
	}
	pgtest.Exec(t, db, "CREATE TABLE last_of_all ()")
	enginetest.Drain(t, place, db)
	for _, m := range moments {
		m.Restores(t, server, place)
	}
	return place, db
}

var pets = []string{"CREATE TABLE pets (id int PRIMARY KEY, name text, legs int DEFAULT 4)",
	"INSERT INTO pets SELECT i, 'pet ' || i, i % 9 FROM generate_series(1, 300) i"}

func TestColumnsAddedDroppedAndRenamedAreCrossed(t *testing.T) {
	acrossAll(t, pets,
		`UPDATE pets SET legs = 3 WHERE id % 7 = 0; ALTER TABLE pets ADD color text; UPDATE pets SET color = 'red' WHERE id % 5 = 0`,
		`ALTER TABLE pets ADD noise text DEFAULT E'miau\t\\ "{}'; UPDATE pets SET noise = NULL WHERE id % 3 = 0; DELETE FROM pets WHERE id % 4 = 0`,
		"ALTER TABLE pets RENAME name TO label; UPDATE pets SET label = upper(label) WHERE id < 100; ALTER TABLE pets DROP legs; INSERT INTO pets VALUES (1001, 'newer')",
		"ALTER TABLE pets ADD legs int DEFAULT 7",
		"UPDATE pets SET legs = 8 WHERE id % 2 = 0; ALTER TABLE pets ALTER legs SET NOT NULL, ALTER noise SET DEFAULT 'wuff', ALTER label DROP DEFAULT; DELETE FROM pets WHERE id % 11 = 0",
		fmt.Sprintf("UPDATE pets SET legs = 1 WHERE id = 1; ALTER TABLE pets DROP noise, ADD long text DEFAULT '%s'; UPDATE pets SET legs = 2, id = id + 5000 WHERE id IN (2, 3, 5)", strings.Repeat("x", 5000)),
	)
}

func TestTablesMadeDroppedAndRenamedAreCrossed(t *testing.T) {
	acrossAll(t, pets,
		"CREATE TABLE vets (id serial PRIMARY KEY, name text); INSERT INTO vets (name) VALUES ('a'), ('b'); CREATE TABLE few AS SELECT id, name FROM pets WHERE id < 10; UPDATE few SET name = 'few' WHERE id = 3",
		"SELECT id, legs INTO chosen FROM pets; DELETE FROM chosen WHERE id > 20; ALTER TABLE vets RENAME TO doctors; INSERT INTO doctors (name) VALUES ('c')",
		"DROP TABLE pets; CREATE TABLE pets (legs text, id bigint); INSERT INTO pets VALUES ('many', 1), ('many', 1)",
		"CREATE SCHEMA clinic; ALTER TABLE doctors SET SCHEMA clinic; UPDATE clinic.doctors SET name = 'd' WHERE id = 1; DELETE FROM pets WHERE ctid = '(0,1)'",
		"ALTER SCHEMA clinic RENAME TO hospital; INSERT INTO hospital.doctors (name) VALUES ('e'); DROP TABLE few; TRUNCATE chosen; INSERT INTO chosen VALUES (7, 7)",
	)
}

func TestIdentitiesAreCrossed(t *testing.T) {
	acrossAll(t, append(slices.Clone(pets), "CREATE TABLE plain (a int, b text)", "INSERT INTO plain SELECT i % 5, 'b' FROM generate_series(1, 50) i"),
		"ALTER TABLE pets DROP CONSTRAINT pets_pkey; INSERT INTO pets VALUES (1, 'again', 1), (1, 'again', 1); UPDATE pets SET legs = 9 WHERE id = 2; DELETE FROM plain WHERE a = 1",
		"DELETE FROM pets WHERE id = 1; ALTER TABLE pets ADD PRIMARY KEY (id); UPDATE pets SET legs = 10 WHERE id IN (3, 4); ALTER TABLE plain ADD c int DEFAULT 5; UPDATE plain SET b = 'c' WHERE a = 2",
		"ALTER TABLE plain ADD COLUMN id int; UPDATE plain SET id = s.n FROM (SELECT ctid AS at, row_number() OVER () AS n FROM plain) s WHERE plain.ctid = s.at; ALTER TABLE plain ADD PRIMARY KEY (id); UPDATE plain SET a = 77 WHERE id % 3 = 0",
		"ALTER TABLE pets REPLICA IDENTITY FULL; UPDATE pets SET legs = 11 WHERE id = 5; ALTER TABLE pets DROP CONSTRAINT pets_pkey, DROP COLUMN id; UPDATE pets SET name = 'x' WHERE legs = 11",
	)
}

func TestOtherObjectsAreThoseOfTheTarget(t *testing.T) {
	pgtest.Exec(t, server.ConnString("postgres"), "CREATE ROLE window_reader", "CREATE ROLE window_owner")
	acrossAll(t, append(slices.Clone(pets), "CREATE TYPE mood AS ENUM ('sad', 'happy')", "CREATE TABLE moods (id int PRIMARY KEY, mood mood)", "INSERT INTO moods VALUES (1, 'sad')"),
		"CREATE INDEX by_legs ON pets (legs); CREATE VIEW many AS SELECT * FROM pets WHERE legs > 4; CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER TABLE pets ADD CHECK (legs >= 0); UPDATE pets SET legs = 5",
		"ALTER TYPE mood ADD VALUE 'fine' BEFORE 'happy'",
		"INSERT INTO moods VALUES (2, 'fine'); DROP VIEW many; CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 2'; CREATE MATERIALIZED VIEW sums AS SELECT legs, count(*) FROM pets GROUP BY 1; ALTER TYPE mood RENAME TO feeling",
		"UPDATE pets SET legs = 6 WHERE id < 9; REFRESH MATERIALIZED VIEW sums; GRANT SELECT ON pets TO window_reader; COMMENT ON TABLE pets IS 'all of them'; CREATE POLICY p ON pets USING (true)",
		"CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.legs := 1; RETURN NEW; END'; CREATE TRIGGER t BEFORE INSERT ON pets FOR EACH ROW EXECUTE FUNCTION t(); INSERT INTO pets (id) VALUES (999); REFRESH MATERIALIZED VIEW sums; ALTER TABLE pets ALTER name TYPE varchar; UPDATE pets SET name = 'v' WHERE id = 1",
		"DROP OWNED BY window_reader; ALTER TABLE pets OWNER TO window_owner; REFRESH MATERIALIZED VIEW sums",
	)
}

// TestCatGoesByTheNamesOfTheTarget: a table is asked for by the name that it had there, and what it was before is told.
func TestCatGoesByTheNamesOfTheTarget(t *testing.T) {
	place, db := enginetest.Protect(t, server, pets...)
	type point struct {
		table, rows string
		enginetest.Moment
	}
	var points []point
	for _, c := range []struct{ step, table string }{
		{"UPDATE pets SET legs = 3 WHERE id % 7 = 0", "pets"},
		{"ALTER TABLE pets RENAME legs TO feet; ALTER TABLE pets ADD tail bool DEFAULT true; DELETE FROM pets WHERE id % 3 = 0", "pets"},
		{"CREATE SCHEMA zoo; ALTER TABLE pets SET SCHEMA zoo; ALTER TABLE zoo.pets RENAME TO animals; UPDATE zoo.animals SET tail = false WHERE id < 50", "zoo.animals"},
		{"CREATE TABLE pets (name text); INSERT INTO pets VALUES ('another')", "pets"},
	} {
		pgtest.Exec(t, db, c.step)
		rows := "SELECT string_agg(r::text, E'\n' ORDER BY r::text) FROM " + c.table + " r"
		points = append(points, point{c.table, pgtest.Value(t, db, rows), enginetest.MomentOf(t, db, c.step)})
		enginetest.Drain(t, place, db)
	}
	for _, p := range points {
		var out bytes.Buffer
		told := &told{}
		target := engine.Target{Kind: engine.TargetLSN, LSN: p.LSN}
		if _, err := engine.Cat(t.Context(), engine.CatOptions{Place: place, Table: p.table, Target: target, Format: engine.CatSQL, Out: &out, Tracer: told}); err != nil {
			t.Errorf("%s: %v", p.What, err)
			continue
		}
		to := pgtest.NewDatabase(t, server)
		if _, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: to, Tables: []string{p.table}, Target: target}); err != nil {
			t.Fatal(err)
		}
		pgtest.Exec(t, to, "TRUNCATE "+p.table, out.String())
		if got := pgtest.Value(t, to, "SELECT string_agg(r::text, E'\n' ORDER BY r::text) FROM "+p.table+" r"); got != p.rows {
			t.Errorf("%s: cat wrote\n%s\nwant\n%s", p.What, got, p.rows)
		}
		if p.table == "zoo.animals" && !strings.Contains(strings.Join(told.texts, "\n"), "table zoo.animals was public.pets in the snapshot") {
			t.Errorf("cat told %q", told.texts)
		}
	}
	var out bytes.Buffer
	_, err := engine.Cat(t.Context(), engine.CatOptions{Place: place, Table: "pets", Out: &out, Target: engine.Target{Kind: engine.TargetLSN, LSN: points[2].LSN}})
	if engine.ExitCode(err) != 3 {
		t.Errorf("a name that no table had there: %v", err)
	}
}

// told keeps what a Tracer is told.
type told struct{ texts []string }

func (o *told) Note(n engine.Note)     { o.texts = append(o.texts, n.Text) }
func (*told) Progress(engine.Progress) {}

func TestPartitionsAreCrossed(t *testing.T) {
	begin := []string{"CREATE TABLE events (id int, day date, note text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
		"CREATE TABLE e1 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
		"INSERT INTO events SELECT i, '2024-01-01'::date + i, 'n' FROM generate_series(1, 100) i"}
	place, db := acrossAll(t, begin,
		"CREATE TABLE e2 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01'); INSERT INTO events VALUES (1, '2025-03-03', 'new'), (2, '2024-03-03', 'old')",
		"CREATE TABLE e3 (note text, id int NOT NULL, day date NOT NULL); INSERT INTO e3 VALUES ('x', 1, '2026-02-02'); ALTER TABLE events ATTACH PARTITION e3 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01'); UPDATE events SET note = 'moved', day = '2026-05-05' WHERE note = 'old'",
		"ALTER TABLE events ADD place text DEFAULT 'here'; UPDATE events SET place = 'there' WHERE id < 5; ALTER TABLE events DETACH PARTITION e1",
		"UPDATE e1 SET note = 'apart' WHERE id = 9; DROP TABLE e2; ALTER TABLE events RENAME TO happenings; CREATE TABLE rest PARTITION OF happenings DEFAULT; INSERT INTO happenings VALUES (9, '2030-01-01', 'late')",
	)
	to := pgtest.NewDatabase(t, server)
	r, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: to, Tables: []string{"happenings"}})
	if err != nil {
		t.Fatal(err)
	}
	rows := "SELECT string_agg(h::text, ' ' ORDER BY h::text) FROM happenings h"
	if want, got := pgtest.Value(t, db, rows), pgtest.Value(t, to, rows); want != got {
		t.Errorf("the partitioned table alone has %s, not %s", got, want)
	}
	if said := strings.Join(r.Plan.Followed, "\n"); !strings.Contains(said, "public.rest was made after the snapshot") {
		t.Errorf("the plan does not say what it follows: %q", said)
	}
}

func TestMigrationsInsideTransactionsAndBursts(t *testing.T) {
	place, db := enginetest.Protect(t, server, pets...)
	conn := pgtest.Open(t, db)
	both := func(sql string) {
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
	}
	both("BEGIN; INSERT INTO pets VALUES (1000, 'in', 1); ALTER TABLE pets ADD a int DEFAULT 1; UPDATE pets SET a = 2 WHERE id < 10; SAVEPOINT s; ALTER TABLE pets ADD gone int; UPDATE pets SET gone = 1; ROLLBACK TO s; INSERT INTO pets VALUES (1001, 'in', 1, 9); ALTER TABLE pets DROP legs; UPDATE pets SET name = 'late' WHERE id = 1000; COMMIT")
	both("BEGIN; DROP TABLE pets; ROLLBACK")
	both(`DO $$ BEGIN EXECUTE 'CREATE TABLE done (i int PRIMARY KEY)'; INSERT INTO done SELECT generate_series(1, 20); EXECUTE 'ALTER TABLE done ADD j int DEFAULT 3'; UPDATE done SET j = 4 WHERE i > 15; END $$`)
	first := enginetest.MomentOf(t, db, "after transactions")
	enginetest.Drain(t, place, db)
	var burst []string
	for i := range 10 {
		burst = append(burst, fmt.Sprintf("ALTER TABLE done ADD c%d int DEFAULT %d", i, i), fmt.Sprintf("UPDATE done SET c%d = 100 WHERE i = %d", i, i+1))
	}
	pgtest.Exec(t, db, burst...)
	last := enginetest.MomentOf(t, db, "after the burst")
	enginetest.Drain(t, place, db)
	first.Restores(t, server, place)
	last.Restores(t, server, place)
	_, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: pgtest.NewDatabase(t, server), Target: engine.Target{Kind: engine.TargetLSN, LSN: last.LSN - 2000}})
	pgtest.ErrorContains(t, err, "no version of the catalog was taken at the target", "nearest exact point before: --before-xid ", "after: --xid ")
}

func TestWhatTheLogDoesNotHoldIsRefusedByName(t *testing.T) {
	for _, c := range []struct{ statement, why, names string }{
		{"ALTER TABLE pets ALTER legs TYPE bigint", "rewrote table public.pets", "text"},
		{"ALTER TABLE pets ADD r float DEFAULT random()", "rewrote table public.pets", "text"},
		{"ALTER TABLE pets ALTER doubled DROP EXPRESSION", `column "doubled" became an ordinary one`, "text"},
		{"ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'", "altered a type that columns of table public.pets", "text"},
		{"ALTER TYPE pair ADD ATTRIBUTE c int", "altered a type that columns of table public.pets", "text"},
		{"BEGIN; INSERT INTO pets (id) VALUES (9); ALTER TABLE pets DROP p; ALTER TABLE pets ADD p pair; INSERT INTO pets (id) VALUES (10); COMMIT", "a column was dropped and one of its name", "text"},
		{"ALTER TABLE pets SET UNLOGGED", "rewrote table public.pets", "text"},
		{"ALTER TABLE called RENAME TO named", "table public.names holds names of objects", "regclass"},
	} {
		place, db := enginetest.Protect(t, server, "CREATE TYPE mood AS ENUM ('sad', 'happy')", "CREATE TYPE pair AS (a int, b int)",
			"CREATE TABLE pets (id int PRIMARY KEY, name text, legs int, doubled int GENERATED ALWAYS AS (id * 2) STORED, mood mood, p pair)",
			"CREATE TABLE called (i int)", "CREATE TABLE names (id int PRIMARY KEY, n "+c.names+")", "INSERT INTO names VALUES (1, 'called')", "INSERT INTO pets VALUES (1, 'a', 4, DEFAULT, 'sad', (1, 2))")
		pgtest.Exec(t, db, c.statement, "INSERT INTO names VALUES (2, NULL)")
		if _, err := engine.Stream(t.Context(), engine.StreamOptions{Place: place, DB: db, Once: true, NoCopies: true}); err != nil {
			t.Fatal(err)
		}
		_, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: pgtest.NewDatabase(t, server)})
		pgtest.ErrorContains(t, err, c.why, "--before-xid ")
		if engine.ExitCode(err) != 3 {
			t.Errorf("%s: exit code %d", c.statement, engine.ExitCode(err))
		}
	}
}

// TestExtensionsAreCrossed: what their scripts make is reported as theirs, and goes and comes with them.
func TestExtensionsAreCrossed(t *testing.T) {
	acrossAll(t, pets,
		"CREATE EXTENSION hstore; CREATE TABLE bags (id int PRIMARY KEY, h hstore); INSERT INTO bags VALUES (1, 'a=>1, \"b c\"=>NULL')",
		"ALTER TABLE pets ADD h hstore DEFAULT 'legs=>4'; UPDATE pets SET h = h || 'x=>y' WHERE id % 2 = 0; CREATE INDEX ON bags USING gin (h)",
		"CREATE SCHEMA ext; UPDATE bags SET h = delete(h, 'a'); ALTER EXTENSION hstore SET SCHEMA ext",
		"INSERT INTO bags VALUES (2, 'new=>1'); DROP EXTENSION hstore CASCADE; UPDATE pets SET legs = 5 WHERE id = 1; INSERT INTO bags VALUES (3)",
		"CREATE EXTENSION hstore; ALTER TABLE bags ADD h hstore; UPDATE bags SET h = 'id=>3' WHERE id = 3",
	)
}

// TestWhatFindsNothingToAlterHindersNothing: the event triggers fire for it, and are told of no command.
func TestWhatFindsNothingToAlterHindersNothing(t *testing.T) {
	place, db := enginetest.Protect(t, server, pets...)
	enginetest.Drain(t, place, db)
	pgtest.Exec(t, db, "ALTER TABLE IF EXISTS nosuch ADD a int", "ALTER TABLE IF EXISTS nosuch RENAME TO other", "ALTER VIEW IF EXISTS nosuch SET SCHEMA pg_catalog",
		"ALTER SEQUENCE IF EXISTS nosuch RESTART", "ALTER TABLE ALL IN TABLESPACE pg_default OWNED BY pg_monitor SET TABLESPACE pg_default", "CREATE TABLE IF NOT EXISTS pets ()",
		"DROP TABLE IF EXISTS nosuch", "UPDATE pets SET legs = 2 WHERE id < 10")
	m := enginetest.MomentOf(t, db, "nothing altered")
	drainOnly(t, place, db)
	m.Restores(t, server, place)
	pgtest.Exec(t, db, "ALTER TABLE pets ADD tail bool", "ALTER TABLE IF EXISTS nosuch ADD a int", "UPDATE pets SET tail = true")
	m = enginetest.MomentOf(t, db, "between")
	enginetest.Drain(t, place, db)
	pgtest.Exec(t, db, "ALTER TABLE IF EXISTS nosuch ADD a int", "CREATE TABLE last_of_all ()")
	enginetest.Drain(t, place, db)
	m.Restores(t, server, place)
}

// TestObjectsWithNamesLikePgrecallsAreTheUsers, and go when they are dropped.
func TestObjectsWithNamesLikePgrecallsAreTheUsers(t *testing.T) {
	acrossAll(t, append(slices.Clone(pets), "CREATE SCHEMA pgrecall_reports", "CREATE SCHEMA pgrecallx", "CREATE FOREIGN DATA WRAPPER f",
		"CREATE SERVER pgrecall FOREIGN DATA WRAPPER f", "CREATE PUBLICATION pgrecall_users", "CREATE FOREIGN DATA WRAPPER pgrecall"),
		"DROP SCHEMA pgrecall_reports", "UPDATE pets SET legs = 1 WHERE id = 1; DROP SCHEMA pgrecallx", "DROP SERVER pgrecall", "DROP PUBLICATION pgrecall_users",
		"DROP FOREIGN DATA WRAPPER pgrecall; DELETE FROM pets WHERE id = 2")
}

// TestAnAttributeThatAnotherReplacedHasNoValues: the log holds values with those of the first.
func TestAnAttributeThatAnotherReplacedHasNoValues(t *testing.T) {
	place, db := enginetest.Protect(t, server, append(slices.Clone(pets), "CREATE TYPE size AS (a int)", "CREATE TABLE sizes (id int PRIMARY KEY, s size)", "INSERT INTO sizes VALUES (1, '(1)')")...)
	pgtest.Exec(t, db, "CREATE TABLE made AS SELECT '(7)'::size AS s", "ALTER TYPE size DROP ATTRIBUTE a, ADD ATTRIBUTE b int", "UPDATE pets SET legs = 0")
	between := enginetest.MomentOf(t, db, "replaced")
	enginetest.Drain(t, place, db)
	_, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: pgtest.NewDatabase(t, server), Target: engine.Target{Kind: engine.TargetLSN, LSN: between.LSN}})
	pgtest.ErrorContains(t, err, "ALTER TYPE", "altered a type", "--before-xid")
	pgtest.Exec(t, db, "INSERT INTO sizes VALUES (2, '(2)')")
	copied := enginetest.MomentOf(t, db, "copied since")
	enginetest.Drain(t, place, db)
	copied.Restores(t, server, place)
}
