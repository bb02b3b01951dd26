package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// rows inserts as many rows as fill the memory of a server that has 64 kB for decoding, and more.
func (s *testSource) rows(first int) {
	s.t.Helper()
	s.exec(fmt.Sprintf("insert into numbers (id, filler) select i, repeat(md5(i::text), 10) from generate_series(%d, %d) i", first, first+299))
}

// underWay makes a source, its twin, and a stream of it that receives transactions while they are under way.
func underWay(t *testing.T, name string) (s, twin *testSource, sink *memorySink, stop func() error) {
	s = numbers(t, sharedServer(t), name)
	twin = s.twin()
	sink = newSink(t)
	f := s.follow(sink)
	f.Source = s.with("logical_decoding_work_mem", "64kB")
	f.FlushInterval = 50 * time.Millisecond
	stop = background(t, f)
	s.await(sink, "begun")
	return s, twin, sink, stop
}

func TestWhatIsRolledBackUnderWayIsNotInTheLog(t *testing.T) {
	s, twin, sink, _ := underWay(t, "under_rollback")
	s.exec("create table others (like numbers)")
	a, b := s.another(), s.another()
	a.exec("begin", "insert into numbers values (-1)", "savepoint one")
	a.rows(1000)
	a.exec("savepoint two")
	a.rows(2000)
	s.sent()
	a.exec("rollback to two")
	a.rows(3000)
	b.exec("begin", "insert into others select i, repeat('x', 500) from generate_series(1, 300) i")
	s.sent()
	a.exec("savepoint three", "alter table numbers add column extra int default 7")
	a.rows(4000)
	s.sent()
	a.exec("rollback to three")
	a.rows(5000)
	s.sent()
	a.exec("release one", "savepoint four")
	a.rows(6000)
	a.exec("savepoint five")
	a.rows(7000)
	s.sent()
	a.exec("rollback to four", "insert into numbers values (-2)")
	s.sent()
	b.exec("rollback")
	a.exec("commit")
	s.await(sink, "end")
	if got := len(ids(t, sink)); got != 2+3*300 {
		t.Errorf("%d rows are in the log", got)
	}
	if n := s.streamed(); n < 2 {
		t.Errorf("%d transactions were streamed", n)
	}
	wantTwin(t, sink, twin)
}

func TestOthersDoNotWaitForATransactionUnderWay(t *testing.T) {
	s, twin, sink, _ := underWay(t, "under_others")
	var under []*testSource
	for i := range 3 {
		under = append(under, s.another())
		under[i].exec("begin")
	}
	for round := range 3 {
		for i, u := range under {
			u.rows(10_000*(i+1) + 1000*round)
			s.sent()
		}
		s.exec(fmt.Sprintf("insert into numbers values (%d)", round))
		s.await(sink, fmt.Sprint("round ", round)) // durable, though all the others have not ended
	}
	for _, i := range []int{2, 0, 1} {
		under[i].exec("commit")
	}
	s.await(sink, "end")
	if n := s.streamed(); n < 3 {
		t.Errorf("%d transactions were streamed", n)
	}
	wantTwin(t, sink, twin)
}

// TestTheLayoutOfATransactionUnderWayIsItsOwn: what it alters is not altered for others before it commits, nor at all if
// that is rolled back.
func TestTheLayoutOfATransactionUnderWayIsItsOwn(t *testing.T) {
	s, twin, sink, _ := underWay(t, "under_layout")
	s.exec("create table other (id int primary key, a text)")
	a := s.another()
	for round, end := range []string{"rollback", "commit", "rollback to s; commit"} {
		a.exec("begin")
		a.rows(round * 10_000)
		a.exec("savepoint s", "alter table other rename a to b"+fmt.Sprint(round), fmt.Sprintf("insert into other values (%d, 'under way')", round*10))
		a.rows(round*10_000 + 1000)
		s.sent()
		s.exec(fmt.Sprintf("insert into numbers values (%d)", -round-1))
		a.exec(end)
		s.exec(fmt.Sprintf("insert into other values (%d, 'later')", round*10+1))
		s.exec(fmt.Sprintf("insert into numbers values (%d)", -round-101))
		if round == 1 {
			s.exec("alter table other rename b1 to a")
		}
	}
	s.await(sink, "end")
	if n := s.streamed(); n < 2 {
		t.Errorf("%d transactions were streamed", n)
	}
	wantTwin(t, sink, twin)
}

// TestAnOldDescriptionDoesNotReplaceANewOne: a schema is renamed without a lock on its tables.
func TestAnOldDescriptionDoesNotReplaceANewOne(t *testing.T) {
	s, _, sink, _ := underWay(t, "under_schema")
	s.exec("create schema before", "create table before.moved (id int primary key)")
	a := s.another()
	a.exec("begin", "insert into before.moved values (1)")
	a.rows(1000)
	s.sent()
	s.exec("alter schema before rename to after", "insert into after.moved values (2)")
	a.exec("commit")
	s.exec("insert into after.moved values (3)")
	s.await(sink, "end")
	if n := s.streamed(); n == 0 {
		t.Error("nothing was streamed")
	}
	var moved []string
	for _, c := range sink.changes() {
		if strings.Contains(c, "moved") {
			moved = append(moved, c)
		}
	}
	wantChanges(t, moved, "after.moved I (2)", "before.moved I (1)", "after.moved I (3)")
}

func TestAMessageOfASavepointRolledBackIsNotInTheLog(t *testing.T) {
	s, twin, sink, stop := underWay(t, "under_message")
	message := func(text string) string {
		return "select pg_logical_emit_message(true, 'pgrecall.mark', '" + text + "')"
	}
	a := s.another()
	// One that surely is not of the savepoint: no other connection is needed.
	a.exec("begin", message("kept 1"))
	a.rows(1000)
	a.exec("savepoint s")
	a.rows(2000)
	s.sent()
	a.exec("rollback to s", "commit")
	s.await(sink, "one")
	// One that is.
	a.exec("begin", message("kept 2"))
	a.rows(3000)
	a.exec("savepoint s", message("lost"))
	a.rows(4000)
	s.sent()
	s.await(sink, "two")
	a.exec("rollback to s", message("kept 3"))
	a.rows(5000)
	s.sent()
	a.exec("commit")
	s.await(sink, "three")
	// Later ones are received in the way of the second connection, and as well.
	a.exec("begin")
	a.rows(6000)
	s.sent()
	a.exec("commit")
	s.await(sink, "four")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	var marks []string
	for _, x := range sink.transactions() {
		for _, m := range x.Messages {
			if m = strings.TrimPrefix(m, "pgrecall.mark "); strings.HasPrefix(m, "kept") || m == "lost" {
				marks = append(marks, m)
			}
		}
	}
	wantText(t, "messages", strings.Join(marks, ", "), "kept 1, kept 2, kept 3")
	wantTwin(t, sink, twin)
}

// TestARollbackThatTheServerDoesNotTellIsNoticed: an incomplete TOAST value keeps the server from sending what it has no
// memory for, so that it spills a savepoint's changes, sends them later, and does not tell of the savepoint's rollback.
func TestARollbackThatTheServerDoesNotTellIsNoticed(t *testing.T) {
	s := numbers(t, sharedServer(t), "under_untold")
	s.exec("create table toasted (id int primary key, big text)", "alter table toasted alter big set storage external")
	twin := s.twin()
	sink := newSink(t)
	f := s.follow(sink)
	f.Source = s.with("logical_decoding_work_mem", "4MB")
	f.FlushInterval = 50 * time.Millisecond
	background(t, f)
	s.await(sink, "begun")
	a := s.another()
	many := func(first int) {
		a.exec(fmt.Sprintf("insert into numbers select i, repeat('x', 100) from generate_series(%d, %d) i", first, first+15_999))
	}
	a.exec("begin", "insert into numbers values (-1)", "savepoint one")
	many(100_000)
	a.exec("savepoint two", "insert into toasted values (1, repeat('x', 1500000))")
	many(200_000)
	s.sent()
	a.exec("rollback to one", "insert into numbers values (-2)")
	many(300_000)
	s.sent()
	a.exec("commit")
	s.await(sink, "end")
	if n := s.streamed(); n == 0 {
		t.Error("nothing was streamed")
	}
	if got := len(ids(t, sink)); got != 2+16_000 {
		t.Errorf("%d rows are in the log", got)
	}
	wantTwin(t, sink, twin)
}

// TestATransactionStreamedIsTheSameWhenItComesAgainWhole: and the other way round, also where nothing of it is left.
func TestATransactionStreamedIsTheSameWhenItComesAgainWhole(t *testing.T) {
	s := numbers(t, sharedServer(t), "under_overlap")
	sink := newSink(t)
	const little, much = "64kB", "1GB"
	for i, memory := range []string{little, much, little, little, much} {
		f := s.follow(sink)
		f.Source = s.with("logical_decoding_work_mem", memory)
		f.SegmentSize, f.FlushInterval = 1, time.Hour // no heartbeat but the first
		stop := background(t, f)
		s.await(sink, fmt.Sprint("begun ", i))
		a := s.another()
		a.exec("begin", "savepoint s")
		a.rows(1000 * i)
		s.sent()
		if i == 3 { // nothing is left
			a.exec("rollback to s", "commit")
			s.await(sink, "after nothing")
		} else {
			a.exec("savepoint t")
			a.rows(1000*i + 300)
			s.sent()
			a.exec("rollback to t", "delete from numbers where id % 2 = 0", "commit")
			sink.wait(func() bool { return len(ids(t, sink)) >= 300*(i-i/4+1) })
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.streamed(); n < 3 {
		t.Errorf("%d transactions were streamed", n)
	}
	s.once(sink)
}

func TestAStreamedTransactionFromElsewhereIsMarked(t *testing.T) {
	s, twin, sink, _ := underWay(t, "under_origin")
	s.exec("select pg_replication_origin_create('elsewhere_under')")
	a := s.another()
	a.exec("select pg_replication_origin_session_setup('elsewhere_under')",
		"begin", "select pg_replication_origin_xact_setup('0/1', '2099-01-01 00:00:00+00')")
	a.rows(1000)
	s.sent()
	a.exec("commit", "select pg_replication_origin_session_reset()", "select pg_replication_origin_drop('elsewhere_under')")
	s.await(sink, "end")
	if n := s.streamed(); n == 0 {
		t.Error("nothing was streamed")
	}
	for _, x := range sink.transactions() {
		if len(x.Changes) > 0 && (!x.Origin || x.Time.Year() != 2099) {
			t.Errorf("the transaction is %+v", x.Transaction)
		}
	}
	wantTwin(t, sink, twin)
}

func TestAPreparedTransactionStreamedCountsFromItsCommit(t *testing.T) {
	s, twin, sink, _ := underWay(t, "under_prepared")
	s.exec("begin")
	s.rows(1000)
	s.exec("savepoint s", "alter table numbers add extra int", "insert into numbers values (-1, '', 7)", "prepare transaction 'under'")
	a := s.another()
	a.sent()
	a.await(sink, "prepared")
	if got := ids(t, sink); len(got) != 0 {
		t.Errorf("%d rows are in the log of a transaction that has not committed", len(got))
	}
	a.exec("commit prepared 'under'", "insert into numbers values (-2, '', 8)")
	a.await(sink, "end")
	if n := a.streamed(); n == 0 {
		t.Error("nothing was streamed")
	}
	wantTwin(t, sink, twin)
}

// TestWhatCanNotBeDecodedMayStillBeRolledBack: a poisoned transaction under way is no gap, and does not hold up the others.
func TestWhatCanNotBeDecodedMayStillBeRolledBack(t *testing.T) {
	s := numbers(t, ownServer(t, map[string]string{"fsync": "off", "full_page_writes": "off"}), "under_poison")
	s.exec("create table giants (id int primary key, body bit varying)")
	twin := s.twin()
	sink := newSink(t)
	f := s.follow(sink)
	f.FlushInterval = 50 * time.Millisecond
	stop := background(t, f)
	s.await(sink, "begun")
	a := s.another()
	const giant = `insert into giants select 1, d || d from (select c || c as d from (select b || b as c from (
		select a || a as b from (select 0::bit(67108864)::bit varying as a offset 0) _ offset 0) _ offset 0) _ offset 0) _`
	a.exec("begin", giant)
	s.insert(1, 5)
	s.awaitMark(sink, "begun")
	s.await(sink, "others go on")
	a.exec("rollback")
	s.await(sink, "still")
	wantIDs(t, sink, 5)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	wantTwin(t, sink, twin)
	s.exec(giant)
	var poison *PoisonError
	if err := s.tryOnce(sink); !errors.As(err, &poison) || poison.CommitLSN == 0 || poison.XID == 0 {
		t.Errorf("once it has committed the error is %v", err)
	}
}

// TestTransactionsUnderWayAtRandom: whatever transactions do, and however often connections are lost, the log is that of the
// same transactions received whole.
func TestTransactionsUnderWayAtRandom(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := numbers(t, sharedServer(t), "under_random")
	var writers []*randomWriter
	for i := range 4 {
		writers = append(writers, newRandomWriter(s.another(), random, i))
	}
	twin := s.twin()
	p, through := newProxy(t, s.with("logical_decoding_work_mem", "64kB"))
	sink := newSink(t)
	f := s.follow(sink)
	f.Source = through
	f.FlushInterval = 100 * time.Millisecond
	if s.server.Version() >= 16 && random.IntN(2) == 0 {
		f.Source.RuntimeParams["debug_logical_replication_streaming"] = "immediate"
	}
	stop := background(t, f)
	s.await(sink, "begun")
	for range 400 {
		writers[random.IntN(len(writers))].step()
		switch random.IntN(100) {
		case 0:
			p.drop()
		case 1, 2, 3, 4, 5, 6, 7, 8, 9:
			s.sent()
		}
	}
	for _, w := range writers {
		w.end()
	}
	s.await(sink, "end")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	n := s.streamed()
	t.Logf("%d transactions streamed, %d in all", n, len(sink.exactly()))
	if n == 0 {
		t.Error("nothing was streamed")
	}
	wantTwin(t, sink, twin)
}

// randomWriter writes transactions to a table of its own.
type randomWriter struct {
	*testSource
	random     *rand.Rand
	table      string
	id         int // of the last row
	columns    int // added
	inside     bool
	savepoints int
}

func newRandomWriter(s *testSource, random *rand.Rand, number int) *randomWriter {
	w := &randomWriter{testSource: s, random: random, table: fmt.Sprint("writer", number)}
	s.exec("create table "+w.table+" (id int primary key, filler text, big text)", "alter table "+w.table+" alter big set storage external")
	return w
}

func (w *randomWriter) step() {
	w.t.Helper()
	if !w.inside {
		w.exec("begin")
		w.inside, w.savepoints = true, 0
	}
	n := w.random.IntN(100)
	switch {
	case n < 35:
		rows := 1 + w.random.IntN(150)
		w.exec(fmt.Sprintf("insert into %s (id, filler) select i, repeat(md5(i::text), 20) from generate_series(%d, %d) i", w.table, w.id+1, w.id+rows))
		w.id += rows
	case n < 40:
		w.id++
		w.exec(fmt.Sprintf("insert into %s (id, filler, big) values (%d, 'toasted', repeat('big', 5000))", w.table, w.id))
	case n < 48:
		w.exec(fmt.Sprintf("update %s set filler = filler || 'x' where id %% 7 = %d", w.table, w.random.IntN(7)))
	case n < 52:
		w.exec(fmt.Sprintf("update %s set id = -id where id = (select max(id) from %[1]s)", w.table))
	case n < 56:
		w.exec(fmt.Sprintf("delete from %s where id %% 11 = %d", w.table, w.random.IntN(11)))
	case n < 57:
		w.exec("truncate " + w.table)
	case n < 70:
		w.savepoints++
		w.exec(fmt.Sprint("savepoint s", w.savepoints))
	case n < 80 && w.savepoints > 0:
		w.savepoints = 1 + w.random.IntN(w.savepoints)
		w.exec(fmt.Sprint("rollback to s", w.savepoints))
	case n < 84 && w.savepoints > 0:
		to := 1 + w.random.IntN(w.savepoints)
		w.exec(fmt.Sprint("release s", to))
		w.savepoints = to - 1
	case n < 86:
		w.columns++
		w.exec(fmt.Sprintf("alter table %s add column c%d int default %[2]d", w.table, w.columns))
	case n < 88:
		w.exec("alter table " + w.table + " replica identity " + []string{"full", "default"}[w.random.IntN(2)])
	case n < 90:
		w.exec(fmt.Sprintf("select pg_logical_emit_message(true, '%s', '%s %d')", []string{"pgrecall.mark", "other"}[w.random.IntN(2)], w.table, w.random.Int()))
	case n < 94:
		w.end()
	case n < 96:
		w.exec("rollback")
		w.inside = false
	case n < 98:
		w.exec("prepare transaction '"+w.table+"'", []string{"commit", "rollback"}[w.random.IntN(2)]+" prepared '"+w.table+"'")
		w.inside = false
	}
}

func (w *randomWriter) end() {
	w.t.Helper()
	if w.inside {
		w.exec("commit")
		w.inside = false
	}
}
