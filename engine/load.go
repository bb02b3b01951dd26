package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine/internal/merge"
	"github.com/pgrecall/pgrecall/snapshot"
)

// loadTable is one table on its way into the target.
type loadTable struct {
	rows         *tableRows
	schema, name string // on the target
	into         destination

	// The rest is the queue's.
	begun  bool // rows may be in it
	left   int  // jobs not done
	loaded int64
	done   bool
}

// destination is where the rows of a table go.
type destination interface {
	// take loads rows of COPY text over a session with the pinned settings, and returns how many it was given.
	take(ctx context.Context, conn *pgx.Conn, rows io.Reader) (int64, error)
}

// plainTable is a table that takes all rows by COPY.
type plainTable struct {
	schema, name string
	columns      []string
}

func (t plainTable) take(ctx context.Context, conn *pgx.Conn, rows io.Reader) (int64, error) {
	return snapshot.CopyIn(ctx, conn.PgConn(), t.schema, t.name, t.columns, rows)
}

// loadJob is a piece of work for one connection: to fold a table, to load a part, or to load a share of the added rows.
type loadJob struct {
	table    *loadTable
	part     int // -1 in the other two kinds
	added    *additions
	from, to int
}

func (j *loadJob) begins() bool { return j.part < 0 && j.added == nil }

// addedShare is the least number of rows to add that is worth another connection.
const addedShare = 50_000

// loadQueue hands out jobs. A table that has begun goes before one that has not, so that about as many folds as
// workers are open at a time; tables begin with the largest.
type loadQueue struct {
	mu      sync.Mutex
	changed sync.Cond
	waiting []*loadTable // not begun, largest first
	ready   []loadJob
	open    int // tables not done
	err     error
	dir     string
	jobs    int
}

func newLoadQueue(tables []*loadTable, dir string, jobs int) *loadQueue {
	q := &loadQueue{waiting: slices.Clone(tables), open: len(tables), dir: dir, jobs: jobs}
	q.changed.L = &q.mu
	slices.SortStableFunc(q.waiting, func(a, b *loadTable) int {
		return int(min(max(b.rows.weight()-a.rows.weight(), -1), 1))
	})
	return q
}

// weight is about the work that the table is.
func (r *tableRows) weight() int64 {
	w := r.data.RawBytes
	return w + 200*int64(r.past.changed(r.data.OID))
}

// next returns a job, or false when there will be none.
func (q *loadQueue) next() (loadJob, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.err != nil || q.open == 0:
			return loadJob{}, false
		case len(q.ready) > 0:
			j := q.ready[0]
			q.ready = q.ready[1:]
			j.table.begun = true
			return j, true
		case len(q.waiting) > 0:
			t := q.waiting[0]
			q.waiting = q.waiting[1:]
			return loadJob{table: t, part: -1}, true
		}
		q.changed.Wait()
	}
}

// fail ends the queue.
func (q *loadQueue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	q.changed.Broadcast()
}

// did takes in the end of a job, and readies those that follow it; done says that it was the table's last.
func (q *loadQueue) did(j loadJob, rows int64) (done bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.changed.Broadcast()
	t := j.table
	t.loaded += rows
	if j.begins() {
		for _, part := range t.rows.parts() {
			q.ready = append(q.ready, loadJob{table: t, part: part})
			t.left++
		}
	} else {
		t.left--
	}
	if t.left > 0 {
		return false, nil
	}
	if err := q.addRows(t); err != nil || t.left > 0 {
		return false, err
	}
	t.done = true
	q.open--
	return true, t.rows.close()
}

// addRows readies the shares of the rows to add next.
func (q *loadQueue) addRows(t *loadTable) error {
	added, err := t.rows.finish()
	if err != nil || added == nil {
		return err
	}
	n := added.Len()
	shares := min(q.jobs, 1+n/addedShare)
	for i := range shares {
		q.ready = append(q.ready, loadJob{table: t, part: -1, added: added, from: i * n / shares, to: (i + 1) * n / shares})
		t.left++
	}
	return nil
}

// loader loads tables over several connections.
type loader struct {
	config   *pgx.ConnConfig
	encoding string
	jobs     int
	dir      string
	replica  bool // the sessions run as session_replication_role=replica, so that no trigger fires
	meter    *meter
}

// load loads all tables. When it fails it says which are not complete: their done is false.
func (l *loader) load(ctx context.Context, tables []*loadTable) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	q := newLoadQueue(tables, l.dir, l.jobs)
	stop := context.AfterFunc(ctx, func() { q.fail(context.Cause(ctx)) })
	defer stop()
	var workers sync.WaitGroup
	for range min(l.jobs, max(1, len(tables)*4)) {
		workers.Add(1)
		go func() {
			defer workers.Done()
			if err := l.work(ctx, q); err != nil {
				q.fail(err)
				cancel()
			}
		}()
	}
	workers.Wait()
	for _, t := range tables {
		if !t.done {
			_ = t.rows.close() // the failure that left it open is the one to tell
		}
	}
	return q.err
}

// work does jobs over one connection until none is left.
func (l *loader) work(ctx context.Context, q *loadQueue) error {
	conn, err := snapshot.Connect(ctx, l.config, l.encoding)
	if err != nil {
		return err
	}
	defer hangUp(ctx, conn)
	if l.replica {
		if _, err := conn.Exec(ctx, "SET session_replication_role = replica"); err != nil {
			return fmt.Errorf("keep triggers from firing: %w", err)
		}
	}
	for {
		j, ok := q.next()
		if !ok {
			return nil
		}
		rows, err := l.do(ctx, conn, j)
		if err != nil {
			return err
		}
		done, err := q.did(j, rows)
		if err != nil {
			return err
		}
		if done {
			l.meter.done(j.table.rows.data.OID)
		}
	}
}

// do does one job and returns the number of rows loaded.
func (l *loader) do(ctx context.Context, conn *pgx.Conn, j loadJob) (int64, error) {
	t := j.table
	if j.begins() {
		return 0, t.rows.fold(ctx, l.dir)
	}
	in, out := io.Pipe()
	type end struct {
		rows int64
		err  error
	}
	merged := make(chan end, 1)
	go func() {
		emit := func(rows []byte) error {
			_, err := out.Write(rows)
			l.meter.did(t.rows.data.OID, t.schema+"."+t.name, t.rows.data.RawBytes, int64(bytes.Count(rows, []byte{'\n'})), int64(len(rows)))
			return err
		}
		var e end
		if j.added != nil {
			e.rows, e.err = t.rows.add(j.added, j.from, j.to, emit)
		} else {
			e.rows, e.err = t.rows.part(ctx, j.part, emit)
		}
		merged <- e
		_ = out.CloseWithError(e.err)
	}()
	loaded, err := t.into.take(ctx, conn, in)
	_ = in.CloseWithError(errCopyEnded)
	e := <-merged
	switch {
	case e.err != nil && !errors.Is(e.err, errCopyEnded):
		return 0, e.err
	case err != nil:
		return 0, err
	case loaded != e.rows:
		return 0, integrityf("table %s: %d rows were loaded where %d were sent", t.rows.name(), loaded, e.rows)
	}
	return loaded, nil
}

var errCopyEnded = errors.New("the COPY ended early")

// rowsOf loads the rows of a table one after the other into emit, without a server.
func rowsOf(ctx context.Context, r *tableRows, dir string, emit merge.Emit) (rows int64, err error) {
	if err := r.fold(ctx, dir); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	for _, part := range r.parts() {
		n, err := r.part(ctx, part, emit)
		if err != nil {
			return rows, err
		}
		rows += n
	}
	for {
		added, err := r.finish()
		if err != nil || added == nil {
			return rows, err
		}
		n, err := r.add(added, 0, added.Len(), emit)
		rows += n
		if err != nil {
			return rows, err
		}
	}
}
