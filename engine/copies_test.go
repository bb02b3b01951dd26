package engine

import (
	"context"
	"strings"
	"testing"
	"time"
)

// followUntil runs a stream until it says something, and ends it.
func followUntil(t *testing.T, o StreamOptions, until string) {
	t.Helper()
	follow(t, o, func(said string) bool { return strings.Contains(said, until) })
}

// follow runs a stream until heard returns true for what it says, and ends it.
func follow(t *testing.T, o StreamOptions, heard func(said string) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	told := newNotes(t)
	ended := make(chan error, 1)
	o.Tracer, o.FlushInterval = told, 50*time.Millisecond
	go func() { _, err := Stream(ctx, o); ended <- err }()
	for {
		select {
		case text := <-told.texts:
			if !heard(text) {
				continue
			}
		case err := <-ended:
			t.Fatalf("the stream ended before it said so: %v", err)
		}
		break
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func drainWithoutCopies(t *testing.T, place Place, db string) {
	t.Helper()
	if _, err := Stream(t.Context(), StreamOptions{Place: place, DB: db, Once: true, NoCopies: true}); err != nil {
		t.Fatal(err)
	}
}

var rewritten = []string{"CREATE TYPE mood AS ENUM ('sad', 'happy')", "CREATE TABLE pets (id int PRIMARY KEY, legs int, mood mood)",
	"INSERT INTO pets SELECT i, i, 'sad' FROM generate_series(1, 100) i"}

// TestACopyIsTakenByTheNextStream: one that is ended after the statement, and one that is ended while it copies.
func TestACopyIsTakenByTheNextStream(t *testing.T) {
	place, db := protect(t, rewritten...)
	exec(t, db, "ALTER TABLE pets ALTER legs TYPE bigint USING legs * 2")
	followUntil(t, StreamOptions{Place: place, DB: db}, "took version")
	exec(t, db, "UPDATE pets SET legs = 1 WHERE id < 10")
	followUntil(t, StreamOptions{Place: place, DB: db}, "copying table public.pets anew")
	exec(t, db, "UPDATE pets SET legs = 2 WHERE id > 90")
	followUntil(t, StreamOptions{Place: place, DB: db}, "took copy")
	exec(t, db, "DELETE FROM pets WHERE id = 50")
	want := contents(t, db)
	drain(t, place, db)
	to := newDatabase(t)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to}); err != nil {
		t.Fatal(err)
	}
	sameDatabase(t, want, to)
}

func TestACopyThatFailsIsTakenAgain(t *testing.T) {
	place, db := protect(t, append(rewritten, "CREATE TABLE others (id int PRIMARY KEY, v int)", "INSERT INTO others VALUES (1, 1)")...)
	exec(t, db, "ALTER TABLE pets ALTER legs TYPE bigint USING legs * 2", "ALTER TABLE others ALTER v TYPE bigint")
	drainWithoutCopies(t, place, db)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t), Tables: []string{"pets"}}); ExitCode(err) != 3 {
		t.Errorf("restored without a copy: %v", err)
	}
	lock := open(t, db)
	if _, err := lock.Exec(t.Context(), "BEGIN; LOCK TABLE pets IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	// The table that can be copied is, and the other when it can be.
	o := StreamOptions{Place: place, DB: db, copyWait: 100 * time.Millisecond, copyAgain: 10 * time.Millisecond}
	failures, copies := 0, 0
	follow(t, o, func(said string) bool {
		switch {
		case strings.Contains(said, "took copy"):
			copies++
		case strings.Contains(said, "table public.pets: "):
			if failures++; failures == 2 {
				if _, err := lock.Exec(t.Context(), "COMMIT"); err != nil {
					t.Fatal(err)
				}
			}
		}
		return copies == 2
	})
	if failures < 2 {
		t.Errorf("%d failures", failures)
	}
	want := contents(t, db)
	drain(t, place, db)
	to := newDatabase(t)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to}); err != nil {
		t.Fatal(err)
	}
	sameDatabase(t, want, to)
}

// TestACopyWaitsForWhoMayHaveWrittenInOtherWords: their rows are in the log with the labels of before.
func TestACopyWaitsForWhoMayHaveWrittenInOtherWords(t *testing.T) {
	place, db := protect(t, rewritten...)
	conn := open(t, db)
	if _, err := conn.Exec(t.Context(), "BEGIN; INSERT INTO pets VALUES (500, 1, 'sad')"); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "ALTER TYPE mood RENAME VALUE 'sad' TO 'x'; ALTER TYPE mood RENAME VALUE 'happy' TO 'sad'; ALTER TYPE mood RENAME VALUE 'x' TO 'happy'")
	followUntil(t, StreamOptions{Place: place, DB: db, copyWait: 100 * time.Millisecond}, "could not be copied anew")
	if _, err := conn.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	drain(t, place, db)
	want := contents(t, db)
	to := newDatabase(t)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to}); err != nil {
		t.Fatal(err)
	}
	sameDatabase(t, want, to)
}

func TestOneTableIsNotCopiedAgainAndAgain(t *testing.T) {
	told := newNotes(t)
	c := newCopier(&stream{tracer: told}, nil)
	c.rests[1], c.rests[2] = rest{time.Now().Add(time.Hour), false}, rest{time.Now().Add(-time.Hour), false}
	tables := []uncopied{{oid: 1, name: "public.a"}, {oid: 2, name: "public.b"}, {oid: 3, name: "public.c"}}
	for range 2 {
		if now := c.rested(tables); len(now) != 2 || now[0].oid != 2 || now[1].oid != 3 {
			t.Errorf("to copy now: %+v", now)
		}
	}
	if n := len(told.texts); n != 1 || !strings.Contains(<-told.texts, "table public.a is to be copied anew so soon") {
		t.Errorf("%d notes", n)
	}
	if next := c.next(tables); next < 59*time.Minute || next > time.Hour {
		t.Errorf("the next copy in %v", next)
	}
}
