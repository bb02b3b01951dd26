package engine

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal"
)

// lsn is the source's insert position.
func lsn(t *testing.T, db string) format.LSN {
	t.Helper()
	l, err := format.ParseLSN(value(t, db, "SELECT pg_current_wal_insert_lsn()::text"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAGapIsRecordedAndTheStreamGoesOnWithANewSnapshot(t *testing.T) {
	for _, c := range []struct{ name, harm string }{
		{"the slot is dropped", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()"},
		{"the publication is changed", "ALTER PUBLICATION pgrecall SET (publish = 'insert')"},
		{"the slot is moved on by somebody", "SELECT pg_replication_slot_advance(slot_name, pg_current_wal_insert_lsn()) FROM pg_replication_slots WHERE database = current_database()"},
	} {
		t.Run(c.name, func(t *testing.T) {
			place, db := protect(t, schema...)
			exec(t, db, "DELETE FROM users WHERE id % 5 = 0")
			drain(t, place, db)
			before, then := contents(t, db), lsn(t, db)
			exec(t, db, "DELETE FROM users WHERE id % 5 = 1", c.harm, "UPDATE users SET name = 'unseen' WHERE id % 5 = 2")
			lost := lsn(t, db)
			if r := drain(t, place, db); len(r.Gaps) != 1 {
				t.Fatalf("gaps: %+v", r.Gaps)
			}
			exec(t, db, "DELETE FROM users WHERE id % 5 = 3")
			drain(t, place, db)
			list, err := List(t.Context(), ListOptions{Place: place})
			if err != nil {
				t.Fatal(err)
			}
			if s := list.Sources[0]; len(s.Gaps) != 1 || len(s.Windows) != 2 || len(s.Logs) != 2 {
				t.Errorf("listed: %+v", s)
			}
			last := newDatabase(t)
			if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: last}); err != nil {
				t.Fatal(err)
			}
			sameDatabase(t, contents(t, db), last)
			// What lies in the gap is refused, what lies before it is not.
			if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: last, Target: Target{Kind: TargetLSN, LSN: lost}}); ExitCode(err) != 3 {
				t.Errorf("in the gap: %v, want exit code 3", err)
			}
			if then <= list.Sources[0].Windows[0].To {
				first := newDatabase(t)
				if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: first, Target: Target{Kind: TargetLSN, LSN: then}}); err != nil {
					t.Fatal(err)
				}
				sameDatabase(t, before, first)
			}
			if v, err := Verify(t.Context(), VerifyOptions{Place: place}); err != nil || len(v.Gaps) != 1 {
				t.Errorf("verify: %+v, %v", v, err)
			}
		})
	}
}

func TestAClientsClockThatWasSetBackDoesNotHideTheNewestLog(t *testing.T) {
	place, db := protect(t, schema...)
	drain(t, place, db)
	// A log that ended before this one began, of a host whose clock was ahead.
	opened, err := place.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	source, err := opened.source(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	logs, err := source.Logs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	older := logs[0].Start
	older.Log, older.ConsistentPoint, older.Created = uuid.New(), older.ConsistentPoint-1000, older.Created.Add(time.Hour)
	if err := source.StartLog(t.Context(), older); err != nil {
		t.Fatal(err)
	}
	if err := source.NoteGap(t.Context(), format.Gap{Log: older.Log, From: older.ConsistentPoint, Reason: "ended", Noted: older.Created}); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "DELETE FROM users WHERE id % 5 = 0")
	if r := drain(t, place, db); r.Log != logs[0].Start.Log || len(r.Gaps) != 0 || r.Segments == 0 {
		t.Errorf("the stream went on with %+v", r)
	}
	if taken := take(t, place, db); taken.Log != logs[0].Start.Log {
		t.Errorf("the snapshot joins %v", taken.Log)
	}
	if again, err := Init(t.Context(), InitOptions{Place: place, DB: db}); err != nil || again.Log != logs[0].Start.Log {
		t.Errorf("init: %+v, %v", again, err)
	}
}

func TestASecondStreamIsRefusedWithTheHolder(t *testing.T) {
	place, db := protect(t, schema...)
	notes := newNotes(t)
	done := make(chan error, 1)
	ctx, cancel := contextWithCancel(t)
	go func() {
		_, err := Stream(ctx, StreamOptions{Place: place, DB: db, Tracer: notes})
		done <- err
	}()
	for text := range notes.texts {
		if strings.HasPrefix(text, "following") {
			break
		}
	}
	_, err := Stream(t.Context(), StreamOptions{Place: place, DB: db})
	var busy *wal.SlotBusyError
	if !errors.As(err, &busy) || busy.PID == 0 {
		t.Errorf("the second: %v", err)
	}
	exec(t, db, "DELETE FROM users WHERE id < 10")
	want := contents(t, db)
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the first ended with %v", err)
	}
	drain(t, place, db)
	to := newDatabase(t)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to}); err != nil {
		t.Fatal(err)
	}
	sameDatabase(t, want, to)
}

func TestInitIsIdempotentAndItsDryRunChangesNothing(t *testing.T) {
	db := newDatabase(t, schema...)
	place := Place{Repository: t.TempDir() + "/repo"}
	plan, err := Init(t.Context(), InitOptions{Place: place, DB: db, DryRun: true})
	if err != nil || len(plan.Changes) == 0 {
		t.Fatalf("%+v, %v", plan, err)
	}
	if value(t, db, "SELECT count(*)::text FROM pg_namespace WHERE nspname = 'pgrecall'") != "0" {
		t.Error("a dry run changed the source")
	}
	if _, err := List(t.Context(), ListOptions{Place: place}); ExitCode(err) != 2 {
		t.Errorf("a dry run made the repository: %v", err)
	}
	first, err := Init(t.Context(), InitOptions{Place: place, DB: db})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Init(t.Context(), InitOptions{Place: place, DB: db})
	if err != nil || len(again.Changes) != 0 || again.Log != first.Log {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, err := Check(t.Context(), CheckOptions{Place: place, DB: db}); err != nil {
		t.Errorf("check: %v", err)
	}
	other := newDatabase(t)
	if _, err := Init(t.Context(), InitOptions{Place: Place{Repository: place.Repository, Source: first.Source}, DB: other}); ExitCode(err) != 2 {
		t.Errorf("another database under the name: %v, want exit code 2", err)
	}
	gone, err := Uninstall(t.Context(), UninstallOptions{Place: place, DB: db})
	if err != nil || len(gone.Changes) == 0 || len(gone.Left) == 0 {
		t.Errorf("uninstall: %+v, %v", gone, err)
	}
	if value(t, db, "SELECT count(*)::text FROM pg_namespace WHERE nspname = 'pgrecall'") != "0" ||
		value(t, db, "SELECT count(*)::text FROM pg_replication_slots WHERE database = current_database()") != "0" {
		t.Error("uninstall left something")
	}
}
