package engine

import (
	"strings"
	"testing"
)

func TestCleanDropsExactlyWhatItRestores(t *testing.T) {
	db := newDatabase(t, schema...)
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, db)
	to := newDatabase(t)
	restoreTo := func(o RestoreOptions) (*RestoreResult, error) {
		o.Place = place
		if o.To == "" {
			o.To = to
		}
		return Restore(t.Context(), o)
	}
	if _, err := restoreTo(RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	exec(t, to, "UPDATE users SET name = 'spoiled'", "CREATE TABLE keep (x int)", "CREATE VIEW theirs AS SELECT id FROM orders")
	before := contents(t, to)
	_, err := restoreTo(RestoreOptions{Clean: true})
	contains(t, err, "theirs", "orders")
	if contents(t, to) != before {
		t.Error("a refused restore changed the target")
	}
	exec(t, to, "DROP VIEW theirs")
	plan, err := restoreTo(RestoreOptions{Clean: true, DryRun: true})
	if err != nil || len(plan.Plan.Drops) == 0 || strings.Contains(strings.ToUpper(strings.Join(plan.Plan.Drops, ";")), "CASCADE") {
		t.Fatalf("plan: %v, %v", plan, err)
	}
	if contents(t, to) != before {
		t.Error("a dry run changed the target")
	}
	if _, err := restoreTo(RestoreOptions{Clean: true}); err != nil {
		t.Fatal(err)
	}
	exec(t, to, "DROP TABLE keep") // it was kept
	sameDatabase(t, contents(t, db), to)

	if _, err := restoreTo(RestoreOptions{Clean: true, To: db}); ExitCode(err) != 2 {
		t.Errorf("--clean on the source: %v, want exit code 2", err)
	}
	exec(t, db, "DELETE FROM orders")
	if _, err := restoreTo(RestoreOptions{Clean: true, To: db, OverwriteSource: true}); err != nil {
		t.Fatal(err)
	}
	sameDatabase(t, contents(t, to), db)
}

func TestRowsAloneGoIntoEmptyTables(t *testing.T) {
	db := newDatabase(t, schema...)
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, db)
	to := newDatabase(t)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Scope: RestoreDataOnly}); err == nil {
		t.Error("rows were loaded into tables that do not exist")
	}
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Scope: RestoreSchemaOnly}); err != nil {
		t.Fatal(err)
	}
	if got := value(t, to, "SELECT count(*)::text FROM users"); got != "0" {
		t.Errorf("--schema-only loaded %s rows", got)
	}
	// A trigger that would change every row must not fire.
	exec(t, to, "CREATE TRIGGER spoil BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION bump()")
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Scope: RestoreDataOnly}); err != nil {
		t.Fatal(err)
	}
	sameDatabase(t, contents(t, db), to)
	_, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Scope: RestoreDataOnly, Tables: []string{"log"}})
	contains(t, err, "public.log", "--clean")
	_, err = Restore(t.Context(), RestoreOptions{Place: place, To: to, Scope: RestoreDataOnly, Tables: []string{"users"}, Clean: true})
	contains(t, err, "orders")
	exec(t, to, "DELETE FROM orders", "DELETE FROM users")
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Scope: RestoreDataOnly, Clean: true}); err != nil {
		t.Fatal(err)
	}
	sameDatabase(t, contents(t, db), to)
}

func TestCreateMakesTheDatabaseInTheSourcesEncoding(t *testing.T) {
	for _, encoding := range []string{"LATIN1", "SQL_ASCII", "UTF8"} {
		t.Run(encoding, func(t *testing.T) {
			name := "enc_" + strings.ToLower(encoding)
			db, err := server.NewDatabase(t.Context(), name, "ENCODING '"+encoding+"'")
			if err != nil {
				t.Fatal(err)
			}
			// E4 is ä in LATIN1, and not valid UTF-8 by itself.
			exec(t, db, `CREATE TABLE "t" (id int PRIMARY KEY, v text)`, `INSERT INTO t VALUES (1, 'plain')`)
			if encoding == "LATIN1" {
				exec(t, db, `INSERT INTO t VALUES (2, convert_from('\xe4f6fc'::bytea, 'LATIN1'))`, `ALTER TABLE t RENAME v TO "größe"`)
			}
			if encoding == "SQL_ASCII" {
				exec(t, db, `SET client_encoding = SQL_ASCII; INSERT INTO t VALUES (2, E'\xe4\xff')`)
			}
			place := Place{Repository: t.TempDir() + "/repo"}
			if _, err := Init(t.Context(), InitOptions{Place: place, DB: db}); err != nil {
				t.Fatal(err)
			}
			defer func() { _, _ = Uninstall(t.Context(), UninstallOptions{Place: place, DB: db}) }()
			take(t, place, db)
			exec(t, db, `UPDATE t SET id = -id`)
			drain(t, place, db)
			to := strings.Replace(db, name, name+"_copy", 1)
			r, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Create: true})
			if err != nil {
				t.Fatal(err)
			}
			if r.Plan.CreateDatabase == "" {
				t.Error("the plan does not tell the statement")
			}
			const bytes = "SELECT string_agg(id || ' ' || encode(convert_to(t.*::text, getdatabaseencoding()), 'hex'), ',' ORDER BY id) FROM t"
			sql := bytes
			if encoding == "SQL_ASCII" {
				sql = "SELECT md5(string_agg(t.*::text, ',' ORDER BY id)) FROM t"
			}
			if want, got := value(t, db, sql), value(t, to, sql); want != got {
				t.Errorf("bytes differ: %s, %s", want, got)
			}
			if got := value(t, to, "SELECT pg_encoding_to_char(encoding)::text FROM pg_database WHERE datname = current_database()"); got != encoding {
				t.Errorf("encoding %s", got)
			}
			if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Create: true}); err == nil {
				t.Error("--create made a database that exists")
			}
			if encoding != "UTF8" {
				other := newDatabase(t)
				_, err := Restore(t.Context(), RestoreOptions{Place: place, To: other})
				if encoding == "SQL_ASCII" {
					contains(t, err, "encoding", "--create")
				} else if err != nil {
					t.Errorf("LATIN1 into UTF8: %v", err)
				}
			}
		})
	}
}

func TestARoleWithoutRightsIsToldBeforeAnythingChanges(t *testing.T) {
	db := newDatabase(t, schema...)
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, db)
	exec(t, db, "DROP ROLE IF EXISTS nobody_much", "CREATE ROLE nobody_much LOGIN", "ALTER TABLE log OWNER TO nobody_much")
	taken := take(t, place, db)
	to := newDatabase(t)
	_, err := Restore(t.Context(), RestoreOptions{Place: place, To: strings.Replace(to, "postgres@", "nobody_much@", 1)})
	contains(t, err, "nobody_much", "GRANT CREATE")
	exec(t, db, "ALTER TABLE log OWNER TO postgres", "DROP ROLE nobody_much")
	_, err = Restore(t.Context(), RestoreOptions{Place: place, To: to, Target: Target{Kind: TargetSnapshot, Name: taken.ID.String()}})
	contains(t, err, "nobody_much", "--no-owner")
	if value(t, to, "SELECT count(*)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace") != "0" {
		t.Error("a refused restore changed the target")
	}
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, NoOwner: true, Target: Target{Kind: TargetSnapshot, Name: taken.ID.String()}}); err != nil {
		t.Fatal(err)
	}
}

func TestCatWritesTheRowsOfATargetWithoutAServer(t *testing.T) {
	place, db := protect(t, schema...)
	exec(t, db, "UPDATE users SET name = 'a \"quoted\", name' WHERE id = 1", "DELETE FROM users WHERE id > 3")
	drain(t, place, db)
	for format, want := range map[CatFormat]string{
		CatCopy: value(t, db, `SELECT '1'`),
		CatCSV:  "",
		CatSQL:  "",
	} {
		var out strings.Builder
		r, err := Cat(t.Context(), CatOptions{Place: place, Table: "users", Format: format, Out: &out})
		if err != nil {
			t.Fatal(err)
		}
		if r.Rows != 3 {
			t.Errorf("%s: %d rows, want 3 (%s)", format, r.Rows, want)
		}
		if format == CatSQL {
			// It loads into an equal table.
			to := newDatabase(t)
			if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Tables: []string{"users"}, Scope: RestoreSchemaOnly}); err != nil {
				t.Fatal(err)
			}
			exec(t, to, "ALTER TABLE users ALTER id SET GENERATED BY DEFAULT", out.String())
			const rows = "SELECT string_agg(u::text, ',' ORDER BY id) FROM users u"
			if value(t, to, rows) != value(t, db, rows) {
				t.Errorf("the INSERTs give\n%s", value(t, to, rows))
			}
		}
	}
}
