package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"
)

// writers is a live write load on the dataset: each writer runs one small
// transaction after another, as the service's users would.
type writers struct {
	committed atomic.Int64 // transactions committed so far
	group     *errgroup.Group
	stop      context.CancelFunc
}

// startWriters starts n writers, each on a connection of its own, seeded so that
// the same seed asks for the same transactions. end ends them.
func startWriters(ctx context.Context, connString string, n int, seed uint64) *writers {
	ctx, stop := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	w := &writers{group: group, stop: stop}
	for i := range n {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		group.Go(func() error { return w.run(ctx, connString, rng) })
	}
	return w
}

// end ends the writers after their current transactions and returns the first
// error that one of them met.
func (w *writers) end() error {
	w.stop()
	return w.group.Wait()
}

func (w *writers) run(ctx context.Context, connString string, rng *rand.Rand) error {
	if ctx.Err() != nil {
		return nil
	}
	// A writer is stopped between its transactions, so that none is left open on the server.
	work := context.WithoutCancel(ctx)
	conn, err := pgx.Connect(work, connString)
	if err != nil {
		return fmt.Errorf("start a writer: %w", err)
	}
	defer conn.Close(work)
	for ctx.Err() == nil {
		write := writes[rng.IntN(len(writes))]
		_, err := conn.Exec(work, write, rng.Int64N(1<<40), rng.Float64())
		switch {
		case err == nil:
			w.committed.Add(1)
		case expected(err):
		default:
			return fmt.Errorf("a writer's transaction: %w", err)
		}
	}
	return nil
}

// expected tells the errors that concurrent writers meet in normal life: a parent
// row gone meanwhile, the same name twice, two transactions in each other's way.
func expected(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "23503", "23505", "23502":
		return true
	}
	return deadlocked(err)
}

// deadlocked tells that the server ended a transaction that was in the way of another, which was in its own.
func deadlocked(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "40P01"
}

// pick is SQL for an id of the table at random, NULL where the table is empty:
// the first one at or after a point between the least and the greatest.
func pick(table string) string {
	return `(SELECT id FROM ` + table + ` WHERE id >= (SELECT min(id) + floor($2::float8 * (max(id) - min(id) + 1))::bigint FROM ` +
		table + `) ORDER BY id LIMIT 1)`
}

// writes are the service's transactions; $1 is a number that hardly comes twice,
// $2 one between 0 and 1.
var writes = []string{
	`WITH u AS (INSERT INTO users (email, name) VALUES ('new' || $1::bigint || '@example.com', 'Newcomer ' || $2::float8) RETURNING id)
		INSERT INTO repositories (owner_id, name) SELECT id, 'first-' || $1::bigint FROM u`,
	`UPDATE users SET settings = settings || jsonb_build_object('seen', $1::bigint) WHERE id = ` + pick("users"),
	`INSERT INTO chat_messages (user_id, content) SELECT id, 'Is anybody there? ' || $1::bigint FROM users WHERE id = ` + pick("users"),
	`UPDATE documents SET version = version + 1 WHERE $1::bigint > 0 AND id = ` + pick("documents"),
	`UPDATE documents SET body = 'Rewritten ' || $1::bigint || E'\n' || repeat('new words\t', 40) WHERE id = ` + pick("documents"),
	`WITH d AS (INSERT INTO documents (repository_id, path, body) SELECT id, 'docs/new-' || $1::bigint || '.md', 'Hello' FROM repositories
			WHERE id = ` + pick("repositories") + ` RETURNING id)
		INSERT INTO analysis_jobs (document_id, score) SELECT id, round(($2::float8 * 100)::numeric, 4) FROM d`,
	`UPDATE analysis_jobs SET state = 'done', result = jsonb_build_object('run', $1::bigint)
		WHERE document_id = ` + pick("documents"),
	`DELETE FROM chat_messages WHERE $1::bigint > 0 AND id = ` + pick("chat_messages"),
	`DELETE FROM documents WHERE $1::bigint > 0 AND id = ` + pick("documents"),
	`UPDATE repositories SET stars = stars + 1 WHERE $1::bigint > 0 AND id = ` + pick("repositories"),
	`UPDATE webhooks SET active = NOT active WHERE $1::bigint > 0 AND id = ` + pick("webhooks"),
}
