package engine

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgrecall/pgrecall/engine/internal/store"
)

// giant inserts a value that has no text: 2^30 bits are 128 MB, and as text, one digit a bit, longer than any value can
// be. The server can neither decode the insert nor COPY the row (hazard 12). A bytea of 600 MB is the same, and slower
// to make.
const giant = `INSERT INTO giants SELECT 1, d || d FROM (SELECT c || c AS d FROM (SELECT b || b AS c FROM (
	SELECT a || a AS b FROM (SELECT 0::bit(67108864)::bit varying AS a OFFSET 0) _ OFFSET 0) _ OFFSET 0) _ OFFSET 0) _`

func TestATransactionThatTheServerCannotDecodeIsAGapAndTheStreamGoesOn(t *testing.T) {
	place, db := protect(t, append(schema, "CREATE TABLE giants (id int PRIMARY KEY, body bit varying)")...)
	exec(t, db, "DELETE FROM users WHERE id % 5 = 0")
	drain(t, place, db)
	early, then := contents(t, db), lsn(t, db)
	exec(t, db, "DELETE FROM users WHERE id % 5 = 1")
	last := contents(t, db)
	exec(t, db, giant, "UPDATE users SET name = 'unseen' WHERE id % 5 = 2")
	lost := lsn(t, db)
	exec(t, db, "DELETE FROM giants")

	r := drain(t, place, db)
	if len(r.Gaps) != 1 || !strings.Contains(r.Gaps[0].Reason, "cannot decode transaction") || r.Gaps[0].From < then || r.Gaps[0].From >= lost {
		t.Fatalf("gaps: %+v; it was committed between %v and %v", r.Gaps, then, lost)
	}
	exec(t, db, "DELETE FROM users WHERE id % 5 = 3", "INSERT INTO giants VALUES (2, '01')")
	drain(t, place, db)

	list, err := List(t.Context(), ListOptions{Place: place})
	if err != nil {
		t.Fatal(err)
	}
	if s := list.Sources[0]; len(s.Gaps) != 1 || len(s.Windows) != 2 || len(s.Logs) != 2 || len(s.Snapshots) != 2 || s.Windows[1].Log != r.Log {
		t.Errorf("listed: %+v", s)
	}
	for name, c := range map[string]struct {
		target Target
		want   string
	}{
		"before the gap":      {Target{Kind: TargetLSN, LSN: then}, early},
		"the gap's beginning": {Target{Kind: TargetLSN, LSN: r.Gaps[0].From}, last},
		"after the gap":       {Target{}, contents(t, db)},
	} {
		to := newDatabase(t)
		if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Target: c.target}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sameDatabase(t, c.want, to)
	}
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t), Target: Target{Kind: TargetLSN, LSN: lost}}); ExitCode(err) != 3 {
		t.Errorf("in the gap: %v, want exit code 3", err)
	}
	if v, err := Verify(t.Context(), VerifyOptions{Place: place}); err != nil || len(v.Gaps) != 1 {
		t.Errorf("verify: %+v, %v", v, err)
	}
}

// A row that cannot be decoded cannot be copied either, and usually it stays.
func TestARowThatTheServerCannotWriteDoesNotKeepTheRestFromBeingProtected(t *testing.T) {
	place, db := protect(t, append(schema, "CREATE TABLE giants (id int PRIMARY KEY, body bit varying)", "INSERT INTO giants VALUES (0, '1')")...)
	drain(t, place, db)
	exec(t, db, giant)
	r := drain(t, place, db)
	if len(r.Gaps) != 1 {
		t.Fatalf("gaps: %+v", r.Gaps)
	}
	exec(t, db, "DELETE FROM users WHERE id % 5 = 1")
	end := drain(t, place, db).To

	_, err := Snapshot(t.Context(), SnapshotOptions{Place: place, DB: db})
	contains(t, err, "public.giants", "--exclude-table")
	list, err := List(t.Context(), ListOptions{Place: place})
	if err != nil {
		t.Fatal(err)
	}
	if s := list.Sources[0].Snapshots; len(s) != 2 || s[1].Log != r.Log || s[1].Inexact.SkippedTables != 1 {
		t.Errorf("snapshots: %+v", s)
	}

	// The latest point is one without those rows: for them, and for the whole, the person chooses.
	for _, tables := range [][]string{nil, {"giants"}} {
		_, err := Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t), Tables: tables})
		contains(t, err, "without the rows of public.giants", end.String())
		if ExitCode(err) != 3 {
			t.Errorf("%v: %v, want exit code 3", tables, err)
		}
	}
	const count, without = "SELECT count(*)::text FROM users", "SELECT count(*)::text FROM giants"
	one, whole, before := newDatabase(t), newDatabase(t), newDatabase(t)
	for _, o := range []RestoreOptions{
		{To: one, Tables: []string{"users"}},
		{To: whole, Target: Target{Kind: TargetLSN, LSN: end}},
		{To: before, Target: Target{Kind: TargetLSN, LSN: r.Gaps[0].From}},
	} {
		o.Place = place
		if _, err := Restore(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	for db, want := range map[string]string{one: value(t, db, count), whole: value(t, db, count), before: "2003"} {
		if got := value(t, db, count); got != want {
			t.Errorf("%s users, want %s", got, want)
		}
	}
	if got := value(t, whole, without) + value(t, before, without); got != "01" {
		t.Errorf("%s rows of giants at the latest point and before the gap, want 0 and 1", got)
	}
}

// deaf is a store that takes no parts as long as it is told so.
type deaf struct {
	store.Store
	now *atomic.Bool
}

func (d deaf) Unwrap() store.Store { return d.Store }

func (d deaf) Put(ctx context.Context, name string, r io.Reader) error {
	if d.now.Load() && strings.HasSuffix(name, ".part") {
		return errors.New("the store takes no parts")
	}
	return d.Store.Put(ctx, name, r)
}

func TestTheSnapshotThatANewLogNeedsIsTakenInTheEnd(t *testing.T) {
	harm := "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()"
	joined := func(t *testing.T, place Place) bool {
		t.Helper()
		list, err := List(t.Context(), ListOptions{Place: place})
		if err != nil {
			t.Fatal(err)
		}
		s := list.Sources[0]
		return slices.ContainsFunc(s.Snapshots, func(n SnapshotInfo) bool { return n.Log == s.Logs[len(s.Logs)-1].Log })
	}
	latest := func(t *testing.T, place Place, db string) {
		t.Helper()
		to := newDatabase(t)
		if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to}); err != nil {
			t.Fatal(err)
		}
		sameDatabase(t, contents(t, db), to)
	}
	t.Run("by the next stream, where this one was killed before", func(t *testing.T) {
		place, db := protect(t, schema...)
		exec(t, db, harm)
		// What NoSnapshot leaves is what a stream leaves that is killed after the new log began.
		if _, err := Stream(t.Context(), StreamOptions{Place: place, DB: db, Once: true, NoSnapshot: true}); err != nil {
			t.Fatal(err)
		}
		if joined(t, place) {
			t.Fatal("there is a snapshot already")
		}
		checked, err := Check(t.Context(), CheckOptions{Place: place, DB: db})
		if err != nil || !slices.ContainsFunc(checked.Findings, func(f Finding) bool { return f.What == "snapshot" && f.Severity == "warn" }) {
			t.Errorf("check does not warn: %+v, %v", checked, err)
		}
		exec(t, db, "DELETE FROM users WHERE id % 5 = 1")
		drain(t, place, db)
		if !joined(t, place) {
			t.Error("the next stream took none")
		}
		latest(t, place, db)
	})
	t.Run("by this one, where it failed at first", func(t *testing.T) {
		place, db := protect(t, schema...)
		exec(t, db, harm)
		failing := new(atomic.Bool)
		failing.Store(true)
		within := place
		within.watch = func(s store.Store) store.Store { return deaf{s, failing} }
		// Drained once it follows the log, and fails in the end.
		_, err := Stream(t.Context(), StreamOptions{Place: within, DB: db, Once: true})
		contains(t, err, "until a snapshot is taken nothing after the gap can be restored", "the store takes no parts")
		if list, err := List(t.Context(), ListOptions{Place: place}); err != nil || list.Sources[0].Logs[1].Segments == 0 {
			t.Errorf("the new log was not followed: %+v, %v", list, err)
		}
		ctx, cancel := contextWithCancel(t)
		told := newNotes(t)
		done := make(chan error, 1)
		go func() {
			_, err := Stream(ctx, StreamOptions{Place: within, DB: db, Tracer: told, supplyAgain: 100 * time.Millisecond})
			done <- err
		}()
		await := func(beginning string) {
			t.Helper()
			for text := range told.texts {
				if strings.HasPrefix(text, beginning) {
					return
				}
			}
		}
		await("a new log began, and until a snapshot is taken")
		await("following")
		exec(t, db, "DELETE FROM users WHERE id % 5 = 1")
		failing.Store(false)
		await("took snapshot")
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the stream ended with %v", err)
		}
		drain(t, place, db)
		if !joined(t, place) {
			t.Error("no snapshot joins the log")
		}
		latest(t, place, db)
	})
}
