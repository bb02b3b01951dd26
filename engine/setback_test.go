package engine

import (
	"context"
	"os"
	osexec "os/exec"
	"path/filepath"
	"testing"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// A server whose volume was set back to a copy gives the same transaction ids again, with other rows in them. Where
// the copy is older than the snapshot and not older than the log's durable end, the log goes on as if nothing had
// happened, and only the snapshot knows better.
func TestASnapshotOfAStateThatWasSetBackIsNotJoinedToTheLog(t *testing.T) {
	s, err := pgtemp.Start(t.Context(), pgtemp.Options{Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Remove() }()
	db, err := s.NewDatabase(t.Context(), "source")
	if err != nil {
		t.Fatal(err)
	}
	place := Place{Repository: filepath.Join(t.TempDir(), "repo")}
	exec(t, db, "CREATE TABLE pets (id int PRIMARY KEY, name text)")
	if _, err := Init(t.Context(), InitOptions{Place: place, DB: db}); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "INSERT INTO pets VALUES (1, 'Rex')")
	first := take(t, place, db)
	drain(t, place, db)

	stopped := func(do ...string) {
		t.Helper()
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(do); i += 2 {
			if err := os.RemoveAll(do[i+1]); err != nil {
				t.Fatal(err)
			}
			if out, err := osexec.CommandContext(t.Context(), "cp", "-a", do[i], do[i+1]).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		if err := s.Restart(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	older := filepath.Join(s.Dir(), "older")
	stopped(s.DataDir(), older)
	exec(t, db, "INSERT INTO pets VALUES (2, 'phantom')", "INSERT INTO pets VALUES (3, 'phantom')")
	lost := take(t, place, db)
	stopped(older, s.DataDir())
	exec(t, db, "INSERT INTO pets VALUES (4, 'Minka')", "INSERT INTO pets VALUES (5, 'Susi')", "INSERT INTO pets SELECT i, repeat('x', 200) FROM generate_series(10, 2000) i")
	drain(t, place, db)

	to := newDatabase(t)
	r, err := Restore(t.Context(), RestoreOptions{Place: place, To: to})
	if err != nil {
		t.Fatal(err)
	}
	if r.Plan.Snapshot != first.ID {
		t.Errorf("restored from snapshot %v, the one that was set back is %v", r.Plan.Snapshot, lost.ID)
	}
	sameDatabase(t, contents(t, db), to)
}
