package snapshot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// lookPatience is how long a statement waits for a lock while the session holds others, behind which the application's statements queue.
const lookPatience = 500 * time.Millisecond

// watched runs statements in the look's session that may have to wait for somebody's ACCESS EXCLUSIVE lock: the reading of
// sequences, and the functions that measure tables and print definitions, which open the table that a default, a check or
// an index belongs to, also where its rows are not copied (set_relation_column_names in
// src/backend/utils/adt/ruleutils.c). They keep the locks that they got, on the tables of views for one (AcquireRewriteLocks), so
// that somebody's ALTER TABLE waits for us, and all who use that table for it. So nothing is waited for long: where a lock is
// not to be had, all are given up, its holder is waited for without any, and do is called again. The wait ends with
// Options.WaitTimeout. The look's session must have no transaction; nobody else may use the lead's meanwhile.
func (r *run) watched(ctx context.Context, do func(context.Context) error) error {
	wait := newWait(r.o.WaitTimeout)
	for {
		relation, name, err := r.tryLocks(ctx, do)
		if sqlState(err) != "55P03" { // lock_not_available
			return err
		}
		if err := r.awaitUnlocked(ctx, wait, relation, name); err != nil {
			return err
		}
	}
}

// tryLocks calls do, and says for which relation's lock it waited last, if that was seen.
func (r *run) tryLocks(ctx context.Context, do func(context.Context) error) (relation uint32, name string, err error) {
	if _, err := r.look.Exec(ctx, fmt.Sprintf("SET lock_timeout = %d", lookPatience.Milliseconds())); err != nil {
		return 0, "", fmt.Errorf("bound the wait for locks: %w", err)
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		relation, name = r.watchLook(ctx, done)
	}()
	err = do(ctx)
	close(done)
	<-ended
	if _, unset := r.look.Exec(ctx, "SET lock_timeout = 0"); unset != nil && err == nil {
		err = fmt.Errorf("bound the wait for locks no more: %w", unset)
	}
	return relation, name, err
}

// watchLook sees, until done, whose lock the look's session waits for. Nothing tells of such a wait but another session, which is the
// lead's. Its queries are not interrupted by done, so that the session survives. That it cannot look is no reason to end anything.
func (r *run) watchLook(ctx context.Context, done <-chan struct{}) (relation uint32, name string) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return relation, name
		case <-ctx.Done():
			return relation, name
		case <-tick.C:
		}
		awaited, called, err := awaitedRelation(ctx, r.lead, r.look.PgConn().PID())
		if err != nil {
			return relation, name
		}
		if awaited != 0 {
			relation, name = awaited, called
		}
	}
}

// awaitUnlocked returns when nobody holds or awaits a lock on a relation that keeps readers out. Of one that is not known it lets a
// moment pass.
func (r *run) awaitUnlocked(ctx context.Context, wait *wait, relation uint32, name string) error {
	note := Note{Kind: NoteWaiting, Text: "an object is locked, and its definition or size cannot be read"}
	if relation == 0 {
		return wait.pause(ctx, r.o.Tracer, note)
	}
	note.Text = fmt.Sprintf("%s is locked, and its definition or size cannot be read", name)
	for {
		var err error
		if note.Backends, err = lockHolders(ctx, r.look, relation); err != nil || len(note.Backends) == 0 {
			return err
		}
		r.o.at(ctx, "locked out", name)
		if err := wait.pause(ctx, r.o.Tracer, note); err != nil {
			return err
		}
	}
}

// awaitedRelation returns the relation whose lock a session waits for; 0: it waits for none. Its name is read without opening it.
func awaitedRelation(ctx context.Context, conn *pgx.Conn, pid uint32) (relation uint32, name string, err error) {
	err = conn.QueryRow(ctx, `SELECT relation, relation::regclass::text FROM pg_locks
		WHERE pid = $1 AND NOT granted AND locktype = 'relation'`, pid).Scan(&relation, &name)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, "", nil
	}
	return relation, name, err
}
