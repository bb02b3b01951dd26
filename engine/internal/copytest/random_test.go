package copytest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
)

var rewriteSeed = flag.Uint64("rewrite-seed", 1, "the seed of the random rewrites")

// rewrites draws statements on a few tables, many of which fail.
type rewrites struct {
	*rand.Rand
	t    *testing.T
	db   string
	main *pgx.Conn
	// others have transactions open, some of the time.
	others  []*pgx.Conn
	open    []bool
	history []string
	// reworded: a copy will wait for them.
	reworded bool
}

func (m *rewrites) of(texts ...string) string { return texts[m.IntN(len(texts))] }

func (m *rewrites) write() string {
	t := m.of("t1", "t1", "t2", "t3", "parts")
	switch m.IntN(9) {
	case 8:
		return fmt.Sprintf("UPDATE t1 SET p.a = %d, p.b = 'b,' WHERE id %% 4 = %d", m.IntN(9), m.IntN(4))
	case 0:
		return fmt.Sprintf("DELETE FROM %s WHERE id %% 7 = %d", t, m.IntN(7))
	case 1:
		return fmt.Sprintf("UPDATE %s SET id = id + 1000 WHERE id < %d", t, m.IntN(20))
	case 2:
		return fmt.Sprintf("UPDATE %s SET id = id WHERE id %% 3 = %d", t, m.IntN(3))
	case 3:
		return fmt.Sprintf("UPDATE t1 SET mood = '%s' WHERE id %% 5 = %d", m.of("sad", "happy"), m.IntN(5))
	case 4:
		return fmt.Sprintf("UPDATE t1 SET long = %s WHERE id %% 5 = %d", m.of("NULL", "'x'", "repeat(md5(id::text), 150)"), m.IntN(5))
	}
	return fmt.Sprintf("INSERT INTO %s (id) SELECT i FROM generate_series(%d, %d) i", t, m.IntN(900), m.IntN(900))
}

func (m *rewrites) rewrite() string {
	t := m.of("t1", "t1", "t2", "t3", "parts")
	switch m.IntN(12) {
	case 0, 1:
		return fmt.Sprintf("ALTER TABLE %s ALTER n TYPE %s", t, m.of("bigint USING n::bigint * 2", "text USING n::text || 'x'", "int USING length(n::text)"))
	case 2:
		return fmt.Sprintf("ALTER TABLE %s ADD r%d float DEFAULT random()", t, m.IntN(99))
	case 3:
		return fmt.Sprintf("ALTER TABLE %s ADD d%d text DEFAULT 'd'", t, m.IntN(99))
	case 4:
		return m.of("ALTER TABLE t2 SET UNLOGGED; ALTER TABLE t2 SET LOGGED", "VACUUM FULL t1", "TRUNCATE t2")
	case 5:
		m.reworded = true
		return m.of("ALTER TYPE mood RENAME VALUE 'sad' TO 'x'; ALTER TYPE mood RENAME VALUE 'happy' TO 'sad'; ALTER TYPE mood RENAME VALUE 'x' TO 'happy'",
			fmt.Sprintf("ALTER TYPE pair ADD ATTRIBUTE c%d int", m.IntN(99)), fmt.Sprintf("ALTER TYPE mood ADD VALUE 'm%d'", m.IntN(99)))
	case 6:
		return fmt.Sprintf("ALTER TABLE %s RENAME TO %s", m.of("t2", "t3"), m.of("t2", "t3"))
	case 7:
		return m.of("DROP TABLE t3", "CREATE TABLE t3 AS SELECT id, n FROM t2", "CREATE TABLE t3 (id int, n text)")
	case 8:
		return fmt.Sprintf("ALTER TABLE %s DROP n, ADD n int", t)
	case 9:
		return m.of("ALTER TABLE t1 ALTER g DROP EXPRESSION", "ALTER TABLE t1 DROP g, ADD g int GENERATED ALWAYS AS (id * 3) STORED")
	case 10:
		return m.of("ALTER TABLE t1 DROP CONSTRAINT t1_pkey", "ALTER TABLE t1 ADD PRIMARY KEY (id)", "ALTER TABLE t1 REPLICA IDENTITY FULL", "ALTER TABLE t1 REPLICA IDENTITY DEFAULT")
	}
	return "CREATE TABLE t3 (id int PRIMARY KEY, n int)"
}

// run executes statements, in one transaction or one by one, some in transactions that stay open.
func (m *rewrites) run() string {
	if i := m.IntN(3 * len(m.others)); i < len(m.others) {
		return m.other(i)
	}
	var statements []string
	for range 1 + m.IntN(4) {
		if m.IntN(3) == 0 {
			statements = append(statements, m.rewrite())
		} else {
			statements = append(statements, m.write())
		}
	}
	return enginetest.Run(m.t, m.main, statements, m.IntN(3) == 0)
}

// other begins, goes on with or ends a transaction beside.
func (m *rewrites) other(i int) string {
	sql := m.write()
	switch {
	case !m.open[i]:
		sql = "BEGIN; " + sql
	case m.IntN(2) == 0:
		return m.end(i)
	}
	m.open[i] = true
	if _, err := m.others[i].Exec(m.t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		_, _ = m.others[i].Exec(m.t.Context(), "ROLLBACK")
		m.open[i] = false
		sql = "-- rolled back: " + sql
	}
	return fmt.Sprintf("-- beside, %d: %s", i, sql)
}

func (m *rewrites) end(i int) string {
	sql := m.of("COMMIT", "COMMIT", "ROLLBACK")
	if _, err := m.others[i].Exec(m.t.Context(), sql); err != nil {
		m.t.Fatal(err)
	}
	m.open[i] = false
	return fmt.Sprintf("-- beside, %d: %s", i, sql)
}

func (m *rewrites) drain(place engine.Place) {
	switch m.IntN(3) {
	case 0:
		m.history = append(m.history, "-- drained without copies")
		drainWithout(m.t, place, m.db)
	default:
		for i := range m.others {
			if m.open[i] && m.reworded {
				m.history = append(m.history, m.end(i))
			}
		}
		m.history, m.reworded = append(m.history, "-- drained"), false
		enginetest.Drain(m.t, place, m.db)
	}
}

// TestRandomRewritesAreExactOrRefusedWithTwoPoints restores moments between random statements, transactions and copies: each is exact, or
// refused with points that can be restored, and the last is not refused.
func TestRandomRewritesAreExactOrRefusedWithTwoPoints(t *testing.T) {
	const rounds = 40
	seed := *rewriteSeed
	place, db := enginetest.Protect(t, server, "CREATE TYPE mood AS ENUM ('sad', 'happy')", "CREATE TYPE pair AS (a int, b text)",
		"CREATE TABLE t1 (id int PRIMARY KEY, n int DEFAULT 3, mood mood DEFAULT 'sad', p pair, long text, g int GENERATED ALWAYS AS (id * 2) STORED)",
		"CREATE TABLE t2 (id int, n int DEFAULT 4)", "CREATE TABLE parts (id int, n int DEFAULT 5) PARTITION BY RANGE (id)",
		"CREATE TABLE p1 PARTITION OF parts FOR VALUES FROM (0) TO (300)", "CREATE TABLE rest PARTITION OF parts DEFAULT",
		"INSERT INTO t1 (id, long) SELECT i, repeat(md5(i::text), 100) FROM generate_series(1, 60) i", "INSERT INTO t2 SELECT i % 9 FROM generate_series(1, 40) i", "INSERT INTO parts SELECT i FROM generate_series(1, 500) i")
	m := &rewrites{Rand: rand.New(rand.NewPCG(seed, 0)), t: t, db: db, open: make([]bool, 2)}
	limits := db + " options='-c lock_timeout=50ms'"
	if strings.Contains(db, "://") {
		limits = db + map[bool]string{true: "&", false: "?"}[strings.Contains(db, "?")] + "options=-c%20lock_timeout%3D50ms"
	}
	m.main = pgtest.Open(t, limits)
	for range m.open {
		m.others = append(m.others, pgtest.Open(t, limits))
	}
	var moments []enginetest.Moment
	for i := range rounds {
		what := m.run()
		m.history = append(m.history, what)
		if i%4 == 0 {
			moments = append(moments, enginetest.MomentOf(t, db, fmt.Sprintf("seed %d, round %d: %s", seed, i, what)))
		}
		if m.IntN(4) == 0 {
			m.drain(place)
		}
	}
	for i := range m.others {
		if m.open[i] {
			m.history = append(m.history, m.end(i))
		}
	}
	pgtest.Exec(t, db, "CREATE TABLE last_of_all ()")
	enginetest.Drain(t, place, db)
	last := enginetest.MomentOf(t, db, "the last moment")
	pgtest.Exec(t, db, "INSERT INTO t1 (id) VALUES (-1)")
	enginetest.Drain(t, place, db)
	count := 0
	for _, moment := range append(moments, last) {
		to := pgtest.NewDatabase(t, server)
		_, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: to, Target: at(moment)})
		if engine.ExitCode(err) == 3 && moment.LSN != last.LSN {
			count++
			named := points.FindStringSubmatch(err.Error())
			if named == nil {
				t.Errorf("%s: no two points in: %v", moment.What, err)
				continue
			}
			for i := 1; i < len(named); i += 2 {
				target := targetOf(t, named[i], named[i+1])
				if _, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: to, Target: target, DryRun: true}); err != nil {
					t.Errorf("%s: the nearest point --%s %s: %v", moment.What, named[i], named[i+1], err)
				}
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", moment.What, err)
			continue
		}
		moment.Equals(t, to)
	}
	t.Logf("%d of %d moments were refused, %d copies", count, len(moments), len(copies(t, place)))
	if t.Failed() {
		t.Logf("seed %d:\n%s", seed, strings.Join(m.history, ";\n"))
	}
}
