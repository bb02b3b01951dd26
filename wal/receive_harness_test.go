package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
	"github.com/pgrecall/pgrecall/format"
)

// testSource is a database that is followed.
type testSource struct {
	t      testing.TB
	server *pgtemp.Server
	config *pgx.ConnConfig
	conn   *pgx.Conn // of the application
	start  format.LogStart
}

// newSource makes a database on the server and prepares it to be followed.
func newSource(t testing.TB, server *pgtemp.Server, name string, options ...string) *testSource {
	t.Helper()
	ctx := t.Context()
	uri, err := server.NewDatabase(ctx, name, options...)
	if err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(uri)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	s := &testSource{t: t, server: server, config: config}
	s.connect()
	t.Cleanup(s.leave)
	s.exec("create schema pgrecall", "create table pgrecall.marks (name text primary key)", "create publication pgrecall for all tables")
	s.newLog("pgrecall_" + name)
	return s
}

// leave frees the slot; the server may be gone.
func (s *testSource) leave() {
	ctx := context.Background()
	s.conn.Close(ctx)
	conn, err := pgx.ConnectConfig(ctx, s.config)
	if err != nil {
		return
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database() and not active"); err != nil {
		s.t.Log(err)
	}
}

// newLog makes a slot and the start of a log that begins with it.
func (s *testSource) newLog(slot string) {
	s.t.Helper()
	s.start = format.LogStart{Log: uuid.New(), Slot: slot, Publication: "pgrecall", Created: time.Now()}
	var point, visibility string
	s.scan("select lsn::text from pg_create_logical_replication_slot('"+slot+"', 'pgoutput')", &point)
	s.scan("select pg_current_snapshot()::text", &visibility)
	s.scan("select system_identifier::text, timeline_id from pg_control_system(), pg_control_checkpoint()", &s.start.SystemID, &s.start.Timeline)
	s.scan("select oid from pg_database where datname = current_database()", &s.start.DatabaseOID)
	s.start.ConsistentPoint = s.lsn(point)
	var err error
	if s.start.Visibility, err = format.ParseVisibility(visibility); err != nil {
		s.t.Fatal(err)
	}
}

func (s *testSource) connect() {
	s.t.Helper()
	var err error
	if s.conn, err = pgx.ConnectConfig(s.t.Context(), s.config); err != nil {
		s.t.Fatal(err)
	}
}

func (s *testSource) lsn(text string) format.LSN {
	s.t.Helper()
	l, err := format.ParseLSN(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

func (s *testSource) exec(sql ...string) {
	s.t.Helper()
	for _, q := range sql {
		if _, err := s.conn.Exec(s.t.Context(), q, pgx.QueryExecModeSimpleProtocol); err != nil {
			s.t.Fatalf("%.200s: %v", q, err)
		}
	}
}

func (s *testSource) scan(sql string, dst ...any) {
	s.t.Helper()
	if err := s.conn.QueryRow(s.t.Context(), sql).Scan(dst...); err != nil {
		s.t.Fatalf("%.200s: %v", sql, err)
	}
}

// confirmed is what the server holds as acknowledged.
func (s *testSource) confirmed() format.LSN {
	s.t.Helper()
	var text string
	s.scan("select confirmed_flush_lsn::text from pg_replication_slots where slot_name = '"+s.start.Slot+"'", &text)
	return s.lsn(text)
}

// follow makes a Follow that goes on where the sink's segments end.
func (s *testSource) follow(sink *memorySink) *Follow {
	return &Follow{
		Source: s.config, Start: s.start, Last: sink.last(), Sink: sink, Tracer: tracer{s.t},
		Compression: format.LZ4, SpoolDir: s.t.TempDir(),
	}
}

// once receives everything committed so far.
func (s *testSource) once(sink *memorySink) {
	s.t.Helper()
	f := s.follow(sink)
	f.Once = true
	if err := f.Run(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// tracer writes to the test's log.
type tracer struct{ t testing.TB }

func (l tracer) Connection(err error, wait time.Duration) {
	if err != nil {
		l.t.Logf("connection lost, again in %s: %v", wait, err)
	}
}
func (l tracer) Segment(format.SegmentName, *format.SegmentHead, int, int64) {}
func (l tracer) Warning(err error)                                           { l.t.Logf("warning: %v", err) }

// memorySink keeps segments in memory and checks that they join.
type memorySink struct {
	t testing.TB

	mu       sync.Mutex
	segments []memorySegment
	changed  chan struct{} // closed and renewed with each segment

	// before is called before each segment is kept; its error is PutSegment's.
	before func(format.SegmentName) error
}

type memorySegment struct {
	name format.SegmentName
	raw  []byte
	open *Segment
}

func newSink(t testing.TB) *memorySink { return &memorySink{t: t, changed: make(chan struct{})} }

func (m *memorySink) PutSegment(ctx context.Context, name format.SegmentName, r io.Reader) error {
	if m.before != nil {
		if err := m.before(name); err != nil {
			return err
		}
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	open, err := openSegment(ctx, name, raw)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.segments); n > 0 && m.segments[n-1].name.To != name.From {
		return fmt.Errorf("segment %s does not join %s", name, m.segments[n-1].name)
	}
	m.segments = append(m.segments, memorySegment{name, raw, open})
	close(m.changed)
	m.changed = make(chan struct{})
	return nil
}

func openSegment(ctx context.Context, name format.SegmentName, raw []byte) (*Segment, error) {
	r, err := format.OpenObject(ctx, format.Memory(raw), format.Object{Name: name.String(), Size: int64(len(raw)), Kind: format.KindSegment})
	if err != nil {
		return nil, err
	}
	s, err := OpenSegment(ctx, r)
	if err != nil {
		return nil, err
	}
	return s, s.CheckName(name)
}

func (m *memorySink) all() []memorySegment {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.segments)
}

func (m *memorySink) last() *format.SegmentHead {
	all := m.all()
	if len(all) == 0 {
		return nil
	}
	h := all[len(all)-1].open.Head()
	return &h
}

// next returns a channel that is closed when another segment is kept.
func (m *memorySink) next() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// wait returns when done reports true; it asks again with each new segment.
func (m *memorySink) wait(done func() bool) {
	m.t.Helper()
	for {
		changed := m.next()
		if done() {
			return
		}
		select {
		case <-changed:
		case <-time.After(30 * time.Second):
			m.t.Fatal("no segment arrives")
		}
	}
}

// heldTransaction is a transaction as the log holds it.
type heldTransaction struct {
	format.Transaction
	Changes  []string // "schema.table OP old → new", per table in order
	Messages []string // "prefix content"
}

// transactions returns what the log holds, without transactions that changed nothing.
func (m *memorySink) transactions() []heldTransaction {
	m.t.Helper()
	var all []heldTransaction
	for _, seg := range m.all() {
		held := make([]heldTransaction, len(seg.open.Transactions()))
		for i, x := range seg.open.Transactions() {
			held[i].Transaction = x
		}
		for _, table := range seg.open.Tables() {
			err := seg.open.Records(m.t.Context(), table, func(r format.Record) error {
				l := seg.open.Layouts()[r.Layout]
				held[r.Txn].Changes = append(held[r.Txn].Changes, describeRecord(l, r))
				return nil
			})
			if err != nil {
				m.t.Fatal(err)
			}
		}
		for _, msg := range seg.open.Messages() {
			if msg.Prefix != format.PrefixHeartbeat {
				held[msg.Txn].Messages = append(held[msg.Txn].Messages, msg.Prefix+" "+msg.Content)
			}
		}
		for _, h := range held {
			if len(h.Changes)+len(h.Messages) > 0 {
				all = append(all, h)
			}
		}
	}
	return all
}

func describeRecord(l format.Layout, r format.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.%s %c", l.Schema, l.Name, r.Op)
	if r.OldKind != 0 {
		fmt.Fprintf(&b, " %c(%s)", r.OldKind, bytes.ReplaceAll(r.Old, []byte("\t"), []byte("|")))
	}
	if r.Op == format.Insert || r.Op == format.Update {
		fmt.Fprintf(&b, " (%s)", bytes.ReplaceAll(r.New, []byte("\t"), []byte("|")))
	}
	if r.RestartSequences {
		b.WriteString(" restart")
	}
	return b.String()
}

// changes returns all changes in order, one string per transaction's change.
func (m *memorySink) changes() []string {
	m.t.Helper()
	var all []string
	for _, x := range m.transactions() {
		all = append(all, x.Changes...)
	}
	return all
}

func wantChanges(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("the log holds\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func wantGap(t testing.TB, err error, reason string) {
	t.Helper()
	var gap *GapError
	if !errors.As(err, &gap) || !strings.Contains(gap.Reason, reason) {
		t.Fatalf("error is %v, want a gap because %q", err, reason)
	}
}

// background runs f until the test ends or stop is called, which returns Run's error.
func background(t testing.TB, f *Follow) (stop func() error) {
	t.Helper()
	end := make(chan struct{})
	f.Stop = end
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		err := f.Run(ctx)
		if err != nil {
			t.Logf("the run ends: %v", err)
		}
		done <- err
	}()
	var once sync.Once
	var result error
	stop = func() error {
		once.Do(func() {
			close(end)
			result = <-done
			cancel()
		})
		return result
	}
	t.Cleanup(func() { cancel(); stop() })
	return stop
}
