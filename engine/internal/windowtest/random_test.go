package windowtest

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

var migrationSeed = flag.Uint64("migration-seed", 1, "the first seed of the random migrations")

// migrations draws statements on a few tables, many of which fail, as on columns that are not there.
type migrations struct{ *rand.Rand }

func (m migrations) of(texts ...string) string { return texts[m.IntN(len(texts))] }

func (m migrations) table() string  { return m.of("t1", "t2", "t3", "s.t1", "parts") }
func (m migrations) column() string { return m.of("a", "b", "c", "d", "e") }

func (m migrations) write() string {
	t := m.table()
	switch m.IntN(7) {
	case 0:
		return "TRUNCATE " + t
	case 1:
		return fmt.Sprintf("DELETE FROM %s WHERE id %% 7 = %d", t, m.IntN(7))
	case 2:
		return fmt.Sprintf("UPDATE %s SET id = id + 1000 WHERE id < %d", t, m.IntN(20))
	case 3:
		return fmt.Sprintf("UPDATE %s SET %s = %s WHERE id %% 5 = %d", t, m.column(), m.of("NULL", "'x'", `E'a\tb\\'`, "repeat(md5('1'), 200)"), m.IntN(5))
	case 4:
		return fmt.Sprintf("UPDATE %s SET id = id WHERE id %% 3 = %d", t, m.IntN(3))
	}
	return fmt.Sprintf("INSERT INTO %s (id) SELECT i FROM generate_series(%d, %d) i", t, m.IntN(50), m.IntN(100))
}

func (m migrations) migrate() string {
	t, c := m.table(), m.column()
	switch m.IntN(16) {
	case 0, 1, 2:
		return fmt.Sprintf("ALTER TABLE %s ADD %s text %s", t, c, m.of("", "DEFAULT 'd'", `DEFAULT E'\t\\'`, "NOT NULL DEFAULT ''"))
	case 3, 4:
		return fmt.Sprintf("ALTER TABLE %s DROP %s", t, c)
	case 5:
		return fmt.Sprintf("ALTER TABLE %s RENAME %s TO %s", t, c, m.column())
	case 6:
		return fmt.Sprintf("CREATE TABLE %s (id int %s, a text)", m.of("t2", "t3", "s.t1"), m.of("", "PRIMARY KEY"))
	case 7:
		return fmt.Sprintf("CREATE TABLE %s AS SELECT * FROM %s", m.of("t2", "t3", "s.t1"), t)
	case 8:
		return "DROP TABLE " + m.of("t2", "t3", "s.t1")
	case 9:
		return fmt.Sprintf("ALTER TABLE %s RENAME TO %s", m.of("t1", "t2", "t3", "s.t1"), m.of("t1", "t2", "t3"))
	case 10:
		return fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s_pkey", t, strings.TrimPrefix(t, "s."))
	case 11:
		return fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s_pkey PRIMARY KEY (id)", t, strings.TrimPrefix(t, "s."))
	case 12:
		return fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY %s", t, m.of("FULL", "DEFAULT"))
	case 13:
		return m.of("ALTER TABLE t1 SET SCHEMA s", "ALTER TABLE s.t1 SET SCHEMA public")
	case 14:
		return m.of("ALTER TABLE parts DETACH PARTITION p1", "ALTER TABLE parts ATTACH PARTITION p1 FOR VALUES FROM (0) TO (50)", "CREATE TABLE p2 PARTITION OF parts FOR VALUES FROM (50) TO (1000)", "DROP TABLE p2")
	}
	return fmt.Sprintf("CREATE INDEX ON %s (%s)", t, c)
}

// run executes a few statements, often in one transaction, and says whether they were kept.
func (m migrations) run(t *testing.T, conn *pgx.Conn) (text string) {
	var statements []string
	for range 1 + m.IntN(4) {
		if m.IntN(3) == 0 {
			statements = append(statements, m.migrate())
		} else {
			statements = append(statements, m.write())
		}
	}
	return enginetest.Run(t, conn, statements, m.IntN(3) == 0)
}

// TestRandomMigrationsAreCrossedOrRefused restores moments between random migrations: each is exact, or refused because the
// log does not hold it, never another.
func TestRandomMigrationsAreCrossedOrRefused(t *testing.T) {
	const rounds, moments = 40, 8
	seed := *migrationSeed
	m := migrations{rand.New(rand.NewPCG(seed, 0))}
	place, db := enginetest.Protect(t, server, "CREATE SCHEMA s", "CREATE TABLE t1 (id int PRIMARY KEY, a text, b text)", "CREATE TABLE t2 (id int, a text)",
		"CREATE TABLE parts (id int, a text) PARTITION BY RANGE (id)", "CREATE TABLE p1 PARTITION OF parts FOR VALUES FROM (0) TO (50)", "CREATE TABLE rest PARTITION OF parts DEFAULT",
		"INSERT INTO t1 SELECT i, 'a' || i, repeat(md5(i::text), 100) FROM generate_series(1, 60) i", "INSERT INTO t2 SELECT i % 9, 'b' FROM generate_series(1, 40) i", "INSERT INTO parts SELECT i FROM generate_series(1, 80) i")
	conn := pgtest.Open(t, db)
	var all []enginetest.Moment
	var history []string
	for i := range rounds {
		what := m.run(t, conn)
		history = append(history, what)
		if i%(rounds/moments) == 0 {
			all = append(all, enginetest.MomentOf(t, db, fmt.Sprintf("seed %d, round %d: %s", seed, i, what)))
			enginetest.Drain(t, place, db)
		}
	}
	pgtest.Exec(t, db, "CREATE TABLE last_of_all ()")
	enginetest.Drain(t, place, db)
	refused := 0
	for _, moment := range all {
		_, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: pgtest.NewDatabase(t, server), Target: engine.Target{Kind: engine.TargetLSN, LSN: moment.LSN}, DryRun: true})
		if engine.ExitCode(err) == 3 {
			t.Logf("%s: %v", moment.What, err)
			refused++
			continue
		}
		moment.Restores(t, server, place)
	}
	if t.Failed() || refused > 0 {
		t.Logf("seed %d:\n%s", seed, strings.Join(history, ";\n"))
	}
	if refused > len(all)/4 {
		t.Errorf("%d of %d moments were refused", refused, len(all))
	}
}
