package oracle

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	closePatience = 5 * time.Second
	// reconnectPause is between two tries to reach a server that was killed.
	reconnectPause = 20 * time.Millisecond
	// recoveryPatience bounds how long a killed server may take to come back, on a slow machine.
	recoveryPatience = 5 * time.Minute
	// breath is the longest time a writer is silent between two transactions: enough for two processors to follow.
	breath = 6 * time.Millisecond
)

// workload is the writers of a run. They write until stop and count what they did.
type workload struct {
	db         string
	seed       uint64
	migrated   bool // tables change meanwhile
	stop       context.CancelFunc
	group      *errgroup.Group
	writing    context.Context // done when the writers end, by themselves or because they should
	committed  atomic.Int64
	rolledBack atomic.Int64 // on purpose, or by an ordinary error
}

// startWriters starts n writers and the one who resolves prepared transactions. An error that is not ordinary ends all of them.
func startWriters(ctx context.Context, db string, n int, seed uint64, migrated bool) *workload {
	ctx, stop := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	w := &workload{db: db, seed: seed, migrated: migrated, stop: stop, group: group, writing: ctx}
	for i := range n {
		writer := &writer{load: w, number: i, dice: newDice(seed, uint64(100+i))}
		group.Go(func() error { return writer.run(ctx) })
	}
	group.Go(func() error { return w.resolvePrepared(ctx, newDice(seed, 99)) })
	return w
}

// alive tells that the writers still write.
func (w *workload) alive() bool { return w.writing.Err() == nil }

// end stops the writers after their current transactions and returns the first error that was not ordinary.
func (w *workload) end() error {
	w.stop()
	return w.group.Wait()
}

// writer is one session that runs one transaction after another.
type writer struct {
	load   *workload
	number int
	dice   dice
	s      *session
	// prepared counts the prepared transactions, for their names.
	prepared int
}

func (w *writer) run(ctx context.Context) error {
	// A writer ends between two transactions.
	work := context.WithoutCancel(ctx)
	defer func() {
		if w.s != nil {
			w.s.close(ctx)
		}
	}()
	for ctx.Err() == nil {
		if w.s == nil || w.dice.IntN(400) == 0 {
			if err := w.reconnect(ctx); err != nil {
				return err
			}
		}
		if w.s == nil {
			return nil // the end came while the server was away
		}
		err := w.transaction(work)
		switch {
		case err == nil:
			w.load.committed.Add(1)
		case connectionLost(err):
			w.s.close(ctx)
			w.s = nil
		case ordinary(err) || w.load.migrated && amidMigrations(err):
			w.load.rolledBack.Add(1)
			if err := w.s.run(work, "ROLLBACK"); err != nil && !connectionLost(err) {
				return err
			}
		default:
			return fmt.Errorf("a statement of the application failed: %w", err)
		}
		time.Sleep(time.Duration(w.dice.Int64N(int64(breath))))
	}
	return nil
}

// reconnect opens a new session, with the settings of another kind of application. It leaves none when ctx ends first.
func (w *writer) reconnect(ctx context.Context) error {
	if w.s != nil {
		w.s.close(ctx)
		w.s = nil
	}
	settings := map[string]string{
		// Values are told apart from how they are shown: none of this may reach the log.
		"datestyle": pick(w.dice, "ISO, DMY", "SQL, MDY", "German"), "timezone": pick(w.dice, "UTC", "America/New_York", "Asia/Kathmandu"),
		"extra_float_digits": pick(w.dice, "0", "1"), "bytea_output": pick(w.dice, "hex", "escape"),
		"intervalstyle": pick(w.dice, "postgres", "iso_8601"), "lc_monetary": "C",
		"lock_timeout":       "10s",
		"synchronous_commit": pick(w.dice, "on", "on", "off", "local"),
		// Between the commit record and the moment at which others see the commit lies its flush: make that long.
		"commit_delay": pick(w.dice, "0", "0", "3000", "10000"), "commit_siblings": "1",
	}
	deadline := time.Now().Add(recoveryPatience)
	for ctx.Err() == nil {
		s, err := connect(ctx, w.load.db, settings)
		if err == nil {
			w.s = s
			return w.replicated(ctx)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("a writer could not reach the source: %w", err)
		}
		time.Sleep(reconnectPause)
	}
	return nil
}

// replicated lets the last writer, now and then, be an apply worker: its transactions came from elsewhere, with
// commit times of elsewhere.
func (w *writer) replicated(ctx context.Context) error {
	if w.number != 0 || !w.dice.chance(40) {
		return nil
	}
	err := w.s.run(ctx, `DO $$ BEGIN
			IF NOT EXISTS (SELECT FROM pg_replication_origin WHERE roname = 'elsewhere') THEN PERFORM pg_replication_origin_create('elsewhere'); END IF; END $$;
		SELECT pg_replication_origin_session_setup('elsewhere')`)
	if err != nil && !ordinary(err) {
		return err
	}
	return nil
}

// resolvePrepared commits or rolls back every prepared transaction a while after it was prepared, also those that a crash
// of the server left.
func (w *workload) resolvePrepared(ctx context.Context, d dice) error {
	for ctx.Err() == nil {
		s, err := connect(ctx, w.db, nil)
		for err == nil && ctx.Err() == nil {
			time.Sleep(time.Duration(d.Int64N(int64(100 * time.Millisecond))))
			err = resolveOnce(context.WithoutCancel(ctx), s, d, "AND prepared < clock_timestamp() - random() * interval '0.4 s'")
		}
		if s != nil {
			s.close(ctx)
		}
		if err != nil && ctx.Err() == nil && !ordinary(err) {
			return fmt.Errorf("resolve prepared transactions: %w", err)
		}
		time.Sleep(reconnectPause)
	}
	return nil
}

// resolveOnce ends the prepared transactions that the condition takes, four of five by committing them.
func resolveOnce(ctx context.Context, s *session, d dice, condition string) error {
	rows, err := s.rows(ctx, "SELECT quote_literal(gid) FROM pg_prepared_xacts WHERE database = current_database() "+condition)
	if err != nil {
		return err
	}
	for _, row := range rows {
		verb := "COMMIT"
		if d.chance(20) {
			verb = "ROLLBACK"
		}
		if err := s.run(ctx, verb+" PREPARED "+row[0]); err != nil {
			return err
		}
	}
	return nil
}
