package fidelity

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

const contents = `
CREATE TABLE t (a int, "B" text, c int);
INSERT INTO t VALUES (1, 'x', 10), (1, 'x', 10), (2, NULL, 20), (3, E'two\nlines', 30);
CREATE TABLE child () INHERITS (t);
INSERT INTO child VALUES (4, '', 40);
CREATE TABLE nothing ();
INSERT INTO nothing DEFAULT VALUES;
CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t;
CREATE MATERIALIZED VIEW unfilled AS SELECT 1 WITH NO DATA;
CREATE SEQUENCE s;
SELECT nextval('s');
SELECT lo_from_bytea(4711, 'large');
COMMENT ON LARGE OBJECT 4711 IS 'one'`

// picture is what a database holds besides its schema.
func picture(t *testing.T, conn *pgx.Conn) Picture {
	t.Helper()
	p := Picture{}
	for _, add := range []func(context.Context, *pgx.Conn) error{p.addRows, p.addSequences, p.addLargeObjects} {
		if err := add(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func TestTheSmallestDifferenceOfContentIsSeenAndTheOrderOfRowsOrColumnsIsNot(t *testing.T) {
	server, err := pgtemp.Start(t.Context(), pgtemp.Options{Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Remove(); err != nil {
			t.Error(err)
		}
	})
	db, err := server.NewDatabase(t.Context(), "contents")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := connect(t.Context(), db, settings())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	run := func(sql string) {
		t.Helper()
		if _, err := conn.PgConn().Exec(t.Context(), "SET search_path = public;"+sql).ReadAll(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	run(contents)
	want := picture(t, conn)
	if n := [2]int{want.count(Rows), want.count(Sequence, LargeObject)}; n != [2]int{4, 2} {
		t.Errorf("%v items: %v", n, want)
	}
	for _, c := range []struct{ sql, differs string }{
		{`CREATE TABLE copy ("B" text, c int, a int); INSERT INTO copy (a, "B", c) SELECT a, "B", c FROM ONLY t ORDER BY a DESC;
			ALTER TABLE child NO INHERIT t; DROP MATERIALIZED VIEW m; DROP TABLE t; ALTER TABLE copy RENAME TO t;
			CREATE MATERIALIZED VIEW m AS SELECT 5::bigint AS count`, ""},
		{`UPDATE t SET "B" = '' WHERE a = 2`, "rows of public.t"},
		{`UPDATE ONLY t SET a = c, c = a`, "rows of public.t"},
		{`DELETE FROM ONLY t WHERE ctid = (SELECT min(ctid) FROM ONLY t)`, "rows of public.t"},
		{`INSERT INTO nothing DEFAULT VALUES`, "rows of public.nothing"},
		{`UPDATE child SET a = 5`, "rows of public.child"},
		{`REFRESH MATERIALIZED VIEW unfilled`, "rows of public.unfilled"},
		{`REFRESH MATERIALIZED VIEW m WITH NO DATA`, "rows of public.m"},
		{`ALTER TABLE nothing ADD d int`, "rows of public.nothing"},
		{`SELECT nextval('s')`, "sequence public.s"},
		{`SELECT setval('s', 1, false)`, "sequence public.s"},
		{`SELECT lo_put(4711, 0, 'L')`, "large object 4711"},
		{`COMMENT ON LARGE OBJECT 4711 IS 'two'`, "large object 4711"},
		{`GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC`, "large object 4711"},
		{`SELECT lo_unlink(4711)`, "large object 4711"},
		{`SELECT lo_create(4712)`, "large object 4712"},
	} {
		run(`BEGIN`)
		run(c.sql)
		var got []string
		for _, d := range differences(want, picture(t, conn)) {
			got = append(got, d.Item.String())
		}
		if strings.Join(got, ", ") != c.differs {
			t.Errorf("%s: differs: %q", c.sql, got)
		}
		run(`ROLLBACK; SELECT setval('s', 1, true)`) // sequences know no rollback
	}
}
