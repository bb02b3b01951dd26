package engine

import (
	"cmp"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// dumped is what a program of PostgreSQL says, pg_dump or pg_dumpall, without what differs from run to run. The variable names another
// than the server's.
func dumped(t *testing.T, s *pgtemp.Server, program, variable string, args ...string) string {
	t.Helper()
	path := cmp.Or(os.Getenv(variable), filepath.Join(s.BinDir(), program))
	out, err := osexec.CommandContext(t.Context(), path, args...).Output()
	if exit, ok := err.(*osexec.ExitError); ok {
		t.Fatalf("%s: %s", program, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, `\restrict`) && !strings.HasPrefix(line, `\unrestrict`) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// dumpDatabase is what pg_dump --create says of a database's objects and of the database.
func dumpDatabase(t *testing.T, s *pgtemp.Server, name string) string {
	t.Helper()
	return dumped(t, s, "pg_dump", "PGRECALL_TEST_PG_DUMP", "--create", "--schema-only", "-d", s.ConnString(name))
}

// shop are statements for a database with every property, run as one statement each on the server's first database.
func shop(version int) []string {
	statements := []string{
		`CREATE ROLE keeper LOGIN`, `CREATE ROLE clerk LOGIN`, `SET allow_in_place_tablespaces = on`, `CREATE TABLESPACE shelf OWNER keeper LOCATION ''`,
		`CREATE DATABASE "Shop" TEMPLATE template0 OWNER keeper ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'POSIX' TABLESPACE shelf CONNECTION LIMIT 7`,
		`COMMENT ON DATABASE "Shop" IS 'all it''s \ worth'`,
		`ALTER DATABASE "Shop" SET search_path = "$user", 'Odd path', public`, `ALTER DATABASE "Shop" SET default_tablespace = 'shelf'`,
		`ALTER DATABASE "Shop" SET default_transaction_read_only = on`, `ALTER DATABASE "Shop" SET "app.key" = 'secret'`,
		`ALTER ROLE clerk IN DATABASE "Shop" SET work_mem = '11MB'`,
		`REVOKE ALL ON DATABASE "Shop" FROM PUBLIC`, `GRANT CONNECT ON DATABASE "Shop" TO clerk WITH GRANT OPTION`,
		`SET ROLE clerk; GRANT CONNECT ON DATABASE "Shop" TO pg_monitor; RESET ROLE`,
		`CREATE DATABASE stencil IS_TEMPLATE true`, `CREATE DATABASE plain`, `CREATE DATABASE closed ALLOW_CONNECTIONS false`,
	}
	if version >= 15 {
		statements = append(statements, `CREATE DATABASE icu TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' LC_COLLATE 'C' LC_CTYPE 'C'`)
	}
	if version >= 17 {
		statements = append(statements, `CREATE DATABASE builtin TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C' LC_CTYPE 'C'`)
	}
	return statements
}

func TestADatabaseMadeIsTheSourcesToPgDump(t *testing.T) {
	source, target := newServer(t), newServer(t)
	first := source.ConnString("postgres")
	exec(t, first, shop(source.Version())...)
	db := source.ConnString("Shop")
	exec(t, db, `SET default_transaction_read_only = off`, `SET search_path = public`, `CREATE TABLE here (id int PRIMARY KEY, v text)`, `CREATE TABLE there (id int) TABLESPACE pg_default`, `ALTER TABLE here OWNER TO keeper`)
	names := []string{"Shop", "stencil"}
	if source.Version() >= 15 {
		names = append(names, "icu")
	}
	if source.Version() >= 17 {
		names = append(names, "builtin")
	}
	for i, name := range names {
		place := Place{Repository: t.TempDir() + "/" + name}
		if _, err := Snapshot(t.Context(), SnapshotOptions{Place: place, DB: source.ConnString(name)}); err != nil {
			t.Fatal(err)
		}
		o := RestoreOptions{Place: place, To: target.ConnString(name), Create: true, DryRun: true}
		if i == 0 {
			_, err := Restore(t.Context(), o)
			contains(t, err, "keeper (", "clerk", "shelf (the database", "--globals", "--no-owner", "--no-privileges", "--no-tablespaces")
		}
		o.Globals = true
		r, err := Restore(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.Join(r.Plan.DatabaseStatements, ";"), "'secret'") {
			t.Error("the plan shows a setting that may be a secret")
		}
		o.DryRun = false
		if _, err := Restore(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if want, got := dumpDatabase(t, source, name), dumpDatabase(t, target, name); want != got {
			t.Errorf("pg_dump of %s differs: %s", name, firstDifference(want, got))
		}
	}
	// Under another name it has the same.
	place := Place{Repository: t.TempDir() + "/again"}
	take(t, place, db)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: target.ConnString("other"), Create: true}); err != nil {
		t.Fatal(err)
	}
	want, got := dumpDatabase(t, target, "Shop"), dumpDatabase(t, target, "other")
	if want = strings.NewReplacer(`"Shop"`, "other", "Name: Shop;", "Name: other;", "DATABASE Shop", "DATABASE other").Replace(want); want != got {
		t.Errorf("under another name: %s", firstDifference(want, got))
	}
	// Left out, what goes without saying so is not there.
	o := RestoreOptions{Place: place, To: target.ConnString("bare"), Create: true, NoOwner: true, NoPrivileges: true, NoTablespaces: true}
	if _, err := Restore(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if got := value(t, target.ConnString("bare"), `SELECT pg_get_userbyid(datdba) || coalesce(datacl::text, '-') || spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace WHERE datname = 'bare'`); got != "postgres-pg_default" {
		t.Errorf("bare: %s", got)
	}
}

func TestEveryDatabaseOfAServerIsTakenAndRestored(t *testing.T) {
	source, target := newServer(t), newServer(t)
	first := source.ConnString("postgres")
	exec(t, first, shop(source.Version())...)
	exec(t, source.ConnString("plain"), `CREATE TABLE t (id int PRIMARY KEY)`, `INSERT INTO t VALUES (1), (2)`, `ALTER TABLE t OWNER TO clerk`)
	exec(t, first, `CREATE TABLE mine (id int)`, `INSERT INTO mine VALUES (3)`, `CREATE DATABASE scratch_1`, `CREATE DATABASE broken`)
	exec(t, source.ConnString("broken"), `CREATE TABLE lost (id int)`, `INSERT INTO lost VALUES (1)`)
	place := Place{Repository: t.TempDir() + "/repo"}
	o := SnapshotOptions{Place: place, DB: first}
	r, err := SnapshotDatabases(t.Context(), o, []string{"scratch*"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range r.Databases {
		names = append(names, d.Database)
	}
	want := "Shop broken plain postgres"
	switch {
	case source.Version() >= 17:
		want = "Shop broken builtin icu plain postgres"
	case source.Version() >= 15:
		want = "Shop broken icu plain postgres"
	}
	if got := strings.Join(names, " "); got != want || r.Failed != 0 {
		t.Errorf("taken: %s, %d failed, want %s", got, r.Failed, want)
	}
	if told := strings.Join(r.LeftOut, "; "); told != "database closed: it accepts no connections; database stencil: it is a template" {
		t.Errorf("left out: %s", told)
	}

	// One that cannot be taken is told, and the others are.
	file := value(t, source.ConnString("broken"), `SELECT pg_relation_filepath('lost')`)
	exec(t, source.ConnString("broken"), `CHECKPOINT`)
	if err := os.Remove(filepath.Join(source.DataDir(), file)); err != nil {
		t.Fatal(err)
	}
	if err := source.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err = SnapshotDatabases(t.Context(), o, []string{"scratch*"})
	contains(t, err, "1 of", "broken")
	if ExitCode(err) != 1 || r == nil || r.Failed != 1 || len(r.Databases) != len(names) {
		t.Fatalf("exit code %d, result %+v", ExitCode(err), r)
	}
	for _, d := range r.Databases {
		if (d.Database == "broken") != (d.Error != "") || (d.Snapshot == nil) != (d.Error != "") {
			t.Errorf("%s: %v, %q", d.Database, d.Snapshot, d.Error)
		}
	}

	// Nothing is changed unless all can be restored.
	to := target.ConnString("postgres")
	exec(t, to, `CREATE TABLE mine (id int)`)
	ro := RestoreOptions{Place: place, To: to, GlobalsOptions: GlobalsOptions{Globals: true}}
	_, err = RestoreDatabases(t.Context(), ro, nil)
	contains(t, err, `database "postgres"`, "mine", "--exclude-database")
	if roles(t, target) != "postgres" {
		t.Error("a refused restore made roles")
	}
	exec(t, to, `DROP TABLE mine`)
	plan := ro
	plan.DryRun = true
	if p, err := RestoreDatabases(t.Context(), plan, nil); err != nil || len(p.Databases) != len(names) || p.Globals == nil || roles(t, target) != "postgres" {
		t.Fatalf("plan: %+v, %v", p, err)
	}
	all, err := RestoreDatabases(t.Context(), ro, nil)
	if err != nil || all.Failed != 0 || len(all.Databases) != len(names) {
		t.Fatalf("restored: %+v, %v", all, err)
	}
	for _, name := range names {
		if want, got := dumpDatabase(t, source, name), dumpDatabase(t, target, name); name != "postgres" && want != got {
			t.Errorf("pg_dump of %s differs: %s", name, firstDifference(want, got))
		}
	}
	if got := value(t, to, `SELECT id::text FROM mine`); got != "3" {
		t.Errorf("postgres has %s", got)
	}
	if got := value(t, target.ConnString("plain"), `SELECT count(*)::text FROM t`); got != "2" {
		t.Errorf("plain has %s rows", got)
	}
}

func TestAnotherLocaleOfTheTargetDatabaseIsTold(t *testing.T) {
	db := newDatabase(t, `CREATE TABLE t (id int PRIMARY KEY, v text)`)
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, db)
	same, err := Restore(t.Context(), RestoreOptions{Place: place, To: newDatabase(t), DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(same.Plan.LeftOut) != 0 {
		t.Errorf("left out: %q", same.Plan.LeftOut)
	}
	other, err := server.NewDatabase(t.Context(), "other_locale", "LOCALE 'C.UTF-8'")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Restore(t.Context(), RestoreOptions{Place: place, To: other, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if told := strings.Join(r.Plan.LeftOut, "\n"); !strings.Contains(told, "locale C of the database: the target database has C.utf8") {
		t.Errorf("left out: %s", told)
	}
}

func TestADatabaseThatCanNotBeGivenItsPropertiesIsNotLeftBehind(t *testing.T) {
	db := newDatabase(t, `CREATE TABLE t (id int)`)
	name := value(t, db, `SELECT current_database()::text`)
	exec(t, db, `ALTER DATABASE `+name+` SET role = 'postgres'`, `ALTER DATABASE `+name+` SET work_mem = '5MB'`)
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, db)
	to := strings.Replace(db, name, "given", 1)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Create: true}); err != nil {
		t.Fatal(err)
	}
	if got := value(t, to, `SELECT setconfig::text FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase WHERE datname = 'given'`); got != "{work_mem=5MB,role=postgres}" {
		t.Errorf("settings %s", got)
	}
	exec(t, db, `SET allow_system_table_mods = on`, `UPDATE pg_db_role_setting SET setconfig = '{work_mem=nonsense}' WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	take(t, place, db)
	_, err := Restore(t.Context(), RestoreOptions{Place: place, To: strings.Replace(db, name, "not_given", 1), Create: true})
	contains(t, err, "work_mem", "nonsense")
	if got := value(t, db, `SELECT count(*)::text FROM pg_database WHERE datname = 'not_given'`); got != "0" {
		t.Error("the database that could not be given its settings is there")
	}
}
