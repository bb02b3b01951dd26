package engine

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// hushed runs statements that no message of the log tells of, with event_triggers = off. Before 17, which has no such
// setting, they are made to be taken for pgrecall's own, so that readers pass over their messages.
func hushed(t *testing.T, db string, statements ...string) {
	t.Helper()
	off := "SELECT set_config('pgrecall.nested', key, false) FROM pgrecall.secret"
	if canBeOff(t, db) {
		off = "SET event_triggers = off"
	}
	exec(t, db, append([]string{off}, statements...)...)
}

// canBeOff says whether the server can turn event triggers off.
func canBeOff(t *testing.T, db string) bool {
	return value(t, db, "SELECT (current_setting('event_triggers', true) IS NOT NULL)::text") == "true"
}

// byHand runs statements on the catalog itself, of which nothing tells.
func byHand(t *testing.T, db string, statements ...string) {
	t.Helper()
	exec(t, db, append([]string{"SET allow_system_table_mods = on"}, statements...)...)
}

// zoo is a database whose tables can be changed in many ways.
var zoo = []string{
	"CREATE TYPE kind AS ENUM ('cat', 'dog')", "CREATE TYPE place AS (x int, y int)",
	"CREATE TABLE pets (id int PRIMARY KEY, kind kind, legs int, at place)", "CREATE TABLE plain (id int PRIMARY KEY)",
	"CREATE TABLE visits (id int, day int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)", "CREATE TABLE visits1 PARTITION OF visits FOR VALUES FROM (1) TO (100)",
	"CREATE TABLE visits2 (id int NOT NULL, day int NOT NULL, PRIMARY KEY (id, day))",
	"CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE FUNCTION two() RETURNS int LANGUAGE sql AS 'SELECT 2'",
	"CREATE TABLE calls (id int PRIMARY KEY, f regproc)",
	"INSERT INTO pets SELECT i, (ARRAY['cat', 'dog'])[1 + i % 2]::kind, i, ROW(i, i)::place FROM generate_series(1, 20) i",
	"INSERT INTO visits SELECT i, i FROM generate_series(1, 20) i", "INSERT INTO visits2 VALUES (1, 101)", "INSERT INTO calls VALUES (1, 'one'), (2, 'two')",
}

// step is a change nobody announced, and what it hinders.
type step struct {
	name       string
	statements []string
	table      string   // that was changed
	words      []string // of the refusal
	byHand     bool
}

func steps(off bool) []step {
	swap := []string{"ALTER TYPE kind RENAME VALUE 'cat' TO 'x'", "ALTER TYPE kind RENAME VALUE 'dog' TO 'cat'", "ALTER TYPE kind RENAME VALUE 'x' TO 'dog'"}
	steps := []step{
		{name: "columns that change names", statements: []string{"ALTER TABLE pets RENAME legs TO x", "ALTER TABLE pets RENAME id TO legs", "ALTER TABLE pets RENAME x TO id"},
			table: "pets", words: []string{"public.pets", "altered"}},
		{name: "labels that change places", statements: swap, table: "pets", words: []string{"public.pets", "altered"}},
		{name: "labels that change places and back", statements: append(slices.Clone(swap), swap...), table: "pets", words: []string{"public.pets", "rewritten"}},
		{name: "a column described anew, as by ALTER COLUMN TYPE USING to the same type", byHand: true, table: "pets", words: []string{"public.pets", "rewritten"},
			statements: []string{"UPDATE pg_attribute SET attname = attname WHERE attrelid = 'pets'::regclass AND attname = 'legs'"}},
		{name: "an attribute of a composite type", statements: []string{"ALTER TYPE place ADD ATTRIBUTE z int"}, table: "pets", words: []string{"public.pets", "altered"}},
		{name: "a table made anew", statements: []string{"DROP TABLE pets", "CREATE TABLE pets (id int PRIMARY KEY, kind kind, legs int, at place)"},
			table: "pets", words: []string{"public.pets"}},
		{name: "a table renamed", statements: []string{"ALTER TABLE pets RENAME TO beasts"}, table: "pets", words: []string{"altered"}},
		{name: "a table in another schema", statements: []string{"CREATE SCHEMA other", "ALTER TABLE pets SET SCHEMA other"}, table: "pets", words: []string{"altered"}},
		{name: "a partition more", statements: []string{"ALTER TABLE visits ATTACH PARTITION visits2 FOR VALUES FROM (100) TO (200)"}, table: "visits", words: []string{"public.visits2", "altered"}},
		{name: "a partition less", statements: []string{"ALTER TABLE visits DETACH PARTITION visits1"}, table: "visits", words: []string{"public.visits1", "altered"}},
		{name: "functions that change names", statements: []string{"ALTER FUNCTION one() RENAME TO x", "ALTER FUNCTION two() RENAME TO one", "ALTER FUNCTION x() RENAME TO two"},
			table: "calls", words: []string{"public.calls", "names of objects"}},
		{name: "a column renamed in the catalog", statements: []string{"UPDATE pg_attribute SET attname = 'feet' WHERE attrelid = 'pets'::regclass AND attname = 'legs'"},
			table: "pets", words: []string{"public.pets", "altered"}, byHand: true},
		{name: "a label renamed in the catalog", statements: []string{"UPDATE pg_enum SET enumlabel = 'bird' WHERE enumlabel = 'cat'"},
			table: "pets", words: []string{"public.pets", "altered"}, byHand: true},
	}
	if off { // of a rewrite tells an event trigger of its own, which says so of pgrecall's too
		steps = append(steps,
			step{name: "values of the same type", statements: []string{"ALTER TABLE pets ALTER legs TYPE int USING -legs"}, table: "pets", words: []string{"public.pets", "rewritten"}},
			step{name: "an unlogged table", statements: []string{"ALTER TABLE pets SET UNLOGGED"}, table: "pets", words: []string{"public.pets", "altered"}})
	}
	return steps
}

func TestATargetAcrossAChangeThatNobodyAnnouncedIsRefused(t *testing.T) {
	to := newDatabase(t)
	for i, c := range steps(canBeOff(t, to)) {
		t.Run(c.name, func(t *testing.T) {
			place, db := protect(t, zoo...)
			exec(t, db, "DELETE FROM pets WHERE id = 7", "INSERT INTO plain VALUES (1)")
			drain(t, place, db)
			before := contents(t, db)
			if c.byHand {
				byHand(t, db, c.statements...)
			} else {
				hushed(t, db, c.statements...)
			}
			exec(t, db, "INSERT INTO plain VALUES (2)")
			drainOnly(t, place, db)

			var refusal error
			for _, o := range []RestoreOptions{{}, {CatalogOfSnapshot: true}, {Tables: []string{c.table}, CatalogOfSnapshot: true}} {
				o.Place, o.To, o.DryRun = place, to, true
				_, refusal = Restore(t.Context(), o)
				contains(t, refusal, append(c.words, "nobody announced", "after --lsn", "before --lsn", "nearest exact point before: --lsn", "take a snapshot")...)
				if ExitCode(refusal) != 3 {
					t.Errorf("exit code %d", ExitCode(refusal))
				}
			}
			if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Tables: []string{"plain"}, DryRun: true}); err != nil {
				t.Errorf("a table that it does not touch: %v", err)
			}
			restores(t, place, nearest(t, refusal), before)
			if i%3 > 0 {
				return // the rest is the same for all
			}
			// A stream that sees other objects than the newest catalog has takes a version, and copies.
			drain(t, place, db)
			exec(t, db, "INSERT INTO plain VALUES (4)", "DELETE FROM plain WHERE id = 1")
			drain(t, place, db)
			restores(t, place, Target{}, contents(t, db))
			if i > 0 {
				return
			}
			take(t, place, db)
			exec(t, db, "INSERT INTO plain VALUES (3)")
			drain(t, place, db)
			restores(t, place, Target{}, contents(t, db))
		})
	}
}

// nearest is the target that a refusal names as the nearest exact point before.
func nearest(t *testing.T, refusal error) Target {
	t.Helper()
	m := regexp.MustCompile(`point before: --lsn ([0-9A-F/]+)`).FindStringSubmatch(refusal.Error())
	if m == nil {
		t.Fatalf("it names no point before: %v", refusal)
	}
	target, err := ParseTarget(TargetFlags{LSN: m[1]}, nowForTest(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// restores restores everything at a target and compares it.
func restores(t *testing.T, place Place, at Target, want string) {
	t.Helper()
	to := newDatabase(t)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Target: at}); err != nil {
		t.Error(err)
		return
	}
	sameDatabase(t, want, to)
}

func TestARoleRenamedHindersTablesThatHoldRoles(t *testing.T) {
	exec(t, newDatabase(t), "CREATE ROLE keeper")
	place, db := protect(t, "CREATE DOMAIN somebody AS regrole", "CREATE TABLE owners (id int PRIMARY KEY, who somebody[])", "CREATE TABLE plain (id int PRIMARY KEY)",
		"INSERT INTO owners VALUES (1, '{keeper}')")
	drain(t, place, db)
	exec(t, db, "INSERT INTO owners VALUES (2, '{keeper}')")
	drain(t, place, db)
	before := contents(t, db)
	exec(t, db, "ALTER ROLE keeper RENAME TO warden", "INSERT INTO owners VALUES (3, '{warden}')")
	drain(t, place, db)
	_, err := Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t)})
	contains(t, err, "public.owners holds names of roles", "nearest exact point before: --lsn")
	_, err = Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t), Tables: []string{"owners"}})
	contains(t, err, "public.owners")
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t), Tables: []string{"plain"}}); err != nil {
		t.Error(err)
	}
	exec(t, db, "ALTER ROLE warden RENAME TO keeper") // so that the rows of then can be compared
	restores(t, place, nearest(t, err), before)
	take(t, place, db)
	restores(t, place, Target{}, contents(t, db))
	exec(t, db, "DROP TABLE owners", "DROP ROLE keeper")
}

func TestAnAnnouncedChangeExplainsNoOther(t *testing.T) {
	place, db := protect(t, zoo...)
	drain(t, place, db)
	exec(t, db, "ALTER TABLE visits2 ADD note text", "GRANT SELECT (id) ON visits TO public", "DROP FUNCTION one()", "CREATE SCHEMA other", "ALTER SCHEMA other RENAME TO another")
	hushed(t, db, "ALTER TABLE pets RENAME legs TO feet")
	exec(t, db, "ALTER TABLE plain ADD note text", "INSERT INTO plain VALUES (1)")
	drainWithoutCopies(t, place, db)
	_, err := Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t), Tables: []string{"pets"}})
	contains(t, err, "nobody announced", "public.pets")
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t), Tables: []string{"plain"}}); err != nil {
		t.Error(err)
	}
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t), Tables: []string{"visits"}}); err != nil {
		t.Error(err)
	}
}

func TestAHarmlessStatementOfTheSameTableHidesNoOther(t *testing.T) {
	place, db := protect(t, zoo...)
	drain(t, place, db)
	exec(t, db, "ALTER TABLE pets ADD CHECK (legs > 0)", "ALTER TABLE plain ALTER id SET DEFAULT 7")
	hushed(t, db, "ALTER TABLE pets RENAME legs TO feet")
	exec(t, db, "ALTER TABLE pets ADD CHECK (feet > 0)", "INSERT INTO plain VALUES (1)")
	drain(t, place, db)
	for _, o := range []RestoreOptions{{}, {Tables: []string{"pets"}}} {
		o.Place, o.To, o.DryRun, o.CatalogOfSnapshot = place, newDatabase(t), true, true
		_, err := Restore(t.Context(), o)
		contains(t, err, "public.pets")
		if ExitCode(err) != 3 {
			t.Errorf("exit code %d", ExitCode(err))
		}
	}
	place, db = protect(t, zoo...)
	drain(t, place, db)
	exec(t, db, "ALTER TABLE pets ADD CHECK (legs > 0)", "ALTER TABLE plain ALTER id SET DEFAULT 7")
	hushed(t, db, "ALTER TYPE kind RENAME VALUE 'cat' TO 'bird'")
	exec(t, db, "INSERT INTO plain VALUES (1)")
	drain(t, place, db)
	_, err := Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t), DryRun: true, CatalogOfSnapshot: true, Tables: []string{"pets"}})
	contains(t, err, "public.pets", "nobody announced")
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t), DryRun: true, CatalogOfSnapshot: true, Tables: []string{"plain"}}); err != nil {
		t.Error(err)
	}
}

// Statements that write columns' descriptions without naming the table, or name it and write none, hide no rewrite.
// VACUUM FULL, which nothing announces, stands for the rewrite's new file where event triggers cannot be off.
func TestPrivilegesCommentsAndDroppedObjectsHideNoRewrite(t *testing.T) {
	for _, c := range []struct {
		announced string
		lenient   bool // with the snapshot's catalog as well
	}{{"GRANT SELECT ON plain TO public", false}, {"DROP FUNCTION two()", false}, {"COMMENT ON TABLE pets IS 'all'", true}, {"ALTER TABLE pets ALTER kind SET DEFAULT 'dog'", true}} {
		t.Run(c.announced, func(t *testing.T) {
			place, db := protect(t, zoo...)
			drain(t, place, db)
			exec(t, db, c.announced)
			if canBeOff(t, db) {
				hushed(t, db, "ALTER TABLE pets ALTER legs TYPE int USING -legs")
			} else {
				byHand(t, db, "UPDATE pg_attribute SET attname = attname WHERE attrelid = 'pets'::regclass AND attname = 'legs'")
				exec(t, db, "VACUUM FULL pets")
			}
			exec(t, db, "INSERT INTO plain VALUES (1)")
			drainWithoutCopies(t, place, db)
			for _, lenient := range []bool{false, c.lenient} {
				o := RestoreOptions{Place: place, To: newDatabase(t), DryRun: true, Tables: []string{"pets"}, CatalogOfSnapshot: lenient}
				_, err := Restore(t.Context(), o)
				contains(t, err, "nobody announced", "public.pets")
			}
			drain(t, place, db) // the table begins anew with a copy
			restores(t, place, Target{}, contents(t, db))
		})
	}
	// The privilege by itself hinders nothing.
	place, db := protect(t, zoo...)
	drain(t, place, db)
	exec(t, db, "GRANT SELECT (legs) ON pets TO public", "TRUNCATE plain", "VACUUM FULL visits1", "INSERT INTO plain VALUES (1)")
	drain(t, place, db)
	for _, table := range []string{"pets", "plain", "visits"} {
		if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t), DryRun: true, Tables: []string{table}}); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatASnapshotSeesNeedsNoAnnouncement(t *testing.T) {
	place, db := protect(t, zoo...)
	exec(t, db, "INSERT INTO plain VALUES (1)")
	drain(t, place, db)
	// No look lies between the change and the snapshot.
	hushed(t, db, "ALTER TABLE pets RENAME legs TO toes", "ALTER TABLE pets RENAME toes TO legs", "DROP TABLE visits2", "CREATE TABLE novel (id int PRIMARY KEY)")
	taken := take(t, place, db)
	exec(t, db, "INSERT INTO novel VALUES (1)", "UPDATE pets SET legs = 3 WHERE id = 1")
	drain(t, place, db)
	restores(t, place, Target{}, contents(t, db))
	// And none between the snapshot and the change: nothing but the snapshot itself is exact.
	hushed(t, db, "ALTER TABLE pets RENAME legs TO feet")
	exec(t, db, "INSERT INTO plain VALUES (2)")
	later := take(t, place, db)
	hushed(t, db, "ALTER TABLE pets RENAME feet TO paws")
	exec(t, db, "INSERT INTO plain VALUES (3)")
	want := contents(t, db)
	drainOnly(t, place, db)
	_, err := Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t)})
	contains(t, err, "nobody announced", "public.pets", "after the snapshot", "point before: --snapshot "+later.ID.String())
	for _, name := range []string{taken.ID.String(), later.ID.String()} {
		if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t), Target: Target{Kind: TargetSnapshot, Name: name}}); err != nil {
			t.Error(err)
		}
	}
	take(t, place, db)
	restores(t, place, Target{}, want)
}

// A log that lags behind is looked at as late as it is written: with segments of long before the snapshot.
func TestALaggingLogIsLookedAtAfterTheSnapshotToo(t *testing.T) {
	place, db := protect(t, zoo...)
	drain(t, place, db)
	for range 5 {
		exec(t, db, "INSERT INTO plain SELECT i FROM generate_series(1, 3000) i", "TRUNCATE plain")
	}
	taken := take(t, place, db)
	hushed(t, db, "ALTER TABLE pets RENAME legs TO feet")
	exec(t, db, "INSERT INTO plain VALUES (1)")
	if r, err := Stream(t.Context(), StreamOptions{Place: place, DB: db, Once: true, SegmentSize: 10000, NoVersions: true}); err != nil || r.Segments < 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	r, err := Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t), Tables: []string{"plain"}, DryRun: true})
	if err != nil || r.Plan.Snapshot != taken.ID {
		t.Errorf("%v, %v", r, err)
	}
	_, err = Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t), DryRun: true})
	contains(t, err, "nobody announced", "public.pets", "point before: --snapshot "+taken.ID.String())
}

// A change between a look before the target and one after it is not taken for one that is announced after the target.
func TestAChangeBeforeTheTargetIsNotExplainedByAStatementAfterIt(t *testing.T) {
	place, db := protect(t, zoo...)
	exec(t, db, "INSERT INTO plain VALUES (1)")
	drain(t, place, db)
	hushed(t, db, "ALTER TABLE pets RENAME legs TO feet")
	between, err := Mark(t.Context(), MarkOptions{Place: place, DB: db, Name: "between"})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, "ALTER TABLE pets ADD note text", "INSERT INTO plain VALUES (2)")
	drain(t, place, db)
	to := newDatabase(t)
	_, err = Restore(t.Context(), RestoreOptions{Place: place, To: to, DryRun: true, Tables: []string{"pets"}, Target: Target{Kind: TargetXID, XID: between.XID}})
	contains(t, err, "nobody announced", "public.pets")
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, DryRun: true, Target: nearest(t, err)}); err != nil {
		t.Error(err)
	}
	// One that was announced after the target is none before it.
	take(t, place, db)
	exec(t, db, "INSERT INTO plain VALUES (3)")
	want := contents(t, db)
	m, err := Mark(t.Context(), MarkOptions{Place: place, DB: db, Name: "before"})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, "ALTER TABLE pets DROP note, ADD other int", "INSERT INTO plain VALUES (4)")
	drain(t, place, db)
	restores(t, place, Target{Kind: TargetXID, XID: m.XID}, want)
}

// TestWhatKeepsTheFormHindersNothing: what rewrites a table's file, and what is announced, is told by nobody else.
func TestWhatKeepsTheFormHindersNothing(t *testing.T) {
	place, db := protect(t, append(slices.Clone(zoo), "CREATE MATERIALIZED VIEW total AS SELECT count(*) FROM pets", "CREATE INDEX byleg ON pets (legs)")...)
	drain(t, place, db)
	tracer := newNotes(t)
	run := func(statements ...string) {
		t.Helper()
		for _, sql := range statements { // each in a session of its own
			exec(t, db, sql)
		}
		if _, err := Stream(t.Context(), StreamOptions{Place: place, DB: db, Once: true, Tracer: tracer}); err != nil {
			t.Fatal(err)
		}
		restores(t, place, Target{}, contents(t, db))
	}
	run("TRUNCATE calls", "INSERT INTO calls VALUES (5, 'one')", "VACUUM FULL pets", "VACUUM FULL", "CLUSTER pets USING byleg", "ANALYZE")
	run("REFRESH MATERIALIZED VIEW total", "REINDEX TABLE pets", "REINDEX TABLE CONCURRENTLY pets", "CREATE TEMP TABLE pets (x int)", "VACUUM FREEZE")
	close(tracer.texts)
	for text := range tracer.texts {
		if strings.Contains(text, "no statement in the log tells of it") {
			t.Error(text)
		}
	}
}

func TestStreamSaysWhatNobodyAnnounced(t *testing.T) {
	place, db := protect(t, zoo...)
	drain(t, place, db)
	exec(t, db, "ALTER TABLE plain ADD note text", "GRANT SELECT ON visits TO public")
	hushed(t, db, "ALTER TABLE pets RENAME legs TO feet", "ALTER TYPE kind RENAME VALUE 'cat' TO 'bird'")
	tracer := newNotes(t)
	if _, err := Stream(t.Context(), StreamOptions{Place: place, DB: db, Once: true, Tracer: tracer}); err != nil {
		t.Fatal(err)
	}
	close(tracer.texts)
	var said []string
	for text := range tracer.texts {
		if strings.Contains(text, "no statement in the log tells of it") {
			said = append(said, text)
		}
	}
	if len(said) != 1 || !strings.Contains(said[0], "table public.pets changed") || !strings.Contains(said[0], "take a new snapshot") {
		t.Errorf("it says %q", said)
	}
}

// A stream under way knows what the tables were, and tells what changed of them as soon as it looked again.
func TestAStreamUnderWaySaysWhatNobodyAnnounced(t *testing.T) {
	place, db := protect(t, zoo...)
	tracer := newNotes(t)
	late := time.After(3 * time.Minute) // looks rest, and a busy machine makes them long
	until := func(word string) string {
		t.Helper()
		for {
			select {
			case text := <-tracer.texts:
				if strings.Contains(text, word) {
					return text
				}
				if strings.Contains(text, "no statement in the log tells of it") {
					t.Errorf("it says %q", text)
				}
			case <-late:
				t.Fatalf("it does not say %q", word)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := Stream(ctx, StreamOptions{Place: place, DB: db, FlushInterval: 100 * time.Millisecond, NoVersions: true, Tracer: tracer})
		done <- err
	}()
	until("durable to")
	exec(t, db, "ALTER TABLE plain ADD note text", "GRANT SELECT (id) ON visits TO public", "DROP TABLE calls", "ALTER TABLE visits DETACH PARTITION visits1",
		"CREATE TABLE novel (id int)", "ALTER TABLE novel RENAME TO book", "CREATE SCHEMA other", "ALTER TABLE book SET SCHEMA other",
		"ALTER SCHEMA other RENAME TO another", "CREATE TABLE visits3 PARTITION OF visits FOR VALUES FROM (500) TO (600)", "DROP FUNCTION two()")
	taken := take(t, place, db)
	hushed(t, db, "ALTER TYPE kind RENAME VALUE 'cat' TO 'x'; ALTER TYPE kind RENAME VALUE 'dog' TO 'cat'; ALTER TYPE kind RENAME VALUE 'x' TO 'dog'")
	if said := until("no statement in the log tells of it"); !strings.HasPrefix(said, "table public.pets changed") {
		t.Errorf("it says %q", said)
	}
	exec(t, db, "INSERT INTO plain VALUES (1)")
	hushed(t, db, "DROP TABLE visits2")
	if said := until("no statement in the log tells of it"); !strings.HasPrefix(said, "table public.visits2 changed") {
		t.Errorf("it says %q", said)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	to := newDatabase(t)
	_, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, DryRun: true})
	contains(t, err, "table public.pets was altered")
	_, err = Restore(t.Context(), RestoreOptions{Place: place, To: to, DryRun: true, Tables: []string{"visits2"}})
	contains(t, err, "table public.visits2 was dropped", "after --lsn")
	r, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, DryRun: true, Tables: []string{"plain", "visits"}})
	if err != nil || r.Plan.Snapshot != taken.ID {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestLogAndCheckSayWhatNobodyAnnounced(t *testing.T) {
	place, db := protect(t, zoo...)
	exec(t, db, "INSERT INTO plain VALUES (1)")
	drain(t, place, db)
	checked := func() string {
		t.Helper()
		r, err := Check(t.Context(), CheckOptions{Place: place, DB: db})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.What == "layouts" })
		if i < 0 {
			return ""
		}
		return r.Findings[i].Severity + ": " + r.Findings[i].Do
	}
	if got := checked(); got != "" {
		t.Errorf("check says %q where nothing changed", got)
	}
	exec(t, db, "ALTER TABLE visits2 ADD note text", "GRANT SELECT (id) ON visits TO public")
	hushed(t, db, "ALTER TABLE pets RENAME legs TO feet", "DROP TABLE calls", "ALTER TABLE visits DETACH PARTITION visits1")
	exec(t, db, "INSERT INTO plain VALUES (2)")
	drain(t, place, db)
	for _, c := range []struct {
		tables, want []string
	}{
		{nil, []string{"public.calls dropped", "public.pets altered", "public.visits1 altered"}},
		{[]string{"pets"}, []string{"public.pets altered"}},
		{[]string{"plain"}, nil},
	} {
		var got []string
		err := Log(t.Context(), LogOptions{Place: place, Tables: c.tables}, func(e LogEntry) error {
			for _, u := range e.Unannounced {
				what, _, _ := strings.Cut(u.What, ":")
				got = append(got, u.Schema+"."+u.Name+" "+what)
				if e.XID != 0 || e.LSN == 0 || e.EndLSN <= e.LSN {
					t.Errorf("%+v", e)
				}
			}
			return nil
		})
		slices.Sort(got)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("log of %q says %q (%v), want %q", c.tables, got, err, c.want)
		}
	}
	if got := checked(); !strings.HasPrefix(got, "warn: take a snapshot") {
		t.Errorf("check says %q", got)
	}
}
