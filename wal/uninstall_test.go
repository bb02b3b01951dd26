package wal

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestUninstallLeavesNothingButIdentities(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE keyed (a int PRIMARY KEY)", `CREATE TABLE "Plain" (a int)`, "CREATE TABLE silent (a int)",
		"ALTER TABLE silent REPLICA IDENTITY NOTHING", "CREATE TABLE full_already (a int)", "ALTER TABLE full_already REPLICA IDENTITY FULL",
		"CREATE TABLE later (a int PRIMARY KEY)", "CREATE TABLE gone (a int)", "CREATE SCHEMA s", "CREATE TABLE s.indexed (a int NOT NULL)",
		"CREATE UNIQUE INDEX i ON s.indexed (a)", "ALTER TABLE s.indexed REPLICA IDENTITY USING INDEX i")
	before := d.objects()
	d.init(InitOptions{})
	if _, err := Mark(d.ctx, d.conn, "m"); err != nil {
		t.Fatal(err)
	}
	d.exec("ALTER TABLE later DROP CONSTRAINT later_pkey", "DROP TABLE gone", "CREATE TABLE new (a int)", "DROP INDEX s.i")
	during := d.objects()
	plan, err := Uninstall(d.ctx, d.conn, d.name, UninstallOptions{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, "after a plan", d.objects(), during)
	r, err := Uninstall(d.ctx, d.conn, d.name, UninstallOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(plan.Changes, r.Changes) || !slices.Equal(plan.Left, r.Left) || len(r.Kept) != 0 {
		t.Errorf("planned %+v\nmade %+v", plan, r)
	}
	var left []string
	for _, c := range r.Left {
		left = append(left, c.SQL)
		d.exec(c.SQL)
	}
	wantText(t, "left", strings.Join(left, "\n"), `ALTER TABLE "public"."Plain" REPLICA IDENTITY DEFAULT
ALTER TABLE "public"."later" REPLICA IDENTITY DEFAULT
ALTER TABLE "public"."new" REPLICA IDENTITY DEFAULT
ALTER TABLE "public"."silent" REPLICA IDENTITY NOTHING
ALTER TABLE "s"."indexed" REPLICA IDENTITY DEFAULT`)
	// Undo what the test itself did, and nothing is different.
	d.exec("DROP TABLE new", "CREATE TABLE gone (a int)", "ALTER TABLE later ADD PRIMARY KEY (a)", "CREATE UNIQUE INDEX i ON s.indexed (a)",
		"ALTER TABLE s.indexed REPLICA IDENTITY USING INDEX i")
	wantText(t, "after uninstall", d.objects(), before)
	again, err := Uninstall(d.ctx, d.conn, d.name, UninstallOptions{})
	if err != nil || len(again.Changes) != 0 || len(again.Left) != 0 {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func TestUninstallLeavesWhatOthersUse(t *testing.T) {
	d := newDatabase(t)
	d.init(InitOptions{})
	if _, err := Init(d.ctx, d.conn, d.name+"_second", InitOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := Uninstall(d.ctx, d.conn, d.name, UninstallOptions{})
	if err != nil || len(r.Changes) != 1 || len(r.Kept) != 1 {
		t.Errorf("beside another source: %+v, %v", r, err)
	}
	d.exec("CREATE TABLE pgrecall.mine (a int)")
	r, err = Uninstall(d.ctx, d.conn, d.name+"_second", UninstallOptions{})
	if err != nil || len(r.Kept) != 1 || !strings.Contains(r.Kept[0], "mine") {
		t.Errorf("with somebody's table in the schema: %+v, %v", r, err)
	}
	wantText(t, "what is left", d.text("SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'pgrecall'::regnamespace AND relkind = 'r'"), "mine")
}

func TestUninstallWorksOnWhatIsHalfThere(t *testing.T) {
	d := newDatabase(t)
	before := d.objects()
	for i, damage := range [][]string{
		{"DROP PUBLICATION pgrecall"},
		{"DROP EVENT TRIGGER pgrecall_sql_drop"},
		{"DROP TABLE pgrecall.identities", "DROP TABLE pgrecall.marks"},
		{"DROP FUNCTION pgrecall.statement"},
		{fmt.Sprintf("SELECT pg_drop_replication_slot('%s')", SlotName(d.name))},
		{"DROP EVENT TRIGGER pgrecall_sql_drop", "DROP EVENT TRIGGER pgrecall_ddl_command_end", "DROP EVENT TRIGGER pgrecall_table_rewrite",
			"DROP SCHEMA pgrecall CASCADE"},
	} {
		d.init(InitOptions{})
		d.exec(damage...)
		if _, err := Uninstall(d.ctx, d.conn, d.name, UninstallOptions{}); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		wantText(t, damage[0], d.objects(), before)
	}
}
