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
	sql := written(t, script, schemaOnly)
	if made := psql(t, target, sql); len(made) > 0 {
		t.Errorf("psql ran a command: %v", made)
	}
	// psql would take the name for the beginning of a body, and all that follows for a part of it.
	for _, want := range []string{`CREATE FUNCTION public."begin"()`, `CREATE FUNCTION "begin"."begin"() RETURNS "begin"."begin"`, "\nBEGIN ATOMIC\n"} {
		if !strings.Contains(strings.Join(strings.Fields(string(sql)), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("no %s in\n%s", want, sql)
		}
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

func TestTheSettingsOfTheDatabaseThatPsqlRunsInDoNotMatter(t *testing.T) {
	source, target := newDatabase(t, "source"), newDatabase(t, "target")
	run(t, source, `SET check_function_bodies = off; CREATE TABLE public.t (a interval DEFAULT '-1 days +02:00', b date DEFAULT '2024-02-01', c timestamptz DEFAULT '2024-02-01 10:00+03', d text DEFAULT 'back\slash',
		e money DEFAULT '1234.5', f xml DEFAULT 'no document', g bytea DEFAULT '\x00ff', h text[] DEFAULT '{NULL}', CHECK (a > '-1 year +2 mons -3 days +04:05:06'));
		CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS 'SELECT ''\'' || x FROM public.nowhere'`)
	sql := written(t, ddl(t, read(t, source), catalog.DDLOptions{}), schemaOnly)
	name := catalog.QuoteIdent(target.Config().Database)
	for _, set := range []string{"intervalstyle = sql_standard", "datestyle = 'SQL, DMY'", "timezone = 'Asia/Tokyo'", "standard_conforming_strings = off", "escape_string_warning = off",
		"xmloption = document", "array_nulls = off", "bytea_output = escape", "search_path = public", "row_security = off", "default_transaction_read_only = on", "check_function_bodies = on",
		"lc_monetary = 'C'", "client_encoding = 'LATIN1'"} {
		run(t, target, "ALTER DATABASE "+name+" SET "+set)
	}
	psql(t, target, sql)
	// pg_dump prints values as the database's settings say.
	copied := connect(t, server.ConnString(target.Config().Database), "UTF8")
	equal(t, "DDL of source and copy", text(ddl(t, read(t, source), catalog.DDLOptions{})), text(ddl(t, read(t, copied), catalog.DDLOptions{})))
}
