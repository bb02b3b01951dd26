package oracle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// A migrator makes random migrations beside the writers: one of the tables that the writers write, with the means to undo them
// later, so that the writers have something to write to; all of tables of its own, in schemas that nobody else touches.
type migrator struct {
	history  *ddlHistory
	number   int
	own      string // its first schema; the names of its others begin with this one's
	apps     bool   // also migrates the writers' tables
	db       string
	dice     dice
	every    time.Duration
	bursts   time.Duration
	rewrites int // of a hundred migrations that could rewrite a table, or change how values are written, those that do
	s        *session
	serial   int // for names
	undos    []undo
}

// undo is a migration that is due after so many others.
type undo struct {
	after, tries int
	migration
}

// errWorkload is a mistake of the workload.
var errWorkload = errors.New("the migrator's own query failed")

// undoTries is how often an undo is tried: it may wait for another one.
const undoTries = 6

// lockWait is how long a migration waits for a lock while writers queue behind it; it is tried again later.
const lockWait = "700ms"

// migrators is how many sessions migrate.
const migrators = 2

// burstSize is how many migrations follow each other without a pause, as those of migration tools do.
const burstSize = 10

// roleNames are unprivileged roles that own things, on both servers.
func roleNames() []string { return []string{"oracle_dev", "oracle_reader"} }

// startMigrators starts the DDL writers beside the writers. An error that no migration may meet ends all of them.
func startMigrators(w *workload, o Options, h *ddlHistory) {
	for i := range migrators {
		m := &migrator{history: h, number: i, own: fmt.Sprintf("mig%d", i), apps: i == 0, db: w.db, dice: newDice(o.Seed, uint64(200+i)),
			every: migrators * o.DDLEvery, bursts: migrators * o.BurstEvery, rewrites: o.Rewrites}
		w.group.Go(func() error { return m.run(w.writing) })
	}
}

func (m *migrator) run(ctx context.Context) error {
	defer func() {
		if m.s != nil {
			m.s.close(ctx)
		}
	}()
	work := context.WithoutCancel(ctx)
	burst := time.Now().Add(m.wait(m.bursts))
	for left := 0; ctx.Err() == nil; {
		if m.s == nil {
			if err := m.connect(ctx); err != nil {
				return err
			}
			continue
		}
		err := m.migrate(work, left > 0)
		switch {
		case err == nil:
		case errors.Is(err, errWorkload):
			return err
		case connectionLost(err):
			m.s.close(ctx)
			m.s = nil
		case mayMeet(err):
			if err := m.s.run(work, "ROLLBACK"); err != nil && !connectionLost(err) {
				return err
			}
		default:
			return fmt.Errorf("a migration failed: %w", err)
		}
		if left > 0 {
			left--
			continue
		}
		if time.Now().After(burst) {
			left, burst = burstSize, time.Now().Add(m.wait(m.bursts))
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(m.wait(m.every)):
		}
	}
	return nil
}

// wait is a random time with this mean, and no more than four times as much.
func (m *migrator) wait(mean time.Duration) time.Duration {
	return min(time.Duration(m.dice.ExpFloat64()*float64(mean)), 4*mean)
}

// mayMeet says whether an error is one that migrations meet in normal life: a column that has gone, a value that does not fit. The
// server's own faults are none (classes 58 and XX of errcodes-appendix.html), and what only a protected database refuses.
func mayMeet(err error) bool {
	var pg *pgconn.PgError
	return ordinary(err) || errors.As(err, &pg) && !identityless(err) && pg.Code[:2] != "58" && pg.Code[:2] != "XX"
}

func (m *migrator) connect(ctx context.Context) error {
	deadline := time.Now().Add(recoveryPatience)
	for ctx.Err() == nil {
		s, err := connect(ctx, m.db, map[string]string{"lock_timeout": lockWait, "search_path": "", "application_name": "migrator"})
		if err == nil {
			m.s = s
			err = m.prepare(ctx)
		}
		if err == nil {
			return nil
		}
		if m.s != nil {
			m.s.close(ctx)
			m.s = nil
		}
		if time.Now().After(deadline) || !ordinary(err) {
			return fmt.Errorf("a migrator could not reach the source: %w", err)
		}
		time.Sleep(reconnectPause)
	}
	return nil
}

// prepare makes the migrator's own schema with the function that runs statements, if they are not there.
func (m *migrator) prepare(ctx context.Context) error {
	known, err := m.s.value(ctx, "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = $1", m.own)
	if err != nil || known != "0" {
		return err
	}
	return m.commit(ctx, "the migrator's own schema", false, []string{"CREATE SCHEMA " + m.own, "GRANT ALL ON SCHEMA " + m.own + " TO oracle_dev",
		"CREATE FUNCTION " + m.own + ".run_all(VARIADIC statements text[]) RETURNS void LANGUAGE plpgsql AS $$ DECLARE s text; BEGIN FOREACH s IN ARRAY statements LOOP EXECUTE s; END LOOP; END $$",
		"CREATE TYPE " + m.own + ".mood AS ENUM ('one', 'two')", "CREATE TYPE " + m.own + ".pair AS (n integer, t text)",
		"CREATE TABLE " + m.own + ".people (id bigserial PRIMARY KEY, a text, m " + m.own + ".mood, p " + m.own + ".pair, n integer DEFAULT 5)",
		"CREATE TABLE " + m.own + ".parts (id integer NOT NULL, a text, PRIMARY KEY (id)) PARTITION BY RANGE (id)",
		"CREATE TABLE " + m.own + ".parts_rest PARTITION OF " + m.own + ".parts DEFAULT", "CREATE TABLE " + m.own + ".plain (a text, b character varying(10))"})
}

// migrate does one migration, in one of the ways in which they are done.
func (m *migrator) migrate(ctx context.Context, burst bool) error {
	tables, err := m.ownTables(ctx)
	if err != nil {
		return err
	}
	if u, due := m.due(); due {
		err := m.commit(ctx, u.kind, burst, m.amid(u.migration, tables))
		m.history.count(u.kind, err)
		if u.tries++; err != nil && u.tries < undoTries {
			u.after = 2
			m.undos = append(m.undos, u)
		}
		return err
	}
	next := m.ofApps()
	if !m.apps || m.dice.chance(55) || len(m.undos) > 4 {
		if next, err = m.ofOwn(ctx, tables); err != nil || len(next.sql) == 0 {
			return err
		}
	}
	if next.outside {
		err = m.outside(ctx, next)
		m.history.count(next.kind, err)
		return err
	}
	sql := m.amid(next, tables)
	switch {
	case m.dice.chance(6):
		return m.rollBack(ctx, sql)
	case burst || m.dice.chance(70):
		err = m.commit(ctx, next.kind, burst, sql)
	default: // beside another migration
		err = m.transaction(ctx, next.kind, burst, false, sql)
	}
	m.history.count(next.kind, err)
	if err == nil && len(next.undo) > 0 {
		m.undos = append(m.undos, undo{2 + m.dice.IntN(6), 0, migration{kind: next.kind + ", undone", sql: next.undo}})
	}
	return err
}

// due is the first undo that is due.
func (m *migrator) due() (undo, bool) {
	for i := range m.undos {
		m.undos[i].after--
	}
	for i, u := range m.undos {
		if u.after <= 0 {
			m.undos = slices.Delete(m.undos, i, i+1)
			return u, true
		}
	}
	return undo{}, false
}

// rollBack runs statements and takes them back.
func (m *migrator) rollBack(ctx context.Context, sql []string) error {
	if err := m.statements(ctx, append([]string{"BEGIN"}, sql...)); err != nil {
		return err
	}
	return m.s.run(ctx, "ROLLBACK")
}

func (m *migrator) statements(ctx context.Context, sql []string) error {
	for _, statement := range sql {
		if err := m.s.run(ctx, statement); err != nil {
			return err
		}
		if m.dice.chance(5) {
			time.Sleep(time.Duration(m.dice.Int64N(int64(300 * time.Millisecond))))
		}
	}
	return nil
}

// commit runs statements in a transaction of their own and keeps what the catalog is since.
func (m *migrator) commit(ctx context.Context, kind string, burst bool, sql []string) error {
	m.history.mu.Lock()
	defer m.history.mu.Unlock()
	return m.transaction(ctx, kind, burst, true, sql)
}

// transaction runs statements; held says whether the history is locked already. It is from the commit on, until what that made is read.
func (m *migrator) transaction(ctx context.Context, kind string, burst, held bool, sql []string) error {
	if err := m.statements(ctx, append([]string{"BEGIN"}, sql...)); err != nil {
		return err
	}
	xid, err := m.s.value(ctx, "SELECT pg_catalog.pg_current_xact_id()")
	if err != nil {
		return err
	}
	if !held {
		m.history.mu.Lock()
		defer m.history.mu.Unlock()
	}
	err = m.s.run(ctx, "COMMIT")
	if connectionLost(err) {
		return m.settle(ctx, kind, burst, xid)
	}
	if err != nil {
		return err
	}
	return m.record(ctx, kind+": "+strings.Join(sql, "; "), burst, xid)
}

// outside runs a migration that is several transactions, and one more statement that clears away what it may leave when it
// fails. The catalog is not known between a transaction before it and another one after it.
func (m *migrator) outside(ctx context.Context, next migration) error {
	m.history.mu.Lock()
	defer m.history.mu.Unlock()
	known := len(m.history.records)
	defer func() {
		for i := range m.history.records[known:] {
			m.history.records[known+i].silent = true
		}
	}()
	before, err := m.s.value(ctx, "SELECT pg_catalog.pg_current_xact_id()")
	if err != nil {
		return err
	}
	unknown := record{what: "while " + brief(next.sql[0])}
	if _, err := fmt.Sscan(before, &unknown.xid); err != nil {
		return err
	}
	m.history.records = append(m.history.records, unknown)
	failed := m.s.run(ctx, next.sql[0])
	if connectionLost(failed) {
		return m.settle(ctx, next.kind, false, "")
	}
	if failed != nil && len(next.sql) > 1 {
		if err := m.s.run(ctx, next.sql[1]); err != nil && connectionLost(err) {
			return m.settle(ctx, next.kind, false, "")
		}
	}
	after, err := m.s.value(ctx, "SELECT pg_catalog.pg_current_xact_id()")
	if err != nil {
		return err
	}
	return errors.Join(failed, m.record(ctx, next.kind+": "+next.sql[0], false, after))
}

// settle finds out what became of a commit whose answer was lost with the server; without an xid the catalog is known from now on.
func (m *migrator) settle(ctx context.Context, kind string, burst bool, xid string) error {
	for deadline := time.Now().Add(recoveryPatience); ; time.Sleep(reconnectPause) {
		m.s.close(ctx)
		s, err := connect(ctx, m.db, map[string]string{"lock_timeout": lockWait, "search_path": "", "application_name": "migrator"})
		if err == nil {
			m.s = s
			if xid == "" {
				if xid, err = s.value(ctx, "SELECT pg_catalog.pg_current_xact_id()"); err != nil {
					return err
				}
			}
			return m.record(ctx, kind+", its commit unanswered", burst, xid)
		}
		if time.Now().After(deadline) || !ordinary(err) {
			return fmt.Errorf("a migrator could not reach the source: %w", err)
		}
	}
}
