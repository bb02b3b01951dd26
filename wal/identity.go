package wal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// What a table needs as its replica identity, as neededIdentity says it.
const (
	needFull    = "f"
	needDefault = "d"
	needNone    = "x" // it cannot be published
)

// tableNeed is a table whose replica identity must change, or that cannot have one.
type tableNeed struct {
	oid          uint32
	schema, name string
	original     string // pg_class.relreplident as it is
	needed       string
	keyed        bool // it has a key that serves
	mine         bool // the role, or that which keeps a list of tables, may alter it
}

// sql is the statement that the function keep_identity runs.
func (t tableNeed) sql() string {
	identity := "FULL"
	if t.needed == needDefault {
		identity = "DEFAULT"
	}
	return "ALTER TABLE ONLY " + quote(t.schema, t.name) + " REPLICA IDENTITY " + identity
}

func (t tableNeed) change() Change {
	what := "replica identity FULL for " + quote(t.schema, t.name) + ", which has no key that can serve"
	if t.needed == needFull && t.keyed {
		what = "replica identity FULL for " + quote(t.schema, t.name) + ", whose key may be dropped"
	}
	if t.needed == needDefault {
		what = "the primary key as the replica identity of " + quote(t.schema, t.name)
	}
	return Change{What: what, SQL: t.sql(), Lock: "ACCESS EXCLUSIVE on " + quote(t.schema, t.name) + ", briefly"}
}

// tablesToChange returns the tables that Init is to give an identity: without event triggers those of the role's alone.
func (s *setup) tablesToChange(ctx context.Context) ([]tableNeed, error) {
	tables, err := tablesToChange(ctx, s.conn)
	if s.o.WithoutEventTriggers {
		tables = slices.DeleteFunc(tables, func(t tableNeed) bool { return !t.mine })
	}
	return tables, err
}

// tablesToChange returns the permanent tables whose identity cannot serve, ordered by name. Unlogged ones are among
// them, because SET LOGGED may publish them later; those of extensions too.
func tablesToChange(ctx context.Context, conn *pgx.Conn) ([]tableNeed, error) {
	rows, err := conn.Query(ctx, `
		SELECT oid, nspname::text, relname::text, relreplident::text, needed::text, mine FROM (
		  SELECT c.oid, n.nspname, c.relname, c.relreplident, `+neededIdentity+` AS needed,
		         pg_has_role(c.relowner, 'USAGE') AS mine
		  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, `+identityFacts+`
		  WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.oid >= 16384 AND n.nspname <> $1
		) t WHERE needed IS NOT NULL ORDER BY nspname, relname`, Schema)
	if err != nil {
		return nil, fmt.Errorf("read which tables have no replica identity: %w", err)
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t tableNeed, err error) {
		err = row.Scan(&t.oid, &t.schema, &t.name, &t.original, &t.needed, &t.mine)
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("read which tables have no replica identity: %w", err)
	}
	return tables, nil
}

// giveIdentities gives every table the identity it needs, one table per transaction, in rounds: the first does not
// queue for locks at all, the later ones for a little longer each, up to LockTimeout, because the application's
// statements queue behind ours. Those that cannot have one are left to the publication, except where it exists and
// names them.
func (s *setup) giveIdentities(ctx context.Context) error {
	failed := &LockError{}
	for round := range s.o.LockRounds {
		tables, err := s.tablesToChange(ctx)
		if err != nil {
			return err
		}
		*failed = LockError{}
		left := 0
		for _, t := range tables {
			if t.needed == needNone && !s.state.publication.publishes(t.oid) {
				continue
			}
			left++
			if err := s.giveIdentity(ctx, t, round); lockTimedOut(err) {
				if err := s.noteHolders(ctx, failed, t); err != nil {
					return err
				}
			} else if err != nil && !hasCode(err, codeNoTable, codeNoSchema) {
				return fmt.Errorf("give %s a replica identity: %w", quote(t.schema, t.name), err)
			}
		}
		if left == 0 {
			return nil
		}
		if len(failed.Tables) > 0 && round+1 < s.o.LockRounds {
			s.report(Progress{Step: StepIdentity, Waiting: failed.holders()})
			if err := pause(ctx, roundPause(round)); err != nil {
				return err
			}
		}
	}
	if len(failed.Tables) > 0 {
		return failed
	}
	return errors.New("tables without replica identity are created faster than they can be given one")
}

// roundPause grows from an eighth of a second to four.
func roundPause(round int) time.Duration { return min(125*time.Millisecond<<round, 4*time.Second) }

// giveIdentity does one table. The function remembers what it had, in the same transaction, and keeps the user's own
// event triggers out of it.
func (s *setup) giveIdentity(ctx context.Context, t tableNeed, round int) error {
	lock := "LOCK TABLE ONLY " + quote(t.schema, t.name) + " IN ACCESS EXCLUSIVE MODE"
	timeout := s.o.LockTimeout
	switch round {
	case 0:
		lock += " NOWAIT"
	case 1, 2, 3:
		timeout >>= 4 - round
	}
	var kept *string
	err := inTx(ctx, s.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, setLockTimeout(timeout)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, lock); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT (pgrecall.keep_identity(ARRAY[$1::oid])->'identity')::text", t.oid).Scan(&kept)
	})
	if err != nil {
		return err
	}
	// It may have been dropped, or got a key, since the list was read.
	if kept != nil && strings.Contains(*kept, fmt.Sprint(t.oid)) {
		s.changed(StepIdentity, t.change())
	} else if t.needed == needNone {
		if s.state.publication, err = readPublication(ctx, s.conn); err != nil {
			return err
		}
		s.changed(StepSweep, Change{What: "take " + quote(t.schema, t.name) + " out of the publication, which lists tables now",
			SQL: "SELECT pgrecall.keep_identity(ARRAY['" + quote(t.schema, t.name) + "'::regclass::oid])"})
	}
	return nil
}

func setLockTimeout(d time.Duration) string {
	return fmt.Sprintf("SET LOCAL lock_timeout = '%dms'", max(1, d.Milliseconds()))
}

// noteHolders adds the table with those that hold a lock on it now.
func (s *setup) noteHolders(ctx context.Context, e *LockError, t tableNeed) error {
	holders, err := lockHolders(ctx, s.conn, t.oid)
	if err != nil {
		return err
	}
	e.Tables = append(e.Tables, LockedTable{Schema: t.schema, Name: t.name, Holders: holders})
	return nil
}

// holders are all that hold one of the tables, each once.
func (e *LockError) holders() []Backend {
	var all []Backend
	seen := map[string]bool{}
	for _, t := range e.Tables {
		for _, h := range t.Holders {
			if id := fmt.Sprint(h.PID, h.GID); !seen[id] {
				seen[id] = true
				all = append(all, h)
			}
		}
	}
	return all
}

// lockHolders returns who holds any lock on the table. A prepared transaction's locks have no process; what they share
// with the lock on its transaction id is the virtual transaction, that of the session which prepared it until the
// server is restarted (MarkAsPreparingGuts in src/backend/access/transam/twophase.c).
func lockHolders(ctx context.Context, conn *pgx.Conn, table uint32) ([]Backend, error) {
	holders, err := readBackends(ctx, conn, `
		SELECT DISTINCT l.pid, x.transactionid AS xid FROM pg_catalog.pg_locks l
		LEFT JOIN pg_catalog.pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.virtualtransaction = l.virtualtransaction
		  AND x.locktype = 'transactionid' AND x.granted AND x.transactionid IN (SELECT transaction FROM pg_catalog.pg_prepared_xacts)
		WHERE l.locktype = 'relation' AND l.relation = $1 AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
		  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())`, table)
	if err != nil {
		return nil, fmt.Errorf("read who locks a table: %w", err)
	}
	return holders, nil
}
