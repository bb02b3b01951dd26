package wal

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/format"
)

func TestEveryOperationOfEveryIdentityArrivesAsItIs(t *testing.T) {
	s := newSource(t, sharedServer(t), "operations")
	s.exec(
		"create table keyed (id int primary key, a text, b bytea)",
		"create table wide (id int primary key, a text, big text)", "alter table wide alter big set storage external",
		"create table indexed (id int not null, code text not null, a int)",
		"create unique index code on indexed (code)", "alter table indexed replica identity using index code",
		"create table whole (a int, b text)", "alter table whole replica identity full",
		"create table nothing ()", "alter table nothing replica identity full",
		"insert into keyed values (1, 'x', '\\x00ff'), (2, null, ''), (3, e'tab\\tline\\nback\\\\slash\\r\\b\\f\\x0b', null)",
		"update keyed set a = 'y' where id = 1",
		"update keyed set id = 11 where id = 1",
		"delete from keyed where id = 2",
		"insert into wide select 1, 'a', repeat('long', 3000)",
		"update wide set a = 'b'",
		"update wide set id = 2",
		"insert into indexed values (1, 'one', 1)",
		"update indexed set a = 2",
		"update indexed set code = 'two'",
		"delete from indexed",
		"insert into whole values (1, null), (1, null)",
		"update whole set b = ''",
		"delete from whole",
		"insert into nothing default values",
		"insert into pgrecall.marks values ('not part of the log')",
		"begin; truncate keyed, whole; truncate indexed restart identity; commit",
	)
	sink := newSink(t)
	s.once(sink)
	got := sink.changes()
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], strings.Repeat("long", 3000), "long…")
	}
	wantChanges(t, got,
		`public.keyed I (1|x|\\x00ff)`, `public.keyed I (2|\N|\\x)`, `public.keyed I (3|tab\tline\nback\\slash\r\b\f\v|\N)`,
		`public.keyed U (1|y|\\x00ff)`,
		`public.keyed U K(1|\N|\N) (11|y|\\x00ff)`,
		`public.keyed D K(2|\N|\N)`,
		`public.wide I (1|a|long…)`,
		`public.wide U (1|b|\u)`,
		`public.wide U K(1|\N|\N) (2|b|\u)`,
		`public.indexed I (1|one|1)`,
		`public.indexed U (1|one|2)`,
		`public.indexed U K(\N|one|\N) (1|two|2)`,
		`public.indexed D K(\N|two|\N)`,
		`public.whole I (1|\N)`, `public.whole I (1|\N)`,
		`public.whole U O(1|\N) (1|)`, `public.whole U O(1|\N) (1|)`,
		`public.whole D O(1|)`, `public.whole D O(1|)`,
		`public.nothing I ()`,
		`public.keyed T`, `public.indexed T restart`, `public.whole T`,
	)
}

func TestOnlyCommittedChangesArrive(t *testing.T) {
	s := newSource(t, sharedServer(t), "rollbacks")
	s.exec(
		"create table t (id int primary key)",
		"begin; insert into t values (1); rollback",
		"begin; insert into t values (2); savepoint a; insert into t values (3); rollback to a; insert into t values (4); savepoint b; insert into t values (5); release b; commit",
		"begin; insert into t values (6); prepare transaction 'p'", "rollback prepared 'p'",
		"begin; insert into t values (7); prepare transaction 'q'", "commit prepared 'q'",
	)
	sink := newSink(t)
	s.once(sink)
	wantChanges(t, sink.changes(), "public.t I (2)", "public.t I (4)", "public.t I (5)", "public.t I (7)")
	txns := sink.transactions()
	if len(txns) != 2 || txns[0].Tables[0].Inserted != 3 {
		t.Errorf("transactions are %+v", txns)
	}
}

func TestALayoutIsNewWheneverTheTableDiffers(t *testing.T) {
	s := newSource(t, sharedServer(t), "layouts")
	s.exec(
		"create table t (id int primary key, a text)", "insert into t values (1, 'a')",
		"alter table t add b int", "insert into t values (2, 'a', 2)",
		"begin; alter table t rename a to c; insert into t values (3, 'a', 3); alter table t rename to u; insert into u values (4, 'a', 4); commit",
		"analyze u", "insert into u values (5, 'a', 5)",
	)
	sink := newSink(t)
	s.once(sink)
	wantChanges(t, sink.changes(), "public.t I (1|a)", "public.t I (2|a|2)", "public.t I (3|a|3)", "public.u I (4|a|4)", "public.u I (5|a|5)")
	layouts := sink.all()[0].open.Layouts()
	if len(layouts) != 4 || layouts[2].Columns[1].Name != "c" || !layouts[0].Columns[0].Key || layouts[0].Columns[1].Key {
		t.Errorf("layouts are %+v", layouts)
	}
	var counts []format.TableCount
	for _, x := range sink.transactions() {
		counts = append(counts, x.Tables...)
	}
	if len(counts) != 5 {
		t.Errorf("counts are %+v", counts)
	}
}

func TestAReplicatedTransactionIsMarkedAndItsTimeNamesNoSegment(t *testing.T) {
	s := newSource(t, sharedServer(t), "origins")
	s.exec("create table t (id int primary key)",
		"select pg_replication_origin_create('elsewhere')",
		"select pg_replication_origin_session_setup('elsewhere')",
		"begin; select pg_replication_origin_xact_setup('0/1', '2099-01-01 00:00:00+00'); insert into t values (1); commit",
		"select pg_replication_origin_session_reset()",
		"insert into t values (2)")
	sink := newSink(t)
	s.once(sink)
	txns := sink.transactions()
	if len(txns) != 2 || !txns[0].Origin || txns[0].Time.Year() != 2099 || txns[1].Origin {
		t.Fatalf("transactions are %+v", txns)
	}
	if n := sink.all()[0].name; n.MaxTime.Year() == 2099 || n.MinTime.After(txns[1].Time) {
		t.Errorf("the segment is named %s", n)
	}
}

func TestOwnMessagesAreKeptInTheirTransaction(t *testing.T) {
	s := newSource(t, sharedServer(t), "messages")
	s.exec("create table t (id int primary key)",
		"begin; insert into t values (1); select pg_logical_emit_message(true, 'pgrecall.mark', 'élan'); commit",
		"select pg_logical_emit_message(false, 'pgrecall.mark', 'not transactional')",
		"select pg_logical_emit_message(true, 'other', 'of another program')",
		"begin; select pg_logical_emit_message(true, 'pgrecall.mark', 'rolled back'); rollback")
	sink := newSink(t)
	s.once(sink)
	txns := sink.transactions()
	if len(txns) != 1 || len(txns[0].Messages) != 1 || txns[0].Messages[0] != "pgrecall.mark élan" {
		t.Errorf("transactions are %+v", txns)
	}
}

func TestRowsKeepTheDatabasesEncodingAndNamesAreUTF8(t *testing.T) {
	s := newSource(t, sharedServer(t), "latin", "ENCODING 'LATIN1' LOCALE 'C'")
	s.exec("set client_encoding = 'UTF8'", `create table "façade" ("clé" int primary key, a text)`, `insert into "façade" values (1, 'é')`,
		`select pg_logical_emit_message(true, 'pgrecall.mark', 'été')`)
	sink := newSink(t)
	s.once(sink)
	wantChanges(t, sink.changes(), "public.façade I (1|\xe9)")
	if c := sink.all()[0].open.Layouts()[0].Columns[0].Name; c != "clé" {
		t.Errorf("the column is called %q", c)
	}
	if m := sink.transactions()[1].Messages; m[0] != "pgrecall.mark été" {
		t.Errorf("the message is %q", m)
	}
}

func TestANameOfUnknownEncodingIsAClearError(t *testing.T) {
	s := newSource(t, sharedServer(t), "ascii", "ENCODING 'SQL_ASCII' LOCALE 'C'")
	s.exec("set client_encoding = 'SQL_ASCII'", "create table t (id int primary key, a text)", "insert into t values (1, e'\\xe9')")
	sink := newSink(t)
	s.once(sink)
	wantChanges(t, sink.changes(), "public.t I (1|\xe9)")

	s.exec("create table \"bad\xe9\" (id int primary key)", "insert into \"bad\xe9\" values (1)")
	f := s.follow(sink)
	f.Once = true
	err := f.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), `"public"."bad\xe9"`) {
		t.Errorf("error is %v", err)
	}
}

func TestSequencesAreSampledWithEachSegment(t *testing.T) {
	s := newSource(t, sharedServer(t), "sequences")
	s.exec("create sequence a", "create sequence b start 7", "create sequence c", "select nextval('a'), nextval('a')",
		"select setval('c', 40, false)", "create temp sequence d")
	sink := newSink(t)
	s.once(sink)
	values := func() map[string]format.SequenceSample {
		m := make(map[string]format.SequenceSample)
		for _, q := range sink.last().Sequences {
			q.OID = 0
			m[q.Name] = q
		}
		return m
	}
	got := values()
	if len(got) != 3 || got["a"].Value != 2 || !got["a"].Called || got["b"].Value != 7 || got["b"].Called || got["c"].Value != 40 || got["c"].Called {
		t.Errorf("samples are %+v", got)
	}
	if h := sink.last(); h.SampledAt < h.To {
		t.Errorf("sampled at %s, before the segment's end %s", h.SampledAt, h.To)
	}

	f := s.follow(sink)
	f.FlushInterval = 50 * time.Millisecond
	stop := background(t, f)
	before := len(sink.all())
	sink.wait(func() bool { return len(sink.all()) > before+1 })
	s.exec("select nextval('b')")
	sink.wait(func() bool { return values()["b"].Called })
	if got := values(); len(got) != 1 {
		t.Errorf("unchanged sequences are stored again: %+v", got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// One that is locked is told to be unread, and what it gave comes with a later segment.
func TestALockedSequenceIsToldToBeUnread(t *testing.T) {
	s := newSource(t, sharedServer(t), "sequence_locked")
	s.exec("create sequence free", "create sequence held")
	holder, err := pgx.ConnectConfig(t.Context(), s.config)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(context.Background())
	if _, err := holder.Exec(t.Context(), "begin; select nextval('held'); alter sequence held rename to renamed"); err != nil {
		t.Fatal(err)
	}
	var oid uint32
	s.scan("select 'held'::regclass::oid", &oid)
	sink := newSink(t)
	s.once(sink)
	if h := sink.last(); !slices.Equal(h.Unsampled, []uint32{oid}) || len(h.Sequences) != 1 || h.Sequences[0].Name != "free" {
		t.Errorf("while it is locked: %+v, unread %v", h.Sequences, h.Unsampled)
	}
	if _, err := holder.Exec(t.Context(), "commit"); err != nil {
		t.Fatal(err)
	}
	s.once(sink)
	if h := sink.last(); len(h.Unsampled) != 0 || !slices.Contains(h.Sequences, format.SequenceSample{OID: oid, Schema: "public", Name: "renamed", Value: 1, Called: true}) {
		t.Errorf("afterwards: %+v, unread %v", h.Sequences, h.Unsampled)
	}
}

func TestXidsAreWidenedAcrossTheirWraparound(t *testing.T) {
	const epoch = 1 << 32
	for _, c := range []struct {
		xid  uint32
		ref  uint64
		want uint64
	}{
		{727, 730, 727},
		{735, 730, 735},
		{727, 3*epoch + 730, 3*epoch + 727},
		{0xffff_fff0, 3*epoch + 5, 2*epoch + 0xffff_fff0},
		{5, 2*epoch + 0xffff_fff0, 3*epoch + 5},
		{0x9000_0000, 5*epoch + 0x0fff_ffff, 4*epoch + 0x9000_0000},
		{3, epoch + 3, epoch + 3},
	} {
		if got := fullXID(c.xid, c.ref); got != c.want {
			t.Errorf("fullXID(%#x, %#x) = %#x, want %#x", c.xid, c.ref, got, c.want)
		}
	}
}
