package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// versions are the catalog's in the repository.
func versions(t *testing.T, place Place) []VersionInfo {
	t.Helper()
	r, err := List(t.Context(), ListOptions{Place: place})
	if err != nil {
		t.Fatal(err)
	}
	return r.Sources[0].Versions
}

func TestDDLMakesOneVersionOfTheCatalog(t *testing.T) {
	place, db := protect(t, "CREATE TABLE pets (id int PRIMARY KEY)")
	drain(t, place, db)
	exec(t, db, "INSERT INTO pets VALUES (1)", "CREATE TEMP TABLE scratch (i int)")
	drain(t, place, db)
	if got := versions(t, place); len(got) != 0 {
		t.Errorf("%d versions without DDL", len(got))
	}
	exec(t, db, "CREATE TABLE vets (id int)", "ALTER TABLE pets ADD name text")
	drained := drain(t, place, db)
	first := versions(t, place)
	if len(first) != 1 || first[0].LSN > drained.To {
		t.Fatalf("versions %+v, and the log ends at %v", first, drained.To)
	}
	exec(t, db, "INSERT INTO pets VALUES (2)")
	drain(t, place, db)
	if got := versions(t, place); len(got) != 1 {
		t.Errorf("%d versions after the same DDL", len(got))
	}
	listed, err := List(t.Context(), ListOptions{Place: place})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(listed.Sources[0].Snapshots); n != 1 {
		t.Errorf("%d snapshots are listed: a version is none", n)
	}
	if _, err := Verify(t.Context(), VerifyOptions{Place: place}); err != nil {
		t.Error(err)
	}
}

// TestAStreamTakesAVersionBesideTheLog: also of DDL that the last stream had no time for, and soon after one that failed.
func TestAStreamTakesAVersionBesideTheLog(t *testing.T) {
	place, db := protect(t, "CREATE TABLE pets (id int PRIMARY KEY CHECK (id > 0))")
	tracer := newNotes(t)
	run := func(o StreamOptions, between func(), untils ...string) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ended := make(chan error, 1)
		o.Place, o.DB, o.Tracer, o.FlushInterval = place, db, tracer, 100*time.Millisecond
		go func() { _, err := Stream(ctx, o); ended <- err }()
		for len(untils) > 0 {
			select {
			case text := <-tracer.texts:
				if !strings.Contains(text, untils[0]) {
					continue
				}
				if untils = untils[1:]; len(untils) > 0 {
					between()
				}
			case err := <-ended:
				t.Fatalf("the stream ended: %v", err)
			}
		}
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	exec(t, db, "CREATE TABLE vets (id int)")
	run(StreamOptions{}, nil, "took version")
	n := len(versions(t, place))
	if n == 0 {
		t.Fatal("no version")
	}
	exec(t, db, "CREATE TABLE wards (id int)")
	lock := open(t, db)
	if _, err := lock.Exec(t.Context(), "BEGIN; LOCK TABLE pets IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	if _, err := Stream(t.Context(), StreamOptions{Place: place, DB: db, Once: true, Tracer: tracer, versionWait: 50 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if got := len(versions(t, place)); got != n {
		t.Fatalf("a version was taken past the lock: %d, not %d", got, n)
	}
	run(StreamOptions{}, nil, "took version")
	exec(t, db, "CREATE TABLE beds (id int)")
	if _, err := lock.Exec(t.Context(), "BEGIN; LOCK TABLE pets IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	run(StreamOptions{versionWait: 50 * time.Millisecond}, func() {
		if _, err := lock.Exec(t.Context(), "COMMIT"); err != nil {
			t.Error(err)
		}
	}, "could not be taken", "took version")
}
