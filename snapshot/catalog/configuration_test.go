package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// configured makes tables and a sequence members of the extension hstore, and all but one its configuration: what the
// extension's script would do with pg_extension_config_dump, which nobody else may call.
const configured = `
	CREATE EXTENSION hstore SCHEMA public;
	CREATE TABLE public.kinds (id serial PRIMARY KEY, name text NOT NULL UNIQUE, builtin boolean DEFAULT false);
	CREATE TABLE public.rates (kind integer REFERENCES public.kinds, rate numeric, tags public.hstore, doubled numeric GENERATED ALWAYS AS (rate * 2) STORED);
	CREATE TABLE public.cached (a integer);
	CREATE TRIGGER t BEFORE INSERT ON public.kinds FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
	ALTER EXTENSION hstore ADD TABLE public.kinds; ALTER EXTENSION hstore ADD TABLE public.rates; ALTER EXTENSION hstore ADD TABLE public.cached;
	ALTER EXTENSION hstore ADD SEQUENCE public.kinds_id_seq;
	UPDATE pg_extension SET extconfig = ARRAY['public.kinds'::regclass, 'public.kinds_id_seq'::regclass, 'public.rates'::regclass]::oid[],
		extcondition = ARRAY['WHERE NOT builtin', '', ''] WHERE extname = 'hstore';
	CREATE TABLE public.users (kind integer CONSTRAINT to_kind REFERENCES public.kinds, old integer DEFAULT nextval('public.kinds_id_seq'));
	CREATE VIEW public.shown AS SELECT name FROM public.kinds`

func newConfigured(t *testing.T) (*pgx.Conn, *catalog.Catalog) {
	t.Helper()
	conn := newDatabase(t, "source")
	run(t, conn, configured)
	return conn, read(t, conn)
}

func TestAnExtensionsConfigurationIsHeldAndNotMade(t *testing.T) {
	_, c := newConfigured(t)
	kinds, rates := table(t, c, "public.kinds"), table(t, c, "public.rates")
	if kinds.Extension != "hstore" || kinds.Condition != "WHERE NOT builtin" || rates.Extension != "hstore" || rates.Condition != "" {
		t.Errorf("configuration: %+v %+v", kinds.Configuration, rates.Configuration)
	}
	if len(kinds.Columns) != 3 || len(kinds.IdentityAttnums) != 1 || len(slices.Collect(rates.CopyColumns())) != 3 || len(rates.Constraints) == 0 || len(kinds.Triggers) != 1 {
		t.Errorf("kinds: %+v\nrates: %+v", kinds, rates)
	}
	if !slices.ContainsFunc(c.Sequences, func(q catalog.Sequence) bool {
		return q.Name == "kinds_id_seq" && q.Extension == "hstore" && q.OwnerTable == kinds.OID
	}) {
		t.Errorf("sequences: %+v", c.Sequences)
	}
	if len(c.Unsupported) != 1 || c.Unsupported[0].Kind != "rows of extension table" || c.Unsupported[0].Name != "public.cached" {
		t.Errorf("not held: %+v", c.Unsupported)
	}
	script := ddl(t, c, catalog.DDLOptions{})
	for _, made := range []string{"TABLE public.kinds", "TABLE public.rates", "SEQUENCE public.kinds_id_seq", "TRIGGER t"} {
		if strings.Contains(text(script), "CREATE "+made) {
			t.Errorf("the script makes %s", made)
		}
	}
	for _, made := range []string{"CREATE EXTENSION hstore", "CREATE TABLE public.users", "CONSTRAINT to_kind FOREIGN KEY", "nextval('public.kinds_id_seq'::regclass)", "VIEW public.shown"} {
		if !strings.Contains(text(script), made) {
			t.Errorf("the script lacks %s:\n%s", made, text(script))
		}
	}
	if len(script.Tables) != 3 || len(script.Sequences) != 1 || script.Tables[kinds.OID] != (catalog.Name{Schema: "public", Name: "kinds"}) || len(script.LeftOut) > 0 {
		t.Errorf("places: %v, %v, left out: %v", script.Tables, script.Sequences, script.LeftOut)
	}
}

func TestAConfigurationTableAloneBringsItsExtension(t *testing.T) {
	_, c := newConfigured(t)
	kinds := table(t, c, "public.kinds")
	script := ddl(t, c, catalog.DDLOptions{Tables: map[uint32]bool{kinds.OID: true}})
	for _, s := range script.Statements {
		if !s.IfMissing || s.Kind == "TABLE" || s.Kind == "SEQUENCE" {
			t.Errorf("the script makes %s %s", s.Kind, s.Name)
		}
	}
	if !strings.Contains(text(script), "CREATE EXTENSION hstore") || len(script.Tables) != 1 || len(script.Sequences) != 1 {
		t.Errorf("the script is\n%s\n%v %v", text(script), script.Tables, script.Sequences)
	}
}

func TestACopyOfAConfigurationTableIsATableOfItsOwn(t *testing.T) {
	source, c := newConfigured(t)
	kinds, rates := table(t, c, "public.kinds"), table(t, c, "public.rates")
	script := ddl(t, c, catalog.DDLOptions{Tables: map[uint32]bool{kinds.OID: true, rates.OID: true}, IntoSchema: "copies"})
	execute(t, source, script)
	run(t, source, "INSERT INTO copies.kinds (name) VALUES ('x') RETURNING id; INSERT INTO copies.rates VALUES (1, 2, 'a=>b')")
	if script.Tables[kinds.OID] != (catalog.Name{Schema: "copies", Name: "kinds"}) {
		t.Errorf("places: %v", script.Tables)
	}
}
