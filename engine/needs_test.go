package engine

import (
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

func TestAllThatATargetLacksIsToldAtOnceWithTheWayAround(t *testing.T) {
	source := newServer(t)
	db := source.ConnString("lacking")
	exec(t, source.ConnString("postgres"), `CREATE DATABASE lacking`, `CREATE ROLE owner_gone`, `CREATE ROLE reader_gone`, `CREATE ROLE policy_gone`,
		`SET allow_in_place_tablespaces = on`, `CREATE TABLESPACE space_gone LOCATION ''`)
	exec(t, db, `CREATE EXTENSION hstore`, `CREATE TABLE plain (id int PRIMARY KEY)`, `INSERT INTO plain VALUES (1)`,
		`CREATE TABLE owned (id int PRIMARY KEY) TABLESPACE space_gone`, `ALTER TABLE owned OWNER TO owner_gone`, `GRANT SELECT ON plain TO reader_gone`,
		`ALTER TABLE plain ENABLE ROW LEVEL SECURITY`, `CREATE POLICY p ON plain TO policy_gone USING (true)`,
		`CREATE COLLATION locale_gone (lc_collate = 'C', lc_ctype = 'C')`,
		`CREATE FUNCTION library_gone() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'`,
		`CREATE TEXT SEARCH DICTIONARY file_there (TEMPLATE = simple, STOPWORDS = english)`, `CREATE TEXT SEARCH DICTIONARY file_gone (TEMPLATE = simple, STOPWORDS = english)`,
		// What another machine would lack, this one cannot.
		`SET allow_system_table_mods = on`, `UPDATE pg_extension SET extname = 'extension_gone' WHERE extname = 'hstore'`,
		`UPDATE pg_collation SET collcollate = 'xx_XX', collctype = 'xx_XX' WHERE collname = 'locale_gone'`,
		`UPDATE pg_ts_dict SET dictinitoption = 'stopwords = ''nowhere_at_all''' WHERE dictname = 'file_gone'`,
		`UPDATE pg_proc SET probin = '$libdir/nowhere' WHERE proname = 'library_gone'`)
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, db)

	to := newDatabase(t)
	o := RestoreOptions{Place: place, To: to}
	_, err := Restore(t.Context(), o)
	for _, line := range [][]string{
		{"roles that own objects: owner_gone (table public.owned)", "--globals", "--no-owner"},
		{"roles in grants: reader_gone (table public.plain)", "--globals", "--no-privileges"},
		{"roles that policies or settings are for: policy_gone (policy p on public.plain)", "--globals"},
		{"tablespaces: space_gone (table public.owned)", "--globals", "--no-tablespaces"},
		{"extensions", "extension_gone", "install"},
		{"locales", "collation public.locale_gone", "xx_XX"},
		{"shared libraries", "library_gone()", "nowhere"},
		{"files that text search reads", "text search dictionary public.file_gone", "nowhere_at_all.stop"},
	} {
		contains(t, err, line...)
	}
	if strings.Contains(err.Error(), "file_there") {
		t.Errorf("a file that is there is said not to be: %v", err)
	}
	if got := value(t, to, "SELECT count(*)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"); got != "0" {
		t.Error("a refused restore changed the target")
	}
	// Each way around goes around.
	o.NoOwner, o.NoPrivileges, o.NoTablespaces = true, true, true
	_, err = Restore(t.Context(), o)
	contains(t, err, "policy_gone", "extension_gone")
	for _, gone := range []string{"owner_gone", "reader_gone", "space_gone"} {
		if strings.Contains(err.Error(), gone) {
			t.Errorf("still lacking %s: %v", gone, err)
		}
	}
	o.Tables = []string{"owned"}
	if _, err := Restore(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	// What is there already is not made, and what it needs does not count.
	o = RestoreOptions{Place: place, To: to, Tables: []string{"owned"}, Scope: RestoreDataOnly}
	if _, err := Restore(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

func TestALocaleThatTheServerLacksIsFoundBeforeADatabaseIsMadeWithIt(t *testing.T) {
	target := &target{conn: open(t, server.ConnString("postgres"))}
	for locale, lacks := range map[string]bool{"C": false, "xx_XX.utf8": true} {
		for _, otherEncoding := range []bool{false, true} {
			d := catalog.Database{LocaleProvider: "c", Collate: locale, Ctype: locale}
			why, err := target.try(t.Context(), d.Trials()[0], otherEncoding)
			if err != nil || (why != "") != lacks {
				t.Errorf("%s: %q, %v", locale, why, err)
			}
		}
	}
	if got := value(t, server.ConnString("postgres"), "SELECT count(*)::text FROM pg_collation WHERE collname LIKE 'pgrecall%'"); got != "0" {
		t.Error("a trial left something behind")
	}
}

func TestTablesThatAreNotChosenButNeededAreAskedForBeforeARestore(t *testing.T) {
	db := newDatabase(t)
	exec(t, db, `CREATE TABLE members (id int PRIMARY KEY)`, `CREATE VIEW logged AS SELECT id FROM members`,
		`CREATE TABLE notes (id int PRIMARY KEY)`, `INSERT INTO notes VALUES (1)`, `CREATE POLICY p ON notes USING (id IN (SELECT id FROM members))`,
		`CREATE TABLE ruled (id int PRIMARY KEY)`, `CREATE RULE r AS ON INSERT TO ruled DO ALSO INSERT INTO logged VALUES (NEW.id)`,
		`CREATE FUNCTION members() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM members; END`, `CREATE TABLE counted (n bigint DEFAULT members())`,
		`CREATE TABLE holding (m members)`)
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, db)
	to := newDatabase(t)
	for table, needed := range map[string]string{"notes": "table public.members (for public.notes)", "ruled": "view public.logged (for public.ruled)",
		"counted": "table public.members (for public.members)", "holding": "table public.members (for public.holding)"} {
		_, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Tables: []string{table}})
		contains(t, err, "nothing was changed", needed)
	}
	if got := value(t, to, "SELECT count(*)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"); got != "0" {
		t.Error("a refused restore changed the target")
	}
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Tables: []string{"notes"}, IntoSchema: "aside"}); err != nil {
		t.Errorf("a copy, which gets no policies: %v", err)
	}
	exec(t, to, `CREATE TABLE members (id int PRIMARY KEY)`)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Tables: []string{"notes", "counted", "holding"}}); err != nil {
		t.Errorf("what is needed being there: %v", err)
	}
}
