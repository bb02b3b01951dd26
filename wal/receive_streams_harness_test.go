package wal

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
)

// with returns the source's configuration with a setting of its sessions, the server's side of the stream included.
func (s *testSource) with(setting, value string) *pgx.ConnConfig {
	c := s.config.Copy()
	c.RuntimeParams[setting] = value
	return c
}

// another is the same source, with an application's connection of its own.
func (s *testSource) another() *testSource {
	s.t.Helper()
	other := *s
	other.connect()
	s.t.Cleanup(func() { other.conn.Close(s.t.Context()) })
	return &other
}

// sent returns when the server has decoded all that was written so far, also by transactions that have not ended.
func (s *testSource) sent() {
	s.t.Helper()
	s.exec("select pg_logical_emit_message(true, 'flush', '')")
	var at string
	s.scan("select pg_current_wal_flush_lsn()::text", &at)
	for there := false; !there; {
		s.scan("select coalesce(bool_or(sent_lsn >= '"+at+"'), false) from pg_stat_replication where pid = "+
			"(select active_pid from pg_replication_slots where slot_name = '"+s.start.Slot+"')", &there)
	}
}

// streamed returns how many transactions the server has sent while they were under way.
func (s *testSource) streamed() (n int) {
	s.t.Helper()
	s.scan("select coalesce(sum(stream_txns), 0) from pg_stat_replication_slots where slot_name = '"+s.start.Slot+"'", &n)
	return n
}

// twin is a second log of the same source, to be received whole.
func (s *testSource) twin() *testSource {
	s.t.Helper()
	other := s.another()
	other.newLog(s.start.Slot + "_twin")
	return other
}

// await writes a mark, and returns when it is durable.
func (s *testSource) await(sink *memorySink, name string) {
	s.t.Helper()
	s.exec("select pg_logical_emit_message(true, 'pgrecall.mark', '" + name + "')")
	s.awaitMark(sink, name)
}

func (s *testSource) awaitMark(sink *memorySink, name string) {
	s.t.Helper()
	sink.wait(func() bool {
		return slices.ContainsFunc(sink.all(), func(seg memorySegment) bool {
			return slices.ContainsFunc(seg.open.Messages(), func(m format.Message) bool { return m.Content == name })
		})
	})
}

// exactly is all that a log holds but heartbeats: of each transaction its id, place, time and origin, then its changes with the
// columns they were written under, table by table.
func (m *memorySink) exactly() []string {
	m.t.Helper()
	var all []string
	for _, seg := range m.all() {
		held := make([]strings.Builder, len(seg.open.Transactions()))
		for _, msg := range seg.open.Messages() {
			if msg.Prefix != format.PrefixHeartbeat {
				fmt.Fprintf(&held[msg.Txn], "\n\tmessage %s %s %s", msg.LSN, msg.Prefix, msg.Content)
			}
		}
		tables := seg.open.Tables()
		slices.Sort(tables)
		for _, table := range tables {
			err := seg.open.Records(m.t.Context(), table, func(r format.Record) error {
				l := seg.open.Layouts()[r.Layout]
				fmt.Fprintf(&held[r.Txn], "\n\t%s %s of", describeRecord(l, r), l.ReplicaIdentity)
				for _, c := range l.Columns {
					fmt.Fprintf(&held[r.Txn], " %s %d %d %v", c.Name, c.Type, c.Typmod, c.Key)
				}
				return nil
			})
			if err != nil {
				m.t.Fatal(err)
			}
		}
		for i, x := range seg.open.Transactions() {
			if held[i].Len() > 0 {
				all = append(all, fmt.Sprintf("%d at %s to %s, %s, origin %v:%s", x.XID, x.CommitLSN, x.EndLSN,
					x.Time.Format(time.RFC3339Nano), x.Origin, held[i].String()))
			}
		}
	}
	return all
}

// wantTwin checks that a log holds exactly what its twin does, which is received now, whole.
func wantTwin(t testing.TB, sink *memorySink, twin *testSource) {
	t.Helper()
	other := newSink(t)
	f := twin.follow(other)
	f.Source, f.Once = twin.with("logical_decoding_work_mem", "1GB"), true
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := twin.streamed(); n != 0 {
		t.Errorf("%d transactions of the twin were streamed", n)
	}
	got, want := strings.Split(strings.Join(sink.exactly(), "\n"), "\n"), strings.Split(strings.Join(other.exactly(), "\n"), "\n")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("the log differs from its twin in line %d of %d and %d:\n%.500q\nwant\n%.500q", i, len(got), len(want),
				got[min(i, len(got)):min(i+3, len(got))], want[min(i, len(want)):min(i+3, len(want))])
		}
	}
	if len(want) < 2 {
		t.Error("the log holds nothing")
	}
}
