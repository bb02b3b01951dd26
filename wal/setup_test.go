package wal

import (
	"testing"
)

func TestInitIsIdempotent(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE keyed (a int PRIMARY KEY)", "CREATE TABLE plain (a int)", "CREATE UNLOGGED TABLE quick (a int)",
		"CREATE TABLE parts (a int) PARTITION BY LIST (a)", "CREATE TABLE part PARTITION OF parts DEFAULT")
	plan, err := PlanInit(d.ctx, d.conn, d.name, InitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, "schema after a dry run", d.text("SELECT count(*)::text FROM pg_namespace WHERE nspname = 'pgrecall'"), "0")
	r := d.init(InitOptions{})
	if len(r.Changes) != len(plan.Changes) {
		t.Errorf("init made %d changes, planned were %d", len(r.Changes), len(plan.Changes))
	}
	for i, c := range r.Changes {
		t.Logf("%s | %.80s | %s", c.What, c.SQL, c.Lock)
		if i < len(plan.Changes) && plan.Changes[i] != c {
			t.Errorf("change %d: made %+v, planned %+v", i, c, plan.Changes[i])
		}
	}
	again := d.init(InitOptions{Started: r.Log})
	if len(again.Changes) != 0 || again.NewLog || again.Log != r.Log {
		t.Errorf("the second init changed %+v", again.Changes)
	}
	wantText(t, "identities", d.text(`SELECT string_agg(relname || ':' || relreplident::text, ' ' ORDER BY relname)
		FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')`),
		"keyed:d part:f parts:f plain:f quick:f")
}
