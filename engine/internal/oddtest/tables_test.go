package oddtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
)

// TestWhatATriggerlessSessionDoes: session_replication_role = replica switches off ordinary triggers and foreign keys.
func TestWhatATriggerlessSessionDoes(t *testing.T) {
	s := follow(t, pets, "INSERT INTO pets SELECT i, 'pet' FROM generate_series(1, 500) i", "CREATE TABLE plain (a int, b text)",
		"INSERT INTO plain SELECT i % 20, 'b' FROM generate_series(1, 200) i",
		"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'",
		"CREATE TRIGGER refuse BEFORE DELETE ON pets FOR EACH ROW EXECUTE FUNCTION refuse()")
	s.do("SET session_replication_role = replica")
	for _, sql := range []string{
		"DELETE FROM pets WHERE id % 3 = 0; UPDATE plain SET b = 'c' WHERE a = 1; DELETE FROM plain WHERE a = 2",
		"ALTER TABLE pets ADD extra int DEFAULT 1; UPDATE pets SET extra = 2 WHERE id % 2 = 0; CREATE TABLE keyless AS SELECT * FROM pets; UPDATE keyless SET name = 'k' WHERE id % 5 = 0; DELETE FROM keyless WHERE id % 7 = 0",
		"ALTER TABLE pets DROP CONSTRAINT pets_pkey; UPDATE pets SET id = 1 WHERE id < 10; DELETE FROM pets WHERE id = 11; TRUNCATE plain",
		"BEGIN; INSERT INTO plain SELECT i, repeat('x', 300) FROM generate_series(1, 1000) i; SAVEPOINT s; ALTER TABLE plain ADD c int; DELETE FROM plain; ROLLBACK TO s; DELETE FROM plain WHERE a % 2 = 0; COMMIT",
	} {
		s.do(sql)
		s.moment(sql)
	}
	s.restoresAll()
}

// TestRowsThatMoveBetweenNestedPartitions: the leaves have their columns in different orders, with holes.
func TestRowsThatMoveBetweenNestedPartitions(t *testing.T) {
	s := follow(t, "CREATE TABLE events (id int, kind text, day date, body text) PARTITION BY LIST (kind)",
		"CREATE TABLE events_a PARTITION OF events FOR VALUES IN ('a') PARTITION BY RANGE (day)",
		"CREATE TABLE old (gone int, body text, day date, id int, also_gone text, kind text)", "ALTER TABLE old DROP gone, DROP also_gone",
		"ALTER TABLE events_a ATTACH PARTITION old FOR VALUES FROM ('2020-01-01') TO ('2024-01-01')",
		"CREATE TABLE events_new PARTITION OF events_a FOR VALUES FROM ('2024-01-01') TO ('2030-01-01')",
		"CREATE TABLE rest (day date, x int, kind text, id int, body text)", "ALTER TABLE rest DROP x", "ALTER TABLE events ATTACH PARTITION rest DEFAULT",
		"ALTER TABLE old ADD PRIMARY KEY (id)", "ALTER TABLE old ALTER body SET STORAGE EXTERNAL", "ALTER TABLE rest ALTER body SET STORAGE EXTERNAL",
		"INSERT INTO events SELECT i, (ARRAY['a','b'])[1 + i % 2], '2021-01-01'::date + i * 3, repeat('body' || i, CASE WHEN i % 5 = 0 THEN 2000 ELSE 1 END) FROM generate_series(1, 1000) i")
	for _, sql := range []string{
		"UPDATE events SET kind = 'b' WHERE id % 4 = 0",
		"UPDATE events SET day = '2025-01-01' WHERE id % 3 = 0",
		"BEGIN; UPDATE events SET kind = 'a', id = id + 10000 WHERE kind = 'b' AND id % 7 = 0; SAVEPOINT s; UPDATE events SET kind = 'c'; ROLLBACK TO s; UPDATE events SET day = '2022-02-02', kind = 'a' WHERE id % 11 = 0; COMMIT",
		"UPDATE events SET day = day + 1; DELETE FROM events WHERE id % 13 = 0",
		"UPDATE events SET kind = CASE kind WHEN 'a' THEN 'b' ELSE 'a' END",
	} {
		s.do(sql)
		s.moment(sql)
	}
	s.restoresAll()
}

// TestAReplicaIdentitySwitchedToAndFro, with changes of the key in between, and with values in TOAST that updates do not touch.
func TestAReplicaIdentitySwitchedToAndFro(t *testing.T) {
	s := follow(t, "CREATE TABLE pets (id int PRIMARY KEY, tag int NOT NULL, name text, big text)", "ALTER TABLE pets ALTER big SET STORAGE EXTERNAL",
		"CREATE UNIQUE INDEX by_tag ON pets (tag)",
		"INSERT INTO pets SELECT i, -i, 'pet', repeat('big' || i, 1500) FROM generate_series(1, 60) i")
	// Keys change places, and rows move away and back, so that a row is found only by following it.
	swap := "UPDATE pets SET id = 1000000 WHERE id = 1; UPDATE pets SET id = 1 WHERE id = 2; UPDATE pets SET id = 2 WHERE id = 1000000; " +
		"UPDATE pets SET tag = -2000000 WHERE tag = -3; UPDATE pets SET tag = -3 WHERE tag = -4; UPDATE pets SET tag = -4 WHERE tag = -2000000; " +
		"UPDATE pets SET id = id + 100 WHERE id % 10 = 5; UPDATE pets SET name = name || '!' WHERE id % 2 = 0; DELETE FROM pets WHERE id = (SELECT max(id) FROM pets)"
	for i, identity := range []string{"DEFAULT", "FULL", "DEFAULT", "USING INDEX by_tag", "FULL", "USING INDEX by_tag", "DEFAULT"} {
		s.do("ALTER TABLE pets REPLICA IDENTITY "+identity, swap, fmt.Sprintf("INSERT INTO pets VALUES (%d, %d, 'new', repeat('new', 2000))", 500+i, 500+i))
		s.moment(fmt.Sprint("after ", i, ", ", identity))
	}
	s.do("BEGIN; " + swap + "; ALTER TABLE pets REPLICA IDENTITY FULL; " + swap + "; SAVEPOINT s; ALTER TABLE pets REPLICA IDENTITY USING INDEX by_tag; " +
		swap + "; ROLLBACK TO s; " + swap + "; COMMIT")
	s.moment("in one transaction, and to another one that was undone")
	s.do("ALTER TABLE pets REPLICA IDENTITY DEFAULT", swap)
	s.moment("and back")
	s.restoresAll()

	// To and fro in one transaction that writes under both: which change was made under which is not in the log.
	s.do("BEGIN; " + swap + "; ALTER TABLE pets REPLICA IDENTITY FULL; " + swap + "; ALTER TABLE pets REPLICA IDENTITY DEFAULT; " + swap + "; COMMIT")
	between := enginetest.MomentOf(t, s.db, "to and fro in one transaction")
	enginetest.Drain(t, s.place, s.db)
	_, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: s.place, To: pgtest.NewDatabase(t, server),
		Target: engine.Target{Kind: engine.TargetLSN, LSN: between.LSN}})
	pgtest.ErrorContains(t, err, "public.pets", "changed its form and changed it back", "nearest exact point before: --before-xid")
	s.do(swap)
	copied := enginetest.MomentOf(t, s.db, "copied since")
	enginetest.Drain(t, s.place, s.db)
	copied.Restores(t, server, s.place)
}

func Test1600Columns(t *testing.T) {
	columns := make([]string, 1599)
	for i := range columns {
		columns[i] = fmt.Sprintf("c%d %s", i, []string{"int", "text", "boolean"}[i%3])
	}
	definition := strings.Join(columns, ", ")
	s := follow(t, "CREATE TABLE keyed (id int PRIMARY KEY, "+definition+")", "CREATE TABLE whole (id int, "+definition+")",
		"INSERT INTO keyed (id, c0, c1, c2, c1598) SELECT i, i, 'text' || i, true, true FROM generate_series(1, 50) i",
		"INSERT INTO whole (id, c0, c1, c2, c1598) SELECT i % 25, i % 25, 'text', true, true FROM generate_series(1, 50) i")
	var set []string
	for i := range 1599 {
		set = append(set, fmt.Sprintf("c%d = %s", i, []string{"7", "E'\\t'", "false"}[i%3]))
	}
	for _, table := range []string{"keyed", "whole"} {
		s.do("UPDATE "+table+" SET "+strings.Join(set, ", ")+" WHERE id % 3 = 0", "UPDATE "+table+" SET id = id + 1000, c1 = NULL WHERE id % 4 = 0",
			"DELETE FROM "+table+" WHERE id % 5 = 0", "INSERT INTO "+table+" (id, c1597) VALUES (-1, E'\\\\'), (-2, NULL)")
		s.moment(table)
	}
	s.restoresAll()
}

// TestValuesOf100MB: also where an update leaves them as they are, and where they are in the old row.
func TestValuesOf100MB(t *testing.T) {
	const huge = "repeat('0123456789', 10000000)"
	s := follow(t, "CREATE TABLE keyed (id int PRIMARY KEY, n int, body text)", "CREATE TABLE whole (n int, body text)",
		"ALTER TABLE keyed ALTER body SET STORAGE EXTERNAL", "ALTER TABLE whole ALTER body SET STORAGE EXTERNAL",
		"INSERT INTO keyed VALUES (1, 1, "+huge+"), (2, 2, 'small')")
	s.do("UPDATE keyed SET n = 10, id = 11 WHERE id = 1", "INSERT INTO whole VALUES (1, "+huge+" || 'x')", "UPDATE whole SET n = 2")
	s.moments = nil
	s.moment("huge values")
	s.restoresAll()
}

// TestHundredsOfTablesInOneTransaction, and in one segment.
func TestHundredsOfTablesInOneTransaction(t *testing.T) {
	const make = `DO $$ BEGIN FOR i IN 1..300 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, a text)', i);
		EXECUTE format('INSERT INTO t%s SELECT g, ''a'' FROM generate_series(1, 5) g', i); END LOOP; END $$`
	s := follow(t, make)
	s.do(`DO $$ BEGIN FOR round IN 1..3 LOOP FOR i IN 1..300 LOOP
		EXECUTE format('UPDATE t%s SET a = a || %s WHERE id = %2$s; INSERT INTO t%1$s VALUES (10 + %2$s, ''new''); DELETE FROM t%1$s WHERE id = 5', i, round);
		END LOOP; END LOOP; END $$`)
	s.moment("hundreds of tables")
	if n := pgtest.Value(t, s.db, "SELECT count(*)::text FROM t300"); n != "7" {
		t.Fatalf("%s rows", n)
	}
	s.restoresAll()
}
