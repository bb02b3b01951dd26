// Package oddtest follows transactions that are large, or of a kind that applications seldom use, and holds what is restored
// against the source as it was there. Its server sends transactions of more than a few rows while they are under way.
package oddtest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// server is the one server of these tests.
var server *pgtemp.Server

func TestMain(m *testing.M) {
	os.Exit(pgtest.Main(map[string]string{"logical_decoding_work_mem": "64kB"}, func(s *pgtemp.Server) int {
		server = s
		return m.Run()
	}))
}

// source is a database that is followed while the test runs.
type source struct {
	t       *testing.T
	place   engine.Place
	db      string
	conn    *pgx.Conn
	moments []enginetest.Moment
	marks   int
	stop    func()
}

// follow protects a database and follows it.
func follow(t *testing.T, statements ...string) *source {
	t.Helper()
	place, db := enginetest.Protect(t, server, statements...)
	s := &source{t: t, place: place, db: db, conn: pgtest.Open(t, db)}
	s.stream()
	s.durable()
	s.moment("the beginning")
	return s
}

// stream follows until stop is called or the test ends.
func (s *source) stream() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	begun, ended := make(following, 1), make(chan error, 1)
	go func() {
		_, err := engine.Stream(ctx, engine.StreamOptions{Place: s.place, DB: s.db, FlushInterval: 100 * time.Millisecond, Tracer: begun})
		ended <- err
	}()
	select {
	case <-begun:
	case err := <-ended:
		ended <- err
	}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("the stream ended: %v", err)
		}
	}
	s.t.Cleanup(s.stop)
}

// following is sent to when a stream has begun to follow.
type following chan struct{}

// Note implements engine.Tracer.
func (f following) Note(n engine.Note) {
	if strings.HasPrefix(n.Text, "following") {
		select {
		case f <- struct{}{}:
		default: // again, after a connection was lost
		}
	}
}

// Progress implements engine.Tracer.
func (following) Progress(engine.Progress) {}

// do runs statements on the source's connection, each a transaction of its own unless one is open.
func (s *source) do(statements ...string) {
	s.t.Helper()
	run(s.t, s.conn, statements...)
}

func run(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%.300s: %v", sql, err)
		}
	}
}

// durable returns when all that was committed is in the repository.
func (s *source) durable() {
	s.t.Helper()
	s.marks++
	_, err := engine.Mark(s.t.Context(), engine.MarkOptions{Place: s.place, DB: s.db, Name: fmt.Sprint("mark ", s.marks), Wait: true})
	if err != nil {
		s.t.Fatal(err)
	}
}

// moment keeps the source as it is, to be restored in the end. Nobody writes to it, and no transaction is open. The stream
// begins anew.
func (s *source) moment(what string) {
	s.t.Helper()
	s.moments = append(s.moments, enginetest.MomentOf(s.t, s.db, what))
	s.durable() // a point needs a later commit
	s.stop()
	enginetest.Drain(s.t, s.place, s.db) // and after DDL a version of the catalog
	s.stream()
}

// restoresAll restores the moments, and the latest point.
func (s *source) restoresAll() {
	s.t.Helper()
	s.stop()
	for _, m := range s.moments {
		m.Restores(s.t, server, s.place)
	}
}

// streamed returns how many transactions the server has sent while they were under way.
func (s *source) streamed() string {
	s.t.Helper()
	return pgtest.Value(s.t, s.db, `SELECT coalesce(sum(stream_txns), 0)::text FROM pg_stat_replication_slots
		WHERE slot_name IN (SELECT slot_name FROM pg_replication_slots WHERE database = current_database())`)
}

// sent returns when the server has sent all that was written so far.
func (s *source) sent() {
	s.t.Helper()
	at := pgtest.Value(s.t, s.db, "SELECT pg_logical_emit_message(true, 'flush', '')::text")
	for pgtest.Value(s.t, s.db, `SELECT coalesce(bool_or(sent_lsn > '`+at+`'), false)::text FROM pg_stat_replication
		WHERE pid IN (SELECT active_pid FROM pg_replication_slots WHERE database = current_database())`) != "true" {
	}
}
