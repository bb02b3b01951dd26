package engine

import (
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSnapshotChild is another process that takes a snapshot, to be killed.
func TestSnapshotChild(t *testing.T) {
	repo, db := os.Getenv("ENGINE_CHILD_REPO"), os.Getenv("ENGINE_CHILD_DB")
	if repo == "" {
		return // not the child
	}
	if _, err := Snapshot(t.Context(), SnapshotOptions{Place: Place{Repository: repo}, DB: db, PartBytes: 1 << 16}); err != nil {
		t.Fatal(err)
	}
}

func TestAKilledSnapshotIsInvisibleAndCleanedByTheNext(t *testing.T) {
	db := newDatabase(t, append(schema, "CREATE TABLE big AS SELECT i, repeat(md5(i::text), 10) FROM generate_series(1, 100000) i")...)
	place := Place{Repository: filepath.Join(t.TempDir(), "repo")}
	take(t, place, db)
	good := len(objects(t, place, ".part"))
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := osexec.Command(binary, "-test.run", "^TestSnapshotChild$")
	cmd.Env = append(os.Environ(), "ENGINE_CHILD_REPO="+place.Repository, "ENGINE_CHILD_DB="+db)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	for len(objects(t, place, ".part")) < good+2 {
		select {
		case err := <-exited:
			t.Fatalf("the other process ended before it could be killed: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-exited
	list, err := List(t.Context(), ListOptions{Place: place})
	if err != nil || len(list.Sources[0].Snapshots) != 1 {
		t.Fatalf("listed: %+v, %v", list, err)
	}
	if _, err := Verify(t.Context(), VerifyOptions{Place: place}); err != nil {
		t.Errorf("verify: %v", err)
	}
	next := take(t, place, db)
	if next.Cleaned == 0 {
		t.Error("the next snapshot cleaned nothing")
	}
	list, err = List(t.Context(), ListOptions{Place: place})
	if err != nil {
		t.Fatal(err)
	}
	parts := 0
	for _, s := range list.Sources[0].Snapshots {
		parts += s.Parts
	}
	if left := len(objects(t, place, ".part")); left != parts {
		t.Errorf("%d parts in the repository, %d in its snapshots", left, parts)
	}
	if left := objects(t, place, "running"); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

// A commit whose record is written and which still waits for a synchronous replica is not visible, and its record lies
// below the position that a snapshot notes.
func TestACommitThatWaitsWhileASnapshotIsTakenIsNotLost(t *testing.T) {
	place, db := protect(t, "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'before')")
	exec(t, db, "ALTER SYSTEM SET synchronous_commit = 'local'", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
	defer exec(t, db, "ALTER SYSTEM RESET synchronous_commit", "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
	conn := open(t, db)
	var pid int
	if err := conn.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "SET synchronous_commit = on"); err != nil {
		t.Fatal(err)
	}
	committed := make(chan error, 1)
	watch := open(t, db)
	// The server takes the setting over when its checkpointer has read it; until then a commit does not wait.
	id, waiting := 100, false
	for !waiting {
		id++
		go func() {
			_, err := conn.Exec(t.Context(), "INSERT INTO t VALUES ($1, 'waiting')", id)
			committed <- err
		}()
		for done := false; !done && !waiting; {
			if err := watch.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep')", pid).Scan(&waiting); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-committed:
				if err != nil {
					t.Fatal(err)
				}
				done, waiting = true, false
			default:
			}
		}
	}
	exec(t, db, "INSERT INTO t VALUES (3, 'other')")
	taken := take(t, place, db)
	if seen := value(t, db, "SELECT count(*)::text FROM t"); fmt.Sprint(taken.Rows) != seen {
		t.Fatalf("the snapshot has %d rows, want the %s that are visible", taken.Rows, seen)
	}
	exec(t, db, "SELECT pg_cancel_backend("+value(t, db, "SELECT pid::text FROM pg_stat_activity WHERE wait_event = 'SyncRep'")+")")
	if err := <-committed; err != nil && !strings.Contains(err.Error(), "cancel") {
		t.Fatal(err)
	}
	if got := value(t, db, fmt.Sprintf("SELECT v FROM t WHERE id = %d", id)); got != "waiting" {
		t.Fatalf("the transaction that waited is not there: %s", got)
	}
	want := contents(t, db)
	drain(t, place, db)
	to := newDatabase(t)
	r, err := Restore(t.Context(), RestoreOptions{Place: place, To: to})
	if err != nil {
		t.Fatal(err)
	}
	if r.Plan.Snapshot != taken.ID {
		t.Errorf("restored from snapshot %v", r.Plan.Snapshot)
	}
	sameDatabase(t, want, to)
}
