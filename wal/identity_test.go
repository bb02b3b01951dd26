package wal

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// route is a way in which a table comes to be without a replica identity. Its statements run with the search path set
// to a schema of its own; then t is updated and deleted from.
type route struct {
	name   string
	before []string // done before, with the table as it should be
	then   []string
	use    string // the table to use; empty: t
	from   int    // the first major version that knows it
	// spared: no statement fails even without pgrecall's triggers on this server's version.
	spared bool
}

var identityRoutes = []route{
	{name: "create", then: []string{"CREATE TABLE t (a int, b text)"}},
	{name: "create as", then: []string{"CREATE TABLE t AS SELECT 1 AS a, 'x'::text AS b"}},
	{name: "select into", then: []string{"SELECT 1 AS a, 'x'::text AS b INTO t"}},
	{name: "like", before: []string{"CREATE TABLE o (a int PRIMARY KEY, b text)"}, then: []string{"CREATE TABLE t (LIKE o)"}},
	{name: "partition of", before: []string{"CREATE TABLE p (a int, b text) PARTITION BY LIST (a)"},
		then: []string{"CREATE TABLE t PARTITION OF p DEFAULT"}, use: "p"},
	{name: "inherits", before: []string{"CREATE TABLE p (a int PRIMARY KEY, b text)"}, then: []string{"CREATE TABLE t () INHERITS (p)"}, use: "p"},
	{name: "attach", before: []string{"CREATE TABLE p (a int, b text) PARTITION BY LIST (a)"},
		then: []string{"CREATE TABLE t (a int, b text)", "ALTER TABLE p ATTACH PARTITION t DEFAULT"}, use: "p"},
	{name: "detach", before: []string{"CREATE TABLE p (a int, b text, PRIMARY KEY (a)) PARTITION BY LIST (a)", "CREATE TABLE t PARTITION OF p DEFAULT"},
		then: []string{"ALTER TABLE p DETACH PARTITION t", "ALTER TABLE t DROP CONSTRAINT t_pkey"}},
	{name: "deferrable key", then: []string{"CREATE TABLE t (a int PRIMARY KEY DEFERRABLE, b text)"}},
	{name: "set logged", then: []string{"CREATE UNLOGGED TABLE t (a int, b text)", "ALTER TABLE t SET LOGGED"}},
	{name: "drop key", before: []string{"CREATE TABLE t (a int PRIMARY KEY, b text)"}, then: []string{"ALTER TABLE t DROP CONSTRAINT t_pkey"}},
	{name: "drop column", before: []string{"CREATE TABLE t (k int PRIMARY KEY, a int, b text)"}, then: []string{"ALTER TABLE t DROP COLUMN k"}},
	{name: "drop a partitioned table's key", before: []string{"CREATE TABLE p (a int PRIMARY KEY, b text) PARTITION BY LIST (a)",
		"CREATE TABLE t PARTITION OF p DEFAULT PARTITION BY LIST (a)", "CREATE TABLE u PARTITION OF t DEFAULT"},
		then: []string{"ALTER TABLE p DROP CONSTRAINT p_pkey"}, use: "p"},
	{name: "drop a partition's key with its parent's column", before: []string{
		"CREATE TABLE p (a int, b text, k int) PARTITION BY LIST (a)", "CREATE TABLE t (a int, b text, k int NOT NULL PRIMARY KEY)",
		"ALTER TABLE p ATTACH PARTITION t DEFAULT"}, then: []string{"ALTER TABLE p DROP COLUMN k"}, use: "p"},
	{name: "drop type", before: []string{"CREATE TYPE e AS ENUM ('x')", "CREATE TABLE t (k e PRIMARY KEY, a int, b text)"}, then: []string{"DROP TYPE e CASCADE"}},
	{name: "drop domain", before: []string{"CREATE DOMAIN e AS int", "CREATE TABLE t (k e PRIMARY KEY, a int, b text)"}, then: []string{"DROP DOMAIN e CASCADE"}},
	{name: "drop a type's schema", before: []string{"CREATE SCHEMA NAME_types", "CREATE DOMAIN NAME_types.e AS int",
		"CREATE TABLE t (k NAME_types.e PRIMARY KEY, a int, b text)"}, then: []string{"DROP SCHEMA NAME_types CASCADE"}},
	{name: "drop identity index", before: []string{"CREATE TABLE t (a int NOT NULL, b text)", "CREATE UNIQUE INDEX i ON t (a)",
		"ALTER TABLE t REPLICA IDENTITY USING INDEX i"}, then: []string{"DROP INDEX i"}},
	{name: "drop identity index concurrently", before: []string{"CREATE TABLE t (a int NOT NULL, b text)", "CREATE UNIQUE INDEX i ON t (a)",
		"ALTER TABLE t REPLICA IDENTITY USING INDEX i"}, then: []string{"DROP INDEX CONCURRENTLY i"}},
	{name: "drop identity constraint", before: []string{"CREATE TABLE t (a int NOT NULL CONSTRAINT c UNIQUE, b text)",
		"ALTER TABLE t REPLICA IDENTITY USING INDEX c"}, then: []string{"ALTER TABLE t DROP CONSTRAINT c"}},
	{name: "replica identity nothing", before: []string{"CREATE TABLE t (a int PRIMARY KEY, b text)"}, then: []string{"ALTER TABLE t REPLICA IDENTITY NOTHING"}},
	{name: "replica identity default", before: []string{"CREATE TABLE t (a int, b text)"}, then: []string{"ALTER TABLE t REPLICA IDENTITY DEFAULT"}},
	{name: "create schema", then: []string{"CREATE SCHEMA NAME_new CREATE TABLE t (a int, b text)", "SET search_path = NAME_new"}},
	{name: "in a function", then: []string{`CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS
		$$BEGIN EXECUTE 'CREATE TABLE t (a int, b text)'; END$$`, "SELECT f()"}},
	{name: "in one transaction", then: []string{`BEGIN; SAVEPOINT s; CREATE TABLE t (x int); ROLLBACK TO s; CREATE TABLE t (a int, b text);
		INSERT INTO t VALUES (1); UPDATE t SET b = 'z'; SAVEPOINT s; DELETE FROM t; COMMIT`}},
	{name: "under a cached plan", before: []string{"CREATE TABLE t (a int PRIMARY KEY, b text)", "PREPARE u AS UPDATE t SET b = 'p' WHERE a = $1",
		"EXECUTE u(1)"}, then: []string{"ALTER TABLE t DROP CONSTRAINT t_pkey", "INSERT INTO t VALUES (1)", "EXECUTE u(1)", "DEALLOCATE u"}},
	{name: "repeatable read", then: []string{"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1); UPDATE t SET b = 'q'; COMMIT"}},
	{name: "generated key", then: []string{"CREATE TABLE t (a int, b text, g int GENERATED ALWAYS AS (a) STORED PRIMARY KEY)"}, spared: true},
	{name: "stored generated column", then: []string{"CREATE TABLE t (a int, b text, g int GENERATED ALWAYS AS (a) STORED)"}},
	{name: "key beside a virtual column", from: 18, spared: true,
		then: []string{"CREATE TABLE t (a int PRIMARY KEY, b text, g int GENERATED ALWAYS AS (a) VIRTUAL)"}},
	{name: "full beside a virtual column", from: 18,
		before: []string{"CREATE TABLE t (a int PRIMARY KEY, b text, g int GENERATED ALWAYS AS (a) VIRTUAL)"},
		then:   []string{"ALTER TABLE t REPLICA IDENTITY FULL"}},
}

// prepare makes what was before, in a schema of its own.
func (r route) prepare(t *testing.T, conn *pgx.Conn, schema string) {
	t.Helper()
	execOn(t, conn, "CREATE SCHEMA "+schema, "SET search_path = "+schema)
	for _, s := range r.before {
		execOn(t, conn, strings.ReplaceAll(s, "NAME", schema))
	}
}

// follow takes the route and returns the first error of that and of using the table.
func (r route) follow(t *testing.T, conn *pgx.Conn, schema string) error {
	table := "t"
	if r.use != "" {
		table = r.use
	}
	use := []string{"INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y')", "UPDATE " + table + " SET b = 'z' WHERE a = 1",
		"DELETE FROM " + table + " WHERE a = 2", "UPDATE t SET b = 'w'", "DELETE FROM t"}
	for _, sql := range append(slices.Clone(r.then), use...) {
		if _, err := conn.PgConn().Exec(t.Context(), strings.ReplaceAll(sql, "NAME", schema)).ReadAll(); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

func TestNoRouteMakesTheApplicationsStatementsFail(t *testing.T) {
	d := newDatabase(t)
	d.init(InitOptions{})
	for _, as := range []struct {
		name, user string
		settings   []string
	}{
		{name: "application", user: "app"},
		{name: "superuser", user: "postgres"},
		{name: "replica", user: "postgres", settings: []string{"SET session_replication_role = replica"}},
	} {
		for i, r := range identityRoutes {
			t.Run(as.name+"/"+r.name, func(t *testing.T) {
				if d.version() < r.from {
					return
				}
				conn := d.connect(as.user)
				schema := fmt.Sprintf("%s%d", as.name, i)
				r.prepare(t, conn, schema)
				execOn(t, conn, as.settings...)
				if err := r.follow(t, conn, schema); err != nil {
					t.Error(err)
				}
			})
		}
	}
	for _, m := range d.ddl() {
		if m.Incomplete {
			t.Errorf("incomplete: %+v", m)
		}
	}
}

// TestEachRouteIsReal shows that the routes lead where they should: with the publication and without the event
// triggers the same statements fail.
func TestEachRouteIsReal(t *testing.T) {
	d := newDatabase(t)
	d.init(InitOptions{})
	for i, r := range identityRoutes {
		if d.version() < r.from || r.spared {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			conn := d.connect("app")
			var off []string
			for _, trigger := range sourceTriggers() {
				d.exec("ALTER EVENT TRIGGER " + trigger.name + " ENABLE ALWAYS")
				off = append(off, "ALTER EVENT TRIGGER "+trigger.name+" DISABLE")
			}
			schema := fmt.Sprintf("s%d", i)
			r.prepare(t, conn, schema)
			d.exec(off...)
			err := r.follow(t, conn, schema)
			if err == nil || !strings.Contains(err.Error(), "55000") && !strings.Contains(err.Error(), "42P10") {
				t.Errorf("without the event triggers: %v", err)
			}
		})
	}
}

// TestTheApplicationKeepsItsRightToItsIndexes: an index chosen as the identity could not be dropped by DROP NOT NULL
// of its column, nor could it go without taking the identity with it; so none is ever chosen.
func TestTheApplicationKeepsItsRightToItsIndexes(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE plain (a int NOT NULL CONSTRAINT u UNIQUE)", "INSERT INTO plain VALUES (1)", "ALTER TABLE plain OWNER TO app")
	d.init(InitOptions{})
	execOn(t, d.connect("app"), "ALTER TABLE plain ALTER a DROP NOT NULL", "UPDATE plain SET a = 2", "ALTER TABLE plain DROP CONSTRAINT u",
		"UPDATE plain SET a = NULL", "DELETE FROM plain")
}
