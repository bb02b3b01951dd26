package engine

import (
	"slices"
	"strings"
	"sync"
	"testing"
)

// during does something once, when the first rows of a snapshot are copied.
type during struct {
	once sync.Once
	do   func()
}

func (d *during) Note(Note) {}

func (d *during) Progress(p Progress) {
	if p.Phase == "snapshot" && p.Rows > 0 {
		d.once.Do(d.do)
	}
}

func TestATableOfALaterGroupNeverGetsAnOlderDefinition(t *testing.T) {
	// Tables of together more than 8 MiB are not locked at once: pets is free while big is copied.
	place, db := protect(t, "CREATE TABLE big AS SELECT i, repeat('x', 100) FROM generate_series(1, 100000) i",
		"CREATE TABLE pets (id int PRIMARY KEY, legs int)", "INSERT INTO pets SELECT i, 4 FROM generate_series(1, 10) i")
	tracer := &during{do: func() {
		exec(t, db, "TRUNCATE pets")
		drain(t, place, db) // between two looks at the tables the new file and the statement together could hide a rewrite
		exec(t, db, "BEGIN; ALTER TABLE pets ALTER legs SET DEFAULT 3, ADD CHECK (id > 5); INSERT INTO pets (id) VALUES (7); COMMIT")
	}}
	if _, err := Snapshot(t.Context(), SnapshotOptions{Place: place, DB: db, Jobs: 1, Tracer: tracer}); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "DELETE FROM big WHERE i % 2 = 0")
	drainOnly(t, place, db)
	to := newDatabase(t)
	_, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Tables: []string{"pets"}})
	contains(t, err, "ALTER TABLE on public.pets")
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, CatalogOfSnapshot: true}); err != nil {
		t.Fatal(err)
	}
	sameDatabase(t, contents(t, db), to)
	exec(t, db, "ALTER TABLE pets ADD name text DEFAULT 'Rex'", "UPDATE pets SET name = 'Bob' WHERE id = 7")
	drain(t, place, db)
	across := newDatabase(t)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: across}); err != nil {
		t.Fatal(err)
	}
	sameDatabase(t, contents(t, db), across)
}

func TestARenameHindersTablesThatHoldNames(t *testing.T) {
	place, db := protect(t, "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE FUNCTION two() RETURNS int LANGUAGE sql AS 'SELECT 2'",
		"CREATE DOMAIN callee AS regproc", "CREATE TYPE step AS (at int, call callee[])",
		"CREATE TABLE steps (id int PRIMARY KEY, step step)", "CREATE TABLE plain (id int PRIMARY KEY)",
		"INSERT INTO steps VALUES (1, NULL), (2, ROW(1, ARRAY['one']::callee[])), (3, ROW(1, ARRAY['two']::callee[]))")
	exec(t, db, "ALTER FUNCTION one() RENAME TO three", "ALTER FUNCTION two() RENAME TO one", "ALTER FUNCTION three() RENAME TO two",
		"UPDATE steps SET step = ROW(2, ARRAY['one']::callee[]) WHERE id = 1")
	drainWithoutCopies(t, place, db)
	to := newDatabase(t)
	for _, o := range []RestoreOptions{{}, {CatalogOfSnapshot: true}, {Tables: []string{"steps"}}} {
		o.Place, o.To = place, to
		_, err := Restore(t.Context(), o)
		contains(t, err, "ALTER FUNCTION", "public.steps")
	}
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Tables: []string{"plain"}}); err != nil {
		t.Error(err)
	}
	drain(t, place, db) // the table begins anew with a copy
	restores(t, place, Target{}, contents(t, db))
}

func TestATableTakenOutOfThePublicationForAWhileIsRefused(t *testing.T) {
	place, db := protect(t, "CREATE TABLE pets (id int PRIMARY KEY, legs int)", "INSERT INTO pets VALUES (1, 4)", "CREATE PUBLICATION pgrecall FOR TABLE pets")
	exec(t, db, "ALTER PUBLICATION pgrecall DROP TABLE pets", "UPDATE pets SET legs = 3", "ALTER PUBLICATION pgrecall ADD TABLE pets")
	drain(t, place, db)
	for _, o := range []RestoreOptions{{}, {CatalogOfSnapshot: true}, {Tables: []string{"pets"}}} {
		o.Place, o.To = place, newDatabase(t)
		_, err := Restore(t.Context(), o)
		contains(t, err, "ALTER PUBLICATION", "pets")
	}
}

// A snapshot of a table whose changes are not in the log would be no new beginning.
func TestATableThatThePublicationNarrowsIsAGapAndMended(t *testing.T) {
	for _, narrow := range []string{"SET TABLE pets WHERE (id > 1)", "SET TABLE pets (id)", "DROP TABLE pets"} {
		place, db := protect(t, "CREATE TABLE pets (id int PRIMARY KEY, legs int)", "INSERT INTO pets VALUES (1, 4)", "CREATE PUBLICATION pgrecall FOR TABLE pets")
		exec(t, db, "ALTER PUBLICATION pgrecall "+narrow)
		r, err := Stream(t.Context(), StreamOptions{Place: place, DB: db, Once: true})
		if err != nil || len(r.Gaps) != 1 || !strings.Contains(r.Gaps[0].Reason, "pets") {
			t.Errorf("%s: %v, gaps %+v", narrow, err, r)
		}
		exec(t, db, "UPDATE pets SET legs = 3")
		drain(t, place, db)
		to := newDatabase(t)
		if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to}); err != nil {
			t.Errorf("%s: %v", narrow, err)
		}
		sameDatabase(t, contents(t, db), to)
	}
}

func TestRowsGoOnlyIntoTablesThatTakeThemAsTheyAre(t *testing.T) {
	place, db := protect(t, "CREATE TABLE pets (id int PRIMARY KEY, weight numeric, born timestamptz, name text)",
		"INSERT INTO pets VALUES (1, 1.005, '2024-01-01 12:00+05', 'Rex')")
	const same = "CREATE TABLE pets (id int PRIMARY KEY, weight numeric, born timestamptz, name text)"
	trigger := []string{same, "CREATE FUNCTION heavy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.weight := 42; RETURN NEW; END'",
		"CREATE TRIGGER heavy BEFORE INSERT ON pets FOR EACH ROW EXECUTE FUNCTION heavy()"}
	for _, c := range []struct {
		name    string
		target  []string
		refused string
	}{
		{"rounding", []string{"CREATE TABLE pets (id int PRIMARY KEY, weight numeric(5,2), born timestamptz, name text)"}, "weight numeric"},
		{"no zone", []string{"CREATE TABLE pets (id int PRIMARY KEY, weight numeric, born timestamp, name text)"}, "born timestamp with time zone"},
		{"padding", []string{"CREATE TABLE pets (id int PRIMARY KEY, weight numeric, born timestamptz, name char(9))"}, "name text"},
		{"a trigger that always fires", append(trigger, "ALTER TABLE pets ENABLE ALWAYS TRIGGER heavy"), "triggers"},
		{"a trigger for replicas", append(trigger, "ALTER TABLE pets ENABLE REPLICA TRIGGER heavy"), "triggers"},
		{"a trigger", trigger, ""},
		{"a rule", []string{same, "CREATE RULE never AS ON INSERT TO pets DO INSTEAD NOTHING"}, ""},
		{"row security", []string{same, "ALTER TABLE pets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY", "CREATE POLICY nobody ON pets USING (false)"}, ""},
	} {
		to := newDatabase(t, c.target...)
		_, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Scope: RestoreDataOnly})
		if c.refused != "" {
			contains(t, err, c.refused)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		sameDatabase(t, contents(t, db), to)
	}
}

func TestRowsOfAnExtensionsTablesAreSaidToBeLeftOut(t *testing.T) {
	place, db := protect(t, "CREATE EXTENSION citext", "CREATE TABLE jobs (id int PRIMARY KEY, done bool)", "INSERT INTO jobs VALUES (1, false)",
		"ALTER EXTENSION citext ADD TABLE jobs", "CREATE TABLE pets (id int PRIMARY KEY)")
	const left = "rows of extension table public.jobs"
	if taken := take(t, place, db); !slices.ContainsFunc(taken.Unsupported, func(what string) bool { return strings.HasPrefix(what, left) }) {
		t.Errorf("the snapshot does not say it: %q", taken.Unsupported)
	}
	exec(t, db, "UPDATE jobs SET done = true", "INSERT INTO pets VALUES (1)")
	drain(t, place, db)
	to := newDatabase(t)
	r, err := Restore(t.Context(), RestoreOptions{Place: place, To: to})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(r.Plan.LeftOut, func(what string) bool { return strings.HasPrefix(what, left) }) {
		t.Errorf("the restore does not say it: %q", r.Plan.LeftOut)
	}
	if got := value(t, to, "SELECT count(*)::text FROM pets"); got != "1" {
		t.Errorf("%s rows", got)
	}
}
