package watchtest

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
)

// objects are what each of the cases below has in a schema of its own.
var objects = []string{"CREATE TYPE mood AS ENUM ('sad', 'ok')", "CREATE TABLE a (id int PRIMARY KEY, n int, t text)", "CREATE TABLE b (id int PRIMARY KEY, n int, t text)",
	"CREATE TABLE m (id int PRIMARY KEY, mood mood)", "CREATE TABLE p (i int) PARTITION BY RANGE (i)", "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100)",
	"CREATE VIEW v AS SELECT id FROM m", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
	"INSERT INTO a SELECT i, i, 'a' || i FROM generate_series(1, 20) i", "INSERT INTO b SELECT i, -i, 'b' FROM generate_series(1, 20) i",
	"INSERT INTO m SELECT i, 'ok' FROM generate_series(1, 9) i", "INSERT INTO p SELECT i FROM generate_series(1, 9) i"}

// write is what an application does all the while.
const write = "INSERT INTO m SELECT max(id) + 1, 'sad' FROM m"

// in is a database with a schema as its search_path.
func in(t *testing.T, db, schema string) string {
	t.Helper()
	u, err := url.Parse(db)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("options", "-csearch_path="+schema)
	u.RawQuery = q.Encode()
	return u.String()
}

// of are the lines of contents that are of tables of a schema.
func of(contents, schema string) string {
	var lines []string
	for _, line := range strings.Split(contents, "\n") {
		if strings.HasPrefix(line, schema+".") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// Each of the cases is run in a schema of its own, all between the same two looks, with writes around them.
func TestTablesAcrossDDLAreExactOrRefused(t *testing.T) {
	cases := []struct {
		name, ddl string
		// table: the rows of a table cannot be brought across it, and begin anew with a copy.
		table bool
	}{
		{"column added", "ALTER TABLE a ADD c int DEFAULT 7", true},
		{"column added with a volatile default", "ALTER TABLE a ADD c text DEFAULT clock_timestamp()::text", true},
		{"column dropped", "ALTER TABLE a DROP t", true},
		{"column dropped and added under its name", "ALTER TABLE a DROP t; ALTER TABLE a ADD t text DEFAULT 'new'", true},
		{"column renamed", "ALTER TABLE a RENAME t TO u", true},
		{"column's type changed", "ALTER TABLE a ALTER n TYPE bigint", true},
		{"rows rewritten, the type as before", "ALTER TABLE a ALTER n TYPE int USING n + 100", true},
		{"default changed", "ALTER TABLE a ALTER n SET DEFAULT 5", false},
		{"not null", "ALTER TABLE a ALTER n SET NOT NULL", false},
		{"privileges on a column", "GRANT SELECT (n) ON a TO PUBLIC", false},
		{"table renamed", "ALTER TABLE a RENAME TO a2", true},
		{"table dropped", "DROP TABLE b", false},
		{"table dropped and created anew", "DROP TABLE b; CREATE TABLE b (id int PRIMARY KEY, n int, t text); INSERT INTO b VALUES (1, 1, 'anew')", true},
		{"table created and filled", "CREATE TABLE c AS SELECT * FROM a; INSERT INTO c SELECT * FROM a", true},
		{"two tables exchanged", "ALTER TABLE a RENAME TO x; ALTER TABLE b RENAME TO a; ALTER TABLE x RENAME TO b", true},
		{"renamed and back", "ALTER TABLE a RENAME TO x; ALTER TABLE x RENAME TO a", false},
		{"a column of it renamed and back", "ALTER TABLE a RENAME n TO x; ALTER TABLE a RENAME x TO n", false},
		{"key dropped", "ALTER TABLE a DROP CONSTRAINT a_pkey", true},
		{"key made another", "ALTER TABLE a DROP CONSTRAINT a_pkey, ADD PRIMARY KEY (n)", true},
		{"key made anew", "ALTER TABLE a DROP CONSTRAINT a_pkey, ADD PRIMARY KEY (id)", true},
		{"replica identity", "ALTER TABLE a REPLICA IDENTITY FULL", true},
		{"label renamed", "ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'", true},
		{"label added", "ALTER TYPE mood ADD VALUE 'new'", true},
		{"index made", "CREATE INDEX ON a (n)", false},
		{"comment", "COMMENT ON TABLE a IS 'new'", false},
		{"partition made", "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200); INSERT INTO p VALUES (150)", true},
		{"partition detached", "ALTER TABLE p DETACH PARTITION p1", true},
		{"table emptied", "TRUNCATE a; INSERT INTO a VALUES (100, 100, 'again')", false},
	}
	_, place, db := protect(t)
	schema := func(i int) string { return fmt.Sprintf("s%d", i) }
	for i := range cases {
		pgtest.Exec(t, db, "CREATE SCHEMA "+schema(i))
		pgtest.Exec(t, in(t, db, schema(i)), objects...)
	}
	enginetest.Drain(t, place, db) // which publishes them
	enginetest.Take(t, place, db)
	everywhere := func(sql string) {
		t.Helper()
		for i := range cases {
			pgtest.Exec(t, in(t, db, schema(i)), sql)
		}
	}
	everywhere("UPDATE a SET n = n + 1000 WHERE id < 5")
	early := enginetest.MomentOf(t, db, "before, a look after it")
	enginetest.Drain(t, place, db)
	everywhere(write)
	before := enginetest.MomentOf(t, db, "just before")
	for i, c := range cases {
		pgtest.Exec(t, in(t, db, schema(i)), strings.Split(c.ddl, "; ")...)
	}
	everywhere(write)
	between := enginetest.MomentOf(t, db, "just after")
	drainWithoutCopies(t, place, db)
	everywhere(write)
	after := enginetest.MomentOf(t, db, "after, a look before it")
	drainWithoutCopies(t, place, db)

	exact(t, place, early)
	refused(t, place, before, "objects of the source were changed", "point before at which they are: --lsn", "after: --lsn")
	refused(t, place, between, "objects of the source were changed")
	refused(t, place, after, "without event triggers", "nearest exact point after: none yet")
	to := pgtest.NewDatabase(t, server)
	for i, c := range cases {
		_, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: to, Tables: []string{schema(i) + ".*"}, NoOwner: true,
			Target: engine.Target{Kind: engine.TargetLSN, LSN: after.LSN}})
		switch {
		case c.table && engine.ExitCode(err) != 3:
			t.Errorf("%s: %v", c.name, err)
		case c.table:
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		default:
			if got, want := of(pgtest.Contents(t, to), schema(i)), of(after.Contents, schema(i)); got != want {
				t.Errorf("%s: the rows differ\nwant\n%s\ngot\n%s", c.name, want, got)
			}
		}
	}
	enginetest.Drain(t, place, db) // which copies them
	everywhere(write)
	everywhere("UPDATE p SET i = i + 1")
	last := enginetest.MomentOf(t, db, "after the copies")
	enginetest.Drain(t, place, db)
	exact(t, place, last)
	exact(t, place, early)
	refused(t, place, after, "nearest exact point after: --lsn")
}

// What has no rows comes from the catalog that saw the same as the looks around the target.
func TestObjectsWithoutRowsAreAsOfTheTarget(t *testing.T) {
	_, place, db := protect(t, objects...)
	var all []enginetest.Moment
	for _, sql := range []string{"CREATE OR REPLACE VIEW v AS SELECT id + 1 AS id FROM m", "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
		"GRANT SELECT ON a TO PUBLIC", "ALTER TABLE a ADD CONSTRAINT positive CHECK (n > -1)", "DROP TABLE b"} {
		pgtest.Exec(t, db, write)
		refusedLater := enginetest.MomentOf(t, db, "just before "+sql)
		pgtest.Exec(t, db, sql, write)
		enginetest.Drain(t, place, db)
		pgtest.Exec(t, db, write)
		all = append(all, enginetest.MomentOf(t, db, "after "+sql))
		enginetest.Drain(t, place, db)
		refused(t, place, refusedLater, "objects of the source were changed")
	}
	for _, m := range all {
		exact(t, place, m)
	}
}

// A table that was made is exact only from a copy on that was taken after it was published.
func TestATableIsExactOnlyFromACopyAfterItWasPublished(t *testing.T) {
	_, place, db := protect(t, "CREATE TABLE old (id int PRIMARY KEY)")
	pgtest.Exec(t, db, "CREATE TABLE new (id int PRIMARY KEY)", "INSERT INTO new VALUES (1)")
	enginetest.Take(t, place, db)
	taken := enginetest.MomentOf(t, db, "just after the snapshot")
	pgtest.Exec(t, db, "INSERT INTO new VALUES (2)")
	writer := pgtest.Open(t, db)
	for _, sql := range []string{"BEGIN", "INSERT INTO new VALUES (3)"} {
		if _, err := writer.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	enginetest.Drain(t, place, db)
	listed := "SELECT count(*)::text FROM pg_publication_tables WHERE pubname = 'pgrecall' AND tablename = 'new'"
	if got := pgtest.Value(t, db, listed); got != "0" {
		t.Error("a table was published while another transaction wrote to it")
	}
	if _, err := writer.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	unpublished := enginetest.MomentOf(t, db, "not published yet")
	enginetest.Drain(t, place, db)
	if got := pgtest.Value(t, db, listed); got != "1" {
		t.Error("the table is not published")
	}
	pgtest.Exec(t, db, "UPDATE new SET id = id + 10", "DELETE FROM new WHERE id = 12")
	published := enginetest.MomentOf(t, db, "published")
	enginetest.Drain(t, place, db)
	refused(t, place, taken, "not published yet when its rows were copied")
	refused(t, place, unpublished, "public.new")
	exact(t, place, published) // it was copied anew
	pgtest.Exec(t, db, "UPDATE new SET id = id + 10", "INSERT INTO new VALUES (4)")
	last := enginetest.MomentOf(t, db, "later")
	enginetest.Drain(t, place, db)
	exact(t, place, last)

	// Whoever takes it out of the list by hand is noticed.
	pgtest.Exec(t, db, "ALTER PUBLICATION pgrecall DROP TABLE new", "INSERT INTO new VALUES (5)", "ALTER PUBLICATION pgrecall ADD TABLE new", "INSERT INTO new VALUES (6)")
	missed := enginetest.MomentOf(t, db, "after it was out of the list")
	drainWithoutCopies(t, place, db)
	refused(t, place, missed, "whether it is published")
	exact(t, place, last)
}

// A message that says it tells of DDL is another's, and changes nothing.
func TestForgedMessagesExplainNothing(t *testing.T) {
	_, place, db := protect(t, objects...)
	oid := pgtest.Value(t, db, "SELECT 'a'::regclass::oid::text")
	forge := `SELECT pg_logical_emit_message(true, 'pgrecall.ddl', '{"tag":"ALTER TABLE","objects":[{"class":1259,"oid":` + oid + `,"type":"table"}],"tables":[{"oid":` + oid + `,"schema":"public","name":"a"}]}')`
	pgtest.Exec(t, db, forge, write)
	forged := enginetest.MomentOf(t, db, "forged alone")
	enginetest.Drain(t, place, db)
	exact(t, place, forged)
	pgtest.Exec(t, db, "BEGIN; ALTER TABLE a ALTER n TYPE int USING n + 100; "+forge+"; COMMIT")
	drainWithoutCopies(t, place, db)
	pgtest.Exec(t, db, write)
	changed := enginetest.MomentOf(t, db, "forged with a rewrite")
	drainWithoutCopies(t, place, db)
	refused(t, place, changed, "table public.a was altered, and perhaps rewritten")
}

// With REPLICA IDENTITY FULL from the start a key may be dropped at any time.
func TestWithFullIdentitiesAKeyMayBeDropped(t *testing.T) {
	_, db := owned(t, "CREATE TABLE a (id int PRIMARY KEY, n int)", "INSERT INTO a SELECT i, i FROM generate_series(1, 20) i", "CREATE TABLE b (id int)")
	place := engine.Place{Repository: filepath.Join(t.TempDir(), "repo")}
	o := engine.InitOptions{Place: place, DB: db, FullIdentities: true}
	if _, err := engine.Init(t.Context(), o); engine.ExitCode(err) != 2 {
		t.Errorf("without the other option: %v", err)
	}
	o.WithoutEventTriggers, o.DryRun = true, true
	planned, err := engine.Init(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.DryRun = false
	done, err := engine.Init(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	statements := func(r *engine.InitResult) (all []string) {
		for _, c := range r.Changes {
			all = append(all, c.SQL)
		}
		slices.Sort(all)
		return all
	}
	if p, d := statements(planned), statements(done); !slices.Equal(p, d) {
		t.Errorf("planned %q, done %q", p, d)
	}
	enginetest.Take(t, place, db)
	pgtest.Exec(t, db, "ALTER TABLE a DROP CONSTRAINT a_pkey", "UPDATE a SET n = n + 1 WHERE id = 3", "INSERT INTO a VALUES (3, 100)", "DELETE FROM a WHERE n = 4",
		"CREATE TABLE new (id int PRIMARY KEY)")
	enginetest.Drain(t, place, db)
	dropped := enginetest.MomentOf(t, db, "key dropped")
	enginetest.Drain(t, place, db)
	exact(t, place, dropped) // it was copied anew
	if got := pgtest.Value(t, db, "SELECT string_agg(format('%s%s', relname, relreplident), ' ' ORDER BY relname) FROM pg_class WHERE relname IN ('a', 'b', 'new')"); got != "af bf newf" {
		t.Errorf("identities %s", got)
	}
	pgtest.Exec(t, db, "UPDATE a SET id = 3", "INSERT INTO new VALUES (1)", "UPDATE new SET id = 2")
	last := enginetest.MomentOf(t, db, "after a snapshot")
	enginetest.Drain(t, place, db)
	exact(t, place, last)
	left, err := engine.Uninstall(t.Context(), engine.UninstallOptions{Place: place, DB: db})
	if err != nil || len(left.Left) != 3 {
		t.Errorf("uninstall: %+v, %v", left, err)
	}
}
