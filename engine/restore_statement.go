package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// execute runs one statement of the script on a session of the target.
func (r *restore) execute(ctx context.Context, conn *pgx.Conn, s *catalog.Statement) error {
	if s.Secret {
		return r.executeSecret(ctx, conn, s)
	}
	if _, err := conn.Exec(ctx, s.SQL, pgx.QueryExecModeSimpleProtocol); err != nil {
		return failureOf(s, err)
	}
	return nil
}

// together is how many statements are sent to the server before its answers are waited for.
const together = 200

// executeAll runs statements in an open transaction, many in each round trip: a database can have hundreds of thousands.
func (r *restore) executeAll(ctx context.Context, conn *pgx.Conn, statements []catalog.Statement) error {
	secret := func(s catalog.Statement) bool { return s.Secret }
	for batch := range slices.Chunk(statements, together) {
		if slices.ContainsFunc(batch, secret) {
			for i := range batch {
				if err := r.execute(ctx, conn, &batch[i]); err != nil {
					return err
				}
			}
			continue
		}
		sent := &pgconn.Batch{}
		for i := range batch {
			sent.ExecParams(batch[i].SQL, nil, nil, nil, nil)
		}
		results := conn.PgConn().ExecBatch(ctx, sent)
		var failed error
		for i := range batch {
			if !results.NextResult() {
				failed = failureOf(&batch[i], results.Close())
				break
			}
			if _, err := results.ResultReader().Close(); err != nil {
				failed = failureOf(&batch[i], err)
				break
			}
		}
		if err := results.Close(); failed == nil {
			failed = err
		}
		if failed != nil {
			return failed
		}
	}
	return nil
}

// failureOf says which statement failed, and why.
func failureOf(s *catalog.Statement, cause error) error {
	err := fmt.Errorf("%s %s: %s: %w", strings.ToLower(s.Kind), s.Name, shorten(s.SQL, 200), cause)
	if s.Kind == "" {
		err = fmt.Errorf("%s: %w", shorten(s.SQL, 200), cause)
	}
	if s.Kind == "SECURITY LABEL" && sqlState(err) == "22023" { // ExecSecLabelStmt() in src/backend/commands/seclabel.c
		return fmt.Errorf("%w; load the label provider on the target, or leave security labels out with --no-security-labels", err)
	}
	if sqlState(err) == "53200" { // out_of_memory, which LockAcquireExtended() in src/backend/storage/lmgr/lock.c gives
		return fmt.Errorf("%w; raise max_locks_per_transaction on the target if its lock table is full", err)
	}
	return err
}

// quiet keeps a statement out of the server's log and out of pg_stat_statements, which keeps the text of such
// statements as it is; loud takes that back. Superusers only may set these.
const (
	quiet = `SET log_statement = none; SET log_min_error_statement = panic; SET log_min_duration_statement = -1;
		SET log_min_duration_sample = -1; SET log_transaction_sample_rate = 0; SET pg_stat_statements.track_utility = off`
	loud = `RESET log_statement; RESET log_min_error_statement; RESET log_min_duration_statement;
		RESET log_min_duration_sample; RESET log_transaction_sample_rate; RESET pg_stat_statements.track_utility`
)

// executeSecret runs a statement whose text must not be seen, here or in the target's log as far as that is in our hands.
func (r *restore) executeSecret(ctx context.Context, conn *pgx.Conn, s *catalog.Statement) error {
	if r.target.super {
		if _, err := conn.Exec(ctx, quiet); err != nil {
			return fmt.Errorf("keep a statement with passwords out of the target's log: %w", err)
		}
	}
	_, failed := conn.Exec(ctx, s.SQL, pgx.QueryExecModeSimpleProtocol)
	if failed != nil {
		failed = fmt.Errorf("%s %s: %w", strings.ToLower(s.Kind), s.Name, withoutSecrets(failed))
	}
	if r.target.super && conn.PgConn().TxStatus() != 'E' { // the end of a failed transaction takes the settings back
		if _, err := conn.Exec(ctx, loud); err != nil {
			return errors.Join(failed, fmt.Errorf("take back settings of a session: %w", err))
		}
	}
	return failed
}

// withoutSecrets keeps of a server's error what cannot quote the statement: libpq repeats the words of a connection
// string that it does not understand, and a foreign-data wrapper's validator may do so with its options.
func withoutSecrets(err error) error {
	state := sqlState(err)
	harmless := []string{"08", "25", "40", "53", "54", "55", "57", "58", "42501", "42704", "42710"}
	if state == "" || slices.ContainsFunc(harmless, func(prefix string) bool { return strings.HasPrefix(state, prefix) }) {
		return err
	}
	return fmt.Errorf("the target refused it with SQLSTATE %s; neither the statement nor the server's message is shown, as they may hold passwords", state)
}

// sqlState is the code of a server's error, or empty.
func sqlState(err error) string {
	if pg := new(pgconn.PgError); errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// wentWithout notes a statement that failed and that the restored database can do without.
func (r *restore) wentWithout(s *catalog.Statement, err error) {
	r.goesWithout(fmt.Sprintf("%v: %s", err, s.Optional))
}

// compareExtensions notes what the target's extensions lack that the source's have. A restore of tables takes the
// target's extensions as they are.
func (r *restore) compareExtensions(ctx context.Context) error {
	if r.o.Scope == RestoreDataOnly || len(r.o.Tables)+len(r.o.Rename) > 0 || r.o.IntoSchema != "" {
		return nil
	}
	missing, err := r.catalog.MissingMembers(ctx, r.target.conn)
	for _, m := range missing {
		r.goesWithout(m.What + ": " + m.Why)
	}
	return err
}

// goesWithout notes something that the restored database does not have.
func (r *restore) goesWithout(what string) {
	r.tracer.Note(Note{LevelWarn, "not done: " + what})
	r.notDone.Lock()
	defer r.notDone.Unlock()
	r.result.NotDone = append(r.result.NotDone, what)
}
