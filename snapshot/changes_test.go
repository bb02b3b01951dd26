package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// notes keeps what a Tracer is told.
type notes struct {
	noTracer
	mu   sync.Mutex
	list []Note
	on   func(Note)
}

func (n *notes) TraceNote(x Note) {
	n.mu.Lock()
	n.list = append(n.list, x)
	n.mu.Unlock()
	if n.on != nil {
		n.on(x)
	}
}

func (n *notes) has(kind NoteKind) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.list, func(x Note) bool { return x.Kind == kind })
}

// TestATableChangedBetweenTheSnapshotAndItsLockIsNeverCopiedWrong does to table t, after the snapshot was exported and
// the catalog read, what would make COPY show too few rows or other values.
func TestATableChangedBetweenTheSnapshotAndItsLockIsNeverCopiedWrong(t *testing.T) {
	const before = "1\tone\tsad\n2\ttwo\tsad\n"
	all := newDatabase(t)
	for _, c := range []struct {
		name, ddl string
		log       bool // join a log
		anew      bool // all must begin anew
		group     bool // t gets a snapshot of its own
		want      string
	}{
		{name: "TRUNCATE", ddl: `TRUNCATE t`, anew: true, want: ""},
		{name: "TRUNCATE with a log", ddl: `TRUNCATE t`, log: true, group: true, want: ""},
		{name: "TRUNCATE and rows with a log", ddl: `TRUNCATE t; INSERT INTO t VALUES (3, 'three')`, log: true, group: true, want: "3\tthree\tsad\n"},
		{name: "VACUUM FULL", ddl: `VACUUM FULL t`, anew: true, want: before},
		{name: "VACUUM FULL with a log", ddl: `VACUUM FULL t`, log: true, group: true, want: before},
		{name: "CLUSTER with a log", ddl: `CLUSTER t USING t_pkey`, log: true, group: true, want: before},
		{name: "SET UNLOGGED with a log", ddl: `ALTER TABLE t SET UNLOGGED`, log: true, group: true, want: before},
		{name: "a rewriting ALTER with a log", ddl: `ALTER TABLE t ADD COLUMN r text DEFAULT md5(clock_timestamp()::text)`, log: true, anew: true},
		{name: "an added column", ddl: `ALTER TABLE t ADD COLUMN n int DEFAULT 5; UPDATE t SET n = 6`, want: before},
		{name: "an added column and a rewrite with a log", ddl: `ALTER TABLE t ADD COLUMN n int; UPDATE t SET n = 6; VACUUM FULL t`, log: true, anew: true,
			want: "1\tone\tsad\t6\n2\ttwo\tsad\t6\n"},
		{name: "a dropped column", ddl: `ALTER TABLE t DROP COLUMN v`, anew: true, want: "1\tsad\n2\tsad\n"},
		{name: "a column dropped and added anew", ddl: `ALTER TABLE t DROP COLUMN v; ALTER TABLE t ADD COLUMN v text DEFAULT 'new'`, log: true, anew: true,
			want: "1\tsad\tnew\n2\tsad\tnew\n"},
		{name: "a renamed column", ddl: `ALTER TABLE t RENAME COLUMN v TO w`, anew: true, want: before},
		{name: "a changed type without rewrite", ddl: `ALTER TABLE t ALTER v TYPE varchar`, anew: true, want: before},
		{name: "a table put in the place", ddl: `ALTER TABLE t RENAME TO was_t; CREATE TABLE t (id int, v text, m mood)`, log: true, anew: true, want: ""},
		{name: "a dropped table", ddl: `DROP TABLE t; CREATE TABLE t AS SELECT 5 AS five`, log: true, anew: true, want: "5\n"},
		{name: "a moved table", ddl: `CREATE SCHEMA s; ALTER TABLE t SET SCHEMA s`, anew: true, want: before},
		{name: "a view in the place", ddl: `ALTER TABLE t RENAME TO was_t; CREATE VIEW t AS SELECT 1; CREATE SCHEMA s; ALTER VIEW t SET SCHEMA s; ALTER TABLE was_t RENAME TO t`, want: before},
		{name: "swapped labels", ddl: `ALTER TYPE mood RENAME VALUE 'sad' TO 'x'; ALTER TYPE mood RENAME VALUE 'ok' TO 'sad'; ALTER TYPE mood RENAME VALUE 'x' TO 'ok'`,
			log: true, anew: true, want: "1\tone\tok\n2\ttwo\tok\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &database{t: t, config: all.config, conn: all.conn}
			d.exec(`DROP SCHEMA IF EXISTS s CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public`)
			d.exec(`CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE t (id int PRIMARY KEY, v varchar(10), m mood DEFAULT 'sad');
				INSERT INTO t VALUES (1, 'one'), (2, 'two'); CREATE TABLE other AS SELECT 'other' AS o`)
			tracer := &notes{}
			o := Options{Jobs: 1, Tracer: tracer, at: d.during("planned", func() {
				for _, sql := range strings.Split(c.ddl, "; ") {
					d.exec(sql)
				}
			})}
			if c.log {
				o.Joins = d.logStart()
			}
			taken, sink := d.take(o)
			if got := tracer.has(NoteRetrying); got != c.anew {
				t.Errorf("began anew: %v; notes %+v", got, tracer.list)
			}
			if got := len(taken.Envelope.Groups) == 2; got != c.group || tracer.has(NoteRegroup) != c.group {
				t.Errorf("%d groups", len(taken.Envelope.Groups))
			}
			got := string(sink.rows(t, taken, "t"))
			if c.want != "" || !c.anew || !strings.Contains(c.name, "rewriting") {
				if got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			} else if strings.Count(got, "\n") != 2 {
				t.Errorf("got %q", got)
			}
			if got := string(sink.rows(t, taken, "other")); got != "other\n" {
				t.Errorf("other holds %q", got)
			}
			if c.group {
				groups := taken.Envelope.Groups
				if taken.table(t, "t").Group != 1 || taken.table(t, "other").Group != 0 || groups[1].LSN <= groups[0].LSN ||
					groups[1].Visibility.Xmin < o.Joins.Visibility.Xmax || groups[1].Visibility.Xmax <= groups[0].Visibility.Xmax {
					t.Errorf("groups %+v", groups)
				}
			}
		})
	}
}

func TestARenameThatChangesTheTextOfStoredNamesMakesAllBeginAnew(t *testing.T) {
	d := newDatabase(t)
	d.exec(`CREATE SCHEMA s; CREATE TABLE s.named (); CREATE TABLE t (c regclass[]); INSERT INTO t VALUES ('{s.named}')`)
	for _, c := range []struct {
		ddl, want string
		anew      bool
	}{{`CREATE TABLE more (); CREATE TEMP TABLE temporary ()`, "{s.named}\n", false}, {`ALTER TABLE s.named RENAME TO renamed`, "{s.renamed}\n", true},
		{`ALTER SCHEMA s RENAME TO r`, "{r.renamed}\n", true}} {
		tracer := &notes{}
		taken, sink := d.take(Options{Tracer: tracer, at: d.during("copied", func() { d.exec(c.ddl) })})
		if got := string(sink.rows(t, taken, "t")); got != c.want || tracer.has(NoteRetrying) != c.anew {
			t.Errorf("%s: got %q, notes %+v", c.ddl, got, tracer.list)
		}
	}
}

func TestDDLDuringTheCatalogsReadingMakesItBeReadAgain(t *testing.T) {
	d := newDatabase(t)
	d.exec(`CREATE TABLE t (id int PRIMARY KEY); CREATE VIEW v AS SELECT id FROM t; INSERT INTO t VALUES (1)`)
	for i, ddl := range []string{`ALTER TABLE t RENAME COLUMN id TO key`, `DROP VIEW v`, `CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'`} {
		for _, point := range []string{"exported", "read"} {
			if point == "read" && i > 0 {
				continue
			}
			tracer := &notes{}
			taken, _ := d.take(Options{Tracer: tracer, at: d.during(point, func() { d.exec(ddl) })})
			if !tracer.has(NoteRetrying) {
				t.Errorf("%s at %s was not noticed", ddl, point)
			}
			if i == 0 && point == "exported" {
				if taken.Catalog.Tables[0].Columns[0].Name != "key" {
					t.Errorf("the catalog has %+v", taken.Catalog.Tables[0].Columns)
				}
				d.exec(`ALTER TABLE t RENAME COLUMN key TO id`)
			}
		}
	}
}

func TestDDLThatRunsAllTheTimeIsToldOfInsteadOfTriedForEver(t *testing.T) {
	noLeak(t)
	d := newDatabase(t)
	d.exec(`CREATE TABLE t (id int)`)
	n := 0
	_, err := Take(t.Context(), d.config, Options{at: func(_ context.Context, point, _ string) {
		if point == "exported" {
			n++
			d.exec(fmt.Sprintf(`CREATE TABLE t%d ()`, n))
		}
	}}, &memorySink{})
	if err == nil || !strings.Contains(err.Error(), "DDL runs less often") || n != mostTries {
		t.Errorf("after %d tries: %v", n, err)
	}
}

func TestATableIsLockedFromItsFirstRangeToItsLast(t *testing.T) {
	d := newDatabase(t)
	d.exec(`CREATE TABLE big AS SELECT g, repeat('x', 100) FROM generate_series(1, 10000) g`)
	tries := 0
	taken, _ := d.take(Options{Jobs: 1, PartBytes: 256 << 10, at: func(ctx context.Context, point, table string) {
		if point != "locked" && point != "part" {
			return
		}
		tries++
		if _, err := d.conn.Exec(ctx, `DO 'BEGIN LOCK TABLE big IN ACCESS EXCLUSIVE MODE NOWAIT; END'`); sqlState(err) != "55P03" {
			t.Errorf("at %s the lock could be had, or: %v", point, err)
		}
	}})
	if parts := len(taken.table(t, "big").Parts); tries != parts+1 || parts < 4 {
		t.Errorf("%d tries with %d parts", tries, parts)
	}
	// And nothing stronger than ACCESS SHARE is taken, so that nothing but such DDL is held up.
	d.take(Options{at: func(ctx context.Context, point, table string) {
		if n := d.text(`SELECT coalesce(string_agg(DISTINCT mode, ' '), '') FROM pg_locks JOIN pg_stat_activity USING (pid)
			WHERE application_name = 'pgrecall' AND datname = current_database() AND locktype = 'relation' AND mode <> 'AccessShareLock'`); n != "" {
			t.Errorf("at %s %s is held", point, n)
		}
	}})
}

// waitsForLock waits until a statement in the test's database waits for a lock on table big.
func (d *database) waitsForLock() {
	d.t.Helper()
	for d.text(`SELECT count(*)::text || pg_sleep(0.01) FROM pg_locks WHERE relation = 'big'::regclass AND NOT granted`) == "0" {
	}
}

// TestAnAlterQueuedBehindOurLockNeitherStopsUsNorIsStopped would deadlock, unseen by the server, if the second worker
// queued for its lock behind the ALTER, which waits for the first.
func TestAnAlterQueuedBehindOurLockNeitherStopsUsNorIsStopped(t *testing.T) {
	noLeak(t)
	d := newDatabase(t)
	d.exec(`CREATE TABLE big AS SELECT g, repeat('x', 100) FROM generate_series(1, 10000) g`)
	other := connect(t, d.config)
	altered, alone := make(chan error, 1), make(chan struct{})
	var once, onceAlone sync.Once
	taken, _ := d.take(Options{Jobs: 3, PartBytes: 128 << 10, at: func(ctx context.Context, point, table string) {
		switch point {
		case "locked":
			once.Do(func() {
				go func() {
					_, err := other.Exec(t.Context(), `ALTER TABLE big ADD COLUMN later int`)
					altered <- err
				}()
				d.waitsForLock()
			})
		case "alone":
			onceAlone.Do(func() { close(alone) })
		case "part": // the first worker goes on only when another has seen that it cannot help
			select {
			case <-alone:
			case <-ctx.Done():
			}
		}
	}})
	if err := <-altered; err != nil {
		t.Error(err)
	}
	if table := taken.table(t, "big"); table.Rows != 10000 || len(table.Parts) < 4 || len(table.Columns) != 2 {
		t.Errorf("%d rows in %d parts, columns %v", table.Rows, len(table.Parts), table.Columns)
	}
}

func TestATableLockedBySomebodyElseIsLeftForLastAndWaitedForHoldingNothing(t *testing.T) {
	noLeak(t)
	d := newDatabase(t)
	d.exec(`CREATE TABLE big AS SELECT 1 AS a; CREATE TABLE other AS SELECT 2 AS a`)
	holder := connect(t, d.config)
	pid := holder.PgConn().PID()
	// The lock is taken after the catalog's reading, which measures the tables and waits for them too.
	lock := d.during("planned", func() {
		if _, err := holder.Exec(t.Context(), `BEGIN; LOCK TABLE big IN ACCESS EXCLUSIVE MODE`); err != nil {
			t.Error(err)
		}
	})
	release := d.during("contended", func() {
		held := d.text(`SELECT coalesce(string_agg(c.relname, ' '), '') FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = l.relation
			WHERE a.application_name = 'pgrecall' AND a.datname = current_database() AND c.relname IN ('big', 'other')`)
		if held != "" {
			t.Errorf("while waiting, locks on %s are held or awaited", held)
		}
		if _, err := holder.Exec(t.Context(), `COMMIT`); err != nil {
			t.Error(err)
		}
	})
	tracer := &notes{}
	taken, _ := d.take(Options{Jobs: 1, Tracer: tracer, at: func(ctx context.Context, point, table string) {
		lock(ctx, point, table)
		release(ctx, point, table)
	}})
	if taken.Envelope.Rows != 2 {
		t.Errorf("%d rows", taken.Envelope.Rows)
	}
	if len(tracer.list) != 1 || tracer.list[0].Kind != NoteWaiting || !strings.Contains(tracer.list[0].Text, "public.big") ||
		len(tracer.list[0].Backends) != 1 || tracer.list[0].Backends[0].PID != int32(pid) {
		t.Errorf("notes %+v, want pid %d", tracer.list, pid)
	}

	again := d.during("planned", func() {
		if _, err := holder.Exec(t.Context(), `BEGIN; LOCK TABLE big IN ACCESS EXCLUSIVE MODE`); err != nil {
			t.Error(err)
		}
	})
	_, err := Take(t.Context(), d.config, Options{WaitTimeout: time.Nanosecond, at: again}, &memorySink{})
	if !errors.Is(err, ErrWaitTimeout) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d ", pid)) {
		t.Errorf("got %v", err)
	}
	d.awaitNoSession()

	if _, err := holder.Exec(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	prepared := d.during("planned", func() {
		if _, err := holder.Exec(t.Context(), `BEGIN; LOCK TABLE big IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'holder of big'`); err != nil {
			t.Error(err)
		}
	})
	_, err = Take(t.Context(), d.config, Options{WaitTimeout: time.Nanosecond, at: prepared}, &memorySink{})
	if !errors.Is(err, ErrWaitTimeout) || !strings.Contains(err.Error(), `prepared transaction "holder of big"`) {
		t.Errorf("got %v", err)
	}
	d.exec(`ROLLBACK PREPARED 'holder of big'`)
	d.awaitNoSession()
}

func TestTheCatalogsReadingTellsWhomItWaitsFor(t *testing.T) {
	noLeak(t)
	d := newDatabase(t)
	d.exec(`CREATE TABLE big AS SELECT 1 AS a; CREATE INDEX ON big ((a + 1)); CREATE TABLE other AS SELECT 2 AS a; CREATE SEQUENCE seq`)
	for _, relation := range []string{"public.big", "public.seq"} {
		holder := connect(t, d.config)
		hold := func() {
			t.Helper()
			sql := `BEGIN; LOCK TABLE big IN ACCESS EXCLUSIVE MODE`
			if relation == "public.seq" {
				sql = `BEGIN; DROP SEQUENCE seq`
			}
			if _, err := holder.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		release := func() {
			t.Helper()
			if _, err := holder.Exec(t.Context(), `ROLLBACK`); err != nil {
				t.Error(err)
			}
		}
		hold()
		tracer := &notes{on: func(Note) { release() }}
		taken, _ := d.take(Options{Tracer: tracer})
		if taken.Envelope.Rows != 2 {
			t.Errorf("%d rows", taken.Envelope.Rows)
		}
		pid := int32(holder.PgConn().PID())
		if len(tracer.list) != 1 || tracer.list[0].Kind != NoteWaiting || !strings.HasPrefix(tracer.list[0].Text, relation+" is locked") ||
			len(tracer.list[0].Backends) != 1 || tracer.list[0].Backends[0].PID != pid {
			t.Errorf("notes %+v, want %s and pid %d", tracer.list, relation, pid)
		}
		hold()
		_, err := Take(t.Context(), d.config, Options{WaitTimeout: time.Nanosecond}, &memorySink{})
		if !errors.Is(err, ErrWaitTimeout) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d ", pid)) {
			t.Errorf("got %v", err)
		}
		d.awaitNoSession()
		release()
	}
}

// TestTheCatalogsReadingHoldsNoLockWhileItWaits: the definitions of views lock their tables, and whoever would alter one of these would wait
// as long as we do for another, and all who use it behind him.
func TestTheCatalogsReadingHoldsNoLockWhileItWaits(t *testing.T) {
	noLeak(t)
	d := newDatabase(t)
	d.exec(`CREATE TABLE free AS SELECT 1 AS a; CREATE TABLE held AS SELECT 2 AS a; CREATE VIEW v1 AS SELECT * FROM free; CREATE VIEW v2 AS SELECT * FROM held;
		CREATE VIEW v3 AS SELECT * FROM free; CREATE SEQUENCE s1; CREATE SEQUENCE s2; CREATE SEQUENCE s3`)
	for _, c := range []struct{ hold, alter string }{
		{`ALTER TABLE held ADD b int`, `ALTER TABLE free ADD c int; ALTER VIEW v1 RENAME TO v; ALTER VIEW v RENAME TO v1; ALTER VIEW v3 RENAME TO v; ALTER VIEW v RENAME TO v3`},
		{`DROP SEQUENCE s2`, `ALTER SEQUENCE s1 RENAME TO s; ALTER SEQUENCE s RENAME TO s1; ALTER SEQUENCE s3 RENAME TO s; ALTER SEQUENCE s RENAME TO s3`},
	} {
		holder, other := connect(t, d.config), connect(t, d.config)
		if _, err := holder.Exec(t.Context(), `BEGIN; `+c.hold); err != nil {
			t.Fatal(err)
		}
		waited := false
		tracer := &notes{on: func(n Note) {
			if n.Kind != NoteWaiting || waited {
				return
			}
			waited = true
			if _, err := other.Exec(t.Context(), `SET lock_timeout = 1; BEGIN; `+c.alter+`; ROLLBACK`); err != nil {
				t.Errorf("while %q is waited for: %v", c.hold, err)
			}
			if _, err := holder.Exec(t.Context(), `ROLLBACK`); err != nil {
				t.Error(err)
			}
		}}
		if taken, _ := d.take(Options{Tracer: tracer}); taken.Envelope.Rows != 2 {
			t.Errorf("%d rows", taken.Envelope.Rows)
		}
		if !waited {
			t.Errorf("%q was not waited for", c.hold)
		}
	}
}

func TestATableThatMayNotBeReadIsNamed(t *testing.T) {
	d := newDatabase(t)
	d.exec(`CREATE TABLE secret (a int); INSERT INTO secret VALUES (1); CREATE TABLE open (a serial); CREATE SEQUENCE s;
		DO $$ BEGIN CREATE ROLE nobody LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$; GRANT SELECT ON open TO nobody`)
	d.config.User = "nobody"
	take := func(o Options, tables, sequences, hidden string) {
		t.Helper()
		_, err := Take(t.Context(), d.config, o, &memorySink{})
		var e *ForbiddenError
		if !errors.As(err, &e) {
			t.Fatalf("not refused: %v", err)
		}
		if got := fewOf(e.Tables); got != tables {
			t.Errorf("tables %q, want %q", got, tables)
		}
		if got := fewOf(e.Sequences); got != sequences {
			t.Errorf("sequences %q, want %q", got, sequences)
		}
		if got := fewOf(e.Hidden); got != hidden {
			t.Errorf("hidden %q, want %q", got, hidden)
		}
	}
	take(Options{}, "public.secret", "public.open_a_seq, public.s", "")
	take(Options{Selection: catalog.Selection{Tables: []string{"open"}}}, "", "public.open_a_seq", "")
	d.exec(`GRANT SELECT ON secret, open_a_seq, s TO nobody; ALTER TABLE secret ENABLE ROW LEVEL SECURITY`)
	take(Options{}, "", "", "public.secret")

	// A policy that comes later is the server's to refuse, which shows no part of the rows with row_security off.
	d.exec(`ALTER TABLE secret DISABLE ROW LEVEL SECURITY`)
	enable := func(_ context.Context, point, _ string) {
		if point == "planned" {
			d.exec(`ALTER TABLE secret ENABLE ROW LEVEL SECURITY`)
		}
	}
	if _, err := Take(t.Context(), d.config, Options{at: enable}, &memorySink{}); err == nil || !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("a policy that hides rows was not refused: %v", err)
	}
}
