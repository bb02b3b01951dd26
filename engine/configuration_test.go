package engine

import (
	"strings"
	"testing"

	"github.com/google/uuid"
)

// withConfiguration are statements that make hstore an extension with configuration: a table whose users' rows a condition
// chooses, one whose rows are all users', one that is not configuration, and a sequence. It is what an extension's
// script does with pg_extension_config_dump, which nobody else may call. version is in the rows that come with it.
func withConfiguration(version string) []string {
	return []string{
		`CREATE TABLE kinds (id serial PRIMARY KEY, name text NOT NULL, parent int REFERENCES kinds, builtin boolean DEFAULT false, loud text GENERATED ALWAYS AS (upper(name)) STORED)`,
		`CREATE TABLE rates (kind int NOT NULL REFERENCES kinds, rate numeric, note text)`,
		`CREATE TABLE cached (a int)`,
		`CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.name := ''spoiled''; RETURN NEW; END'`,
		`INSERT INTO kinds (id, name, builtin) VALUES (-1, 'none, ` + version + `', true), (-2, 'some, ` + version + `', true), (-3, 'more, ` + version + `', true)`,
		`INSERT INTO rates VALUES (-1, 0, 'from ` + version + `')`, `INSERT INTO cached VALUES (1)`,
		`CREATE TRIGGER spoil BEFORE INSERT OR UPDATE ON kinds FOR EACH ROW EXECUTE FUNCTION spoil()`, `ALTER TABLE kinds DISABLE TRIGGER spoil`,
		`ALTER EXTENSION hstore ADD TABLE kinds`, `ALTER EXTENSION hstore ADD TABLE rates`, `ALTER EXTENSION hstore ADD TABLE cached`,
		`ALTER EXTENSION hstore ADD SEQUENCE kinds_id_seq`, `ALTER EXTENSION hstore ADD FUNCTION spoil()`,
		`UPDATE pg_extension SET extconfig = ARRAY['kinds'::regclass, 'kinds_id_seq'::regclass, 'rates'::regclass]::oid[],
			extcondition = ARRAY['WHERE NOT builtin AND loud IS NOT NULL', '', ''] WHERE extname = 'hstore'`,
	}
}

// extended makes a database with the extension, the users' rows in it, and a table of the user's that refers to it.
func extended(version string) []string {
	return append(append([]string{"CREATE EXTENSION hstore"}, withConfiguration(version)...),
		`INSERT INTO kinds (name, parent) VALUES ('first', 2), ('second', NULL), ('third', 1)`, `INSERT INTO rates VALUES (1, 1.5, 'a'), (2, 2.5, 'b')`,
		`CREATE TABLE things (id int PRIMARY KEY, kind int REFERENCES kinds)`, `INSERT INTO things VALUES (1, 1), (2, -1)`)
}

// extensible makes a database in which CREATE EXTENSION hstore makes that configuration, as if its script did.
func extensible(version string) []string {
	return []string{`CREATE FUNCTION extend() RETURNS event_trigger LANGUAGE plpgsql AS $f$ BEGIN
		IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_type = 'extension') THEN SET LOCAL search_path = public; ` +
		strings.Join(withConfiguration(version), "; ") + `; END IF; END $f$`,
		`CREATE EVENT TRIGGER extend ON ddl_command_end WHEN TAG IN ('CREATE EXTENSION') EXECUTE FUNCTION extend()`}
}

const (
	kinds   = `SELECT string_agg(k::text, ' ' ORDER BY id) FROM kinds k`
	chosen  = `SELECT string_agg(k::text, ' ' ORDER BY id) FROM kinds k WHERE NOT builtin`
	builtin = `SELECT string_agg(name, '; ' ORDER BY id DESC) FROM kinds k WHERE builtin`
	rates   = `SELECT string_agg(r::text, ' ' ORDER BY r::text) FROM rates r`
)

// changed changes the configuration in every way; one row that comes with the extension is changed and one is gone.
var changed = []string{
	`UPDATE kinds SET name = 'renamed' WHERE id = 1`, `DELETE FROM kinds WHERE id = 3`, `INSERT INTO kinds (name) VALUES (E'new\t"row"')`,
	`UPDATE kinds SET name = 'altered' WHERE id = -1`, `UPDATE kinds SET name = 'adopted', builtin = false WHERE id = -3`, `DELETE FROM kinds WHERE id = -2`, `UPDATE kinds SET builtin = true WHERE id = 2`,
	`DELETE FROM rates WHERE kind = 2`, `INSERT INTO rates VALUES (4, 4, 'd'), (4, 4, 'd')`, `UPDATE rates SET note = 'changed' WHERE kind = -1`,
	`INSERT INTO things VALUES (3, 4)`, `INSERT INTO cached VALUES (2)`,
}

func TestTheUsersRowsOfAnExtensionsConfigurationAreRestored(t *testing.T) {
	place, db := protect(t, extended("1.0")...)
	exec(t, db, changed...)
	drain(t, place, db)
	there := newDatabase(t, append([]string{"CREATE EXTENSION hstore"}, append(withConfiguration("2.0"), "DELETE FROM rates")...)...)
	_, err := Restore(t.Context(), RestoreOptions{Place: place, To: there})
	contains(t, err, "public.kinds", "duplicate key", "--clean")
	exec(t, there, "DROP TABLE things")
	for name, to := range map[string]string{"made": newDatabase(t, extensible("2.0")...), "there": there} {
		t.Run(name, func(t *testing.T) {
			r, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Jobs: 2, Clean: name == "there"})
			if err != nil {
				t.Fatal(err)
			}
			for _, sql := range []string{chosen, rates, `SELECT string_agg(t::text, ' ' ORDER BY id) FROM things t`} {
				if want, got := value(t, db, sql), value(t, to, sql); want != got {
					t.Errorf("%s\nwant %s\ngot  %s", sql, want, got)
				}
			}
			if got := value(t, to, builtin); got != "none, 2.0; some, 2.0" {
				t.Errorf("the rows that come with the extension are %s", got)
			}
			if got := value(t, to, "SELECT string_agg(a::text, ' ') FROM cached"); got != "1" {
				t.Errorf("rows that are no configuration: %s", got)
			}
			if got := value(t, to, "SELECT nextval('kinds_id_seq')::text"); got != "5" {
				t.Errorf("the sequence goes on with %s", got)
			}
			if got := value(t, to, "SELECT count(*)::text FROM pg_constraint WHERE conrelid = 'things'::regclass AND contype = 'f'"); got != "1" {
				t.Error("the reference to the extension's table was lost")
			}
			for _, table := range r.Tables {
				if table.Name == "kinds" && (table.Rows != 3 || table.Folded == 0) {
					t.Errorf("the result tells %+v", table)
				}
			}
			said := strings.Join(r.Plan.LeftOut, "\n")
			if !strings.Contains(said, "rows of extension table public.cached: they are as CREATE EXTENSION makes them") || strings.Contains(said, "kinds") {
				t.Errorf("left out is said to be %s", said)
			}
		})
	}
	if _, err := Verify(t.Context(), VerifyOptions{Place: place}); err != nil {
		t.Error(err)
	}
}

func TestAConfigurationTableIsRestoredByItself(t *testing.T) {
	place, db := protect(t, extended("1.0")...)
	exec(t, db, changed...)
	drain(t, place, db)
	to := newDatabase(t, extensible("2.0")...)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Tables: []string{"kinds"}}); err != nil {
		t.Fatal(err)
	}
	if want, got := value(t, db, chosen), value(t, to, chosen); want != got || value(t, to, builtin) != "none, 2.0; some, 2.0" {
		t.Errorf("want %s\ngot %s", want, got)
	}
	if got := value(t, to, "SELECT to_regclass('things')::text"); got != "NULL" {
		t.Error("more than the table was restored")
	}
	// A copy is a table like any other, with all rows, also beside the live one.
	for _, o := range []RestoreOptions{{Tables: []string{"kinds", "rates"}, IntoSchema: "copies", To: db}, {IntoSchema: "copies", To: newDatabase(t)}} {
		o.Place = place
		if _, err := Restore(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if want, got := value(t, db, kinds), value(t, o.To, strings.Replace(kinds, "FROM kinds", "FROM copies.kinds", 1)); want != got {
			t.Errorf("the copy has other rows: want %s\ngot %s", want, got)
		}
	}
	exec(t, db, "DROP SCHEMA copies CASCADE")
	var out strings.Builder
	r, err := Cat(t.Context(), CatOptions{Place: place, Table: "rates", Out: &out})
	if err != nil || r.Rows != 4 || !strings.Contains(out.String(), "-1\t0\tchanged\n") || strings.Count(out.String(), "4\t4\td\n") != 2 {
		t.Errorf("cat wrote %v, %v\n%s", r, err, out.String())
	}
}

func TestConfigurationOnTheTargetIsNotOverwrittenUntold(t *testing.T) {
	db := newDatabase(t, extended("1.0")...)
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, db)
	to := newDatabase(t, append(extended("2.0"), "UPDATE kinds SET name = 'theirs' WHERE id = 1", "DROP TABLE things")...)
	before := contents(t, to)
	_, err := Restore(t.Context(), RestoreOptions{Place: place, To: to})
	contains(t, err, "public.kinds, public.rates", "--clean")
	exec(t, to, "CREATE TABLE others (kind int REFERENCES kinds)")
	_, err = Restore(t.Context(), RestoreOptions{Place: place, To: to, Clean: true})
	contains(t, err, "others")
	exec(t, to, "DROP TABLE others")
	r, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Clean: true, DryRun: true})
	if err != nil || !strings.Contains(strings.Join(r.Plan.Drops, "; "), `DELETE FROM ONLY "public"."kinds" WHERE NOT builtin`) {
		t.Errorf("plan: %+v, %v", r, err)
	}
	if contents(t, to) != before {
		t.Error("a refusal or a dry run changed the target")
	}
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Clean: true}); err != nil {
		t.Fatal(err)
	}
	if want, got := value(t, db, chosen)+value(t, db, rates), value(t, to, chosen)+value(t, to, rates); want != got || value(t, to, builtin) != "none, 2.0; some, 2.0; more, 2.0" {
		t.Errorf("want %s\ngot %s", want, got)
	}
	// Rows alone.
	_, err = Restore(t.Context(), RestoreOptions{Place: place, To: to, Scope: RestoreDataOnly})
	contains(t, err, "--clean")
	exec(t, to, "UPDATE kinds SET name = 'theirs' WHERE id = 1", "DELETE FROM things WHERE id = 1")
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Scope: RestoreDataOnly, Clean: true}); err != nil {
		t.Fatal(err)
	}
	if want, got := value(t, db, chosen)+value(t, db, rates), value(t, to, chosen)+value(t, to, rates); want != got || value(t, to, "SELECT count(*)::text FROM things") != "2" {
		t.Errorf("rows alone: want %s\ngot %s", want, got)
	}
	_, err = Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t, "CREATE TABLE things (id int PRIMARY KEY, kind int)"), Scope: RestoreDataOnly})
	contains(t, err, "no extension hstore")
}

func TestAnotherVersionOfAnExtensionIsRefusedIfItLacksAColumn(t *testing.T) {
	db := newDatabase(t, append(extended("1.0"), "ALTER TABLE rates ADD more text DEFAULT 'more'")...)
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, db)
	there := newDatabase(t, append([]string{"CREATE EXTENSION hstore"}, withConfiguration("2.0")...)...)
	for name, to := range map[string]string{"made": newDatabase(t, extensible("2.0")...), "there": there} {
		_, err := Restore(t.Context(), RestoreOptions{Place: place, To: to})
		contains(t, err, "extension hstore has no table public.rates with the columns more text", "version there is 1.8 and was 1.8")
		if value(t, to, "SELECT to_regclass('things')::text") != "NULL" || name == "made" && value(t, to, "SELECT count(*)::text FROM pg_extension WHERE extname = 'hstore'") != "0" {
			t.Errorf("%s: a refused restore changed the target", name)
		}
	}
	// One that has more is fine.
	exec(t, there, "ALTER TABLE rates ADD more text, ADD most text NOT NULL DEFAULT 'most'", "DELETE FROM rates")
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: there}); err != nil {
		t.Fatal(err)
	}
	if got := value(t, there, "SELECT string_agg(concat_ws(' ', kind, more, most), ',' ORDER BY kind) FROM rates"); got != "-1 more most,1 more most,2 more most" {
		t.Errorf("rates are %s", got)
	}
}

func TestARoleThatMayNotReadAnExtensionsTablesTakesASnapshotWithoutThem(t *testing.T) {
	place, db := protect(t, extended("1.0")...)
	exec(t, db, "DO $$ BEGIN CREATE ROLE ext_user LOGIN; EXCEPTION WHEN duplicate_object THEN END $$",
		"ALTER TABLE things OWNER TO ext_user", "GRANT SELECT ON rates TO ext_user", "ALTER TABLE rates ENABLE ROW LEVEL SECURITY", "CREATE POLICY part ON rates USING (kind > 0)",
		"ALTER TABLE things DROP CONSTRAINT things_kind_fkey")
	s, err := Snapshot(t.Context(), SnapshotOptions{Place: place, DB: strings.Replace(db, "postgres@", "ext_user@", 1)})
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(s.Unsupported, "\n")
	if !strings.Contains(said, "rows of public.kinds: the role may not read this table of extension hstore") || !strings.Contains(said, "rows of public.rates") {
		t.Errorf("left out is said to be %s", said)
	}
	if s.Log == uuid.Nil {
		t.Fatal("the snapshot joins no log")
	}
	// What follows in the log does not stand in the way of the rest.
	exec(t, db, "INSERT INTO rates VALUES (3, 3)", "INSERT INTO things VALUES (3, 3)")
	drain(t, place, db)
	to := newDatabase(t, extensible("2.0")...)
	r, err := Restore(t.Context(), RestoreOptions{Place: place, To: to})
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, to, "SELECT count(*)::text FROM things"); got != "3" {
		t.Errorf("%s rows of the user's table", got)
	}
	if said := strings.Join(r.Plan.LeftOut, "\n"); !strings.Contains(said, "rows of public.kinds, configuration of extension hstore: they are not in the snapshot") {
		t.Errorf("left out is said to be %s", said)
	}
}

func TestConfigurationThatIsNotCompleteIsTakenAwayAgain(t *testing.T) {
	db := newDatabase(t, append(extended("1.0"), "INSERT INTO rates SELECT 1, i, repeat('x', 1000) FROM generate_series(1, 3000) i")...)
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, db)
	to := newDatabase(t, extensible("2.0")...)
	flip(t, objects(t, place, ".part")[0])
	_, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Jobs: 1})
	if ExitCode(err) != 4 {
		t.Errorf("%v: want an integrity failure", err)
	}
	contains(t, err, "public.rates")
	if got := value(t, to, builtin) + value(t, to, chosen) + value(t, to, rates); got != "none, 2.0; some, 2.0; more, 2.0NULLNULL" {
		t.Errorf("left in the configuration: %s", got)
	}
}

func TestAnOrdinaryRoleRestoresConfigurationInTheOrderOfItsReferences(t *testing.T) {
	db := newDatabase(t, extended("1.0")...)
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, db)
	to := newDatabase(t, append(append([]string{"CREATE EXTENSION hstore"}, withConfiguration("2.0")...), "DELETE FROM rates",
		"DO $$ BEGIN CREATE ROLE ext_owner LOGIN; EXCEPTION WHEN duplicate_object THEN END $$",
		"ALTER TABLE kinds OWNER TO ext_owner", "ALTER TABLE rates OWNER TO ext_owner", "GRANT CREATE ON SCHEMA public TO ext_owner",
		"ALTER TABLE kinds ENABLE TRIGGER spoil")...)
	o := RestoreOptions{Place: place, To: strings.Replace(to, "postgres@", "ext_owner@", 1), NoOwner: true, NoPrivileges: true}
	_, err := Restore(t.Context(), o)
	contains(t, err, "kinds", "triggers that would fire")
	exec(t, to, "ALTER TABLE kinds DISABLE TRIGGER spoil")
	_, err = Restore(t.Context(), o)
	contains(t, err, "refer to themselves", "kinds")
	if value(t, to, "SELECT to_regclass('things')::text") != "NULL" {
		t.Error("a refused restore changed the target")
	}
	exec(t, to, "ALTER TABLE kinds DROP CONSTRAINT kinds_parent_fkey")
	if _, err := Restore(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if want, got := value(t, db, chosen)+value(t, db, rates), value(t, to, chosen)+value(t, to, rates); want != got {
		t.Errorf("want %s\ngot  %s", want, got)
	}
}
