package snapshot

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/format"
)

const (
	// pollInterval is the time between two looks at somebody else's transaction: nothing on the server tells of its end.
	pollInterval = 200 * time.Millisecond
	// noteInterval is the time between two notes about the same wait.
	noteInterval = 10 * time.Second
)

// wait is one wait for somebody else.
type wait struct {
	timeout      time.Duration
	began, noted time.Time
}

func newWait(timeout time.Duration) *wait { return &wait{timeout: timeout, began: time.Now()} }

// note tells of the wait now and then, and ends it when its time is over.
func (w *wait) note(t Tracer, n Note) error {
	if w.timeout > 0 && time.Since(w.began) >= w.timeout {
		return fmt.Errorf("%w (%v): %s%s", ErrWaitTimeout, w.timeout, n.Text, backendList(n.Backends))
	}
	if w.noted.IsZero() || time.Since(w.noted) >= noteInterval {
		w.noted = time.Now()
		t.TraceNote(n)
	}
	return nil
}

// pause notes and then lets a moment pass.
func (w *wait) pause(ctx context.Context, t Tracer, n Note) error {
	if err := w.note(t, n); err != nil {
		return err
	}
	timer := time.NewTimer(pollInterval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", n.Text, context.Cause(ctx))
	case <-timer.C:
		return nil
	}
}

func backendList(backends []Backend) string {
	var b strings.Builder
	for _, x := range backends {
		who := fmt.Sprintf("pid %d", x.PID)
		if x.PID == 0 {
			who = fmt.Sprintf("prepared transaction %q", x.Prepared)
		}
		fmt.Fprintf(&b, "; %s of %s in database %s, %s for %v", who, x.User, x.Database, x.State, x.Age.Round(time.Second))
	}
	return b.String()
}

// backendQuery says who holds what a query named held lists, as (pid, xid); pid NULL: a prepared transaction. The
// sessions come from pg_locks, which every role may see whole, and what is told of them from pg_stat_activity, which shows
// a role without pg_read_all_stats little of others.
const backendQuery = `
	SELECT coalesce(h.pid, 0), coalesce(p.gid, ''), coalesce(a.datname, p.database, ''), coalesce(a.usename, p.owner, ''),
		CASE WHEN h.pid IS NULL THEN 'prepared' ELSE coalesce(a.state, '') END,
		coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8, 0), coalesce(h.xid::text::int8, 0)
	FROM held h LEFT JOIN pg_stat_activity a ON a.pid = h.pid
		LEFT JOIN pg_prepared_xacts p ON h.pid IS NULL AND p.transaction = h.xid
	ORDER BY 6 DESC, 1`

// olderThan lists the transactions with an id below xid, of all databases: each holds a lock on its own id.
func olderThan(ctx context.Context, conn *pgx.Conn, xid uint64) ([]Backend, error) {
	return readBackends(ctx, conn, `
		WITH held AS (SELECT pid, transactionid AS xid FROM pg_locks WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted)`+
		backendQuery, func(id int64) bool { return int32(uint32(xid)-uint32(id)) > 0 }) // 32-bit ids wrap around
}

// lockHolders lists who holds or awaits a lock on a table that keeps readers out. A prepared transaction's locks have no
// process; what they share with the lock on its transaction id is the virtual transaction, that of the session which
// prepared it until the server is restarted (src/backend/access/transam/twophase.c, MarkAsPreparingGuts).
func lockHolders(ctx context.Context, conn *pgx.Conn, table uint32) ([]Backend, error) {
	return readBackends(ctx, conn, `
		WITH held AS (SELECT l.pid, x.transactionid AS xid FROM pg_locks l
			LEFT JOIN pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.virtualtransaction = l.virtualtransaction
				AND x.locktype = 'transactionid' AND x.transactionid IN (SELECT transaction FROM pg_prepared_xacts)
			WHERE l.locktype = 'relation' AND l.relation = $1 AND l.mode = 'AccessExclusiveLock'
				AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))`+
		backendQuery, nil, table)
}

func readBackends(ctx context.Context, conn *pgx.Conn, sql string, keep func(int64) bool, args ...any) ([]Backend, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("see who is waited for: %w", err)
	}
	defer rows.Close()
	var list []Backend
	for rows.Next() {
		var b Backend
		var seconds float64
		var id int64
		if err := rows.Scan(&b.PID, &b.Prepared, &b.Database, &b.User, &b.State, &seconds, &id); err != nil {
			return nil, fmt.Errorf("see who is waited for: %w", err)
		}
		b.Age = time.Duration(seconds * float64(time.Second))
		if keep == nil || keep(id) {
			list = append(list, b)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("see who is waited for: %w", err)
	}
	return list, nil
}

// awaitFlush waits until the WAL up to noted and every group's snapshot is on the server's disk, and sees that the server is
// still the same run of it; the lead's connection would not have survived a crash. Before that, a crash could lose
// an asynchronously committed transaction that the snapshot has seen, and give its id to another one.
func (r *run) awaitFlush(ctx context.Context, noted format.LSN) error {
	if r.source.recovery {
		return nil // a standby replays only what is on its disk
	}
	need := noted
	for _, g := range r.groups {
		need = max(need, r.source.recordEnd(g.LSN))
	}
	wait := newWait(r.o.WaitTimeout)
	for nudged := false; ; nudged = true {
		var text, postmaster string
		err := r.lead.QueryRow(ctx, "SELECT pg_current_wal_flush_lsn()::text, pg_postmaster_start_time()::text").Scan(&text, &postmaster)
		if err != nil {
			return fmt.Errorf("see how far the WAL is on disk: %w", err)
		}
		flushed, err := format.ParseLSN(text)
		if err != nil {
			return err
		}
		if postmaster != r.source.postmaster {
			return errOtherServer
		}
		if flushed >= need {
			return nil
		}
		r.o.at(ctx, "unflushed", "")
		if !nudged {
			r.nudge(ctx)
			continue
		}
		n := Note{Kind: NoteWaiting, Text: fmt.Sprintf("the server's WAL is on disk up to %s, and the snapshot needs %s", flushed, need)}
		if err := wait.pause(ctx, r.o.Tracer, n); err != nil {
			return err
		}
	}
}

// recordEnd returns where the last record before an insert position ends. At the beginning of a page the position is
// given after the page's header, which is not written yet and so beyond all that can be flushed
// (src/backend/access/transam/xlog.c, XLogBytePosToRecPtr and XLogBytePosToEndRecPtr).
func (s source) recordEnd(insert format.LSN) format.LSN {
	header := format.LSN(24) // SizeOfXLogShortPHD
	if insert%s.walSegment < s.walPage {
		header = 40 // SizeOfXLogLongPHD, on a segment's first page
	}
	if insert%s.walPage == header {
		return insert - header
	}
	return insert
}

// nudge has the server flush its WAL, with the commit of a transaction that only logs an empty heartbeat. Where that is not
// allowed, the WAL writer does it within moments, so that it matters to nobody that this failed.
func (r *run) nudge(ctx context.Context) {
	_, err := r.look.Exec(ctx, "BEGIN; SET LOCAL synchronous_commit = local; SELECT pg_logical_emit_message(true, 'pgrecall.heartbeat', ''); COMMIT")
	if err != nil {
		_, _ = r.look.Exec(ctx, "ROLLBACK")
	}
}
