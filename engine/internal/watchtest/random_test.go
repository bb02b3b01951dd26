package watchtest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
)

var watchSeed = flag.Uint64("watch-seed", 1, "the first seed of the random migrations")

// migrations draws statements on a few tables, many of which fail, as on columns that are not there.
type migrations struct{ *rand.Rand }

func (m migrations) of(texts ...string) string { return texts[m.IntN(len(texts))] }

func (m migrations) table() string  { return m.of("t1", "t2", "t3", "parts") }
func (m migrations) column() string { return m.of("a", "b", "c") }

func (m migrations) write() string {
	t := m.table()
	switch m.IntN(6) {
	case 0:
		return "TRUNCATE " + t
	case 1:
		return fmt.Sprintf("DELETE FROM %s WHERE id %% 7 = %d", t, m.IntN(7))
	case 2:
		return fmt.Sprintf("UPDATE %s SET id = id + 1000 WHERE id < %d", t, m.IntN(20))
	case 3:
		return fmt.Sprintf("UPDATE %s SET %s = %s WHERE id %% 5 = %d", t, m.column(), m.of("NULL", "'x'", "repeat(md5('1'), 200)"), m.IntN(5))
	}
	return fmt.Sprintf("INSERT INTO %s (id) SELECT i FROM generate_series(%d, %d) i", t, m.IntN(50), m.IntN(100))
}

func (m migrations) migrate() string {
	t, c := m.table(), m.column()
	switch m.IntN(14) {
	case 0, 1:
		return fmt.Sprintf("ALTER TABLE %s ADD %s text %s", t, c, m.of("", "DEFAULT 'd'", "DEFAULT clock_timestamp()::text"))
	case 2:
		return fmt.Sprintf("ALTER TABLE %s DROP %s", t, c)
	case 3:
		return fmt.Sprintf("ALTER TABLE %s RENAME %s TO %s", t, c, m.column())
	case 4:
		return fmt.Sprintf("CREATE TABLE %s (id int %s, a text)", m.of("t2", "t3"), m.of("", "PRIMARY KEY"))
	case 5:
		return fmt.Sprintf("CREATE TABLE %s AS SELECT * FROM %s", m.of("t2", "t3"), t)
	case 6:
		return "DROP TABLE " + m.of("t2", "t3")
	case 7:
		return fmt.Sprintf("ALTER TABLE %s RENAME TO %s", m.of("t1", "t2", "t3"), m.of("t1", "t2", "t3"))
	case 8:
		return fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s_pkey", t, t)
	case 9:
		return fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s_pkey PRIMARY KEY (id)", t, t)
	case 10:
		return fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY %s", t, m.of("FULL", "DEFAULT"))
	case 11:
		return m.of("ALTER TABLE parts DETACH PARTITION p1", "ALTER TABLE parts ATTACH PARTITION p1 FOR VALUES FROM (0) TO (50)", "CREATE TABLE p2 PARTITION OF parts FOR VALUES FROM (50) TO (1000)", "DROP TABLE p2")
	case 12:
		return fmt.Sprintf("ALTER TABLE %s ALTER a %s", t, m.of("SET DEFAULT 'x'", "DROP DEFAULT", "TYPE text USING a || '!'"))
	}
	return fmt.Sprintf("CREATE INDEX ON %s (%s)", t, c)
}

// run executes a few statements, often in one transaction. Those that fail are commented out in the text.
func (m migrations) run(t *testing.T, conn *pgx.Conn, ddl bool) string {
	var statements []string
	for range 1 + m.IntN(3) {
		if ddl && m.IntN(2) == 0 {
			statements = append(statements, m.migrate())
		} else {
			statements = append(statements, m.write())
		}
	}
	return enginetest.Run(t, conn, statements, m.IntN(3) == 0)
}

// TestRandomMigrationsAreNeverRestoredWrongly restores moments between random statements, with looks and snapshots now and then: each is
// exact, or refused.
func TestRandomMigrationsAreNeverRestoredWrongly(t *testing.T) {
	const rounds = 36
	seed := *watchSeed
	m := migrations{rand.New(rand.NewPCG(seed, 0))}
	_, place, db := protect(t, "CREATE TABLE t1 (id int PRIMARY KEY, a text, b text)", "CREATE TABLE t2 (id int, a text)",
		"CREATE TABLE parts (id int, a text) PARTITION BY RANGE (id)", "CREATE TABLE p1 PARTITION OF parts FOR VALUES FROM (0) TO (50)", "CREATE TABLE rest PARTITION OF parts DEFAULT",
		"INSERT INTO t1 SELECT i, 'a' || i, repeat(md5(i::text), 100) FROM generate_series(1, 60) i", "INSERT INTO t2 SELECT i % 9, 'b' FROM generate_series(1, 40) i", "INSERT INTO parts SELECT i FROM generate_series(1, 80) i")
	conn := pgtest.Open(t, db)
	var all []enginetest.Moment
	var history []string
	for i := range rounds {
		what := m.run(t, conn, m.IntN(3) == 0)
		if i%2 == 0 {
			all = append(all, enginetest.MomentOf(t, db, fmt.Sprintf("seed %d, round %d: %s", seed, i, what)))
			what += " -- moment"
		}
		if m.IntN(3) == 0 {
			enginetest.Drain(t, place, db)
			what += " -- look"
		}
		if m.IntN(7) == 0 {
			enginetest.Take(t, place, db)
			what += " -- snapshot"
		}
		history = append(history, what)
	}
	enginetest.Drain(t, place, db)
	refusals := 0
	for _, moment := range all {
		if err := plan(t, place, moment); err != nil {
			refusals++
			t.Logf("%s: %v", moment.What, err)
			continue
		}
		exact(t, place, moment)
	}
	t.Logf("seed %d: %d of %d moments were refused", seed, refusals, len(all))
	if t.Failed() || refusals == len(all) {
		t.Errorf("seed %d, %d of %d refused:\n%s", seed, refusals, len(all), strings.Join(history, ";\n"))
	}
}
