package engine

import "testing"

func TestASequenceIsBeyondTheRowsThatARestartFollowed(t *testing.T) {
	place, db := protect(t, `CREATE SCHEMA s`, `CREATE TABLE s.up (id int GENERATED ALWAYS AS IDENTITY, v text)`,
		`CREATE SEQUENCE s.away INCREMENT -2 START -1`, `CREATE TABLE s.down (id bigint DEFAULT nextval('s.away'))`, `ALTER SEQUENCE s.away OWNED BY s.down.id`,
		`CREATE TABLE s.chosen (id serial)`)
	exec(t, db, `INSERT INTO s.up (v) SELECT 'x' FROM generate_series(1, 10)`, `INSERT INTO s.down DEFAULT VALUES`, `INSERT INTO s.chosen VALUES (DEFAULT), (2147483647)`)
	drain(t, place, db) // the last sample before the target
	exec(t, db, `INSERT INTO s.up (v) SELECT 'y' FROM generate_series(1, 20)`, `INSERT INTO s.down SELECT FROM generate_series(1, 5)`)
	at := lsn(t, db)
	exec(t, db, `TRUNCATE s.up, s.down RESTART IDENTITY`, `INSERT INTO s.up (v) VALUES ('z')`)
	drain(t, place, db) // the first sample after it
	to := newDatabase(t)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Target: Target{Kind: TargetLSN, LSN: at}}); err != nil {
		t.Fatal(err)
	}
	for sql, want := range map[string]string{
		`SELECT count(*) || ' ' || max(id) FROM s.up`: "30 30", `SELECT nextval('s.up_id_seq')`: "31", `SELECT nextval('s.away')`: "-13",
		`SELECT nextval('s.chosen_id_seq')`: "2", // not beyond a value at its end
	} {
		if got := value(t, to, sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}
