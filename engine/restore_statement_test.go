package engine

import (
	"os"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// logged are the lines of the server's log that come from a database.
func logged(t *testing.T, database string) string {
	t.Helper()
	log, err := os.ReadFile(server.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(log)) {
		if strings.HasPrefix(line, database+"|") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func TestPasswordsOfARestoreAreInNoLog(t *testing.T) {
	place := Place{Repository: t.TempDir() + "/repo"}
	source, target := newDatabase(t, `CREATE FOREIGN DATA WRAPPER w`, `CREATE SERVER far FOREIGN DATA WRAPPER w`,
		`CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (password 'hunter2')`), newDatabase(t)
	take(t, place, source)
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: target}); err != nil {
		t.Fatal(err)
	}
	if got := value(t, target, "SELECT umoptions[1] FROM pg_user_mappings"); got != "password=hunter2" {
		t.Fatalf("restored: %s", got)
	}
	name := value(t, target, "SELECT current_database()")
	log := logged(t, name)
	if !strings.Contains(log, "CREATE SERVER") || strings.Contains(log, "hunter2") {
		t.Errorf("the target's log:\n%s", log)
	}
	if !strings.Contains(logged(t, value(t, source, "SELECT current_database()")), "hunter2") {
		t.Error("the source's log does not hold the password, so that this test shows nothing")
	}
}

func TestAFailedStatementWithPasswordsIsNotShown(t *testing.T) {
	db := newDatabase(t)
	conn := open(t, db)
	r := &restore{target: &target{super: true}}
	s := &catalog.Statement{Kind: "SUBSCRIPTION", Name: "s", Secret: true,
		SQL: "CREATE SUBSCRIPTION s CONNECTION 'password hunter2' PUBLICATION p WITH (connect = false)"}
	err := r.execute(t.Context(), conn, s)
	contains(t, err, "subscription s", "SQLSTATE 42601")
	if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "password hunter2") {
		t.Errorf("the error: %v", err)
	}
	if log := logged(t, value(t, db, "SELECT current_database()")); strings.Contains(log, "STATEMENT:  CREATE SUBSCRIPTION") {
		t.Errorf("the target's log:\n%s", log)
	}
	s = &catalog.Statement{Kind: "SECURITY LABEL", Name: "public", SQL: "SECURITY LABEL FOR nobodys ON SCHEMA public IS 'x'"}
	contains(t, r.execute(t.Context(), conn, s), "nobodys", "--no-security-labels")
	// What is harmless is said.
	s = &catalog.Statement{Kind: "USER MAPPING", Name: "for nobody", Secret: true, SQL: "CREATE USER MAPPING FOR nobody SERVER nowhere OPTIONS (password 'hunter2')"}
	contains(t, r.execute(t.Context(), conn, s), "user mapping for nobody", `"nobody" does not exist`)
	if got := value(t, db, "SHOW log_statement"); got != "mod" {
		t.Errorf("log_statement is %s", got)
	}
	var setting string
	if err := conn.QueryRow(t.Context(), "SHOW log_min_error_statement").Scan(&setting); err != nil || setting != "error" {
		t.Errorf("the session goes on with log_min_error_statement = %s, %v", setting, err)
	}
}

func TestARestoreGoesOnWithoutTheRowsOfOtherServers(t *testing.T) {
	place := Place{Repository: t.TempDir() + "/repo"}
	source, target := newDatabase(t, `CREATE FOREIGN DATA WRAPPER w`, `CREATE SERVER far FOREIGN DATA WRAPPER w`,
		`CREATE FOREIGN TABLE far_away (a int) SERVER far`, `CREATE TABLE near (a int)`, `INSERT INTO near VALUES (1)`,
		`CREATE MATERIALIZED VIEW gathered AS SELECT a FROM far_away WITH NO DATA`, `CREATE INDEX gathered_a ON gathered (a)`,
		`CREATE PUBLICATION last_of_all FOR TABLE near`,
		`SET allow_system_table_mods = on; UPDATE pg_class SET relispopulated = true WHERE relname = 'gathered'`), newDatabase(t)
	take(t, place, source)
	result, err := Restore(t.Context(), RestoreOptions{Place: place, To: target})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.NotDone) != 1 || !strings.Contains(result.NotDone[0], "gathered") || !strings.Contains(result.NotDone[0], "no handler") {
		t.Errorf("not done: %q", result.NotDone)
	}
	if got := value(t, target, "SELECT (SELECT count(*) FROM near) || ' ' || (SELECT pubname FROM pg_publication) || ' ' || (SELECT indisvalid FROM pg_index WHERE indexrelid = 'gathered_a'::regclass)"); got != "1 last_of_all true" {
		t.Errorf("restored: %s", got)
	}
}

func TestATableThatCannotBeAnalyzedEndsNoRestore(t *testing.T) {
	place := Place{Repository: t.TempDir() + "/repo"}
	source, target := newDatabase(t, `CREATE FOREIGN DATA WRAPPER w`, `CREATE SERVER far FOREIGN DATA WRAPPER w`,
		`CREATE TABLE a_parent (a int)`, `CREATE FOREIGN TABLE child () INHERITS (a_parent) SERVER far`, `CREATE TABLE plain (a int)`,
		`INSERT INTO a_parent VALUES (1)`, `INSERT INTO plain VALUES (1), (2)`), newDatabase(t)
	take(t, place, source)
	result, err := Restore(t.Context(), RestoreOptions{Place: place, To: target, Jobs: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.NotDone) != 1 || !strings.Contains(result.NotDone[0], `ANALYZE "public"."a_parent": ERROR`) || !strings.Contains(result.NotDone[0], "until the table is analyzed") {
		t.Errorf("not done: %q", result.NotDone)
	}
	if got := value(t, target, "SELECT reltuples FROM pg_class WHERE relname = 'plain'"); got != "2" {
		t.Errorf("the other table is not analyzed: %s rows", got)
	}
}

func TestWhatWasAddedToAnExtensionIsToldToBeMissing(t *testing.T) {
	place := Place{Repository: t.TempDir() + "/repo"}
	source, target := newDatabase(t, `CREATE EXTENSION hstore`, `CREATE FUNCTION mine(hstore) RETURNS int LANGUAGE sql AS 'SELECT 1'`, `ALTER EXTENSION hstore ADD FUNCTION mine(hstore)`,
		`CREATE TABLE added (a int, b int)`, `CREATE PUBLICATION p FOR TABLE added`, `CREATE STATISTICS s ON a, b FROM added`, `COMMENT ON STATISTICS s IS 'x'`,
		`ALTER EXTENSION hstore ADD TABLE added`, `GRANT SELECT ON added TO PUBLIC`), newDatabase(t)
	take(t, place, source)
	result, err := Restore(t.Context(), RestoreOptions{Place: place, To: target})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(result.NotDone[0], "of extension hstore: function public.mine(public.hstore), table public.added: CREATE EXTENSION does not make") {
		t.Errorf("not done: %q", result.NotDone)
	}
	for _, part := range []string{"ADD TABLE ONLY public.added", "CREATE STATISTICS", "GRANT SELECT ON TABLE public.added", "COMMENT ON STATISTICS"} {
		if !strings.Contains(strings.Join(result.NotDone, "\n"), part) {
			t.Errorf("not told: %s, in %q", part, result.NotDone)
		}
	}
	if got := value(t, target, "SELECT pubname FROM pg_publication"); got != "p" {
		t.Errorf("the publication: %s", got)
	}
}
