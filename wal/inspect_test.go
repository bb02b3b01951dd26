package wal

import (
	"slices"
	"strings"
	"testing"
)

// find returns the findings of a topic and severity.
func find(findings []Finding, severity Severity, topic string) string {
	var all []string
	for _, f := range findings {
		if f.Severity == severity && f.Topic == topic {
			all = append(all, f.What)
		}
	}
	return strings.Join(all, "; ")
}

func TestInspectFindsWhatABackupCannotHold(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE plain (a int, b text)", "CREATE TABLE keyed (a int PRIMARY KEY)", "CREATE UNLOGGED TABLE quick (a int PRIMARY KEY)",
		"CREATE MATERIALIZED VIEW seen AS SELECT 1", "SELECT lo_create(0)", "CREATE TABLE wide (a int, b text)",
		"CREATE FOREIGN DATA WRAPPER w", "CREATE SERVER s FOREIGN DATA WRAPPER w", "CREATE FOREIGN TABLE far (a int) SERVER s")
	before := d.objects()
	inspect := func() []Finding {
		t.Helper()
		findings, err := Inspect(d.ctx, d.conn, d.name, "")
		if err != nil {
			t.Fatal(err)
		}
		return findings
	}
	f := inspect()
	for _, w := range []struct {
		severity    Severity
		topic, what string
	}{
		{Info, "setup", "init has not been run"}, {Info, "identity", "plain"}, {Warning, "unlogged", "public.quick"},
		{Info, "materialized views", "public.seen"}, {Info, "foreign tables", "snapshots hold their definitions"}, {Warning, "large objects", "not in the log"},
		{Warning, "max_slot_wal_keep_size", "-1"}, {Info, "clock", "within a second"}, {Info, "wal_level", "logical"}, {Info, "version", "PostgreSQL"},
	} {
		if got := find(f, w.severity, w.topic); !strings.Contains(strings.ReplaceAll(got, "public.", ""), strings.TrimPrefix(w.what, "public.")) {
			t.Errorf("%s %s: %q lacks %q", w.severity, w.topic, got, w.what)
		}
	}
	if slices.ContainsFunc(f, func(f Finding) bool { return f.Severity == Blocker }) {
		t.Errorf("blocked: %+v", f)
	}
	wantText(t, "after looking", d.objects(), before)

	d.init(InitOptions{})
	// Many updates of wide rows under FULL.
	writer := d.connect("postgres")
	execOn(t, writer, "INSERT INTO wide SELECT 1, repeat('x', 2000) FROM generate_series(1, 1000)", "UPDATE wide SET a = 2", "ANALYZE wide")
	writer.Close(d.ctx) // which reports its statistics
	d.until("SELECT n_tup_upd >= 1000 FROM pg_stat_user_tables WHERE relname = 'wide'")
	f = inspect()
	if got := find(f, Warning, "full"); !strings.Contains(got, `"wide"`) {
		t.Errorf("the cost of FULL: %q, %+v", got, f)
	}
	if got := find(f, Warning, "slot"); !strings.Contains(got, "nobody receives") {
		t.Errorf("an idle slot: %q", got)
	}
	if got := find(f, Info, "slot"); !strings.Contains(got, "DROP DATABASE") {
		t.Errorf("what a slot prevents: %q", got)
	}
	if slices.ContainsFunc(f, func(f Finding) bool { return f.Severity == Blocker || f.Topic == "identity" }) {
		t.Errorf("blocked after init: %+v", f)
	}
	d.exec("ALTER EVENT TRIGGER pgrecall_ddl_command_end DISABLE", "CREATE TABLE unseen (a int)")
	if got := find(inspect(), Blocker, "identity"); !strings.Contains(got, `"unseen"`) {
		t.Errorf("a published table without identity: %q", got)
	}
	other := d.connect("postgres")
	execOn(t, other, "BEGIN", "CREATE TABLE p (a int)", "PREPARE TRANSACTION 'inspected'")
	if got := find(inspect(), Warning, "transactions"); !strings.Contains(got, "inspected") {
		t.Errorf("a prepared transaction: %q", got)
	}
	execOn(t, other, "ROLLBACK PREPARED 'inspected'")
	weak, err := Inspect(d.ctx, d.connect("app"), d.name, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := find(weak, Blocker, "rights"); !strings.Contains(got, "may not make a replication slot") {
		t.Errorf("without rights: %q", got)
	}
}
