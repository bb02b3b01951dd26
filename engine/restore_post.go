package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pgrecall/pgrecall/snapshot"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// postData makes indexes, constraints, triggers and the rest, stage by stage and within a stage in parallel. Event triggers
// wait for makeEventTriggers.
func (r *restore) postData(ctx context.Context) error {
	var statements []catalog.Statement
	for i, s := range r.script.Statements {
		if s.Section == catalog.PostData && s.Stage < catalog.StageEventTriggers && !(s.IfMissing && r.target.exists[i]) {
			statements = append(statements, s)
		}
	}
	return r.parallel(ctx, "post-data", statements, func(i int, err error) { r.wentWithout(&statements[i], err) })
}

// makeEventTriggers makes the event triggers when nothing is left to do that they could fire for, in a session that is there
// already: from 17 on they may fire for each login, and refuse it.
func (r *restore) makeEventTriggers(ctx context.Context) error {
	if r.o.Scope == RestoreDataOnly {
		return nil
	}
	for i := range r.script.Statements {
		s := &r.script.Statements[i]
		if s.Stage < catalog.StageEventTriggers {
			continue
		}
		if err := r.execute(ctx, r.target.conn, s); err != nil {
			return err
		}
	}
	return nil
}

// analyze gathers statistics, which decide the plans of the first queries. Small tables go together. One that cannot be analyzed, such as
// the parent of a foreign table whose server is away, ends the ANALYZE of all of them (vacuum() in src/backend/commands/vacuum.c):
// each goes by itself then, and what the restored database has instead of the statistics is said.
func (r *restore) analyze(ctx context.Context) error {
	const small, many = 1 << 20, 50
	const without = "the planner guesses until the table is analyzed"
	statement := func(name string, bytes int64, tables ...string) catalog.Statement {
		return catalog.Statement{Kind: "ANALYZE", Name: name, Bytes: bytes, SQL: "ANALYZE " + strings.Join(tables, ", "), Optional: without}
	}
	var statements, each []catalog.Statement
	var together []string
	for _, t := range r.wanted {
		name := r.script.Tables[t.OID]
		table := quoteName(name.Schema, name.Name)
		one := statement(name.Schema+"."+name.Name, t.RawBytes, table)
		if t.RawBytes >= small {
			statements = append(statements, one)
			continue
		}
		each, together = append(each, one), append(together, table)
	}
	large := len(statements)
	for some := range slices.Chunk(together, many) {
		statements = append(statements, statement("of small tables", 0, some...))
	}
	again := make([]bool, len(statements))
	err := r.parallel(ctx, "analyze", statements, func(i int, err error) {
		if again[i] = i >= large; !again[i] {
			r.wentWithout(&statements[i], err)
		}
	})
	if err != nil || !slices.Contains(again, true) {
		return err
	}
	var alone []catalog.Statement
	for i := range again[large:] {
		if again[large+i] {
			alone = append(alone, each[i*many:min((i+1)*many, len(each))]...)
		}
	}
	return r.parallel(ctx, "analyze", alone, func(i int, err error) { r.wentWithout(&alone[i], err) })
}

// parallel runs statements over several connections. without is told of those that failed and that are Optional, once each.
func (r *restore) parallel(ctx context.Context, phase string, statements []catalog.Statement, without func(i int, err error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	q := newStatementQueue(statements)
	stop := context.AfterFunc(ctx, func() { q.fail(context.Cause(ctx)) })
	defer stop()
	began, done := time.Now(), 0
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range min(r.jobs(), len(statements)) {
		workers.Add(1)
		go func() {
			defer workers.Done()
			err := r.runStatements(ctx, q, without, func() {
				mu.Lock()
				done++
				p := Progress{Phase: phase, Rows: int64(done), TotalRows: int64(len(statements)), Done: done == len(statements), Elapsed: time.Since(began)}
				mu.Unlock()
				r.tracer.Progress(p)
			})
			if err != nil {
				q.fail(err)
				cancel()
			}
		}()
	}
	workers.Wait()
	return q.err
}

// runStatements runs statements over one connection until none is left.
func (r *restore) runStatements(ctx context.Context, q *statementQueue, without func(int, error), did func()) error {
	conn, err := snapshot.Connect(ctx, r.target.config, "")
	if err != nil {
		return err
	}
	defer hangUp(ctx, conn)
	// A materialized view is filled with the rights of its owner, whom policies may show a part of the rows only.
	// Off, as sessions that read and load rows have it, would make that an error.
	if _, err := conn.Exec(ctx, "SET row_security = on"); err != nil {
		return fmt.Errorf("prepare a session of the target: %w", err)
	}
	for {
		i, ok := q.next()
		if !ok {
			return nil
		}
		s := &q.statements[i]
		if err := r.execute(ctx, conn, s); err != nil {
			if ctx.Err() != nil || conn.IsClosed() {
				return err
			}
			if s.Optional != "" {
				without(i, err)
			} else if err := r.contradicted(ctx, conn, s, err); err != nil {
				return err
			}
		}
		did()
		q.did(i)
	}
}
