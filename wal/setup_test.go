package wal

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pgrecall/pgrecall/format"
)

func TestInitIsIdempotent(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE keyed (a int PRIMARY KEY)", "CREATE TABLE plain (a int)", "CREATE UNLOGGED TABLE quick (a int)",
		"CREATE TABLE parts (a int) PARTITION BY LIST (a)", "CREATE TABLE part PARTITION OF parts DEFAULT",
		"CREATE TABLE silent (a int PRIMARY KEY)", "ALTER TABLE silent REPLICA IDENTITY NOTHING",
		"CREATE TABLE indexed (a int NOT NULL UNIQUE)", "ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_a_key")
	before := d.objects()
	plan, err := PlanInit(d.ctx, d.conn, d.name, InitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, "after a dry run", d.objects(), before)
	r := d.init(InitOptions{})
	if !slices.Equal(r.Changes, plan.Changes) {
		t.Errorf("planned and made differ:\n%+v\n%+v", plan.Changes, r.Changes)
	}
	again := d.init(InitOptions{Started: r.Log})
	if len(again.Changes) != 0 || again.NewLog || again.Log != r.Log {
		t.Errorf("the second init changed %+v", again.Changes)
	}
	wantText(t, "identities", d.text(`SELECT string_agg(relname || ':' || relreplident::text, ' ' ORDER BY relname)
		FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')`),
		"indexed:i keyed:d part:f parts:d plain:f quick:f silent:d")
	wantText(t, "what they were", d.text(`SELECT string_agg(name || ':' || original::text, ' ' ORDER BY name) FROM pgrecall.identities`),
		"part:d plain:d quick:d silent:n")
}

func TestSlotName(t *testing.T) {
	long := strings.Repeat("x", 60)
	for source, want := range map[string]string{
		"app": "pgrecall_app", "app_2": "pgrecall_app_2", "App": "pgrecall_app_", "my-app": "pgrecall_my_app_", "": "pgrecall_",
		"é": "pgrecall___", long: "pgrecall_" + long[:45] + "_",
	} {
		got := SlotName(source)
		if !strings.HasPrefix(got, want) || len(got) > 63 || strings.Trim(got, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			t.Errorf("%q: %q", source, got)
		}
	}
	if SlotName("my-app") == SlotName("my.app") || SlotName("App") == SlotName("app") || SlotName(long) == SlotName(long+"x") {
		t.Error("two sources have one slot")
	}
}

// TestInitIsCompletedAfterAKill kills init at each of its steps and changes; run again it completes, with one slot,
// which the log it returns is of.
func TestInitIsCompletedAfterAKill(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE plain (a int)")
	before := d.objects()
	for at := 0; ; at++ {
		config := d.conn.Config().Copy()
		conn, err := pgx.ConnectConfig(d.ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(d.ctx)
		n, last := 0, Progress{}
		_, err = Init(ctx, conn, d.name, InitOptions{Report: func(p Progress) {
			if p.Change != nil && p.Step == StepSchema && n%5 != 0 {
				return // they are made together
			}
			if n++; n > at && ctx.Err() == nil {
				last = p
				cancel()
			}
		}})
		conn.Close(d.ctx)
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("killed at %+v: %v", last, err)
		}
		d.exec("UPDATE plain SET a = 1", "DELETE FROM plain")
		r := d.init(InitOptions{})
		d.exec("UPDATE plain SET a = 1", "DELETE FROM plain")
		if !r.NewLog || r.Log == nil {
			t.Errorf("killed at %+v: no new log", last)
		}
		wantText(t, "slots", d.text("SELECT string_agg(slot_name, ',') FROM pg_replication_slots WHERE database = current_database()"), r.Log.Slot)
		if again := d.init(InitOptions{Started: r.Log}); len(again.Changes) != 0 {
			t.Errorf("killed at %+v: not completed: %+v", last, again.Changes)
		}
		if _, err := Uninstall(d.ctx, d.conn, d.name, UninstallOptions{}); err != nil {
			t.Fatalf("killed at %+v: %v", last, err)
		}
		d.exec("ALTER TABLE plain REPLICA IDENTITY DEFAULT")
		wantText(t, "after uninstall", d.objects(), before)
	}
}

// TestInitReplacesTheSlotOfAKilledInit: the process is gone in the middle of making the slot, and its server process is
// still waiting.
func TestInitReplacesTheSlotOfAKilledInit(t *testing.T) {
	d := newDatabase(t)
	other := d.connect("app")
	config := d.conn.Config().Copy()
	config.RuntimeParams["application_name"] = slotApplication
	config.RuntimeParams["client_connection_check_interval"] = "100ms"
	killed, err := pgx.ConnectConfig(d.ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	execOn(t, other, "BEGIN", "CREATE TABLE late (a int)")
	go killed.Exec(d.ctx, "SELECT pg_create_logical_replication_slot('"+SlotName(d.name)+"', 'pgoutput')")
	d.until("SELECT count(*) = 1 FROM pg_replication_slots WHERE slot_name = '" + SlotName(d.name) + "'")
	if err := killed.PgConn().Conn().Close(); err != nil {
		t.Fatal(err)
	}
	report, seen := waitingFor(t, StepWait, other.PgConn().PID(), "", func() { execOn(t, other, "COMMIT") })
	r := d.init(InitOptions{Report: report})
	seen()

	// And one that was made, while the repository has no log for it.
	again := d.init(InitOptions{})
	if !again.NewLog || again.Log.Log == r.Log.Log || again.Log.ConsistentPoint <= r.Log.ConsistentPoint {
		t.Errorf("a slot of no log was kept: %+v", again.Log)
	}
	// A slot that is gone, or older than its publication, cannot carry the log on.
	d.exec("SELECT pg_drop_replication_slot('" + SlotName(d.name) + "')")
	third := d.init(InitOptions{Started: again.Log})
	d.exec("DROP PUBLICATION pgrecall")
	fourth := d.init(InitOptions{Started: third.Log})
	if !third.NewLog || !fourth.NewLog {
		t.Error("the log goes on without its slot")
	}
	d.decoded()
}

func TestInitRefusesASlotInUse(t *testing.T) {
	d := newDatabase(t)
	d.init(InitOptions{})
	if _, err := Uninstall(d.ctx, d.conn, d.name, UninstallOptions{}); err != nil {
		t.Fatal(err)
	}
	holder := d.holdSlot()
	before := d.objects()
	_, err := Init(d.ctx, d.conn, d.name, InitOptions{})
	var busy *SlotBusyError
	if !errors.As(err, &busy) || busy.PID != int32(holder) {
		t.Errorf("%v", err)
	}
	if _, err = Uninstall(d.ctx, d.conn, d.name, UninstallOptions{}); !errors.As(err, &busy) {
		t.Errorf("uninstall: %v", err)
	}
	wantText(t, "after refusing", d.objects(), before)
}

func TestInitRefusesWithoutRights(t *testing.T) {
	d := newDatabase(t)
	d.exec("DO $$ BEGIN CREATE ROLE weak LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$", "CREATE TABLE plain (a int)")
	before := d.objects()
	conn := d.connect("weak")
	for _, dry := range []bool{true, false} {
		_, err := Init(d.ctx, conn, d.name, InitOptions{DryRun: dry})
		var refused *RefusedError
		if !errors.As(err, &refused) {
			t.Fatalf("%v", err)
		}
		var got []string
		for _, m := range refused.Missing {
			if !m.Right || m.Advice == "" {
				t.Errorf("%+v", m)
			}
			got = append(got, m.What)
		}
		wantText(t, "missing", strings.Join(got, "\n"), `the role "weak" may not make a replication slot
the role "weak" may not create a schema here
the role "weak" may not create an event trigger
the role "weak" may not publish all tables
the role "weak" may not alter 1 tables that have no replica identity, for example "public"."plain"`)
	}
	wantText(t, "after refusing", d.objects(), before)
}

func TestInitRefusesAnotherDatabase(t *testing.T) {
	d := newDatabase(t)
	_, err := Init(d.ctx, d.conn, d.name, InitOptions{Started: &format.LogStart{SystemID: "1", DatabaseOID: 2}})
	var other *OtherDatabaseError
	if !errors.As(err, &other) {
		t.Errorf("%v", err)
	}
	d.exec("CREATE SCHEMA pgrecall")
	var refused *RefusedError
	if _, err = Init(d.ctx, d.conn, d.name, InitOptions{}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "schema pgrecall") {
		t.Errorf("a schema of others: %v", err)
	}
}

func TestInitMendsWhatWasTamperedWith(t *testing.T) {
	d := newDatabase(t)
	log := d.init(InitOptions{}).Log
	for _, tampering := range []struct {
		sql     string
		changes int
	}{
		{"ALTER EVENT TRIGGER pgrecall_sql_drop DISABLE", 1},
		{"ALTER EVENT TRIGGER pgrecall_ddl_command_end ENABLE", 1},
		{"DROP EVENT TRIGGER pgrecall_table_rewrite", 2},
		{"ALTER PUBLICATION pgrecall SET (publish = 'insert')", 1},
		{"ALTER PUBLICATION pgrecall SET (publish_via_partition_root = true)", 1},
		{"CREATE OR REPLACE FUNCTION pgrecall.family(tables oid[]) RETURNS oid[] LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'", 2},
		{"DROP TABLE pgrecall.secret", 1},
	} {
		d.exec(tampering.sql)
		findings, err := Inspect(d.ctx, d.conn, d.name, "")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(findings, func(f Finding) bool {
			return f.Severity != Info && (f.Topic == "capture" || f.Topic == "publication")
		}) {
			t.Errorf("%s: not found: %+v", tampering.sql, findings)
		}
		if r := d.init(InitOptions{Started: log}); len(r.Changes) != tampering.changes || r.NewLog {
			t.Errorf("%s: %+v", tampering.sql, r.Changes)
		}
	}
}

// TestTheUsersEventTriggersDoNotSeePgrecall: they neither run for the identity that pgrecall gives, nor can they
// prevent it.
func TestTheUsersEventTriggersDoNotSeePgrecall(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE plain (a int)", "CREATE TABLE seen (tag text PRIMARY KEY, n int DEFAULT 1)", "GRANT ALL ON seen TO app",
		`CREATE FUNCTION see() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
			IF TG_TAG = 'ALTER TABLE' THEN RAISE 'no table is altered here'; END IF;
			INSERT INTO public.seen VALUES (TG_TAG) ON CONFLICT (tag) DO UPDATE SET n = seen.n + 1; END$$`,
		"CREATE EVENT TRIGGER a_see ON ddl_command_end EXECUTE FUNCTION see()",
		"CREATE EVENT TRIGGER z_see ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION see()")
	d.init(InitOptions{})
	app := d.connect("app")
	execOn(t, app, "CREATE TABLE mine (a int)", "INSERT INTO mine VALUES (1)", "UPDATE mine SET a = 2")
	wantText(t, "seen", d.text("SELECT string_agg(tag || n, ' ') FROM seen WHERE tag LIKE '%TABLE'"), "CREATE TABLE3")
	wantText(t, "session_replication_role", d.text("SELECT current_setting('session_replication_role')"), "origin")
	d.exec("DROP EVENT TRIGGER a_see", "DROP EVENT TRIGGER z_see")
}

// TestDDLWarnsNobody: a function's literals are read with the settings of the session that calls it.
func TestDDLWarnsNobody(t *testing.T) {
	d := newDatabase(t)
	d.init(InitOptions{})
	app := d.connect("app")
	var notices []string
	config := app.Config()
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notices = append(notices, n.Message) }
	told, err := pgx.ConnectConfig(d.ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close(d.ctx)
	execOn(t, told, "SET standard_conforming_strings = off; SET plpgsql.extra_warnings = 'all'; SET plpgsql.extra_errors = 'all'; "+
		"CREATE TABLE warned (a int); INSERT INTO warned VALUES (1); UPDATE warned SET a = 2; ALTER TABLE warned ADD b text; DROP TABLE warned")
	if len(notices) > 0 {
		t.Errorf("%q", notices)
	}
	for _, m := range d.ddl() {
		if m.Incomplete {
			t.Errorf("%+v", m)
		}
	}
}

func TestMark(t *testing.T) {
	d := newDatabase(t)
	if _, err := Mark(d.ctx, d.conn, "early"); !errors.Is(err, ErrNotSetUp) {
		t.Errorf("before init: %v", err)
	}
	d.init(InitOptions{})
	m, err := Mark(d.ctx, d.conn, "before the 'deploy'")
	if err != nil {
		t.Fatal(err)
	}
	if m.LSN == 0 || m.XID == 0 || m.Time.IsZero() {
		t.Errorf("%+v", m)
	}
	if _, err := Mark(d.ctx, d.conn, "before the 'deploy'"); !errors.Is(err, ErrMarkExists) {
		t.Errorf("again: %v", err)
	}
	for _, bad := range []string{"", "a\nb", "a\x00", "\xff", strings.Repeat("x", 201)} {
		if _, err := Mark(d.ctx, d.conn, bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if _, err := Mark(d.ctx, d.connect("app"), "mine"); err == nil || !strings.Contains(err.Error(), "the role that ran init") {
		t.Errorf("without rights: %v", err)
	}
	wantText(t, "marks in the log", strings.Join(d.messages(format.PrefixMark), "|"), "before the 'deploy'")
}
