package catalog_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

var schemaOnly = catalog.SQLOptions{Sections: []catalog.Section{catalog.PreData, catalog.PostData}}

// What psql does to its input beside sending it: commands behind a backslash, variables behind a colon, the end of a
// statement at a semicolon. Each of these stands where a name, a text or an expression of the user's can bring it.
func TestPsqlSendsTheStatementsAsTheyAre(t *testing.T) {
	source, target := newDatabase(t, "source"), newDatabase(t, "target")
	for _, sql := range strings.Split(`SET search_path = public;
		SET check_function_bodies = off;
		CREATE TABLE "USER" ("USER" integer, "DBNAME" integer, "a:b" text, "x;y" text, "\! touch made" text, list integer[], "PORT" text DEFAULT ':PORT :''PORT'' :"PORT"');
		CREATE VIEW slices AS SELECT list["USER":"DBNAME"] AS a, list[1:2] AS b, list["USER":] AS c, list[:"USER"] AS d, ':USER'::text AS e, E'\\! touch made\n\\! touch made'::text AS f FROM "USER";
		CREATE FUNCTION begin() RETURNS integer LANGUAGE sql AS 'SELECT 1; SELECT 2';
		CREATE FUNCTION "end"("case" integer, begin integer) RETURNS integer LANGUAGE plpgsql AS $f$
\! touch made
\gexec
:USER
BEGIN RETURN 1; END$f$;
		CREATE SCHEMA begin; CREATE TYPE begin.begin AS (begin integer, "end" integer);
		CREATE FUNCTION begin.begin() RETURNS begin.begin LANGUAGE sql AS 'SELECT NULL::begin.begin';
		CREATE PROCEDURE begin.begin(begin integer) LANGUAGE sql BEGIN ATOMIC SELECT begin AS begin; SELECT CASE WHEN begin > 1 THEN 2 END; END;
		CREATE OR REPLACE FUNCTION begin.atomic(begin begin.begin) RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT (begin).begin; SELECT (begin)."end" AS "case"; END;
		CREATE FUNCTION "$f$"() RETURNS text LANGUAGE sql AS $$SELECT '$function$;\q'$$;
		CREATE TABLE "$a$" ("$1" text DEFAULT '$a$', "E'\'" text DEFAULT E'a\\''b;\\q\n\\q', "--" text CHECK ("--" <> '--' AND "--" <> '/*'), "/*" integer);
		COMMENT ON COLUMN "$a$"."/*" IS E'*/;\n\\! touch made\n--\r\n\\! touch made';
		CREATE INDEX "--\! x" ON "$a$" (("--" || '\' || "/*"));
		CREATE RULE many AS ON INSERT TO "$a$" DO ALSO (DELETE FROM "USER"; UPDATE "USER" SET "x;y" = '\! touch made');
		CREATE POLICY ":USER" ON "USER" USING ("USER" > 1 AND "a:b" = ':"USER"'); CREATE SEQUENCE "\q";
		CREATE TYPE ":{?USER}" AS ENUM (':{?USER}', '\q'); CREATE DOMAIN "U&""" AS text CHECK (VALUE <> U&'\0041\\q');
		CREATE OPERATOR === (leftarg = integer, rightarg = integer, function = int4eq);
		SET search_path = ''`, ";\n\t\t") {
		run(t, source, sql)
	}
	script := ddl(t, read(t, source), catalog.DDLOptions{})
	if made := psql(t, target, written(t, script, schemaOnly)); len(made) > 0 {
		t.Errorf("psql ran a command: %v", made)
	}
	equal(t, "pg_dump of source and copy", dump(t, source), dump(t, target))
	equal(t, "DDL of source and copy", text(script), text(ddl(t, read(t, target), catalog.DDLOptions{})))
}

// A server that was tampered with can print what it likes: nothing of it may reach a shell.
func TestAStatementThatPsqlWouldNotOnlySendIsRefused(t *testing.T) {
	for _, sql := range []string{
		"CREATE VIEW v AS SELECT 1\n\\! touch made\n", `CREATE VIEW v AS SELECT 1 \gexec`, `SELECT 'a' \\ 'b'`, "SELECT 'not closed", `SELECT "not closed`, "SELECT $a$ not closed $b$",
		"SELECT 1 -- not closed", "SELECT 1 /* not /* closed */", "SELECT E'a'\n'\\'; \\! touch made\n'", "SELECT E'a' -- x\n'\\'", `SELECT E'\'`, `SELECT a$b$ \q $b$`,
	} {
		s := catalog.Script{Statements: []catalog.Statement{{Kind: "VIEW", Name: "v", SQL: sql}}}
		var b bytes.Buffer
		if err := s.WriteSQL(&b, schemaOnly); err == nil || strings.Contains(b.String(), "touch made") {
			t.Errorf("written: %q: %v", sql, err)
		}
	}
}

func TestHeadingsTellWhatFollowsAndNothingEndsThem(t *testing.T) {
	source := newDatabase(t, "source")
	run(t, source, "CREATE TABLE public.\"a\r\n\\! touch made\u2028\u202eb\" (id integer PRIMARY KEY); COMMENT ON TABLE public.\"a\r\n\\! touch made\u2028\u202eb\" IS 'c'")
	sql := string(written(t, ddl(t, read(t, source), catalog.DDLOptions{}), schemaOnly))
	for _, want := range []string{"-- Kind: TABLE; Name: public.a  \\! touch made  b; Schema: public; Owner: postgres\n", "-- Kind: COMMENT; Name: public.a", "-- Kind: CONSTRAINT; Name: public.a"} {
		if !strings.Contains(sql, want) {
			t.Errorf("no %q in\n%s", want, sql)
		}
	}
	for line := range strings.Lines(sql) {
		if strings.HasPrefix(line, `\`) && !strings.HasPrefix(line, "\\! touch made\u2028\u202eb") {
			t.Errorf("line %q", line)
		}
	}
}
