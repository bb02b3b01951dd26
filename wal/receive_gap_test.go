package wal

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pgrecall/pgrecall/format"
)

// tryOnce receives everything committed so far and returns what stopped it.
func (s *testSource) tryOnce(sink *memorySink) error {
	s.t.Helper()
	f := s.follow(sink)
	f.Once = true
	return f.Run(s.t.Context())
}

func TestChangesThatSomeoneElseConsumedAreAGap(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		sql          []string
	}{
		{"advanced", "moved on to", []string{"select pg_replication_slot_advance('SLOT', pg_current_wal_lsn())"}},
		{"consumed", "moved on to", []string{"select count(*) from pg_logical_slot_get_binary_changes('SLOT', null, null, 'proto_version', '1', 'publication_names', 'pgrecall')"}},
		{"dropped", "is gone", []string{"select pg_drop_replication_slot('SLOT')"}},
		{"anew", "moved on to", []string{"select pg_drop_replication_slot('SLOT')", "select pg_create_logical_replication_slot('SLOT', 'pgoutput')"}},
		{"plugin", "not the log's any more", []string{"select pg_drop_replication_slot('SLOT')", "select pg_create_logical_replication_slot('SLOT', 'test_decoding')"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := numbers(t, sharedServer(t), "gap_"+c.name)
			for _, state := range []string{"with segments", "without"} {
				if state == "without" {
					s.exec("select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '" + s.start.Slot + "'")
					s.newLog(s.start.Slot)
				}
				sink := newSink(t)
				s.exec("truncate numbers")
				s.insert(1, 5)
				if state == "with segments" {
					s.once(sink)
				}
				s.insert(6, 10)
				for _, q := range c.sql {
					s.exec(strings.ReplaceAll(q, "SLOT", s.start.Slot))
				}
				before := len(sink.all())
				wantGap(t, s.tryOnce(sink), c.reason)
				if len(sink.all()) != before {
					t.Errorf("a segment was stored over the gap, %s", state)
				}
			}
		})
	}
}

func TestASlotMovedWithinTheLastCommitIsAGapToo(t *testing.T) {
	s := numbers(t, sharedServer(t), "gap_within")
	sink := newSink(t)
	s.insert(1, 5)
	s.once(sink)
	s.exec("select pg_replication_slot_advance('" + s.start.Slot + "', '" + sink.last().To.String() + "')")
	wantGap(t, s.tryOnce(sink), "cannot be proved")
}

func TestAPublicationThatWasTamperedWithIsAGap(t *testing.T) {
	for name, sql := range map[string][]string{
		"set and back": {"alter publication pgrecall set (publish = 'insert')", "alter publication pgrecall set (publish = 'insert, update, delete, truncate')"},
		"made anew":    {"drop publication pgrecall", "create publication pgrecall for all tables"},
		"dropped":      {"drop publication pgrecall"},
	} {
		t.Run(name, func(t *testing.T) {
			s := numbers(t, sharedServer(t), "gap_pub_"+strings.ReplaceAll(name, " ", "_"))
			sink := newSink(t)
			s.insert(1, 5)
			s.once(sink)
			s.exec(sql...)
			s.insert(6, 10)
			wantGap(t, s.tryOnce(sink), `publication "pgrecall"`)
		})
	}
	for name, sql := range map[string]string{
		"row filter":  "alter publication pgrecall set table numbers where (id > 7)",
		"column list": "alter publication pgrecall set table numbers (id)",
		"not listed":  "alter publication pgrecall drop table numbers",
	} {
		t.Run(name, func(t *testing.T) {
			s := numbers(t, sharedServer(t), "gap_pub_"+strings.ReplaceAll(name, " ", "_"))
			s.exec("drop publication pgrecall", "create publication pgrecall for table numbers")
			sink := newSink(t)
			s.insert(1, 5)
			s.once(sink)
			s.exec(sql)
			wantGap(t, s.tryOnce(sink), `publication "pgrecall" leaves out `)
		})
	}
	t.Run("while it is followed", func(t *testing.T) {
		s := numbers(t, sharedServer(t), "gap_pub_running")
		sink := newSink(t)
		f := s.follow(sink)
		f.FlushInterval = 20 * time.Millisecond
		done := make(chan error)
		go func() { done <- f.Run(t.Context()) }()
		sink.wait(func() bool { return len(sink.all()) > 0 })
		s.exec("alter publication pgrecall set (publish = 'insert')")
		s.insert(1, 5)
		wantGap(t, <-done, `publication "pgrecall"`)
	})
}

func TestAnotherClusterTimelineOrDatabaseIsAGap(t *testing.T) {
	s := numbers(t, sharedServer(t), "gap_identity")
	for _, c := range []struct {
		reason string
		change func(*format.LogStart)
	}{
		{"another cluster", func(l *format.LogStart) { l.SystemID = "1" }},
		{"timeline", func(l *format.LogStart) { l.Timeline++ }},
		{"not the log's", func(l *format.LogStart) { l.DatabaseOID++ }},
	} {
		f := s.follow(newSink(t))
		f.Once = true
		c.change(&f.Start)
		wantGap(t, f.Run(t.Context()), c.reason)
	}
}

func TestASourceWhoseFilesWereSetBackIsAGap(t *testing.T) {
	server := ownServer(t, nil)
	s := numbers(t, server, "setback")
	sink := newSink(t)
	s.insert(1, 5)
	s.once(sink)

	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	copied := server.DataDir() + ".copy"
	shell(t, "cp", "-a", server.DataDir(), copied)
	restart(t, s)
	s.insert(6, 10)
	s.once(sink)
	wantIDs(t, sink, 10)

	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	shell(t, "rm", "-rf", server.DataDir())
	shell(t, "mv", copied, server.DataDir())
	restart(t, s)
	wantGap(t, s.tryOnce(sink), "set back to an earlier state")

	// The same positions are reached again, with other rows.
	for behind := true; behind; {
		s.exec("insert into numbers select 100 + count(*), 'other' from numbers")
		s.scan("select pg_current_wal_flush_lsn() < '"+sink.last().To.String()+"'", &behind)
	}
	before := len(sink.all())
	wantGap(t, s.tryOnce(sink), "another history")
	if len(sink.all()) != before {
		t.Error("a segment of another history was stored")
	}
}

func shell(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}

func restart(t testing.TB, s *testSource) {
	t.Helper()
	if err := s.server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.connect()
}

func TestTheOverlapMustBeTheSameTransaction(t *testing.T) {
	s := numbers(t, sharedServer(t), "overlap")
	sink := newSink(t)
	s.insert(1, 5)
	s.once(sink)
	s.insert(6, 10)
	for name, change := range map[string]func(*format.LastCommit){
		"xid":     func(c *format.LastCommit) { c.XID++ },
		"epoch":   func(c *format.LastCommit) { c.XID += 1 << 32 },
		"time":    func(c *format.LastCommit) { c.Time = c.Time.Add(time.Microsecond) },
		"begins":  func(c *format.LastCommit) { c.CommitLSN-- },
		"ends":    func(c *format.LastCommit) { c.EndLSN-- },
		"content": func(c *format.LastCommit) { c.Hash = strings.Repeat("0", 32) },
	} {
		t.Run(name, func(t *testing.T) {
			f := s.follow(newSink(t))
			f.Last = sink.last()
			change(&f.Last.Last)
			f.Once = true
			wantGap(t, f.Run(t.Context()), "another history")
		})
	}
	s.once(sink)
	wantIDs(t, sink, 10)
}

func TestASlotThatLostItsWALIsAGap(t *testing.T) {
	server := ownServer(t, map[string]string{"max_slot_wal_keep_size": "16MB", "max_wal_size": "32MB", "min_wal_size": "32MB", "wal_keep_size": "0"})
	s := numbers(t, server, "lost")
	sink := newSink(t)
	s.insert(1, 5)
	s.once(sink)
	for lost := false; !lost; {
		s.insert(1_000_000+int(time.Now().UnixNano()%1_000_000_000), 0)
		s.exec("select pg_logical_emit_message(false, 'x', 'y')", "select pg_switch_wal()", "checkpoint")
		s.scan("select wal_status = 'lost' from pg_replication_slots where slot_name = '"+s.start.Slot+"'", &lost)
	}
	wantGap(t, s.tryOnce(sink), "lost the WAL")
}

func TestWhatTheServerCannotDecodeEndsTheLogAfterAllThatCameBefore(t *testing.T) {
	server := ownServer(t, map[string]string{"fsync": "off", "full_page_writes": "off"})
	s := numbers(t, server, "poisoned")
	sink := newSink(t)
	s.exec("create table giants (id int primary key, body bit varying)")
	s.insert(1, 5)
	s.once(sink)
	s.insert(6, 10)
	// 2^30 bits are 128 MB; as text, one digit a bit, they are longer than any value
	// can be. A bytea of 600 MB is the same, and slower to make.
	s.exec(`insert into giants select 1, d || d from (select c || c as d from (select b || b as c from (
		select a || a as b from (select 0::bit(67108864)::bit varying as a offset 0) _ offset 0) _ offset 0) _ offset 0) _`)
	s.insert(11, 15)

	err := s.tryOnce(sink)
	var poison *PoisonError
	if !errors.As(err, &poison) || !strings.Contains(err.Error(), "invalid memory alloc request size") {
		t.Fatalf("error is %v", err)
	}
	wantIDs(t, sink, 10)
	if poison.After != sink.last().To || poison.CommitLSN < poison.After || poison.XID == 0 || poison.Time.IsZero() {
		t.Errorf("the error is %+v, the log ends at %s", poison, sink.last().To)
	}
}
