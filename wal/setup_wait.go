package wal

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
)

// Backend is a session, or a prepared transaction, that others wait for.
type Backend struct {
	PID int32 // 0: a prepared transaction, which no session holds
	GID string
	// Age is how long its transaction, for a session without one its command, has been going on.
	Age         time.Duration
	User        string
	Database    string
	Application string
	// State is pg_stat_activity's: active, idle in transaction …; prepared for a prepared transaction.
	State string
	// XID is its transaction's id, that of the oldest subtransaction or main transaction; 0: it has none.
	XID uint64
}

// String names it for people.
func (b Backend) String() string {
	var s strings.Builder
	if b.PID == 0 {
		fmt.Fprintf(&s, "prepared transaction %q", b.GID)
	} else {
		fmt.Fprintf(&s, "pid %d", b.PID)
	}
	s.WriteString(" (")
	for _, part := range []string{b.User, b.Application, b.State} {
		if part != "" && (b.PID != 0 || part != b.State) {
			s.WriteString(part + ", ")
		}
	}
	fmt.Fprintf(&s, "since %s)", b.Age.Round(time.Second))
	return s.String()
}

func describeBackends(bs []Backend) string {
	if len(bs) == 0 {
		return "transactions that have ended meanwhile"
	}
	parts := make([]string, 0, len(bs))
	for _, b := range bs {
		parts = append(parts, b.String())
	}
	return strings.Join(parts, ", ")
}

// backends returns who holds a transaction with an id below olderThan: sessions of all databases, because a snapshot's
// xmin counts them all, and prepared transactions. Sessions that have not written have no id and are not among them.
// The oldest comes first. Every transaction holds a lock on its own id (documentation, pg_locks), which any role may
// see, where pg_stat_activity shows a role without pg_monitor little of others.
func backends(ctx context.Context, conn *pgx.Conn, olderThan uint64) ([]Backend, error) {
	all, err := readBackends(ctx, conn, `
		SELECT pid, transactionid AS xid FROM pg_catalog.pg_locks
		WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted AND pid IS DISTINCT FROM pg_backend_pid()`)
	if err != nil {
		return nil, fmt.Errorf("read who holds transactions older than %d: %w", olderThan, err)
	}
	slices.SortFunc(all, func(a, b Backend) int { return cmp.Compare(a.XID, b.XID) })
	var old []Backend
	for _, b := range all {
		same := func(o Backend) bool { return o.PID == b.PID && o.GID == b.GID }
		if b.XID < olderThan && !slices.ContainsFunc(old, same) {
			old = append(old, b)
		}
	}
	return old, nil
}

// readBackends returns who is meant by held, a query for the pid and the xid of each: the pid of a session, NULL for a
// prepared transaction, which its xid then tells. What they are is in pg_stat_activity, as far as the role may see it.
func readBackends(ctx context.Context, conn *pgx.Conn, held string, args ...any) ([]Backend, error) {
	rows, err := conn.Query(ctx, `WITH held AS (`+held+`)
		SELECT coalesce(h.pid, 0), coalesce(p.gid, ''),
		       coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared)), 0)::float8,
		       coalesce(a.usename, p.owner, ''), coalesce(a.datname, p.database, ''), coalesce(a.application_name, ''),
		       CASE WHEN h.pid IS NULL THEN 'prepared' ELSE coalesce(a.state, '') END,
		       h.xid::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text
		FROM held h
		LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = h.pid
		LEFT JOIN pg_catalog.pg_prepared_xacts p ON h.pid IS NULL AND p.transaction = h.xid`, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (b Backend, err error) {
		var seconds float64
		var xid *int64
		var xmax string
		if err := row.Scan(&b.PID, &b.GID, &seconds, &b.User, &b.Database, &b.Application, &b.State, &xid, &xmax); err != nil {
			return b, err
		}
		b.Age = max(0, time.Duration(seconds*float64(time.Second)))
		if xid != nil {
			v, err := format.ParseVisibility(xmax + ":" + xmax + ":")
			if err != nil {
				return b, err
			}
			b.XID = fullXID(uint32(*xid), v.Xmax)
		}
		return b, nil
	})
}

// pause waits for d or the end of the context, whose cause it returns.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// currentVisibility takes a snapshot and returns it.
func currentVisibility(ctx context.Context, conn *pgx.Conn) (format.Visibility, error) {
	var text string
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_current_snapshot()::text").Scan(&text); err != nil {
		return format.Visibility{}, fmt.Errorf("read the current snapshot: %w", err)
	}
	return format.ParseVisibility(text)
}

// waitForOlder waits for all that may make a table which the event triggers do not see: transactions of this database
// older than the triggers, and commands that began before them. A command looks for event triggers once, when it
// begins (EventTriggerBeginCompleteQuery), so a transaction that is merely open and has written nothing is no matter.
func (s *setup) waitForOlder(ctx context.Context) error {
	if !s.state.triggersMade && s.state.publication.exists || s.o.WithoutEventTriggers {
		return nil // without event triggers a table joins the list while nobody else can write to it
	}
	// A snapshot's xmax is no bound: it is only one past the last transaction that has ended.
	next, err := s.nextXID(ctx)
	if err != nil {
		return err
	}
	commands, err := runningCommands(ctx, s.conn, nil, false)
	if err != nil {
		return err
	}
	return s.wait(ctx, StepWait, func(ctx context.Context, since time.Duration) ([]Backend, error) {
		older, err := backends(ctx, s.conn, next)
		if err != nil {
			return nil, err
		}
		older = slices.DeleteFunc(older, func(b Backend) bool { return b.Database != s.server.database })
		if len(commands) > 0 {
			if commands, err = runningCommands(ctx, s.conn, commands, since > time.Second); err != nil {
				return nil, err
			}
		}
		for _, c := range commands {
			if !slices.ContainsFunc(older, func(b Backend) bool { return b.PID == c.PID }) {
				older = append(older, c.Backend)
			}
		}
		return older, nil
	})
}

// nextXID takes a transaction id; all that have one now have a lower one.
func (s *setup) nextXID(ctx context.Context) (uint64, error) {
	var text string
	if err := s.conn.QueryRow(ctx, "SELECT pg_catalog.pg_current_xact_id()::text").Scan(&text); err != nil {
		return 0, fmt.Errorf("take a transaction id: %w", err)
	}
	return strconv.ParseUint(text, 10, 64)
}

// command is a command that runs, told from a later one of the same session by its start.
type command struct {
	Backend
	start time.Time
}

// runningCommands returns the commands of other sessions of this database that run now, of the ones given if not nil.
// With onlyStrong it leaves out those that cannot be DDL: after a second such a command waits for a lock or holds one
// above ROW EXCLUSIVE, or it has an id.
func runningCommands(ctx context.Context, conn *pgx.Conn, of []command, onlyStrong bool) ([]command, error) {
	rows, err := conn.Query(ctx, `
		SELECT a.pid, coalesce(a.usename, ''), coalesce(a.datname, ''), coalesce(a.application_name, ''), coalesce(a.state, ''),
		       greatest(0, extract(epoch FROM clock_timestamp() - a.query_start))::float8, a.query_start
		FROM pg_catalog.pg_stat_activity a
		WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
		  AND a.state IN ('active', 'fastpath function call') AND a.query_start IS NOT NULL
		  AND (NOT $1 OR a.backend_xid IS NOT NULL OR EXISTS (
		    SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype IN ('relation', 'object') AND
		      (NOT l.granted OR l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock'))))`, onlyStrong)
	if err != nil {
		return nil, fmt.Errorf("read which commands run: %w", err)
	}
	now, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c command, err error) {
		var seconds float64
		err = row.Scan(&c.PID, &c.User, &c.Database, &c.Application, &c.State, &seconds, &c.start)
		c.Age = time.Duration(seconds * float64(time.Second))
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("read which commands run: %w", err)
	}
	if of != nil {
		now = slices.DeleteFunc(now, func(c command) bool {
			return !slices.ContainsFunc(of, func(o command) bool { return o.PID == c.PID && o.start.Equal(c.start) })
		})
	}
	return now, nil
}

// wait polls until nobody is waited for, reports about every second, and gives up after WaitTimeout.
func (s *setup) wait(ctx context.Context, step Step, poll func(context.Context, time.Duration) ([]Backend, error)) error {
	begun := time.Now()
	var reported time.Time
	for {
		since := time.Since(begun)
		waiting, err := poll(ctx, since)
		if err != nil {
			return err
		}
		if len(waiting) == 0 {
			return nil
		}
		if s.o.WaitTimeout > 0 && since >= s.o.WaitTimeout {
			return &WaitError{Step: step, Waiting: waiting, Timeout: s.o.WaitTimeout}
		}
		if time.Since(reported) >= time.Second && since > 50*time.Millisecond {
			reported = time.Now()
			s.report(Progress{Step: step, Waiting: waiting, For: since})
		}
		if err := pause(ctx, min(20*time.Millisecond+since/4, 500*time.Millisecond)); err != nil {
			return err
		}
	}
}
