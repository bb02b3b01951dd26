package snapshot

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
	"github.com/pgrecall/pgrecall/format"
)

func TestASnapshotThatJoinsALogWaitsForTransactionsOlderThanTheLog(t *testing.T) {
	noLeak(t)
	d := newDatabase(t)
	d.exec(`CREATE TABLE t (a int)`)
	for _, c := range []struct{ name, begin, end string }{
		{"open", `BEGIN; INSERT INTO t VALUES (1)`, `COMMIT`},
		{"prepared", `BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'waiting'`, `COMMIT PREPARED 'waiting'`},
	} {
		old := connect(t, d.config)
		if _, err := old.Exec(t.Context(), c.begin); err != nil {
			t.Fatal(err)
		}
		start := d.logStart()
		d.exec(`INSERT INTO t VALUES (100)`)
		_, err := Take(t.Context(), d.config, Options{Joins: start, WaitTimeout: time.Nanosecond}, &memorySink{})
		if !errors.Is(err, ErrWaitTimeout) {
			t.Fatalf("%s: got %v", c.name, err)
		}
		tracer := &notes{}
		tracer.on = func(n Note) {
			if n.Kind != NoteWaiting {
				t.Errorf("%s: note %+v", c.name, n)
			}
			if len(n.Backends) != 1 || (n.Backends[0].PID != int32(old.PgConn().PID())) == (c.name == "open") || (n.Backends[0].Prepared == "waiting") == (c.name == "open") {
				t.Errorf("%s: waits for %+v", c.name, n.Backends)
			}
			if n := d.text(`SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'pgrecall' AND datname = current_database() AND backend_xmin IS NOT NULL`); n != "0" {
				t.Errorf("%s: %s sessions hold back vacuum while waiting", c.name, n)
			}
			if _, err := old.Exec(t.Context(), c.end); err != nil {
				t.Error(err)
			}
		}
		taken, _ := d.take(Options{Joins: start, Tracer: tracer})
		if v := taken.Envelope.Groups[0].Visibility; v.Xmin < start.Visibility.Xmax {
			t.Errorf("%s: the snapshot %v cannot join the log that began at %v", c.name, v, start.Visibility)
		}
		if !tracer.has(NoteWaiting) || taken.Envelope.Log != start.Log {
			t.Errorf("%s: notes %+v, log %v", c.name, tracer.list, taken.Envelope.Log)
		}
	}
}

func TestALogOfAnotherDatabaseOrTimelineIsNotJoined(t *testing.T) {
	d := newDatabase(t)
	for _, change := range []func(*format.LogStart){
		func(l *format.LogStart) { l.SystemID = "1" }, func(l *format.LogStart) { l.DatabaseOID++ }, func(l *format.LogStart) { l.Timeline++ },
	} {
		l := d.logStart()
		change(l)
		if _, err := Take(t.Context(), d.config, Options{Joins: l}, &memorySink{}); !errors.Is(err, ErrOtherDatabase) {
			t.Errorf("got %v", err)
		}
	}
}

// crashable starts a server that leaves asynchronous commits unflushed until somebody else flushes.
func crashable(t *testing.T) *pgtemp.Server {
	t.Helper()
	s, err := pgtemp.Start(t.Context(), pgtemp.Options{Settings: map[string]string{
		"wal_writer_delay": "10s", "wal_writer_flush_after": "1GB", "synchronous_commit": "off", "autovacuum": "off", "checkpoint_timeout": "1h"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Remove() })
	return s
}

// TestASnapshotIsCompleteOnlyWhenACrashCannotTakeBackWhatItSaw has a transaction committed asynchronously, which a crash at
// the end of the copying would lose, with its id given to another transaction.
func TestASnapshotIsCompleteOnlyWhenACrashCannotTakeBackWhatItSaw(t *testing.T) {
	noLeak(t)
	s := crashable(t)
	d := openDatabase(t, s)
	d.exec(`CREATE TABLE t (a int)`)
	d.exec(`CHECKPOINT`)
	d.exec(`INSERT INTO t VALUES (1)`)
	unflushed := false
	taken, _ := d.take(Options{at: func(_ context.Context, point, _ string) { unflushed = unflushed || point == "unflushed" }})
	if !unflushed {
		t.Error("all was on disk already, so the test shows nothing")
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.conn = connect(t, d.config)
	if got := d.text(`SELECT count(*)::text FROM t`); got != "1" || taken.Envelope.Rows != 1 {
		t.Errorf("the snapshot has %d rows, after the crash the server has %s", taken.Envelope.Rows, got)
	}
	// The other way: the crash comes before the WAL is on disk, and there is no snapshot.
	d.exec(`INSERT INTO t VALUES (2)`)
	_, err := Take(t.Context(), d.config, Options{at: d.during("copied", func() {
		if err := s.Kill(); err != nil {
			t.Error(err)
		}
	})}, &memorySink{})
	if err == nil {
		t.Error("a snapshot was completed on a server that crashed")
	}
}

func TestARoleThatMayNotWriteToTheLogWaitsForTheFlush(t *testing.T) {
	s := crashable(t)
	d := openDatabase(t, s)
	d.exec(`CREATE TABLE t (a int); CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader;
		REVOKE EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) FROM public`)
	d.exec(`INSERT INTO t VALUES (1)`)
	tracer := &notes{on: func(n Note) {
		if !strings.Contains(n.Text, "on disk") {
			t.Errorf("note %+v", n)
		}
		d.exec(`CHECKPOINT`)
	}}
	d.config.User = "reader"
	taken, _ := d.take(Options{Tracer: tracer})
	if taken.Envelope.Rows != 1 || !tracer.has(NoteWaiting) {
		t.Errorf("%d rows, notes %+v", taken.Envelope.Rows, tracer.list)
	}
}

func TestAnInsertPositionOnAPageIsComparedByItsRecordsEnd(t *testing.T) {
	s := source{walPage: 8192, walSegment: 16 << 20}
	for insert, want := range map[format.LSN]format.LSN{
		0x3000000 + 40: 0x3000000, 0x3002000 + 24: 0x3002000, 0x3002000 + 40: 0x3002000 + 40, 0x3000000 + 24: 0x3000000 + 24, 0x3001234: 0x3001234,
	} {
		if got := s.recordEnd(insert); got != want {
			t.Errorf("%v: %v, want %v", insert, got, want)
		}
	}
}
