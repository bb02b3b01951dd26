package wal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
	"github.com/pgrecall/pgrecall/format"
	"go.uber.org/goleak"
)

// ids returns the ids that the log says were inserted into table numbers, in order.
func ids(t testing.TB, sink *memorySink) []int {
	t.Helper()
	var all []int
	for _, c := range sink.changes() {
		if s, ok := strings.CutPrefix(c, "public.numbers I ("); ok {
			n, err := strconv.Atoi(s[:strings.IndexAny(s, "|)")])
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, n)
		}
	}
	return all
}

// wantIDs checks that the log holds exactly 1 to n, in that order.
func wantIDs(t testing.TB, sink *memorySink, n int) {
	t.Helper()
	got := ids(t, sink)
	for i := range max(len(got), n) {
		if i >= len(got) || i >= n || got[i] != i+1 {
			t.Fatalf("the log holds %d rows, want %d; the first difference is at %d: %v", len(got), n, i, got[max(0, i-2):min(len(got), i+3)])
		}
	}
}

func numbers(t testing.TB, server *pgtemp.Server, name string) *testSource {
	s := newSource(t, server, name)
	s.exec("create table numbers (id int primary key, filler text)")
	return s
}

// insert adds the rows first to last in one transaction.
func (s *testSource) insert(first, last int) {
	s.t.Helper()
	s.exec(fmt.Sprintf("insert into numbers select i, repeat(md5(i::text), 4) from generate_series(%d, %d) i", first, last))
}

func TestNothingIsLostOrTwiceWhenConnectionsAreCutAtRandomBytes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := numbers(t, sharedServer(t), "cuts")
	p, through := newProxy(t, s.config)
	sink := newSink(t)
	f := s.follow(sink)
	f.Source = through
	f.FlushInterval = 20 * time.Millisecond
	f.SegmentSize = 64 << 10
	connected := make(chan struct{}, 1000)
	f.Tracer = connections{tracer{t}, connected}
	stop := background(t, f)
	<-connected
	p.set(cutOff, randomBudget(rand.New(rand.NewPCG(seed, 1)), 20<<10, 400<<10))

	n := 0
	for range 10 {
		for range 5 {
			rows := 1 + random.IntN(20)
			if random.IntN(10) == 0 {
				rows = 1000
			}
			s.insert(n+1, n+rows)
			n += rows
		}
		select {
		case <-sink.next():
			p.drop()
			<-connected
		case <-connected:
		}
	}
	p.set(cutOff, func() int64 { return -1 })
	p.drop()
	sink.wait(func() bool { l := ids(t, sink); return len(l) >= n })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, sink, n)
	t.Logf("%d rows, %d segments", n, len(sink.all()))
}

// connections tells a channel of each connection.
type connections struct {
	tracer
	made chan<- struct{}
}

func (c connections) Connection(err error, wait time.Duration) {
	c.tracer.Connection(err, wait)
	if err == nil {
		c.made <- struct{}{}
	}
}

func TestAKilledServerIsFollowedAgainAfterItsRecovery(t *testing.T) {
	server := ownServer(t, nil)
	s := numbers(t, server, "killed")
	sink := newSink(t)
	f := s.follow(sink)
	f.FlushInterval = 20 * time.Millisecond
	connected := make(chan struct{}, 100)
	f.Tracer = connections{tracer{t}, connected}
	stop := background(t, f)
	<-connected
	for i := range 3 {
		n := 100 * i
		s.insert(n+1, n+100)
		if i == 1 {
			sink.wait(func() bool { return len(ids(t, sink)) >= n+100 })
		}
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.connect()
	}
	sink.wait(func() bool { return len(ids(t, sink)) >= 300 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, sink, 300)
}

func ownServer(t testing.TB, settings map[string]string) *pgtemp.Server {
	t.Helper()
	server, err := pgtemp.Start(t.Context(), pgtemp.Options{Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Remove() })
	return server
}

func TestTheServerIsToldOfEverythingDurableButTheLastCommit(t *testing.T) {
	server := sharedServer(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := numbers(t, server, "behind")
	sink := newSink(t)
	for i := range 3 {
		s.insert(10*i+1, 10*i+5)
		s.insert(10*i+6, 10*i+10)
		s.once(sink)
		h := sink.last()
		if c := s.confirmed(); c != h.Resume || c >= h.Last.CommitLSN {
			t.Errorf("confirmed is %s, the log may go on from %s, its last commit is at %s", c, h.Resume, h.Last.CommitLSN)
		}
	}
	wantIDs(t, sink, 30)
}

func TestASinkThatFailsEndsTheRunAndAcknowledgesNothing(t *testing.T) {
	s := numbers(t, sharedServer(t), "sinkfails")
	sink := newSink(t)
	s.insert(1, 10)
	s.once(sink)
	before := s.confirmed()
	full := errors.New("no space left")
	sink.before = func(format.SegmentName) error { return full }
	s.insert(11, 20)
	f := s.follow(sink)
	f.Once = true
	if err := f.Run(t.Context()); !errors.Is(err, full) {
		t.Fatalf("error is %v", err)
	}
	if c := s.confirmed(); c != before {
		t.Errorf("confirmed moved from %s to %s", before, c)
	}
	sink.before = nil
	s.once(sink)
	wantIDs(t, sink, 20)
}

func TestASlowSinkDoesNotLoseTheConnection(t *testing.T) {
	s := numbers(t, sharedServer(t), "slowsink")
	sink := newSink(t)
	f := s.follow(sink)
	f.Source = s.config.Copy()
	f.Source.RuntimeParams["wal_sender_timeout"] = "2s"
	f.SegmentSize = 1 // so that the loop has to wait for the sink
	f.Once = true
	made := make(chan struct{}, 100)
	f.Tracer = connections{tracer{t}, made}
	for i := range 50 {
		s.insert(100*i+1, 100*i+100)
	}
	look, err := pgx.ConnectConfig(t.Context(), s.config)
	if err != nil {
		t.Fatal(err)
	}
	defer look.Close(t.Context())
	slow := true
	sink.before = func(format.SegmentName) error {
		if !slow {
			return nil
		}
		slow = false
		// The server must hear from us for twice as long as it would wait.
		var began time.Time
		if err := look.QueryRow(t.Context(), `select clock_timestamp()`).Scan(&began); err != nil {
			return err
		}
		for enough := false; !enough; {
			err := look.QueryRow(t.Context(), `select coalesce(bool_or(reply_time > $1::timestamptz + interval '4 s'), clock_timestamp() > $1::timestamptz + interval '30 s')
				from pg_stat_replication where pid = (select active_pid from pg_replication_slots where slot_name = $2)`, began, s.start.Slot).Scan(&enough)
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(made) != 1 {
		t.Errorf("%d connections were made", len(made))
	}
	wantIDs(t, sink, 5000)
}

func TestASecondReceiverIsRefusedAndToldWhoHoldsTheSlot(t *testing.T) {
	s := numbers(t, sharedServer(t), "second")
	sink := newSink(t)
	stop := background(t, s.follow(sink))
	connectedTo := func() (pid int32) {
		s.scan("select coalesce((select active_pid from pg_replication_slots where slot_name = '"+s.start.Slot+"'), 0)", &pid)
		return pid
	}
	for connectedTo() == 0 {
	}
	f := s.follow(newSink(t))
	f.Grace = time.Millisecond
	err := f.Run(t.Context())
	var busy *SlotBusyError
	if !errors.As(err, &busy) {
		t.Fatalf("error is %v", err)
	}
	if busy.PID != connectedTo() || busy.Application != "pgrecall" || busy.User != "postgres" || !busy.Client.IsLoopback() || busy.Since.IsZero() {
		t.Errorf("the holder is %+v", busy)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestASecondReceiverSeesNoGapInWhatTheFirstGoesOnWith: it has looked at the repository a moment ago, and the first has
// stored more since and let the source forget it.
func TestASecondReceiverSeesNoGapInWhatTheFirstGoesOnWith(t *testing.T) {
	s := numbers(t, sharedServer(t), "overtaken")
	sink := newSink(t)
	s.insert(1, 10)
	s.once(sink)
	late := s.follow(sink)
	late.Grace = time.Millisecond
	first := s.follow(sink)
	first.FlushInterval = 10 * time.Millisecond
	stop := background(t, first)
	for id := 11; s.confirmed() <= late.Last.To; id += 10 {
		s.insert(id, id+9)
	}
	var busy *SlotBusyError
	if err := late.Run(t.Context()); !errors.As(err, &busy) {
		t.Errorf("error is %v", err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestStoppingWithinATransactionKeepsWhatIsCompleteAndGetsTheRestAgain(t *testing.T) {
	s := numbers(t, sharedServer(t), "stopped")
	p, through := newProxy(t, s.config)
	s.insert(1, 10)
	s.exec("insert into numbers select i, repeat(md5(i::text), 60) from generate_series(11, 40000) i")
	p.set(swallow, func() int64 { return 4 << 20 })
	sink := newSink(t)
	f := s.follow(sink)
	f.Source = through
	f.FlushInterval = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stop := make(chan struct{})
	f.Stop = stop
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	// The server sends until nobody takes it any more.
	for stuck := false; !stuck; {
		s.scan("select coalesce(bool_or(wait_event = 'WalSenderWriteData'), false) from pg_stat_activity where backend_type = 'walsender' and datname = 'stopped'", &stuck)
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantIDs(t, sink, 10)
	seg := sink.all()[0].open
	if len(seg.Tables()) != 1 {
		t.Errorf("tables are %v", seg.Tables())
	}
	s.once(sink)
	wantIDs(t, sink, 40_000)
}

func TestAnAbortedRunEndsAtOnceWithItsCause(t *testing.T) {
	server := sharedServer(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := numbers(t, server, "aborted")
	sink := newSink(t)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	made := make(chan struct{}, 1)
	f := s.follow(sink)
	f.Tracer = connections{tracer{t}, made}
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	<-made
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Errorf("error is %v", err)
	}
}

func TestABigTransactionIsNotHeldInMemory(t *testing.T) {
	s := numbers(t, sharedServer(t), "big")
	const n = 300_000
	s.insert(1, n)
	sink := newSink(t)
	s.once(sink)
	all := sink.all()
	chunks, rows := 0, 0
	err := all[0].open.Records(t.Context(), all[0].open.Tables()[0], func(format.Record) error { rows++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	r, err := format.OpenObject(t.Context(), format.Memory(all[0].raw), format.Object{Size: int64(len(all[0].raw)), Kind: format.KindSegment})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Chunks() {
		if c.Kind == format.ChunkLane {
			chunks++
			if c.Raw > chunkRaw+1000 {
				t.Errorf("a chunk holds %d bytes", c.Raw)
			}
		}
	}
	if rows != n || chunks < 30 {
		t.Errorf("%d rows in %d chunks", rows, chunks)
	}
}

func TestAnIdleSourceMovesOn(t *testing.T) {
	s := numbers(t, sharedServer(t), "idle")
	sink := newSink(t)
	f := s.follow(sink)
	f.FlushInterval = 20 * time.Millisecond
	stop := background(t, f)
	sink.wait(func() bool { return len(sink.all()) >= 5 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	all := sink.all()
	for i := 1; i < len(all); i++ {
		if !all[i].name.MaxTime.After(all[i-1].name.MaxTime) {
			t.Errorf("segment %s proves nothing that %s does not", all[i].name, all[i-1].name)
		}
	}
	if c := s.confirmed(); c != sink.last().Resume {
		t.Errorf("confirmed is %s, not %s", c, sink.last().Resume)
	}
}

func TestOnceWithoutTheRightToWriteHeartbeatsEndsToo(t *testing.T) {
	s := numbers(t, sharedServer(t), "nobeat")
	s.insert(1, 10)
	var function string
	s.scan("select oid::regprocedure::text from pg_proc where proname = 'pg_logical_emit_message' and proargtypes[2] = 'text'::regtype", &function)
	s.exec("revoke execute on function "+function+" from public",
		"create role nobeat login replication", "grant select on all tables in schema public to nobeat")
	sink := newSink(t)
	var warnings atomic.Int32
	for range 2 {
		f := s.follow(sink)
		f.Source = s.config.Copy()
		f.Source.User = "nobeat"
		f.Once = true
		f.Tracer = warner{tracer{t}, &warnings}
		if err := f.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wantIDs(t, sink, 10)
	if warnings.Load() == 0 {
		t.Error("nobody was told")
	}
	if n := len(sink.all()); n != 1 {
		t.Errorf("%d segments", n)
	}

	// The commit that must come again does not come, and no other does either.
	f := s.follow(newSink(t))
	f.Source = s.config.Copy()
	f.Source.User = "nobeat"
	f.Once = true
	f.Last = sink.last()
	f.Last.Resume = f.Last.To
	f.Last.To += 8
	f.Last.Last.CommitLSN, f.Last.Last.EndLSN = f.Last.Resume, f.Last.To
	s.exec("select pg_switch_wal()", "checkpoint")
	wantGap(t, f.Run(t.Context()), "another history")
}

// warner counts warnings.
type warner struct {
	tracer
	n *atomic.Int32
}

func (w warner) Warning(err error) { w.n.Add(1); w.tracer.Warning(err) }

func TestThousandsOfTablesShareOneBudget(t *testing.T) {
	b, err := newSegmentBuilder(t.TempDir(), format.LZ4, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	row := []byte(strings.Repeat("x", 100))
	relations := make([]*relation, 5000)
	for i := range relations {
		relations[i] = &relation{layout: format.Layout{Table: uint32(i + 1), Columns: []format.LayoutColumn{{Name: "a"}}}}
	}
	b.begin(format.Transaction{XID: 1, CommitLSN: 2})
	most := 0
	for range 100 {
		for _, rel := range relations {
			b.new = append(b.new[:0], row...)
			if err := b.add(rel, format.Record{Op: format.Insert, New: b.new}); err != nil {
				t.Fatal(err)
			}
			most = max(most, b.buffered)
		}
	}
	sum := 0
	for _, l := range b.lanes {
		sum += len(l.buf)
	}
	if most > laneBudget+chunkRaw || sum != b.buffered {
		t.Errorf("up to %d bytes were held; %d now, %d counted", most, sum, b.buffered)
	}
	b.rollback()
	if !slices.ContainsFunc(relations, func(r *relation) bool { return b.states[r.ordinal].lane.rows == 0 }) || b.buffered != 0 {
		t.Errorf("%d bytes remain of the transaction rolled back", b.buffered)
	}
}
