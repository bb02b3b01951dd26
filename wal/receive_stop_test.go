package wal

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"
)

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
