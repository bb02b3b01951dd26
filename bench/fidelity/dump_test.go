package fidelity

import (
	"strings"
	"testing"
)

const beginning = `--
-- PostgreSQL database dump
--

\restrict abc

SET statement_timeout = 0;
SET row_security = off;

`

const functionEntry = `--
-- Name: f(integer); Type: FUNCTION; Schema: app; Owner: me
--

CREATE FUNCTION app.f(integer) RETURNS text
    LANGUAGE sql
    AS $$
--
-- not a header

SET default_tablespace = '';
SELECT 'x' $$;


ALTER FUNCTION app.f(integer) OWNER TO me;

`

const tableEntry = `--
-- Name: t; Type: TABLE; Schema: app; Owner: me; Tablespace: fast
--

CREATE TABLE app.t (
    a integer
);


ALTER TABLE app.t OWNER TO me;

`

const viewEntry = `--
-- Name: v; Type: VIEW; Schema: app; Owner: me
--

CREATE VIEW app.v AS
 SELECT 1;


`

const fast, heap, columnar = "SET default_tablespace = fast;\n\n", "SET default_table_access_method = heap;\n\n", "SET default_table_access_method = columnar;\n\n"

const ending = `--
-- PostgreSQL database dump complete
--

\unrestrict abc

`

func TestTheSameEntriesInAnotherOrderAreTheSamePicture(t *testing.T) {
	one := entries(withoutKeys(beginning + functionEntry + fast + heap + tableEntry + viewEntry + ending))
	other := entries(withoutKeys(beginning + heap + viewEntry + fast + tableEntry + functionEntry + ending))
	if d := differences(one, other); len(d) != 0 {
		t.Errorf("they differ: %v", d)
	}
	if one.count(Entry) != 3 {
		t.Errorf("%d entries: %v", one.count(Entry), one)
	}
	body := one[Item{Entry, "FUNCTION app.f(integer)"}]
	if !strings.Contains(body, "SET default_tablespace = '';\nSELECT 'x' $$;") || !strings.HasSuffix(body, "OWNER TO me;") {
		t.Errorf("the function's entry is %q", body)
	}
}

func TestEveryPartOfAnEntryCounts(t *testing.T) {
	want := entries(withoutKeys(beginning + functionEntry + fast + heap + tableEntry + viewEntry + ending))
	for what, script := range map[string]string{
		"access method": beginning + functionEntry + fast + columnar + tableEntry + heap + viewEntry + ending,
		"tablespace":    beginning + functionEntry + heap + strings.Replace(tableEntry, "; Tablespace: fast", "", 1) + viewEntry + ending,
		"owner":         beginning + functionEntry + fast + heap + strings.Replace(tableEntry, "Owner: me", "Owner: you", 1) + viewEntry + ending,
		"body":          beginning + functionEntry + fast + heap + strings.Replace(tableEntry, "integer", "bigint", 1) + viewEntry + ending,
		"schema":        beginning + functionEntry + fast + heap + strings.Replace(tableEntry, "Schema: app", "Schema: public", 1) + viewEntry + ending,
		"missing":       beginning + functionEntry + fast + heap + viewEntry + ending,
		"twice":         beginning + functionEntry + fast + heap + tableEntry + viewEntry + viewEntry + ending,
	} {
		if d := differences(want, entries(withoutKeys(script))); len(d) == 0 {
			t.Errorf("%s: no difference seen", what)
		}
	}
}

func TestAttributeVersionsAreNoPartOfTheSchema(t *testing.T) {
	const without = `CREATE TABLE app.t (
);
ALTER TABLE ONLY app.t ALTER COLUMN a SET (n_distinct=5);


ALTER TABLE app.t OWNER TO me;
`
	for _, with := range []string{
		strings.Replace(without, "(n_distinct=5);\n", "(pg_attver=221, n_distinct=5);\nALTER TABLE ONLY app.t ALTER COLUMN b SET (pg_attver=221);\n", 1),
		strings.Replace(without, "=5)", "=5, pg_attver=7)", 1),
		strings.Replace(without, ");\n", ");\nALTER TABLE ONLY app.t ALTER COLUMN b SET (pg_attver=7);\n", 1),
	} {
		if got := withoutVersions(with); got != without {
			t.Errorf("%q became %q", with, got)
		}
	}
}

func TestTheOrderOfAPolicysRolesIsTheServersOwn(t *testing.T) {
	for policy, want := range map[string]string{
		"CREATE POLICY p ON t FOR DELETE TO me, \"A b\" USING ((b = a));": "CREATE POLICY p ON t FOR DELETE TO \"A b\", me USING ((b = a));",
		"CREATE POLICY p ON t TO me, a WITH CHECK (true);":                "CREATE POLICY p ON t TO a, me WITH CHECK (true);",
		"CREATE POLICY p ON t TO me, a;":                                  "CREATE POLICY p ON t TO a, me;",
		"CREATE POLICY p ON t USING ((b, a) = (1, 2));":                   "CREATE POLICY p ON t USING ((b, a) = (1, 2));",
	} {
		if got := sortedRoles(policy); got != want {
			t.Errorf("%s became %s", policy, got)
		}
	}
}

func TestWhatSchemaDoesNotWriteIsNoPartOfItsScript(t *testing.T) {
	const script = "SET x = y;\n\n-- pre-data\n\nCREATE SCHEMA s;\n"
	told := strings.Replace(script, "\n\n", "\n\n-- Not written: operator !==: it is a shell\n-- Not written: type t: it is, too\n\n", 1)
	if got := string(withoutLeftOut([]byte(told))); got != script {
		t.Errorf("%q", got)
	}
}
