package snapshot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// watchPatience is how long a statement may wait for a lock before that is told: most waits are over by then.
const watchPatience = time.Second

// watched runs statements in the look's session that may have to wait for somebody's ACCESS EXCLUSIVE lock: the reading of
// sequences, and the functions that measure tables and print definitions, which open the table that a default, a check or
// an index belongs to, also where its rows are not copied (set_relation_column_names in
// src/backend/utils/adt/ruleutils.c). Nothing tells of such a wait but another session, which is the lead's: nobody
// else may use it meanwhile. The wait ends with Options.WaitTimeout.
func (r *run) watched(ctx context.Context, do func(context.Context) error) error {
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		if err := r.watchLook(ctx, done); err != nil {
			cancel(err)
		}
	}()
	err := do(within)
	close(done)
	<-ended
	if cause := context.Cause(within); cause != nil && errors.Is(cause, ErrWaitTimeout) {
		return cause
	}
	return err
}

// watchLook tells, until done, whom the look's session waits for. Its queries are not interrupted by done, so that the
// lead's session survives. That it can not look is no reason to end anything.
func (r *run) watchLook(ctx context.Context, done <-chan struct{}) error {
	var began *wait
	patience := watchPatience
	if r.o.WaitTimeout > 0 {
		patience = min(patience, r.o.WaitTimeout)
	}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		relation, name, err := awaitedRelation(ctx, r.lead, r.look.PgConn().PID())
		if err != nil {
			return nil
		}
		if relation == 0 {
			began = nil
			continue
		}
		if began == nil {
			began = newWait(r.o.WaitTimeout)
		}
		if time.Since(began.began) < patience {
			continue
		}
		backends, err := lockHolders(ctx, r.lead, relation)
		if err != nil {
			return nil
		}
		r.o.at(ctx, "watched", name)
		if err := began.note(r.o.Tracer, Note{Kind: NoteWaiting, Backends: backends, Text: fmt.Sprintf("%s is locked, and its definition or size can not be read", name)}); err != nil {
			return err
		}
	}
}

// awaitedRelation returns the relation whose lock a session waits for; 0: it waits for none. The lead's transaction keeps
// what it saw of other sessions unless it is told to look again (documentation, "The Cumulative Statistics System").
func awaitedRelation(ctx context.Context, conn *pgx.Conn, pid uint32) (relation uint32, name string, err error) {
	if _, err := conn.Exec(ctx, "SELECT pg_stat_clear_snapshot()"); err != nil {
		return 0, "", err
	}
	err = conn.QueryRow(ctx, `SELECT relation, relation::regclass::text FROM pg_locks
		WHERE pid = $1 AND NOT granted AND locktype = 'relation'`, pid).Scan(&relation, &name)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, "", nil
	}
	return relation, name, err
}
