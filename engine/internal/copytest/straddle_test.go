package copytest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
)

// swapped gives each of the two labels the other's name.
const swapped = "ALTER TYPE mood RENAME VALUE 'sad' TO 'x'; ALTER TYPE mood RENAME VALUE 'happy' TO 'sad'; ALTER TYPE mood RENAME VALUE 'x' TO 'happy'"

// begin leaves a transaction open that ran statements; the function returned commits it.
func begin(t *testing.T, db, statements string) (commit func()) {
	t.Helper()
	conn := pgtest.Open(t, db)
	run := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
	}
	run("BEGIN; " + statements)
	return func() { t.Helper(); run("COMMIT") }
}

// TestRowsWrittenInOtherWordsBeforeASnapshotAreNotLoaded: the log has the row with the label of before, and would load it swapped.
func TestRowsWrittenInOtherWordsBeforeASnapshotAreNotLoaded(t *testing.T) {
	for name, tables := range map[string][]string{"whole": nil, "as_a_copy": {"pets"}} {
		t.Run(name, func(t *testing.T) {
			place, db := enginetest.Protect(t, server, shop...)
			commit := begin(t, db, "INSERT INTO pets (id, mood) VALUES (5000, 'sad')")
			pgtest.Exec(t, db, swapped)
			if _, err := engine.Snapshot(t.Context(), engine.SnapshotOptions{Place: place, DB: db, Tables: tables}); err != nil {
				t.Fatal(err)
			}
			pgtest.Exec(t, db, "INSERT INTO pets (id, mood) VALUES (5001, 'happy')")
			under := enginetest.MomentOf(t, db, "while the transaction is under way")
			commit()
			pgtest.Exec(t, db, "UPDATE plain SET b = 'c' WHERE a = 1")
			after := enginetest.MomentOf(t, db, "after it")
			drainWithout(t, place, db)
			_, _, err := restore(t, place, at(after))
			pgtest.ErrorContains(t, err, "was under way when table public.pets was copied", "nearest exact point before: --before-xid ", "after: none yet")
			enginetest.Take(t, place, db)
			drainWithout(t, place, db)
			earlier, later := refused(t, place, after)
			equals(t, place, earlier, under)
			equals(t, place, later, after)
			if _, _, err := restore(t, place, at(after), "plain"); err != nil {
				t.Errorf("another table: %v", err)
			}
		})
	}
}

// TestTransactionsUnderWayDuringACopyAreJoinedById: what the copy does not see comes from the log, wherever its commit lies.
func TestTransactionsUnderWayDuringACopyAreJoinedById(t *testing.T) {
	place, db := enginetest.Protect(t, server, shop...)
	pgtest.Exec(t, db, "ALTER TABLE pets ALTER legs TYPE bigint USING legs * 2", "ALTER TABLE owners ADD r float DEFAULT random()")
	first := begin(t, db, "UPDATE pets SET legs = 70 WHERE id < 20; INSERT INTO owners (id, pet) VALUES (900, 30)")
	second := begin(t, db, "DELETE FROM pets WHERE id = 290; INSERT INTO pets (id, legs) VALUES (6000, 1)")
	third := begin(t, db, "UPDATE owners SET r = 1 WHERE id = 7")
	pgtest.Exec(t, db, "UPDATE pets SET legs = 71 WHERE id BETWEEN 100 AND 120")
	third()
	enginetest.Drain(t, place, db)
	first()
	pgtest.Exec(t, db, "UPDATE pets SET legs = legs + 1 WHERE id < 30")
	one := enginetest.MomentOf(t, db, "one has ended")
	second()
	two := enginetest.MomentOf(t, db, "both have ended")
	enginetest.Drain(t, place, db)
	if n := len(copies(t, place)); n != 1 {
		t.Errorf("%d copies", n)
	}
	one.Restores(t, server, place)
	two.Restores(t, server, place)
}

// TestACommitThatIsDurableAndNotVisibleIsNotLost: it lies before any position read with the copy, which does not see it.
func TestACommitThatIsDurableAndNotVisibleIsNotLost(t *testing.T) {
	place, db := enginetest.Protect(t, server, shop...)
	pgtest.Exec(t, db, "ALTER TABLE pets ALTER legs TYPE bigint USING legs * 2")
	conn, hung := pgtest.Open(t, db), make(chan error, 1)
	synchronous := func(sql string) { pgtest.Exec(t, db, sql, "SELECT pg_reload_conf()") }
	synchronous("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
	reset := sync.OnceFunc(func() { synchronous("ALTER SYSTEM RESET synchronous_standby_names") })
	defer reset()
	row := 7000 // the first that waits: the server has heard of the setting a moment later
	for waits := false; !waits; {
		row++
		go func() {
			_, err := conn.Exec(t.Context(), fmt.Sprintf("INSERT INTO pets (id, legs) VALUES (%d, 1)", row))
			hung <- err
		}()
		for !waits && len(hung) == 0 {
			waits = pgtest.Value(t, db, "SELECT count(*)::text FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = current_database()") == "1"
		}
		if !waits {
			if err := <-hung; err != nil {
				t.Fatal(err)
			}
		}
	}
	enginetest.Drain(t, place, db)
	if n := len(copies(t, place)); n != 1 {
		t.Fatalf("%d copies", n)
	}
	reset()
	if err := <-hung; err != nil {
		t.Fatal(err)
	}
	m := enginetest.MomentOf(t, db, "visible")
	if pgtest.Value(t, db, fmt.Sprintf("SELECT count(*)::text FROM pets WHERE id = %d", row)) != "1" {
		t.Fatal("no row")
	}
	enginetest.Drain(t, place, db)
	m.Restores(t, server, place)
}
