package watchtest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
)

func TestFollowedByItsOwnerWithoutEventTriggers(t *testing.T) {
	super, db := owned(t, pgtest.Schema...)
	pgtest.Exec(t, super, "CREATE TABLE others (id int PRIMARY KEY)", "INSERT INTO others VALUES (1)", "GRANT SELECT ON others TO keeper")
	place := engine.Place{Repository: filepath.Join(t.TempDir(), "repo")}
	_, err := engine.Init(t.Context(), engine.InitOptions{Place: place, DB: db})
	pgtest.ErrorContains(t, err, "may not create an event trigger", "--without-event-triggers")

	before := enginetest.Definitions(t, db)
	planned, err := engine.Init(t.Context(), engine.InitOptions{Place: place, DB: db, WithoutEventTriggers: true, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	var sql []string
	for _, c := range planned.Changes {
		sql = append(sql, c.SQL)
	}
	for _, w := range []string{"CREATE PUBLICATION pgrecall WITH", `ADD TABLE ONLY "public"."orders"`, `ALTER TABLE ONLY "public"."log" REPLICA IDENTITY FULL`} {
		if !strings.Contains(strings.Join(sql, "\n"), w) {
			t.Errorf("the plan lacks %s", w)
		}
	}
	if got := enginetest.Definitions(t, db); got != before {
		t.Errorf("a dry run changed %s", got)
	}
	done, err := engine.Init(t.Context(), engine.InitOptions{Place: place, DB: db, WithoutEventTriggers: true})
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(done.Warnings, "\n"); !strings.Contains(all, `"public"."others"`) {
		t.Errorf("the table of another is not named: %s", all)
	}
	again, err := engine.Init(t.Context(), engine.InitOptions{Place: place, DB: db, WithoutEventTriggers: true})
	if err != nil || len(again.Changes) > 0 || again.Log != done.Log {
		t.Errorf("init again: %+v, %v", again, err)
	}
	enginetest.Take(t, place, db)

	pgtest.Exec(t, db, "UPDATE users SET name = name || '.' WHERE id % 3 = 0", "DELETE FROM log WHERE line = 'line 7'", "INSERT INTO events SELECT 1000 + i, '2024-03-01' FROM generate_series(1, 50) i")
	moment := enginetest.MomentOf(t, db, "after writes")
	enginetest.Drain(t, place, db)
	pgtest.Exec(t, db, "TRUNCATE log", "INSERT INTO log VALUES ('last', NULL)")
	last := enginetest.MomentOf(t, db, "after a truncate")
	enginetest.Drain(t, place, db)
	exact(t, place, moment)
	exact(t, place, last)
	if _, err := engine.Mark(t.Context(), engine.MarkOptions{Place: place, DB: db, Name: "here"}); err != nil {
		t.Fatal(err)
	}
	enginetest.Drain(t, place, db)
	for _, target := range []engine.Target{{}, {Kind: engine.TargetMark, Name: "here"}} {
		to := pgtest.NewDatabase(t, server)
		r, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: to, Target: target})
		if err != nil {
			t.Fatal(err)
		}
		last.Equals(t, to)
		if told := strings.Join(r.Plan.LeftOut, "\n"); !strings.Contains(told, "public.others") {
			t.Errorf("a restore does not tell of the table that is not followed: %s", told)
		}
	}

	checked, err := engine.Check(t.Context(), engine.CheckOptions{Place: place, DB: db})
	if err != nil {
		t.Errorf("%v: %+v", err, checked)
	}
	var said []string
	for _, f := range checked.Findings {
		if f.Severity == "warn" {
			said = append(said, f.Detail)
		}
	}
	for _, w := range []string{"without event triggers: DDL is noticed by looking", `the table "public"."others" is of a role`} {
		if !strings.Contains(strings.Join(said, "\n"), w) {
			t.Errorf("check lacks %q: %s", w, strings.Join(said, "\n"))
		}
	}
	listed, err := engine.List(t.Context(), engine.ListOptions{Place: place})
	if err != nil || !listed.Sources[0].Logs[0].Watched || listed.Sources[0].Snapshots[0].Inexact.UnfollowedTables != 1 {
		t.Errorf("list: %+v, %v", listed, err)
	}
	if _, err := engine.Uninstall(t.Context(), engine.UninstallOptions{Place: place, DB: db}); err != nil {
		t.Fatal(err)
	}
	if got := pgtest.Value(t, db, "SELECT count(*)::text FROM pg_publication UNION ALL SELECT count(*)::text FROM pg_namespace WHERE nspname = 'pgrecall' LIMIT 1"); got != "0" {
		t.Errorf("left after uninstall: %s", got)
	}
}
