package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// newServer starts a server of the test's own, for what all databases share.
func newServer(t *testing.T, initdb ...string) *pgtemp.Server {
	t.Helper()
	s, err := pgtemp.Start(t.Context(), pgtemp.Options{Settings: map[string]string{"fsync": "off", "log_statement": "all"}, InitdbArgs: initdb})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Remove() })
	return s
}

// tablespaceDir makes an empty directory that the servers' account owns.
func tablespaceDir(t *testing.T, s *pgtemp.Server, name string) string {
	t.Helper()
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("pgrecall-%s-%d", name, os.Getpid()))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	info, err := os.Stat(s.DataDir())
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// inPlace is the location of a tablespace within the data directory: its oid there.
var inPlace = regexp.MustCompile(`pg_tblspc/\d+`)

// dumpGlobals is what pg_dumpall says of the globals.
func dumpGlobals(t *testing.T, s *pgtemp.Server) string {
	t.Helper()
	text := dumped(t, s, "pg_dumpall", "PGRECALL_TEST_PG_DUMPALL", "--globals-only", "-d", s.ConnString("postgres"))
	return inPlace.ReplaceAllString(text, "pg_tblspc")
}

// globals are statements for every form of what databases share.
func globals(version int, dir string) []string {
	statements := []string{
		`ALTER ROLE postgres PASSWORD 'top'`, `COMMENT ON ROLE postgres IS 'the first'`, `ALTER ROLE postgres SET work_mem = '5MB'`,
		`CREATE ROLE boss SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS LOGIN CONNECTION LIMIT 3 PASSWORD 'it''s\secret' VALID UNTIL '2031-02-03 04:05:06+01'`,
		`CREATE ROLE "Odd ""name" NOINHERIT LOGIN`,
		`CREATE ROLE "größe"`,
		`CREATE ROLE forever LOGIN VALID UNTIL 'infinity' CONNECTION LIMIT 0`,
		`CREATE ROLE readers`, `CREATE ROLE writers`, `CREATE ROLE aa_admin`, `CREATE ROLE zz_admin`,
		`COMMENT ON ROLE readers IS E'they read\nand \\ ''quote'''`,
		`SET password_encryption = 'md5'; CREATE ROLE old LOGIN PASSWORD 'old'; RESET password_encryption`,
		`GRANT readers TO zz_admin WITH ADMIN OPTION`,
		`SET ROLE zz_admin; GRANT readers TO aa_admin WITH ADMIN OPTION; SET ROLE aa_admin; GRANT readers TO writers; RESET ROLE`,
		`GRANT writers TO "Odd ""name"`, `GRANT pg_read_all_data TO readers`, `GRANT pg_signal_backend TO boss WITH ADMIN OPTION`, `GRANT writers TO pg_monitor`,
		`ALTER ROLE readers SET search_path = "$user", public, 'Odd ''path'`,
		`ALTER ROLE readers SET temp_tablespaces = ''`,
		`ALTER ROLE readers SET session_preload_libraries = '$libdir/a,b', "c"`,
		`ALTER ROLE readers SET datestyle = 'German, DMY'`,
		`ALTER ROLE readers SET "app.token" = 'abc\d'`,
		`ALTER ROLE readers SET role = 'writers'`,
		`ALTER ROLE aa_admin SET log_min_duration_statement = 250`,
		`ALTER ROLE ALL SET statement_timeout = '1h'`,
		`CREATE TABLESPACE fast OWNER boss LOCATION '` + dir + `' WITH (seq_page_cost = 0.5, random_page_cost = 1.5)`,
		`COMMENT ON TABLESPACE fast IS 'on flash'`,
		`GRANT CREATE ON TABLESPACE fast TO readers WITH GRANT OPTION; SET ROLE readers; GRANT CREATE ON TABLESPACE fast TO writers; RESET ROLE`,
		`SET allow_in_place_tablespaces = on`, `CREATE TABLESPACE inside LOCATION ''`,
	}
	if version >= 15 {
		statements = append(statements,
			`GRANT SET ON PARAMETER work_mem TO readers WITH GRANT OPTION; SET ROLE readers; GRANT SET ON PARAMETER work_mem TO writers; RESET ROLE`,
			`GRANT SET, ALTER SYSTEM ON PARAMETER "log_min_messages" TO boss`, `GRANT SET ON PARAMETER "my.own" TO PUBLIC`)
	}
	if version >= 16 {
		statements = append(statements,
			`GRANT readers TO old WITH INHERIT FALSE, SET TRUE`, `GRANT aa_admin TO old WITH INHERIT TRUE, SET FALSE`,
			`SET ROLE zz_admin; GRANT readers TO old WITH INHERIT TRUE; RESET ROLE`)
	}
	return statements
}

func restoreGlobals(t *testing.T, place Place, to *pgtemp.Server, o GlobalsOptions) *RestoreResult {
	t.Helper()
	o.GlobalsOnly = true
	r, err := Restore(t.Context(), RestoreOptions{Place: place, To: to.ConnString("postgres"), GlobalsOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRestoredGlobalsAreTheSourcesToPgDumpall(t *testing.T) {
	source := newServer(t)
	dir := tablespaceDir(t, source, "fast")
	db := source.ConnString("postgres")
	exec(t, db, globals(source.Version(), dir)...)
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, db)
	want := dumpGlobals(t, source)
	if err := source.Remove(); err != nil {
		t.Fatal(err)
	}

	target := newServer(t)
	_, err := Restore(t.Context(), RestoreOptions{Place: place, To: target.ConnString("postgres"), GlobalsOptions: GlobalsOptions{GlobalsOnly: true}})
	contains(t, err, dir, "in use", "--no-tablespaces") // the source's files are there
	if got := roles(t, target); got != "postgres" {
		t.Errorf("a refused restore made roles: %s", got)
	}
	tablespaceDir(t, target, "fast")
	restoreGlobals(t, place, target, GlobalsOptions{OverwriteGlobals: true})
	if got := dumpGlobals(t, target); got != want {
		t.Errorf("pg_dumpall differs: %s", firstDifference(want, got))
	}
	// pg_dumpall leaves these out.
	if got := value(t, target.ConnString("postgres"), `SELECT setconfig::text FROM pg_db_role_setting WHERE setrole = 0`); got != `{statement_timeout=1h}` {
		t.Errorf("settings of all roles: %s", got)
	}
	// As SQL it is the same, of the repository and of the live server.
	var recorded, live strings.Builder
	if err := Schema(t.Context(), SchemaOptions{Place: place, GlobalsOnly: true}, &recorded); err != nil {
		t.Fatal(err)
	}
	if err := Schema(t.Context(), SchemaOptions{Live: true, DB: target.ConnString("postgres"), GlobalsOnly: true}, &live); err != nil {
		t.Fatal(err)
	}
	if recorded.String() != live.String() || !strings.Contains(live.String(), "PASSWORD 'SCRAM-SHA-256$") {
		t.Errorf("as SQL: %s", firstDifference(recorded.String(), live.String()))
	}
	third := newServer(t)
	tablespaceDir(t, third, "fast")
	exec(t, third.ConnString("postgres"), append([]string{"SET allow_in_place_tablespaces = on"}, statementsOf(live.String())...)...)
	if got := dumpGlobals(t, third); got != want {
		t.Errorf("pg_dumpall of the server made from SQL differs: %s", firstDifference(want, got))
	}
	// What is there is what was there: nothing more to do.
	r := restoreGlobals(t, place, target, GlobalsOptions{OverwriteGlobals: true})
	if g := r.Plan.Globals; len(g.Statements)+len(g.Differs)+len(g.LeftOut) > 0 {
		t.Errorf("a second restore would do %q, differs in %q, leaves out %q", g.Statements, g.Differs, g.LeftOut)
	}
	log, err := os.ReadFile(target.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), "SCRAM-SHA-256") || strings.Contains(string(log), "PASSWORD") {
		t.Error("the target's log holds passwords")
	}
}

// statementsOf takes SQL as it is written apart; no text in it ends a line with a semicolon.
func statementsOf(sql string) []string {
	return strings.Split(strings.TrimSuffix(sql, ";\n"), ";\n")
}

// firstDifference shows two texts from where they differ.
func firstDifference(want, got string) string {
	at := 0
	for at < min(len(want), len(got)) && want[at] == got[at] {
		at++
	}
	cut := func(s string) string { return s[max(0, min(len(s), at)-200):min(len(s), at+300)] }
	return fmt.Sprintf("\nsource\n%s\ntarget\n%s", cut(want), cut(got))
}

func roles(t *testing.T, s *pgtemp.Server) string {
	t.Helper()
	return value(t, s.ConnString("postgres"), `SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolname !~ '^pg_'`)
}

// as gives a connection string another role.
func as(db, role string) string { return strings.Replace(db, "postgres@", role+"@", 1) }

func TestGlobalsThatExistAreToldAndLeftAlone(t *testing.T) {
	source, target := newServer(t), newServer(t)
	from, to := source.ConnString("postgres"), target.ConnString("postgres")
	exec(t, from, `CREATE ROLE app LOGIN CREATEDB PASSWORD 'new'`, `COMMENT ON ROLE app IS 'the application'`, `ALTER ROLE app SET work_mem = '9MB'`,
		`CREATE ROLE staff`, `CREATE ROLE fresh LOGIN`, `GRANT staff TO app`, `GRANT fresh TO app`, `GRANT staff TO fresh`, `ALTER ROLE ALL SET lock_timeout = '7s'`,
		`SET allow_in_place_tablespaces = on`, `CREATE TABLESPACE there OWNER app LOCATION ''`)
	exec(t, to, `CREATE ROLE app LOGIN REPLICATION CONNECTION LIMIT 5 PASSWORD 'kept'`, `CREATE ROLE staff`, `ALTER ROLE app SET statement_timeout = '1min'`,
		`SET allow_in_place_tablespaces = on`, `CREATE TABLESPACE there LOCATION ''`)
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, from)
	const app = `SELECT rolcreatedb || ' ' || rolreplication || ' ' || rolconnlimit || ' ' || coalesce(shobj_description(oid, 'pg_authid'), '-') || ' ' ||
		(SELECT string_agg(s, ',' ORDER BY s) FROM pg_db_role_setting d, unnest(d.setconfig) s WHERE d.setrole = a.oid) || ' ' ||
		(SELECT count(*) FROM pg_auth_members m WHERE m.member = a.oid) FROM pg_authid a WHERE rolname = 'app'`
	const password = `SELECT rolpassword FROM pg_authid WHERE rolname = 'app'`
	kept := value(t, to, password)

	dry, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, DryRun: true, GlobalsOptions: GlobalsOptions{GlobalsOnly: true}})
	if err != nil {
		t.Fatal(err)
	}
	if roles(t, target) != "app,postgres,staff" {
		t.Error("a dry run made roles")
	}
	told := strings.Join(dry.Plan.Globals.Differs, "\n")
	for _, want := range []string{"role app: no CREATEDB, REPLICATION, connection limit 5 instead of -1, another password, another comment, not the setting work_mem",
		"role app: not a member of staff", "all roles: not the setting lock_timeout", "tablespace there: owner postgres"} {
		if !strings.Contains(told, want) {
			t.Errorf("not told: %s; but\n%s", want, told)
		}
	}
	restoreGlobals(t, place, target, GlobalsOptions{})
	if got, want := value(t, to, app), "false true 5 - statement_timeout=1min 1"; got != want { // fresh was made, and its member app with it
		t.Errorf("the existing role is now %s, want %s", got, want)
	}
	if value(t, to, password) != kept {
		t.Error("the password of an existing role was changed")
	}
	if got := value(t, to, `SELECT count(*)::text FROM pg_db_role_setting WHERE setrole = 0`); got != "0" {
		t.Error("all roles got a setting")
	}
	if roles(t, target) != "app,fresh,postgres,staff" {
		t.Errorf("roles: %s", roles(t, target))
	}

	// Told to, it is the source's; nothing is taken away.
	restoreGlobals(t, place, target, GlobalsOptions{OverwriteGlobals: true, NoRolePasswords: true})
	if value(t, to, password) != kept {
		t.Error("--no-role-passwords set a password")
	}
	restoreGlobals(t, place, target, GlobalsOptions{OverwriteGlobals: true})
	if got, want := value(t, to, app), "true false -1 the application statement_timeout=1min,work_mem=9MB 2"; got != want {
		t.Errorf("the role is now %s, want %s", got, want)
	}
	if value(t, to, password) != value(t, from, password) {
		t.Error("the password is not the source's")
	}
	if got := value(t, to, `SELECT rolname FROM pg_tablespace t JOIN pg_roles o ON o.oid = spcowner WHERE spcname = 'there'`); got != "app" {
		t.Errorf("the tablespace is owned by %s", got)
	}
}

func TestGlobalsOfAServerWhoseFirstSuperuserHasAnotherName(t *testing.T) {
	source, target := newServer(t), newServer(t)
	from, to := source.ConnString("postgres"), as(target.ConnString("postgres"), "admin")
	exec(t, from, `CREATE ROLE one`, `CREATE ROLE two`, `GRANT one TO two WITH ADMIN OPTION`, `SET ROLE two; GRANT one TO postgres; RESET ROLE`)
	exec(t, target.ConnString("postgres"), `CREATE ROLE other SUPERUSER LOGIN`)
	exec(t, as(target.ConnString("postgres"), "other"), `ALTER ROLE postgres RENAME TO admin`)
	if source.Version() >= 15 {
		exec(t, from, `GRANT SET ON PARAMETER work_mem TO two`)
	}
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, from)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, GlobalsOptions: GlobalsOptions{GlobalsOnly: true}}); err != nil {
		t.Fatal(err)
	}
	const members = `SELECT string_agg(r.rolname || '>' || m.rolname || '/' || CASE g.oid WHEN 10 THEN 'first' ELSE g.rolname END, ' ' ORDER BY m.rolname) FROM pg_auth_members a
		JOIN pg_roles r ON r.oid = roleid JOIN pg_roles m ON m.oid = member JOIN pg_roles g ON g.oid = grantor WHERE r.rolname = 'one'`
	if got := value(t, to, members); got != value(t, from, members) {
		t.Errorf("memberships: %s", got)
	}
	if got := value(t, to, `SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolsuper`); got != "admin,other,postgres" {
		t.Errorf("superusers: %s", got)
	}
}

func TestARoleThatIsNoSuperuserRestoresTheGlobalsItMay(t *testing.T) {
	source, target := newServer(t), newServer(t)
	from, to := source.ConnString("shop"), target.ConnString("postgres")
	exec(t, source.ConnString("postgres"), `CREATE DATABASE shop`, `CREATE ROLE app LOGIN CREATEDB PASSWORD 'x'`, `CREATE ROLE boss SUPERUSER REPLICATION`, `CREATE ROLE staff`,
		`GRANT staff TO app WITH ADMIN OPTION`, `GRANT pg_read_all_data TO app`, `ALTER ROLE app SET log_min_messages = 'debug1'`, `ALTER ROLE app SET work_mem = '5MB'`)
	exec(t, from, `CREATE TABLE t (id int PRIMARY KEY)`, `ALTER TABLE t OWNER TO app`, `INSERT INTO t VALUES (1)`)
	exec(t, to, `CREATE ROLE limited LOGIN CREATEDB`)
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, from)
	restore := func(o RestoreOptions) (*RestoreResult, error) {
		o.Place, o.To = place, as(to, "limited")
		return Restore(t.Context(), o)
	}
	_, err := restore(RestoreOptions{GlobalsOptions: GlobalsOptions{GlobalsOnly: true}})
	contains(t, err, "limited", "CREATEROLE")
	exec(t, to, `ALTER ROLE limited CREATEROLE`)
	r, err := restore(RestoreOptions{GlobalsOptions: GlobalsOptions{GlobalsOnly: true}})
	if err != nil {
		t.Fatal(err)
	}
	told := strings.Join(r.Plan.Globals.LeftOut, "\n")
	for _, want := range []string{"attribute SUPERUSER of role boss", "attribute REPLICATION of role boss", "setting log_min_messages of role app: only a superuser"} {
		if !strings.Contains(told, want) {
			t.Errorf("not told: %s; but\n%s", want, told)
		}
	}
	if modern := target.Version() >= 16; modern != strings.Contains(told, "membership of role app in pg_read_all_data") {
		t.Errorf("told: %s", told)
	}
	if got := value(t, to, `SELECT string_agg(rolname || ' ' || rolsuper || rolreplication, ',' ORDER BY rolname) FROM pg_roles WHERE rolname IN ('app', 'boss')`); got != "app falsefalse,boss falsefalse" {
		t.Errorf("attributes: %s", got)
	}
	if got := value(t, to, `SELECT setconfig::text FROM pg_db_role_setting WHERE setrole = 'app'::regrole`); got != "{work_mem=5MB}" {
		t.Errorf("settings: %s", got)
	}
	// What belongs to app can be given to it: since 16 by the membership that making it brought.
	exec(t, to, `CREATE DATABASE shop OWNER limited`)
	o := RestoreOptions{Place: place, To: as(target.ConnString("shop"), "limited")}
	if target.Version() < 16 {
		_, err := Restore(t.Context(), o)
		contains(t, err, "may not act for the owners", "app", "GRANT", "--no-owner")
		exec(t, to, `GRANT app TO limited`)
	}
	exec(t, target.ConnString("shop"), `GRANT CREATE ON SCHEMA public TO PUBLIC`, `GRANT CREATE ON SCHEMA public TO limited WITH GRANT OPTION`)
	if _, err := Restore(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if got := value(t, target.ConnString("shop"), `SELECT tableowner FROM pg_tables WHERE tablename = 't'`); got != "app" {
		t.Errorf("owner %s", got)
	}
}
