package engine

import (
	"context"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

func TestVeryManyTablesComeBackToAServerWithRoomForFewLocks(t *testing.T) {
	place := Place{Repository: t.TempDir(), Source: "many"}
	small, err := pgtemp.Start(t.Context(), pgtemp.Options{Settings: map[string]string{"fsync": "off", "max_connections": "25", "max_locks_per_transaction": "10", "max_prepared_transactions": "0"}})
	if err != nil {
		t.Fatal(err)
	}
	defer small.Remove()
	from, err := small.NewDatabase(t.Context(), "many")
	if err != nil {
		t.Fatal(err)
	}
	// 500 tables hold 1,500 locks while they are made in one transaction; there is room for about 700.
	exec(t, from, `DO $$ BEGIN FOR i IN 1..500 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, b text)', i); COMMIT; END LOOP; END $$`, `INSERT INTO t7 VALUES (1, 'x')`)
	if _, err := Snapshot(t.Context(), SnapshotOptions{Place: place, DB: from}); err != nil {
		t.Fatal(err)
	}
	to, err := small.NewDatabase(t.Context(), "copy")
	if err != nil {
		t.Fatal(err)
	}
	o := RestoreOptions{Place: place, To: to}
	for range 2 {
		r, err := Restore(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if got := value(t, to, `SELECT count(*) || ' ' || (SELECT count(*) FROM t7) || ' ' || count(*) FILTER (WHERE relhasindex) FROM pg_class WHERE relname ~ '^t[0-9]+$' AND relkind = 'r'`); got != "500 1 500" {
			t.Errorf("%s; restored %d tables", got, len(r.Tables))
		}
		o.Clean = true
	}
}

func TestAStatementThatFailsAmongManyIsNamed(t *testing.T) {
	place, db := Place{Repository: t.TempDir(), Source: "s"}, newDatabase(t, `CREATE TABLE a (x int)`, `CREATE TABLE b (y int)`, `CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'`,
		`CREATE VIEW v AS SELECT f(x) FROM a`)
	if _, err := Snapshot(t.Context(), SnapshotOptions{Place: place, DB: db}); err != nil {
		t.Fatal(err)
	}
	to := newDatabase(t)
	admin := open(t, to)
	if _, err := admin.Exec(t.Context(), `CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not here''; END'`); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(t.Context(), `CREATE EVENT TRIGGER refuse ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION refuse()`); err != nil {
		t.Fatal(err)
	}
	_, err := Restore(context.WithoutCancel(t.Context()), RestoreOptions{Place: place, To: to})
	contains(t, err, "not here", "table public.a", "CREATE TABLE public.a")
	if got := value(t, to, `SELECT count(*) FROM pg_proc WHERE proname = 'f'`); got != "0" || strings.Contains(err.Error(), "public.b") {
		t.Errorf("%s functions are there; %v", got, err)
	}
}
