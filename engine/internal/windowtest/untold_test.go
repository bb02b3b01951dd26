package windowtest

import (
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
)

// TestObjectsChangedWithoutAnEventTriggerAreThoseOfTheTarget: none fires for REASSIGN OWNED and for what is done to event triggers
// ("Event Trigger Firing Matrix" in PostgreSQL's documentation), and nothing is told of REINDEX, which makes an invalid index valid, of the
// mark that CLUSTER gives, and of whether REFRESH was the first.
func TestObjectsChangedWithoutAnEventTriggerAreThoseOfTheTarget(t *testing.T) {
	own := newServer(t)
	place, db := enginetest.Protect(t, own, "CREATE ROLE before_role", "CREATE ROLE after_role",
		"CREATE TABLE pets (id int PRIMARY KEY, name text)", "INSERT INTO pets VALUES (-1, 'same'), (-2, 'same')", "CREATE TABLE owned (id serial PRIMARY KEY)",
		"ALTER TABLE owned OWNER TO before_role",
		"CREATE FUNCTION fires() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'")
	enginetest.Drain(t, place, db)
	var moments []enginetest.Moment
	keep := func(what string) {
		t.Helper()
		pgtest.Exec(t, db, "INSERT INTO pets SELECT count(*), 'pet ' || count(*) FROM pets", "INSERT INTO owned DEFAULT VALUES")
		moments = append(moments, enginetest.MomentOf(t, db, what))
		enginetest.Drain(t, place, db)
	}
	keep("before")
	for _, sql := range []string{
		"REASSIGN OWNED BY before_role TO after_role",
		"REINDEX INDEX by_name",
		"CREATE EVENT TRIGGER users_own ON ddl_command_end EXECUTE FUNCTION fires()",
		"ALTER EVENT TRIGGER users_own DISABLE",
		"ALTER TABLE pets ADD told int DEFAULT 5",
		"COMMENT ON EVENT TRIGGER users_own IS 'the users'' own'",
		"DROP EVENT TRIGGER users_own",
		"CLUSTER pets USING pets_pkey",
	} {
		if strings.HasPrefix(sql, "REINDEX") {
			if _, err := pgtest.Open(t, db).Exec(t.Context(), "CREATE UNIQUE INDEX CONCURRENTLY by_name ON pets (name)"); err == nil {
				t.Fatal("an index that is not unique was made")
			}
			pgtest.Exec(t, db, "UPDATE pets SET name = id::text")
			enginetest.Drain(t, place, db)
		}
		pgtest.Exec(t, db, sql)
		enginetest.Drain(t, place, db)
		keep(sql)
	}
	for i, m := range moments {
		if i > 0 && m.Schema == moments[i-1].Schema {
			t.Fatalf("%s: it changed nothing", m.What)
		}
		m.Restores(t, own, place)
	}

	pgtest.Exec(t, db, "CREATE MATERIALIZED VIEW names AS SELECT name FROM pets WITH NO DATA")
	enginetest.Drain(t, place, db)
	pgtest.Exec(t, db, "REFRESH MATERIALIZED VIEW names")
	enginetest.Drain(t, place, db)
	to := pgtest.NewDatabase(t, own)
	if _, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: to}); err != nil {
		t.Fatal(err)
	}
	if rows := "SELECT count(*) FROM names"; pgtest.Value(t, to, rows) != pgtest.Value(t, db, rows) {
		t.Error("the materialized view is not filled")
	}
}
