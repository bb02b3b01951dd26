package wal

import (
	"sync/atomic"
	"testing"
	"time"
)

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
