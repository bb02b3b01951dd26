package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
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

// TestNothingIsStoredBehindWhatCouldNotBe: while one segment fails to be stored, since a connection was lost, the next one is there.
func TestNothingIsStoredBehindWhatCouldNotBe(t *testing.T) {
	s := numbers(t, sharedServer(t), "behindlost")
	for i := range 50 {
		s.insert(10*i+1, 10*i+10)
	}
	sink := newSink(t)
	stored := 0
	sink.before = func(format.SegmentName) error {
		if stored++; stored%3 == 0 && stored <= 9 {
			_, err := s.conn.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
				where application_name = 'pgrecall' and backend_type = 'client backend' and datname = current_database()`)
			return err
		}
		return nil
	}
	f := s.follow(sink)
	f.SegmentSize = 1 // so that the loop waits for each segment with another one in its hands
	made := make(chan struct{}, 100)
	f.Tracer = connections{tracer{t}, made}
	f.Once = true
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(made) < 2 {
		t.Errorf("%d connections were made", len(made))
	}
	wantIDs(t, sink, 500)
}
