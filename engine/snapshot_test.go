package engine

import (
	"path/filepath"
	"testing"
)

func TestASnapshotAloneIsAFullDump(t *testing.T) {
	db := newDatabase(t, schema...)
	want := contents(t, db)
	place := Place{Repository: filepath.Join(t.TempDir(), "repo")}
	taken, err := Snapshot(t.Context(), SnapshotOptions{Place: place, DB: db})
	if err != nil {
		t.Fatal(err)
	}
	if taken.Tables == 0 || taken.Rows == 0 || len(taken.Unsupported) > 0 {
		t.Errorf("taken: %+v", taken)
	}
	to := newDatabase(t)
	restored, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Target: Target{Kind: TargetSnapshot, Name: taken.ID.String()[:13]}})
	if err != nil {
		t.Fatal(err)
	}
	sameDatabase(t, want, to)
	if restored.Rows != taken.Rows || restored.Reached.LSN != taken.LSN || restored.Folded != 0 {
		t.Errorf("restored: %+v", restored)
	}
	// The next value of a sequence is beyond those given.
	if got := value(t, to, `INSERT INTO users (name, email) VALUES ('next', 'next') RETURNING id`); got != "2004" {
		t.Errorf("next id %s, want 2004", got)
	}
	// Again into the same database: refused, with what to do.
	before := contents(t, to)
	_, err = Restore(t.Context(), RestoreOptions{Place: place, To: to})
	contains(t, err, "users", "--clean")
	if ExitCode(err) != 1 {
		t.Errorf("exit code %d", ExitCode(err))
	}
	if contents(t, to) != before {
		t.Error("a refused restore changed the target")
	}
}

func TestAMaterializedViewIsFilledWithWhatItsOwnerMaySee(t *testing.T) {
	db := newDatabase(t, `DO $$ BEGIN CREATE ROLE teller; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
		"CREATE TABLE accounts (id int PRIMARY KEY, branch text)",
		"INSERT INTO accounts SELECT i, CASE WHEN i % 2 = 0 THEN 'north' ELSE 'south' END FROM generate_series(1, 10) i",
		"CREATE POLICY north ON accounts TO teller USING (branch = 'north')", "ALTER TABLE accounts ENABLE ROW LEVEL SECURITY",
		"GRANT SELECT ON accounts TO teller", "GRANT CREATE ON SCHEMA public TO teller",
		"CREATE MATERIALIZED VIEW mine AS SELECT * FROM accounts", "ALTER MATERIALIZED VIEW mine OWNER TO teller", "REFRESH MATERIALIZED VIEW mine")
	place := Place{Repository: filepath.Join(t.TempDir(), "repo")}
	if _, err := Snapshot(t.Context(), SnapshotOptions{Place: place, DB: db}); err != nil {
		t.Fatal(err)
	}
	to := newDatabase(t)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to}); err != nil {
		t.Fatal(err)
	}
	const counts = "SELECT (SELECT count(*) FROM accounts) || ' ' || (SELECT count(*) FROM mine)"
	if got := value(t, to, counts); got != "10 5" || got != value(t, db, counts) {
		t.Errorf("%s rows, want 10 and 5", got)
	}
}
