package snapshot

import (
	"context"
	"testing"
)

// TestKeptSessionsAreUsedAgainAndReplacedWhenTheyAreGone: each snapshot is the database's as it is then.
func TestKeptSessionsAreUsedAgainAndReplacedWhenTheyAreGone(t *testing.T) {
	noLeak(t)
	d := newDatabase(t)
	var kept Sessions
	take := func() (tables int, pid uint32) {
		t.Helper()
		taken, err := Take(t.Context(), d.config, Options{Sessions: &kept, Joins: d.logStart()}, &memorySink{})
		if err != nil {
			t.Fatal(err)
		}
		return len(taken.Catalog.Tables), kept.look.PgConn().PID()
	}
	d.exec("CREATE TABLE one (a int); INSERT INTO one VALUES (1); CREATE SEQUENCE s")
	tables, first := take()
	if tables != 1 {
		t.Errorf("%d tables", tables)
	}
	if n := d.text(`SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'pgrecall' AND datname = current_database() AND (backend_xmin IS NOT NULL OR state <> 'idle')`); n != "0" {
		t.Errorf("%s of the sessions kept hold a snapshot", n)
	}
	d.exec("CREATE TABLE two (a int); DROP SEQUENCE s; CREATE VIEW s AS SELECT 'x' AS last_value, 'y' AS is_called; ALTER TABLE one ADD b text DEFAULT 'b'")
	tables, second := take()
	if tables != 2 || second != first {
		t.Errorf("%d tables, by session %d after %d", tables, second, first)
	}
	d.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgrecall' AND datname = current_database()")
	d.exec("DROP TABLE two")
	if tables, third := take(); tables != 1 || third == first {
		t.Errorf("%d tables, by session %d after the end of %d", tables, third, first)
	}
	kept.Close(context.Background())
	d.awaitNoSession()
}
