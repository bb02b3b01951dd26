package oddtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

const pets = `CREATE TABLE pets (id int PRIMARY KEY, name text, note text)`

func TestThousandsOfSavepoints(t *testing.T) {
	s := follow(t, pets)
	s.do("BEGIN")
	for part := range 3 {
		var sql strings.Builder
		for i := part * 1000; i < part*1000+1000; i++ {
			fmt.Fprintf(&sql, "SAVEPOINT s; INSERT INTO pets VALUES (%d, 'pet', repeat('x', 100));", i)
			switch {
			case i%2 == 0:
				sql.WriteString("ROLLBACK TO s; RELEASE s;")
			case i%10 != 1:
				sql.WriteString("RELEASE s;")
			}
		}
		s.do(sql.String())
		s.sent()
	}
	s.do("COMMIT")
	s.moment("a half rolled back, some nested")
	// Nested 500 deep, rolled back to the middle, and gone on from there.
	s.do("BEGIN")
	var sql strings.Builder
	for i := range 500 {
		fmt.Fprintf(&sql, "SAVEPOINT s%d; UPDATE pets SET name = name || '%d' WHERE id %% 500 = 1; INSERT INTO pets SELECT 10000 + %d * 10 + i FROM generate_series(1, 3) i;", i, i, i)
	}
	s.do(sql.String())
	s.sent()
	s.do("ROLLBACK TO s250", "DELETE FROM pets WHERE id % 3 = 0", "COMMIT")
	s.moment("nested, rolled back to the middle")
	if s.streamed() == "0" {
		t.Error("nothing was sent while it was under way")
	}
	s.restoresAll()
}

func TestExceptionBlocks(t *testing.T) {
	s := follow(t, pets, "INSERT INTO pets SELECT i * 3, 'there already' FROM generate_series(1, 1000) i")
	s.do(`DO $$ BEGIN
		FOR i IN 1..6000 LOOP
			BEGIN
				UPDATE pets SET note = repeat('tried ', 20) WHERE id = i - 1;
				INSERT INTO pets VALUES (i % 3001, 'new');
			EXCEPTION WHEN unique_violation THEN
				DELETE FROM pets WHERE id = i - 100 AND i % 7 = 0;
			END;
		END LOOP; END $$`)
	s.moment("exceptions caught")
	s.do(`DO $$ BEGIN
		FOR i IN 1..20 LOOP
			BEGIN
				EXECUTE format('CREATE TABLE made%s (a int); INSERT INTO made%1$s SELECT g FROM generate_series(1, 500) g', i);
				EXECUTE format('ALTER TABLE pets ADD c%s int DEFAULT %1$s', i);
				UPDATE pets SET name = 'altered ' || i;
				IF i % 2 = 0 THEN RAISE division_by_zero; END IF;
			EXCEPTION WHEN division_by_zero THEN
				UPDATE pets SET note = 'undone ' || i WHERE id % 20 = i;
			END;
		END LOOP; END $$`)
	s.moment("DDL in exception blocks, every other undone")
	s.restoresAll()
}

// TestATransactionOfManyRows is larger than segments, and what it does last is undone.
func TestATransactionOfManyRows(t *testing.T) {
	s := follow(t, pets)
	other := pgtest.Open(t, s.db)
	s.do("BEGIN", "INSERT INTO pets SELECT i, 'pet ' || i, repeat(md5(i::text), 3) FROM generate_series(1, 200000) i")
	s.sent()
	run(t, other, "CREATE TABLE meanwhile (a int)", "INSERT INTO meanwhile VALUES (1)")
	s.durable() // what others commit does not wait
	s.do("UPDATE pets SET id = -id WHERE id % 10 = 0", "SAVEPOINT s", "DELETE FROM pets WHERE id % 2 = 0")
	s.sent()
	s.do("ROLLBACK TO s", "DELETE FROM pets WHERE id % 3 = 0", "COMMIT")
	s.moment("many rows")
	if s.streamed() == "0" {
		t.Error("nothing was sent while it was under way")
	}
	s.restoresAll()
}

func TestPreparedTransactionsOutliveSnapshotsAndRestarts(t *testing.T) {
	own, err := pgtemp.Start(t.Context(), pgtemp.Options{Settings: map[string]string{"fsync": "off", "logical_decoding_work_mem": "64kB"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Remove() })
	place, db := enginetest.Protect(t, own, pets, "CREATE TABLE others (LIKE pets)", "INSERT INTO pets SELECT i, 'before' FROM generate_series(1, 100) i")
	prepare := func(name, sql string) { pgtest.Exec(t, db, "BEGIN; "+sql+"; PREPARE TRANSACTION '"+name+"'") }
	prepare("rows", "INSERT INTO pets SELECT i, 'prepared', repeat('x', 300) FROM generate_series(1001, 2000) i; UPDATE pets SET note = 'prepared' WHERE id < 10")
	prepare("undone", "INSERT INTO pets SELECT i, 'undone', repeat('x', 300) FROM generate_series(3001, 4000) i; SAVEPOINT s; DELETE FROM pets WHERE id = 50; ROLLBACK TO s")
	enginetest.Take(t, place, db)
	moments := []enginetest.Moment{enginetest.MomentOf(t, db, "prepared")}
	pgtest.Exec(t, db, "INSERT INTO pets VALUES (5000)")
	prepare("ddl", "INSERT INTO others SELECT i, 'prepared', repeat('x', 300) FROM generate_series(1, 1000) i; ALTER TABLE others ADD extra int DEFAULT 7; "+
		"UPDATE others SET extra = id; CREATE TABLE made AS SELECT * FROM others")
	enginetest.Drain(t, place, db)
	if err := own.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	enginetest.Drain(t, place, db)
	for _, sql := range []string{"COMMIT PREPARED 'ddl'", "INSERT INTO pets VALUES (5001)", "COMMIT PREPARED 'rows'", "DELETE FROM pets WHERE id % 5 = 0",
		"UPDATE others SET extra = 9 WHERE id % 9 = 0", "ROLLBACK PREPARED 'undone'"} {
		pgtest.Exec(t, db, sql)
		moments = append(moments, enginetest.MomentOf(t, db, sql))
		enginetest.Drain(t, place, db)
	}
	pgtest.Exec(t, db, "INSERT INTO pets VALUES (5002)")
	enginetest.Drain(t, place, db)
	for _, m := range moments {
		m.Restores(t, own, place)
	}
}

// TestRowsOfASubscription: the log's times are then those of the server they come from.
func TestRowsOfASubscription(t *testing.T) {
	const tables = "CREATE TABLE pets (id int PRIMARY KEY, name text, note text)"
	publisher := pgtest.NewDatabase(t, server, tables, "CREATE PUBLICATION out FOR ALL TABLES", "SELECT pg_create_logical_replication_slot('odd_subscription', 'pgoutput')")
	s := follow(t, tables)
	// One of its own server's databases: the slot is made before, or both would wait for each other.
	s.do("CREATE SUBSCRIPTION odd_subscription CONNECTION '" + publisher + "' PUBLICATION out WITH (create_slot = false, copy_data = false)")
	defer func() {
		pgtest.Exec(t, s.db, "ALTER SUBSCRIPTION odd_subscription DISABLE", "ALTER SUBSCRIPTION odd_subscription SET (slot_name = NONE)", "DROP SUBSCRIPTION odd_subscription")
	}()
	arrived := func(count string) {
		t.Helper()
		for pgtest.Value(t, s.db, "SELECT count(*)::text FROM pets") != count {
		}
	}
	pgtest.Exec(t, publisher, "INSERT INTO pets SELECT i, 'from elsewhere', repeat('x', 300) FROM generate_series(1, 2000) i")
	arrived("2000")
	s.moment("many rows from elsewhere")
	s.do("UPDATE pets SET name = 'here' WHERE id % 10 = 0")
	s.moment("changed here")
	time := pgtest.Value(t, s.db, "SELECT clock_timestamp()::text")
	before := pgtest.Contents(t, s.db)
	s.durable() // a commit of the source's own is what tells the time
	pgtest.Exec(t, publisher, "BEGIN; DELETE FROM pets WHERE id % 2 = 0; INSERT INTO pets VALUES (-1), (-2); UPDATE pets SET id = 5000 WHERE id = 5; COMMIT")
	arrived("1002")
	s.moment("changed elsewhere")
	s.do("INSERT INTO pets VALUES (-3)")
	s.moment("changed here again")
	s.stop()
	restored := func(target engine.Target, want string) {
		t.Helper()
		to := pgtest.NewDatabase(t, server)
		if _, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: s.place, To: to, Target: target}); err != nil {
			t.Fatal(err)
		}
		pgtest.SameContents(t, want, to) // a subscription is restored disabled
	}
	for _, m := range s.moments {
		restored(engine.Target{Kind: engine.TargetLSN, LSN: m.LSN}, m.Contents)
	}
	restored(engine.Target{Kind: engine.TargetTime, Time: at(t, time)}, before)
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse("2006-01-02 15:04:05.999999-07", text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
