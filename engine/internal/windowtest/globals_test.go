package windowtest

import (
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// newServer starts a server of the test's own, for what all databases share.
func newServer(t *testing.T) *pgtemp.Server {
	t.Helper()
	s, err := pgtemp.Start(t.Context(), pgtemp.Options{Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Remove() })
	return s
}

// shared is the SQL of what the databases of a server share, and the properties of one database.
func shared(t *testing.T, s *pgtemp.Server, database string) string {
	t.Helper()
	var sql strings.Builder
	if err := engine.Schema(t.Context(), engine.SchemaOptions{Live: true, DB: s.ConnString(database), GlobalsOnly: true}, &sql); err != nil {
		t.Fatal(err)
	}
	return sql.String() + pgtest.Value(t, s.ConnString(database), `SELECT concat_ws(E'\n', pg_get_userbyid(datdba), datacl, datconnlimit, shobj_description(oid, 'pg_database'),
		(SELECT string_agg(concat_ws(' ', setrole::regrole, setconfig), E'\n' ORDER BY setrole::regrole::text) FROM pg_db_role_setting WHERE setdatabase = d.oid))
		FROM pg_database d WHERE datname = current_database()`)
}

func TestRolesAndTheDatabasesPropertiesAreThoseOfTheTarget(t *testing.T) {
	source := newServer(t)
	place, db := enginetest.Protect(t, source, "CREATE TABLE pets (id int PRIMARY KEY)", "CREATE ROLE reader LOGIN PASSWORD 'one' CONNECTION LIMIT 3", "CREATE ROLE staff")
	database := pgtest.Value(t, db, "SELECT current_database()")
	at := func(what string) (enginetest.Moment, string) {
		return enginetest.MomentOf(t, db, what), shared(t, source, database)
	}
	type both struct {
		enginetest.Moment
		shared string
	}
	var moments []both
	keep := func(what string) {
		m, s := at(what)
		moments = append(moments, both{m, s})
	}
	enginetest.Drain(t, place, db)
	// The snapshot itself is of before these roles: they are a version's.
	keep("before")
	for _, step := range []string{
		"ALTER ROLE reader PASSWORD 'two' CONNECTION LIMIT 7; CREATE ROLE boss SUPERUSER; GRANT staff TO reader WITH ADMIN OPTION",
		"ALTER DATABASE " + database + " SET work_mem = '9MB'; COMMENT ON DATABASE " + database + " IS 'the pets'; ALTER ROLE reader IN DATABASE " + database + " SET search_path = staff",
		"ALTER ROLE staff SET statement_timeout = '1h'; GRANT CONNECT ON DATABASE " + database + " TO staff; REVOKE CONNECT ON DATABASE " + database + " FROM public",
		"DROP ROLE boss; ALTER DATABASE " + database + " OWNER TO reader; ALTER ROLE staff RENAME TO crew",
	} {
		pgtest.Exec(t, db, "INSERT INTO pets SELECT count(*) FROM pets", step)
		enginetest.Drain(t, place, db)
		pgtest.Exec(t, db, "INSERT INTO pets SELECT count(*) FROM pets")
		keep(step)
	}
	enginetest.Drain(t, place, db)
	for _, m := range moments {
		target := newServer(t)
		r, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: target.ConnString(database), Create: true,
			GlobalsOptions: engine.GlobalsOptions{Globals: true},
			Target:         engine.Target{Kind: engine.TargetLSN, LSN: m.LSN}})
		if err != nil {
			t.Errorf("%s: %v", m.What, err)
			continue
		}
		if r.Plan.Globals.AsOf.IsZero() {
			t.Errorf("%s: the plan does not say of when they are", m.What)
		}
		if got := shared(t, target, database); got != m.shared {
			t.Errorf("%s: want\n%s\ngot\n%s", m.What, m.shared, got)
		}
		m.Equals(t, target.ConnString(database))

		alone := newServer(t)
		if _, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: alone.ConnString("postgres"), GlobalsOptions: engine.GlobalsOptions{GlobalsOnly: true},
			Target: engine.Target{Kind: engine.TargetLSN, LSN: m.LSN}}); err != nil {
			t.Errorf("%s: %v", m.What, err)
			continue
		}
		roles := "SELECT string_agg(concat_ws(' ', rolname, rolsuper, rolconnlimit, rolconfig, rolpassword), ', ' ORDER BY rolname) FROM pg_authid LEFT JOIN LATERAL (SELECT setconfig AS rolconfig FROM pg_db_role_setting WHERE setrole = pg_authid.oid AND setdatabase = 0) s ON true WHERE rolname !~ '^pg_'"
		if want, got := pgtest.Value(t, target.ConnString("postgres"), roles), pgtest.Value(t, alone.ConnString("postgres"), roles); want != got {
			t.Errorf("%s: --globals-only makes %s, not %s", m.What, got, want)
		}
	}
}

func TestOtherDatabasesAndOrdinaryWorkMakeNoVersion(t *testing.T) {
	source := newServer(t)
	place, db := enginetest.Protect(t, source, "CREATE TABLE pets (id int PRIMARY KEY)")
	enginetest.Drain(t, place, db)
	pgtest.Exec(t, db, "CREATE DATABASE other", "ALTER DATABASE other SET work_mem = '5MB'", "COMMENT ON DATABASE other IS 'another'",
		"INSERT INTO pets VALUES (1)", "VACUUM (FREEZE) pets", "VACUUM pg_authid, pg_database", "ANALYZE", "TRUNCATE pets", "VACUUM FULL pets", "REINDEX TABLE pets",
		"CREATE TEMP TABLE passing (id serial PRIMARY KEY); SELECT nextval('passing_id_seq')")
	enginetest.Drain(t, place, db)
	if got := versions(t, place); got != 0 {
		t.Errorf("%d versions of the catalog were taken", got)
	}
	pgtest.Exec(t, db, "ALTER ROLE postgres PASSWORD 'new'")
	enginetest.Drain(t, place, db)
	if got := versions(t, place); got != 1 {
		t.Errorf("%d versions of the catalog were taken for a password", got)
	}
}

// versions is the number of versions of the catalog.
func versions(t *testing.T, place engine.Place) int {
	t.Helper()
	list, err := engine.List(t.Context(), engine.ListOptions{Place: place})
	if err != nil {
		t.Fatal(err)
	}
	return len(list.Sources[0].Versions)
}
