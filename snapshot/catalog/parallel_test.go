package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// conflict is the rule that Statement.Locks states.
func conflict(a, b catalog.Statement) bool {
	meet := func(x, y []uint32) bool {
		return slices.ContainsFunc(x, func(oid uint32) bool { return slices.Contains(y, oid) })
	}
	return meet(a.Locks, b.Locks) || meet(a.Locks, b.Reads) || meet(a.Reads, b.Locks)
}

// runStage runs the statements of one stage on several connections, each as soon
// as those before it that it conflicts with are done.
func runStage(ctx context.Context, conns []*pgx.Conn, stage []catalog.Statement) error {
	free := make(chan *pgx.Conn, len(conns))
	for _, c := range conns {
		free <- c
	}
	done := make([]chan struct{}, len(stage))
	failed := make([]error, len(stage))
	var wg sync.WaitGroup
	for i, s := range stage {
		done[i] = make(chan struct{})
		wg.Go(func() {
			defer close(done[i])
			for j := range i {
				if conflict(s, stage[j]) {
					<-done[j]
				}
			}
			conn := <-free
			if _, err := conn.Exec(ctx, s.SQL, pgx.QueryExecModeSimpleProtocol); err != nil {
				failed[i] = fmt.Errorf("%s: %w", s.SQL, err)
			}
			free <- conn
		})
	}
	wg.Wait()
	return errors.Join(failed...)
}

func TestPostDataRunsInParallelWithoutDeadlock(t *testing.T) {
	source := newRich(t, "source")
	script := ddl(t, read(t, source), catalog.DDLOptions{})
	before := slices.IndexFunc(script.Statements, func(s catalog.Statement) bool { return s.Section == catalog.PostData })
	for round := range 3 {
		target := newDatabase(t, fmt.Sprint("target", round))
		execute(t, target, catalog.Script{Statements: script.Statements[:before]})
		var conns []*pgx.Conn
		for range 6 {
			conn := connect(t, server.ConnString(target.Config().Database), "UTF8")
			run(t, conn, "SET check_function_bodies = off; SET row_security = on; SET deadlock_timeout = '50ms'")
			conns = append(conns, conn)
		}
		for rest := script.Statements[before:]; len(rest) > 0; {
			n := 1
			for n < len(rest) && rest[n].Stage == rest[0].Stage {
				n++
			}
			if err := runStage(t.Context(), conns, rest[:n]); err != nil {
				t.Fatalf("stage %d: %v", rest[0].Stage, err)
			}
			rest = rest[n:]
		}
		equal(t, "DDL of source and copy", text(script), text(ddl(t, read(t, target), catalog.DDLOptions{})))
	}
}

// TestIndexesWithinOneTreeOfPartitionsAreAttachedOneAfterTheOther, on all its levels: an index above might never become valid.
func TestIndexesWithinOneTreeOfPartitionsAreAttachedOneAfterTheOther(t *testing.T) {
	source := newDatabase(t, "source")
	run(t, source, `SET search_path = public; CREATE TABLE top (a int, b int, PRIMARY KEY (a, b)) PARTITION BY LIST (a);
		CREATE TABLE one PARTITION OF top FOR VALUES IN (1); CREATE TABLE two PARTITION OF top FOR VALUES IN (2) PARTITION BY LIST (b);
		CREATE TABLE low PARTITION OF two FOR VALUES IN (1); CREATE TABLE high PARTITION OF two DEFAULT; SET search_path = ''`)
	var attached []catalog.Statement
	for _, s := range ddl(t, read(t, source), catalog.DDLOptions{}).Statements {
		if s.Kind == "INDEX ATTACH" {
			attached = append(attached, s)
		}
	}
	if len(attached) != 4 {
		t.Fatalf("%d indexes are attached", len(attached))
	}
	for i, a := range attached {
		for _, b := range attached[:i] {
			if !conflict(a, b) {
				t.Errorf("at the same time: %s; %s", b.SQL, a.SQL)
			}
		}
	}
}
