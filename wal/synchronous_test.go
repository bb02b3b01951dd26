package wal

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

func TestNamesThatStandForTheStream(t *testing.T) {
	for _, c := range []struct{ names, entry string }{
		{"", ""}, {"standby1", ""}, {"FIRST 1 (a, b)", ""}, {"ANY 2 (a, \"*b\", pgrecall2)", ""}, {`"pg""recall"`, ""},
		{"*", "*"}, {"ANY 1 (a,*)", "*"}, {"1 (*)", "*"}, {`"*"`, `"*"`}, {"pgrecall", "pgrecall"}, {"FIRST 2 (a, PgRecall)", "PgRecall"},
		{`a, "pgrecall"`, `"pgrecall"`},
	} {
		var e *SynchronousError
		switch err := standsForStream(c.names); {
		case c.entry == "" && err != nil, c.entry != "" && (!errors.As(err, &e) || e.Entry != c.entry):
			t.Errorf("%q: %v", c.names, err)
		}
	}
}

// TestNoCommitWaitsForTheStream: where the server would count the stream among its synchronous standbys, it ends, also
// when the setting comes while it runs, instead of making each commit wait for the repository.
func TestNoCommitWaitsForTheStream(t *testing.T) {
	server, err := pgtemp.Start(t.Context(), pgtemp.Options{Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Remove(); err != nil {
			t.Error(err)
		}
	})
	s := newSource(t, server, "awaited")
	sink := newSink(t)
	f := s.follow(sink)
	f.FlushInterval = 50 * time.Millisecond
	ended := make(chan error, 1)
	go func() { ended <- f.Run(t.Context()) }()
	s.exec("create table kept (id int primary key)", "insert into kept values (1)")
	sink.wait(func() bool { return len(sink.changes()) > 0 })
	s.exec("alter system set synchronous_standby_names = '*'", "select pg_reload_conf()")
	var awaited *SynchronousError
	if err := <-ended; !errors.As(err, &awaited) {
		t.Errorf("a setting that came later: %v", err)
	}
	if err := f.Run(t.Context()); !errors.As(err, &awaited) {
		t.Errorf("a setting found: %v", err)
	}
	findings, err := Inspect(t.Context(), s.conn, "awaited", "")
	if err != nil || !slices.ContainsFunc(findings, func(f Finding) bool {
		return f.Severity == Blocker && f.Topic == "synchronous_standby_names"
	}) {
		t.Errorf("inspect: %v, %+v", err, findings)
	}
}
