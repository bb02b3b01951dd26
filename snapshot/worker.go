package snapshot

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/pgrecall/pgrecall/format"
)

// lockPatience is how long a worker stands in the queue for a lock before it looks around and tries again.
const lockPatience = "1s"

// copyTables copies all tables with the workers.
func (r *run) copyTables(ctx context.Context) error {
	q := newQueue(r.tables)
	workers, ctx := errgroup.WithContext(ctx)
	for range r.o.Jobs {
		w := &worker{run: r, queue: q}
		workers.Go(func() error { return w.work(ctx) })
	}
	return workers.Wait()
}

// worker copies tables with one session, one job after another.
type worker struct {
	*run
	queue *queue
	conn  *pgx.Conn // nil before the first job
	quote quoter
	rows  rowWriter // its buffer is used again
}

func (w *worker) work(ctx context.Context) error {
	defer func() {
		if w.conn != nil {
			_ = closeConn(ctx, w.conn) // its last transaction has ended
		}
	}()
	for {
		j, ok := w.queue.next(ctx)
		if !ok {
			return ctx.Err()
		}
		err := w.connect(ctx)
		if err == nil {
			err = w.do(ctx, j)
		}
		w.queue.done()
		if err != nil {
			return err
		}
	}
}

func (w *worker) connect(ctx context.Context) (err error) {
	if w.conn != nil {
		return nil
	}
	if w.conn, err = Connect(ctx, w.config, w.source.encoding); err != nil {
		return err
	}
	w.quote = quoterOf(w.conn.PgConn())
	// Without these the ranges would still be read right, and more slowly.
	if _, err := w.conn.Exec(ctx, "SET enable_tidscan = on; SET jit = off"); err != nil {
		return fmt.Errorf("prepare a session: %w", err)
	}
	return nil
}

func (w *worker) do(ctx context.Context, j job) error {
	switch {
	case j.help != nil:
		return w.help(ctx, j.help)
	case j.contended != nil:
		return w.copyContended(ctx, j.contended)
	}
	return w.copyBatch(ctx, j.batch)
}

// begin opens a transaction that sees what the lead's sees and locks tables; false: the lock could not be had.
func (w *worker) begin(ctx context.Context, tables []*table, patient bool) (locked bool, err error) {
	sql := beginSQL + "; SET TRANSACTION SNAPSHOT '" + w.exported.name + "'; " + w.lockSQL(tables, patient) +
		"; SELECT pg_current_snapshot()::text, pg_postmaster_start_time()::text"
	rows, err := simple(ctx, w.conn.PgConn(), sql)
	switch sqlState(err) {
	case "55P03": // lock_not_available
		return false, w.end(ctx, "ROLLBACK")
	case "42P01", "3F000", "42809": // undefined_table, invalid_schema_name, wrong_object_type
		return false, &changedError{fmt.Sprintf("a table was dropped or renamed: %v", err)}
	}
	if err != nil {
		return false, lockError(tables, err)
	}
	// A name for several hosts could lead each connection to another server.
	if rows[0][0] != w.exported.Visibility.String() || rows[0][1] != w.source.postmaster {
		return false, errOtherServer
	}
	return true, nil
}

func lockError(tables []*table, err error) error {
	hint := ""
	if sqlState(err) == "42501" { // insufficient_privilege
		hint = "; the role needs SELECT on every table, for example as a member of pg_read_all_data"
	}
	return fmt.Errorf("lock %s: %w%s", nameList(tables), err, hint)
}

func (w *worker) lockSQL(tables []*table, patient bool) string {
	var names []string
	for _, t := range tables {
		if t.large == nil || t.large.direct { // no lock is needed, or allowed, to read large objects by their oids
			names = append(names, "ONLY "+w.quote.table(t.Schema, t.Name))
		}
	}
	if len(names) == 0 {
		return "SELECT"
	}
	sql := "LOCK TABLE " + strings.Join(names, ", ") + " IN ACCESS SHARE MODE"
	if patient {
		return "SET LOCAL lock_timeout = '" + lockPatience + "'; " + sql
	}
	return sql + " NOWAIT"
}

func (w *worker) end(ctx context.Context, sql string) error {
	if _, err := w.conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("end a transaction: %w", err)
	}
	return nil
}

// copyBatch locks tables and copies them, or puts them aside where somebody else holds a lock.
func (w *worker) copyBatch(ctx context.Context, tables []*table) error {
	locked, err := w.begin(ctx, tables, false)
	switch {
	case err != nil:
		return err
	case locked:
		return w.copyLocked(ctx, tables)
	case len(tables) > 1:
		w.queue.split(tables)
	default:
		w.queue.postpone(tables...)
	}
	return nil
}

// copyContended waits for a table's lock while it holds nothing else, and copies it.
func (w *worker) copyContended(ctx context.Context, t *table) error {
	wait := newWait(w.o.WaitTimeout)
	for {
		locked, err := w.begin(ctx, []*table{t}, true)
		if err != nil {
			return err
		}
		if locked {
			return w.copyLocked(ctx, []*table{t})
		}
		if err := w.noteLock(ctx, wait, t); err != nil {
			return err
		}
	}
}

func (w *worker) noteLock(ctx context.Context, wait *wait, t *table) error {
	w.lookMu.Lock()
	backends, err := lockHolders(ctx, w.look, t.OID)
	w.lookMu.Unlock()
	if err != nil {
		return err
	}
	w.o.at(ctx, "contended", t.Name)
	return wait.note(w.o.Tracer, Note{Kind: NoteWaiting, Backends: backends,
		Text: fmt.Sprintf("table %s.%s is locked", t.Schema, t.Name)})
}

// copyLocked copies tables that the open transaction has locked, and ends it. Those whose file is another than in
// the snapshot are taken in snapshots of their own afterwards.
func (w *worker) copyLocked(ctx context.Context, tables []*table) error {
	now, err := w.inspect(ctx, oids(tables))
	if err != nil {
		return err
	}
	var rewritten []*table
	for _, t := range tables {
		if why := differs(t.Table, now, false); why != "" {
			return &changedError{why}
		}
		if now[t.OID].fileNode != t.FileNode {
			rewritten = append(rewritten, t)
			continue
		}
		if err := w.copyTable(ctx, t, 0, now[t.OID].heap, false); err != nil {
			return err
		}
	}
	if err := w.end(ctx, "COMMIT"); err != nil {
		return err
	}
	for _, t := range rewritten {
		if w.o.Joins == nil || t.large != nil { // the large objects themselves are as of the first snapshot
			return &changedError{fmt.Sprintf("table %s.%s was truncated or rewritten", t.Schema, t.Name)}
		}
		if err := w.regroup(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// regroup copies a table that was rewritten since the lead's snapshot as of a new one, which is taken while the table
// is locked, so that it cannot be rewritten again: LOCK takes no snapshot, the first query after it does.
func (w *worker) regroup(ctx context.Context, t *table) error {
	wait := newWait(w.o.WaitTimeout)
	for {
		_, err := simple(ctx, w.conn.PgConn(), beginSQL+"; "+w.lockSQL([]*table{t}, true))
		if err == nil {
			break
		}
		switch sqlState(err) {
		case "55P03":
		case "42P01", "3F000", "42809":
			return &changedError{fmt.Sprintf("a table was dropped or renamed: %v", err)}
		default:
			return lockError([]*table{t}, err)
		}
		if err := w.end(ctx, "ROLLBACK"); err != nil {
			return err
		}
		if err := w.noteLock(ctx, wait, t); err != nil {
			return err
		}
	}
	g, err := w.readGroup(ctx, w.conn, false)
	if err != nil {
		return err
	}
	if g.Visibility.Xmin < w.o.Joins.Visibility.Xmax {
		return fmt.Errorf("a later snapshot (%v) sees less than an earlier one", g.Visibility)
	}
	now, err := w.inspect(ctx, []uint32{t.OID})
	if err != nil {
		return err
	}
	if why := differs(t.Table, now, true); why != "" {
		return &changedError{why}
	}
	w.groupsMu.Lock()
	w.groups = append(w.groups, g.Group)
	index := len(w.groups) - 1
	w.groupsMu.Unlock()
	w.o.Tracer.TraceNote(Note{Kind: NoteRegroup, Text: fmt.Sprintf(
		"table %s.%s was truncated or rewritten since the snapshot and is taken as of a later one", t.Schema, t.Name)})
	// Alone: nobody else can import this snapshot.
	if err := w.copyTable(ctx, t, index, now[t.OID].heap, true); err != nil {
		return err
	}
	return w.end(ctx, "COMMIT")
}

// copyTable cuts a locked table into ranges and copies them, together with whoever comes to help.
func (w *worker) copyTable(ctx context.Context, t *table, group int, heap, alone bool) error {
	w.o.at(ctx, "locked", t.Name)
	rows, err := simple(ctx, w.conn.PgConn(), fmt.Sprintf("SELECT pg_relation_size(%d), pg_table_size(%d)", t.OID, t.OID))
	if err != nil {
		return fmt.Errorf("measure table %s.%s: %w", t.Schema, t.Name, err)
	}
	var size, all int64
	if _, err := fmt.Sscan(rows[0][0]+" "+rows[0][1], &size, &all); err != nil {
		return fmt.Errorf("measure table %s.%s: %w", t.Schema, t.Name, err)
	}
	if size == 0 && heap && !t.RowSecurity && (t.large == nil || t.large.direct) {
		// The size of a file that is not there is 0 too (calculate_relation_size() in dbsize.c); who opens it is told. Where
		// policies are, reading may be refused to somebody who reads an empty table's rows, none, without harm.
		if _, err := simple(ctx, w.conn.PgConn(), "SELECT FROM ONLY "+quoterOf(w.conn.PgConn()).table(t.Schema, t.Name)+" LIMIT 1"); err != nil {
			return fmt.Errorf("copy table %s.%s: %w", t.Schema, t.Name, err)
		}
	}
	ranges := cut(size/w.source.blockSize, all, w.partBytes, heap)
	if t.large != nil && !t.large.direct {
		ranges = t.large.cut(all, w.partBytes)
	}
	w.queue.publish(t, group, ranges, alone)
	if len(ranges) == 0 {
		w.o.Tracer.TraceProgress(Progress{OID: t.OID, Schema: t.Schema, Name: t.Name, TotalBytes: t.Bytes, SourceBytes: t.Bytes, Done: true})
	}
	return w.copyRanges(ctx, t)
}

// copyRanges copies a table's ranges as long as there are any. The transaction holds a lock on the table; while
// there are ranges, so does whoever locked it first, so that the two locks leave no time between them.
func (w *worker) copyRanges(ctx context.Context, t *table) error {
	for {
		b, ok := w.queue.pop(t)
		if !ok {
			return nil
		}
		if err := w.copyRange(ctx, t, b); unreadable(err) {
			return &UnreadableError{Schema: t.Schema, Name: t.Name, Err: err}
		} else if err != nil {
			return fmt.Errorf("copy table %s.%s: %w", t.Schema, t.Name, err)
		}
		w.o.at(ctx, "part", t.Name)
	}
}

// help copies ranges of a table whose lock another session of ours holds, unless somebody queues behind that lock.
func (w *worker) help(ctx context.Context, t *table) error {
	locked, err := w.begin(ctx, []*table{t}, false)
	if err != nil {
		return err
	}
	if !locked {
		w.queue.leaveAlone(t)
		w.o.at(ctx, "alone", t.Name)
		return nil
	}
	if err := w.copyRanges(ctx, t); err != nil {
		return err
	}
	return w.end(ctx, "COMMIT")
}

// copyRange streams the rows of a range into one part.
func (w *worker) copyRange(ctx context.Context, t *table, b blockRange) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make a part's id: %w", err)
	}
	p := part{Part: format.Part{FirstBlock: b.first, EndBlock: b.end}, ref: format.ObjectRef{ID: id}}
	p.ref.Name, err = w.sink.PutPart(ctx, id, func(out io.Writer) error {
		return w.writePart(ctx, out, t, &p)
	})
	if err != nil {
		return err
	}
	last := w.queue.add(t, p)
	w.o.Tracer.TraceProgress(Progress{OID: t.OID, Schema: t.Schema, Name: t.Name, TotalBytes: t.Bytes, SourceBytes: t.Bytes / t.cuts, Done: last})
	return nil
}

func (w *worker) writePart(ctx context.Context, out io.Writer, t *table, p *part) error {
	object, err := format.NewWriter(out, format.KindPart, p.ref.ID, w.o.Compression)
	if err != nil {
		return err
	}
	w.rows = rowWriter{table: t.OID, out: object, buf: w.rows.buf[:0], chunk: func(rows, bytes int64) {
		w.o.Tracer.TraceProgress(Progress{OID: t.OID, Schema: t.Schema, Name: t.Name, TotalBytes: t.Bytes, Rows: rows, RawBytes: bytes})
	}}
	tag, err := w.conn.PgConn().CopyTo(ctx, &w.rows, copySQL(t, w.quote, blockRange{p.FirstBlock, p.EndBlock}))
	if err != nil {
		return err
	}
	if err := w.rows.finish(); err != nil {
		return err
	}
	if tag.RowsAffected() != w.rows.total {
		return fmt.Errorf("the server says it sent %d rows, and %d came", tag.RowsAffected(), w.rows.total)
	}
	sum, err := object.Close()
	if err != nil {
		return err
	}
	p.Rows, p.RawBytes, p.ContentHash = w.rows.total, w.rows.rawBytes, w.rows.hash
	p.ref.Size, p.ref.SHA256 = sum.Size, sum.SHA256
	return nil
}

func oids(tables []*table) []uint32 {
	list := make([]uint32, len(tables))
	for i, t := range tables {
		list[i] = t.OID
	}
	return list
}

func nameList(tables []*table) string {
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.Schema + "." + t.Name
	}
	return strings.Join(names, ", ")
}
