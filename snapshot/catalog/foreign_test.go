package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// wanted are the statements whose name says one of the words.
func wanted(s catalog.Script, name string) []catalog.Statement {
	return slices.DeleteFunc(slices.Clone(s.Statements), func(x catalog.Statement) bool { return !strings.Contains(x.Name, name) })
}

func TestUserMappingsThatCannotBeReadAreListed(t *testing.T) {
	conn := newDatabase(t, "source")
	run(t, conn, `CREATE FOREIGN DATA WRAPPER w; CREATE SERVER near FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w;
		ALTER SERVER near OWNER TO cat_reader; GRANT USAGE ON FOREIGN SERVER far TO cat_reader;
		CREATE USER MAPPING FOR PUBLIC SERVER near OPTIONS (password 'near public'); CREATE USER MAPPING FOR cat_other SERVER near;
		CREATE USER MAPPING FOR cat_reader SERVER far OPTIONS (password 'own'); CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (password 'far public');
		CREATE USER MAPPING FOR cat_other SERVER far`)
	for _, c := range []struct{ role, known, listed string }{
		{"postgres", "cat_other cat_reader public cat_other public", ""},
		{"cat_reader", "cat_reader public", "for cat_other on server far, for public on server far, for cat_other on server near"},
		{"cat_other", "", "for cat_other on server far, for cat_reader on server far, for public on server far, for cat_other on server near, for public on server near"},
	} {
		run(t, conn, "SET ROLE "+c.role)
		var known, listed []string
		model := read(t, conn)
		for _, m := range model.UserMappings {
			known = append(known, m.Name)
		}
		for _, u := range model.Unsupported {
			listed = append(listed, u.Name)
			if !strings.Contains(u.Why, "not readable") {
				t.Errorf("%s %s: %s", u.Kind, u.Name, u.Why)
			}
		}
		if got := strings.Join(known, " "); got != c.known {
			t.Errorf("%s: read %s\nwant %s", c.role, got, c.known)
		}
		if got := strings.Join(listed, ", "); got != c.listed {
			t.Errorf("%s: listed %s\nwant %s", c.role, got, c.listed)
		}
	}
	run(t, conn, "RESET ROLE; GRANT pg_read_all_data TO cat_other; SET ROLE cat_other")
	defer run(t, conn, "RESET ROLE; REVOKE pg_read_all_data FROM cat_other")
	model := read(t, conn)
	if len(model.UserMappings) != 5 || len(model.Unsupported) != 0 {
		t.Errorf("a member of pg_read_all_data reads %+v, not %+v", model.UserMappings, model.Unsupported)
	}
	before := fingerprint(t, conn)
	run(t, conn, "RESET ROLE; ALTER USER MAPPING FOR PUBLIC SERVER far OPTIONS (SET password 'changed'); SET ROLE cat_other")
	if fingerprint(t, conn) == before {
		t.Error("a changed password does not change the fingerprint")
	}
}

func TestOnlyStatementsWithOptionsOfUserMappingsAreSecret(t *testing.T) {
	script := ddl(t, read(t, newRich(t, "source")), catalog.DDLOptions{})
	for _, s := range script.Statements {
		if secret := strings.Contains(s.SQL, "USER MAPPING") && strings.Contains(s.SQL, "OPTIONS"); s.Secret != secret {
			t.Errorf("secret is %v: %s", s.Secret, s.SQL)
		}
	}
}

func TestAnIndexIsCompleteWithForeignPartitions(t *testing.T) {
	source, target := newRich(t, "source"), newDatabase(t, "target")
	execute(t, target, ddl(t, read(t, source), catalog.DDLOptions{}))
	valid := "SELECT indexrelid::regclass || ' ' || indisvalid FROM pg_index WHERE indrelid IN ('side.parted'::regclass, 'side.all_far'::regclass) ORDER BY 1"
	if got := texts(t, target, valid); got != "side.all_far_k true\nside.parted_at true" {
		t.Errorf("valid: %s", got)
	}
}

func TestACopyHasNoForeignTables(t *testing.T) {
	live := newRich(t, "live")
	c := read(t, live)
	script := ddl(t, c, catalog.DDLOptions{Tables: subset(t, c, "side.parted", "side.plain", "side.local_grandchild"), IntoSchema: "rescue"})
	execute(t, live, script)
	if got := texts(t, live, "SELECT relname || relkind::text FROM pg_class WHERE relnamespace = 'rescue'::regnamespace AND relkind IN ('r', 'p', 'f') ORDER BY 1"); got != "local_grandchildr\nparted_nearr\npartedp" {
		t.Errorf("in the copy: %s", got)
	}
	for _, part := range []string{"foreign table side.parted_far: its rows are on server Far Away", "foreign table side.plain", "INHERITS of rescue.local_grandchild"} {
		if !strings.Contains(leftOut(script), part) {
			t.Errorf("not told to be left out: %s, in\n%s", part, leftOut(script))
		}
	}
}

func TestARefreshThatReadsOtherServersMayFail(t *testing.T) {
	conn := newDatabase(t, "source")
	run(t, conn, `CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
		CREATE TABLE public.parent (a integer); CREATE FOREIGN TABLE public.far () INHERITS (public.parent) SERVER s; CREATE TABLE public.near (a integer);
		CREATE VIEW public.between AS SELECT a FROM public.parent; CREATE MATERIALIZED VIEW public.m_far AS SELECT a FROM public.between WITH NO DATA;
		CREATE MATERIALIZED VIEW public.m_over AS SELECT a FROM public.m_far WITH NO DATA; CREATE MATERIALIZED VIEW public.m_near AS SELECT a FROM public.near;
		SET allow_system_table_mods = on; UPDATE pg_class SET relispopulated = true WHERE relkind = 'm'`)
	script := ddl(t, read(t, conn), catalog.DDLOptions{})
	for name, optional := range map[string]bool{"public.m_far": true, "public.m_over": true, "public.m_near": false} {
		for _, s := range wanted(script, name) {
			if s.Kind == "MATERIALIZED VIEW DATA" && (s.Optional != "") != optional {
				t.Errorf("%s: %q", s.SQL, s.Optional)
			}
		}
	}
}
