package catalog_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

func table(t *testing.T, c *catalog.Catalog, name string) *catalog.Table {
	t.Helper()
	for i := range c.Tables {
		if c.Tables[i].Schema+"."+c.Tables[i].Name == name {
			return &c.Tables[i]
		}
	}
	t.Fatalf("no table %s", name)
	return nil
}

func subset(t *testing.T, c *catalog.Catalog, names ...string) map[uint32]bool {
	set := map[uint32]bool{}
	for _, name := range names {
		set[table(t, c, name).OID] = true
	}
	return set
}

// reduced is the DDL of the tables alone, without what is made only where it is missing.
func reduced(s catalog.Script) string {
	s.Statements = slices.DeleteFunc(slices.Clone(s.Statements), func(x catalog.Statement) bool { return x.IfMissing })
	return text(s)
}

func leftOut(s catalog.Script) string {
	var lines []string
	for _, l := range s.LeftOut {
		lines = append(lines, l.What+": "+l.Why)
	}
	return strings.Join(lines, "\n")
}

func TestEveryTableAloneCanBeRestoredIntoAnEmptyDatabase(t *testing.T) {
	source := newRich(t, "source")
	c := read(t, source)
	target := newDatabase(t, "target")
	run(t, target, "CREATE SCHEMA ext; CREATE EXTENSION hstore SCHEMA ext; CREATE EXTENSION btree_gist SCHEMA public; CREATE EXTENSION citext SCHEMA ext; GRANT USAGE ON SCHEMA ext TO PUBLIC")
	// A policy, a rule or a function of these names other tables, which must be on the target.
	with := map[string][]string{"app.orders": {"app.users"}, "app.no_identity": {"app.nothing"}, "more.p2": {"more.p1"}, "more.order_values": {"more.order_leaf", "more.order_aside"},
		"kit.checked": {"kit.keyed"}, "kit.of_checked": {"kit.keyed"}, "more.circular_child": {"more.circular"},
		"more.waiting": {"more.named_index"}, "more.waiting_child": {"more.named_index"}}
	for _, table := range c.Tables {
		name := table.Schema + "." + table.Name
		tx, err := target.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		script := ddl(t, c, catalog.DDLOptions{Tables: subset(t, c, append(with[name], name)...)})
		execute(t, target, script)
		if script.Tables[table.OID] != (catalog.Name{Schema: table.Schema, Name: table.Name}) {
			t.Errorf("%s is said to be restored as %v", name, script.Tables[table.OID])
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestASubsetIsTheSameTablesAndLeavesWhatTheTargetHas(t *testing.T) {
	source := newRich(t, "source")
	c := read(t, source)
	options := catalog.DDLOptions{Tables: subset(t, c, "app.users", "app.orders", "app.log")}
	script := ddl(t, c, options)
	target := newDatabase(t, "target")
	run(t, target, `CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO PUBLIC; CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'it''s \ fine', 'happy', 'other')`)
	execute(t, target, script)
	copied := read(t, target)
	again := ddl(t, copied, catalog.DDLOptions{Tables: subset(t, copied, "app.users", "app.orders", "app.log")})
	equal(t, "DDL of the subset's source and copy", reduced(script), reduced(again))
	var names []string
	for _, n := range script.Tables {
		names = append(names, n.String())
	}
	slices.Sort(names)
	want := "app.log app.log_2024 app.log_default app.log_default_eu app.log_default_rest app.log_old app.orders app.users"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("tables restored: %s\nwant %s", got, want)
	}
	// users_id_seq, two identities, serial and log's identity are the tables' own; plain and odd are used.
	if len(script.Sequences) != 5 || len(script.Needed) != 2 {
		t.Errorf("sequences: %v, needed: %v", script.Sequences, script.Needed)
	}
	for _, ty := range copied.Types {
		if ty.Name == "mood" && len(ty.Labels) != 5 {
			t.Errorf("the target's own type was touched: %q", ty.Labels)
		}
	}
}

func TestAPartitionAloneBecomesATable(t *testing.T) {
	source, target := newRich(t, "source"), newDatabase(t, "target")
	c := read(t, source)
	script := ddl(t, c, catalog.DDLOptions{Tables: subset(t, c, "app.log_2024", "app.child")})
	execute(t, target, script)
	copied := read(t, target)
	if got := table(t, copied, "app.log_2024"); got.Partition || len(got.Columns) != 5 || len(got.Constraints) < 3 || len(got.Indexes) != 3 {
		t.Errorf("log_2024 alone: %+v", got)
	}
	want, got := table(t, c, "app.child"), table(t, copied, "app.child")
	if len(got.Columns) != len(want.Columns) {
		t.Errorf("child alone has %d columns of %d", len(got.Columns), len(want.Columns))
	}
	for i := range want.Columns {
		if got.Columns[i].Name != want.Columns[i].Name || got.Columns[i].Default != want.Columns[i].Default || got.Columns[i].NotNull != want.Columns[i].NotNull {
			t.Errorf("child alone: column %+v, want %+v", got.Columns[i], want.Columns[i])
		}
	}
	for _, part := range []string{"ATTACH PARTITION of app.log_2024", "INHERITS of app.child", "log_user"} {
		if !strings.Contains(leftOut(script), part) {
			t.Errorf("not told to be left out: %s, in\n%s", part, leftOut(script))
		}
	}
}

func TestACopyIntoASchemaStandsBesideTheLiveTablesAndSharesNothing(t *testing.T) {
	live := newRich(t, "live")
	before := dump(t, live)
	c := read(t, live)
	script := ddl(t, c, catalog.DDLOptions{Tables: subset(t, c, "app.users", "app.orders", "app.log", "app.to_hashed", "app.whole"), IntoSchema: "rescue"})
	execute(t, live, script)
	run(t, live, `INSERT INTO rescue.users (email) VALUES ('c@x'); INSERT INTO rescue.orders (note, alt) VALUES ('n', 1);
		INSERT INTO rescue.log (at, what) VALUES ('2024-05-05', 'w')`)
	for name, want := range map[string]bool{"app.users_id_seq": true, "app.plain": false, "app.orders_serial_seq": false, "rescue.plain": true, "rescue.users_id_seq": true, "rescue.odd": true} {
		var called bool
		if err := live.QueryRow(t.Context(), "SELECT is_called FROM "+name).Scan(&called); err != nil {
			t.Fatal(err)
		}
		if called != want {
			t.Errorf("%s: is_called is %v", name, called)
		}
	}
	now := read(t, live)
	orders := table(t, now, "rescue.orders")
	if len(orders.Triggers)+len(orders.Rules)+len(orders.Policies) != 0 || !orders.RowSecurity {
		t.Errorf("a copy has triggers, rules or policies, or shows its rows: %+v", orders)
	}
	keys := 0
	for _, k := range orders.Constraints {
		if k.Kind == "f" {
			keys++
			if !strings.HasPrefix(k.ReferenceSQL, "rescue.") {
				t.Errorf("foreign key %s of the copy references %s", k.Name, k.ReferenceSQL)
			}
		}
	}
	if keys != 3 {
		t.Errorf("%d foreign keys in the copy", keys)
	}
	for _, part := range []string{"check whole_check of rescue.whole: its function", "foreign key to_hashed_k_fkey of rescue.to_hashed: app.hashed is not restored", "trigger touch on app.orders"} {
		if !strings.Contains(leftOut(script), part) {
			t.Errorf("not told to be left out: %s, in\n%s", part, leftOut(script))
		}
	}
	drops := ddl(t, c, catalog.DDLOptions{Tables: subset(t, c, "app.users", "app.orders", "app.log", "app.to_hashed", "app.whole"), IntoSchema: "rescue"}).Drops()
	for _, d := range drops {
		run(t, live, d.SQL)
	}
	run(t, live, "DROP SCHEMA rescue")
	equal(t, "pg_dump of the live database before and after", before, dump(t, live))
}

func TestARenamedCopyInTheSameSchemaHasNamesOfItsOwn(t *testing.T) {
	live := newRich(t, "live")
	c := read(t, live)
	long := strings.Repeat("ä", 31)
	rename := map[uint32]catalog.Name{
		table(t, c, "app.users").OID:  {Name: "users_was"},
		table(t, c, "app.orders").OID: {Name: long},
		table(t, c, "app.log").OID:    {Name: "log_was"},
		table(t, c, "app.whole").OID:  {Schema: "app", Name: "Whole Was"},
	}
	set := map[uint32]bool{}
	for oid := range rename {
		set[oid] = true
	}
	script := ddl(t, c, catalog.DDLOptions{Tables: set, Rename: rename})
	equal(t, "two scripts", text(script), text(ddl(t, c, catalog.DDLOptions{Tables: set, Rename: rename})))
	execute(t, live, script)
	run(t, live, `INSERT INTO app."Whole Was" (a, b) VALUES (1, 2); INSERT INTO app.users_was (email) VALUES ('x')`)
	now := read(t, live)
	if got := table(t, now, "app.users_was"); !slices.ContainsFunc(got.Indexes, func(i catalog.Index) bool { return i.Name == "users_was_email_key" }) {
		t.Errorf("indexes: %+v", got.Indexes)
	}
	table(t, now, "app.log_was_2024")
	for name := range maps.Values(script.Sequences) {
		if len(name.Name) > 63 {
			t.Errorf("name of %d bytes: %s", len(name.Name), name)
		}
	}
	if got := table(t, now, "app."+long); len(got.Indexes) != len(table(t, c, "app.orders").Indexes) {
		t.Errorf("indexes of the long copy: %+v", got.Indexes)
	}
}

func TestTwoTablesOfOneNameCannotGoIntoOneSchema(t *testing.T) {
	db := newDatabase(t, "db")
	run(t, db, "CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.t (); CREATE TABLE b.t ()")
	c := read(t, db)
	if _, err := c.DDL(catalog.DDLOptions{IntoSchema: "s"}); err == nil || !strings.Contains(err.Error(), "a.t and b.t") {
		t.Errorf("error: %v", err)
	}
}

func TestADefaultThatTakesALiveSequenceAtRunTimeIsLeftOutOfACopy(t *testing.T) {
	db := newDatabase(t, "db")
	run(t, db, `CREATE SEQUENCE public.q; CREATE TABLE public.t (a integer DEFAULT nextval('public.q'::text::regclass), b integer DEFAULT nextval('public.q'))`)
	c := read(t, db)
	script := ddl(t, c, catalog.DDLOptions{IntoSchema: "s"})
	execute(t, db, script)
	run(t, db, "INSERT INTO s.t DEFAULT VALUES")
	var called bool
	if err := db.QueryRow(t.Context(), "SELECT is_called FROM public.q").Scan(&called); err != nil || called {
		t.Errorf("the live sequence gave a value: %v %v", called, err)
	}
	if !strings.Contains(leftOut(script), "default of public.t.a") {
		t.Error(leftOut(script))
	}
}

func TestDropsRemoveExactlyWhatWasMade(t *testing.T) {
	source, target := newRich(t, "source"), newDatabase(t, "target")
	script := ddl(t, read(t, source), catalog.DDLOptions{})
	execute(t, target, script)
	run(t, target, `CREATE TABLE public.stranger (id bigint); CREATE VIEW public.watcher AS SELECT id FROM app.users;
		ALTER TABLE public.stranger ADD FOREIGN KEY (id) REFERENCES app.users; CREATE TABLE app.extra PARTITION OF app.log FOR VALUES FROM ('2026-01-01', 'a') TO ('2027-01-01', 'a');
		CREATE FUNCTION public.takes(app.mood) RETURNS void LANGUAGE sql AS ''`)
	dependents, err := catalog.DropDependents(t.Context(), target, script.Drops())
	if err != nil {
		t.Fatal(err)
	}
	var what []string
	for _, d := range dependents {
		what = append(what, d.What)
	}
	slices.Sort(what)
	want := "constraint stranger_id_fkey on table public.stranger|function public.takes(app.mood)|table app.extra|view public.watcher"
	if got := strings.Join(slices.Compact(what), "|"); got != want {
		t.Errorf("dependents: %s\nwant %s", got, want)
	}
	run(t, target, "DROP VIEW public.watcher; DROP FUNCTION public.takes; DROP TABLE public.stranger, app.extra")
	err = pgx.BeginFunc(t.Context(), target, func(tx pgx.Tx) error {
		for _, d := range script.Drops() {
			if strings.Contains(d.SQL, "CASCADE") {
				t.Errorf("CASCADE: %s", d.SQL)
			}
			if _, err := tx.Exec(t.Context(), d.SQL); err != nil {
				t.Fatalf("%s: %v", d.SQL, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	left := read(t, target)
	left.Extensions, left.Schemas, left.DefaultPrivileges = nil, nil, nil // nothing drops these
	if rest := ddl(t, left, catalog.DDLOptions{}); len(rest.Statements) != 0 {
		t.Errorf("left after the drops: %s", text(rest))
	}
	execute(t, target, script)
}
