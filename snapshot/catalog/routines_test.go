package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// rawRows are the rows of the catalogs of types and routines, with names for oids: what neither pg_dump nor DDL prints counts as well.
const rawRows = `
WITH n AS (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
sorted AS (SELECT c, o, array_agg(i ORDER BY i) AS acl FROM (
    SELECT 'pg_type'::regclass AS c, oid AS o, unnest(typacl)::text AS i FROM pg_type UNION ALL
    SELECT 'pg_proc'::regclass, oid, unnest(proacl)::text FROM pg_proc UNION ALL
    SELECT 'pg_language'::regclass, oid, unnest(lanacl)::text FROM pg_language) a GROUP BY c, o),
described AS (
  SELECT 'pg_type'::regclass AS c, oid AS o, ROW(typlen, typbyval, typtype, typcategory, typispreferred, typisdefined, typdelim, typsubscript, typelem::regtype, typarray::regtype, typinput, typoutput, typreceive,
    typsend, typmodin, typmodout, typanalyze, typalign, typstorage, typnotnull, typbasetype::regtype, typtypmod, typndims, typcollation::regcollation, typdefault, typowner::regrole)::text AS row
  FROM pg_type WHERE typnamespace IN (SELECT oid FROM n) UNION ALL
  SELECT 'pg_proc', oid, ROW(proowner::regrole, prolang, procost, prorows, provariadic::regtype, prosupport, prokind, prosecdef, proleakproof, proisstrict, proretset, provolatile, proparallel,
    prorettype::regtype, proallargtypes::regtype[], proargmodes, proargnames, pg_get_expr(proargdefaults, 0), protrftypes::regtype[], prosrc, probin, proconfig)::text
  FROM pg_proc WHERE pronamespace IN (SELECT oid FROM n) AND prolang IN (SELECT oid FROM pg_language WHERE oid < 16384) UNION ALL
  SELECT 'pg_proc', aggfnoid, (to_jsonb(a) - 'aggfnoid' - 'aggsortop' - 'aggtranstype' - 'aggmtranstype')::text || ROW(aggsortop::regoperator, aggtranstype::regtype, aggmtranstype::regtype)
  FROM pg_aggregate a WHERE aggfnoid >= 16384 UNION ALL
  SELECT 'pg_operator', oid, ROW(oprowner::regrole, oprkind, oprcanmerge, oprcanhash, oprresult::regtype, oprcom::regoperator, oprnegate::regoperator, oprcode, oprrest, oprjoin)::text
  FROM pg_operator WHERE oprnamespace IN (SELECT oid FROM n) UNION ALL
  SELECT 'pg_opfamily', oid, opfowner::regrole::text FROM pg_opfamily WHERE oid >= 16384 UNION ALL
  SELECT 'pg_opclass', oid, ROW(opcowner::regrole, opcintype::regtype, opcdefault, opckeytype::regtype, pg_describe_object('pg_opfamily'::regclass, opcfamily, 0))::text FROM pg_opclass WHERE oid >= 16384 UNION ALL
  SELECT 'pg_amop', oid, ROW(amoppurpose, pg_describe_object('pg_opfamily'::regclass, nullif(amopsortfamily, 0), 0))::text FROM pg_amop WHERE oid >= 16384 UNION ALL
  SELECT 'pg_amproc', oid, amproc::text FROM pg_amproc WHERE oid >= 16384 UNION ALL
  SELECT 'pg_cast', oid, ROW(castfunc::regprocedure, castcontext, castmethod)::text FROM pg_cast WHERE oid >= 16384 UNION ALL
  SELECT 'pg_am', oid, ROW(amhandler, amtype)::text FROM pg_am WHERE oid >= 16384 UNION ALL
  SELECT 'pg_language', oid, ROW(lanowner::regrole, lanpltrusted, lanplcallfoid::regproc, laninline::regproc, lanvalidator::regproc)::text FROM pg_language WHERE oid >= 16384 UNION ALL
  SELECT 'pg_transform', oid, ROW(trffromsql, trftosql)::text FROM pg_transform WHERE oid >= 16384 UNION ALL
  SELECT 'pg_conversion', oid, ROW(conowner::regrole, conforencoding, contoencoding, conproc, condefault)::text FROM pg_conversion WHERE oid >= 16384)
SELECT line FROM (
  SELECT DISTINCT c || ' ' || pg_describe_object(c, o, 0) || ' ' || row || ' ' || coalesce(acl::text, '') || ' ' || coalesce(obj_description(o, c::text), '') AS line FROM described LEFT JOIN sorted USING (c, o) UNION ALL
  SELECT pg_describe_object(classid, objid, 0) || ' needs ' || pg_describe_object(refclassid, refobjid, 0) || ' ' || deptype::text FROM pg_depend
  WHERE objid >= 16384 AND (classid = ANY ('{pg_amop,pg_amproc,pg_operator,pg_opclass,pg_opfamily,pg_cast,pg_am,pg_language,pg_conversion,pg_transform}'::regclass[]))
) lines ORDER BY line COLLATE "C"`

func TestTheRowsOfTheCatalogsAreTheSameInTheCopy(t *testing.T) {
	source, target := newRich(t, "source"), newDatabase(t, "target")
	execute(t, target, ddl(t, read(t, source), catalog.DDLOptions{}))
	raw := func(conn *pgx.Conn) string {
		rows, err := conn.Query(t.Context(), rawRows)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		if len(lines) < 1000 {
			t.Errorf("%d rows", len(lines))
		}
		return strings.Join(lines, "\n") + "\n"
	}
	equal(t, "rows of the catalogs", raw(source), raw(target))
}

func TestASubsetTakesTheTypesOperatorsClassesAndCastsThatItsTableNeeds(t *testing.T) {
	source, target := newRich(t, "source"), newDatabase(t, "target")
	c := read(t, source)
	script := ddl(t, c, catalog.DDLOptions{Tables: subset(t, c, "kit.used")})
	var taken []string
	for _, s := range script.Statements {
		if s.IfMissing && (strings.HasPrefix(s.SQL, "CREATE ") || strings.Contains(s.SQL, " ADD\n")) {
			taken = append(taken, s.Kind+" "+s.Name)
		}
	}
	for _, want := range []string{
		"SHELL TYPE kit.small", "FUNCTION kit.zz_small_in(cstring)", "TYPE kit.small", `TYPE kit."Wide Text"`, "TYPE kit.smalls", "DOMAIN kit.d_array",
		"OPERATOR kit.< (kit.small, kit.small)", "OPERATOR kit.> (kit.small, kit.small)", `OPERATOR "Far Kit".= (integer, kit.small)`,
		"OPERATOR FAMILY kit.small_family USING btree", "OPERATOR CLASS kit.zz_small_ops USING btree", "OPERATOR CLASS kit.fixed_ops USING gist",
		"OPERATOR FAMILY pg_catalog.integer_ops USING btree", `ACCESS METHOD "Heap 2"`, "ACCESS METHOD gist2",
		"CAST (kit.small AS integer)", `CAST (kit.small AS kit."Wide Text")`, "FUNCTION kit.zz_late_ok(integer)", "FUNCTION kit.aa_return(kit.small)",
	} {
		if !slices.Contains(taken, want) {
			t.Errorf("not taken along: %s", want)
		}
	}
	for _, unwanted := range []string{
		"CAST (money AS text)", "CAST (app.mood[] AS text[])", "CAST (kit.small AS kit.letter)", "OPERATOR CLASS kit.words USING gin", "AGGREGATE kit.total(integer)",
		"CONVERSION kit.plain", `LANGUAGE "My PL"`, "TYPE kit.shell", `TYPE app.mood`,
	} {
		if slices.Contains(taken, unwanted) {
			t.Errorf("taken along although nothing needs it: %s", unwanted)
		}
	}
	execute(t, target, script)
	run(t, target, `INSERT INTO kit.used (a, d, f, l) SELECT n::text::kit.small, point(n, n)::text::kit.fixed, NULL, n FROM generate_series(1, 9) n`)
	var first string
	if err := target.QueryRow(t.Context(), "SELECT string_agg(a::text, ',') FROM (SELECT a FROM kit.used WHERE a OPERATOR(kit.>) '7' ORDER BY a DESC) x").Scan(&first); err != nil || first != "9,8" {
		t.Errorf("rows in order: %s %v", first, err)
	}
	again := ddl(t, c, catalog.DDLOptions{Tables: subset(t, c, "kit.used", "kit.keyed_small", "kit.refers")})
	run(t, target, "DROP TABLE kit.used")
	execute(t, target, again)
}

// circle is the statement of Drops that drops a type with its functions.
func circle(t *testing.T, s catalog.Script, name string) string {
	t.Helper()
	for _, d := range s.Drops() {
		if d.Kind == "TYPE" && d.Name == name && strings.HasPrefix(d.SQL, "DO ") {
			return d.SQL
		}
	}
	t.Fatalf("nothing drops %s with its functions", name)
	return ""
}

func TestATypeIsDroppedWithItsFunctionsUnlessSomethingElseDependsOnThem(t *testing.T) {
	db := newDatabase(t, "db")
	run(t, db, `CREATE TYPE public.t; CREATE FUNCTION public.t_in(cstring) RETURNS public.t LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
		CREATE FUNCTION public.t_out(public.t) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
		CREATE TYPE public.t (INPUT = public.t_in, OUTPUT = public.t_out, LIKE = integer)`)
	drop := circle(t, ddl(t, read(t, db), catalog.DDLOptions{}), "public.t")
	run(t, db, "CREATE TABLE public.stranger (a public.t[])")
	before := dump(t, db)
	if _, err := db.Exec(t.Context(), drop); err == nil || !strings.Contains(err.Error(), "2BP01") {
		t.Errorf("a table depends on the type: %v", err)
	}
	equal(t, "pg_dump before and after", before, dump(t, db))
	run(t, db, "DROP TABLE public.stranger; CREATE FUNCTION public.other(public.t) RETURNS integer LANGUAGE internal AS 'int4out'")
	if _, err := db.Exec(t.Context(), drop); err == nil || !strings.Contains(err.Error(), "2BP01") {
		t.Errorf("a function that the type does not name depends on it: %v", err)
	}
	run(t, db, "DROP FUNCTION public.other; "+drop)
	c := read(t, db)
	if len(c.Types)+len(c.Functions) != 0 {
		t.Errorf("left: %+v %+v", c.Types, c.Functions)
	}
	var roles int
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM pg_roles WHERE rolname ~ '^pgrecall'").Scan(&roles); err != nil || roles != 0 {
		t.Errorf("%d roles left: %v", roles, err)
	}
}

func TestWhatWasAddedToAFamilyOfTheSystemIsRestoredAndDropped(t *testing.T) {
	source, target := newDatabase(t, "source"), newDatabase(t, "target")
	run(t, source, `CREATE FUNCTION public.equal_image(oid) RETURNS boolean LANGUAGE internal IMMUTABLE AS 'btequalimage';
		CREATE FUNCTION public.lt(integer, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
		CREATE OPERATOR public.< (LEFTARG = integer, RIGHTARG = text, FUNCTION = public.lt);
		ALTER OPERATOR FAMILY pg_catalog.integer_ops USING btree ADD OPERATOR 1 public.< (integer, text);
		ALTER OPERATOR FAMILY pg_catalog.float_ops USING btree ADD FUNCTION 4 (float8, float8) public.equal_image(oid)`)
	script := ddl(t, read(t, source), catalog.DDLOptions{})
	members := func(conn *pgx.Conn) int {
		t.Helper()
		var n int
		if err := conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_amop WHERE oid >= 16384 AND amopopr = to_regoperator('public.<(integer,text)'))
			+ (SELECT count(*) FROM pg_amproc WHERE oid >= 16384 AND amproc = to_regprocedure('public.equal_image(oid)'))`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	execute(t, target, script)
	if n := members(target); n != 2 {
		t.Errorf("%d members after the restore", n)
	}
	equal(t, "DDL of source and copy", text(script), text(ddl(t, read(t, target), catalog.DDLOptions{})))
	for _, d := range script.Drops() {
		run(t, target, d.SQL)
	}
	if n := members(target); n != 0 {
		t.Errorf("%d members after the drops", n)
	}
	execute(t, target, script)
}

func TestAShellOnTheTargetBecomesTheOperator(t *testing.T) {
	source, target := newDatabase(t, "source"), newDatabase(t, "target")
	run(t, source, `CREATE OPERATOR public.<+> (LEFTARG = integer, RIGHTARG = bigint, FUNCTION = int48pl, COMMUTATOR = OPERATOR(public.<->));
		CREATE OPERATOR public.<-> (LEFTARG = bigint, RIGHTARG = integer, FUNCTION = int84pl, COMMUTATOR = OPERATOR(public.<+>))`)
	run(t, target, `CREATE OPERATOR public.<+> (LEFTARG = integer, RIGHTARG = bigint, FUNCTION = int48pl, COMMUTATOR = OPERATOR(public.<->)); DROP OPERATOR public.<+> (integer, bigint)`)
	execute(t, target, ddl(t, read(t, source), catalog.DDLOptions{}))
	c := read(t, target)
	equal(t, "pg_dump of source and copy", dump(t, source), dump(t, target))
	if len(c.Operators) != 2 || c.Operators[1].Function == "" || len(c.Unsupported) != 0 {
		t.Errorf("operators: %+v, unsupported: %v", c.Operators, c.Unsupported)
	}
}

func TestADomainWithoutItsTypesDefaultStaysWithout(t *testing.T) {
	source, target := newDatabase(t, "source"), newDatabase(t, "target")
	run(t, source, `CREATE DOMAIN public.has AS integer DEFAULT 5; CREATE DOMAIN public.inherits AS public.has; CREATE DOMAIN public.own AS public.has DEFAULT 6;
		CREATE DOMAIN public.none AS public.has; ALTER DOMAIN public.none DROP DEFAULT; CREATE TABLE public.t (a public.inherits, b public.own, c public.none)`)
	execute(t, target, ddl(t, read(t, source), catalog.DDLOptions{}))
	var row string
	if err := target.QueryRow(t.Context(), "INSERT INTO public.t DEFAULT VALUES RETURNING t::text").Scan(&row); err != nil || row != "(5,6,)" {
		t.Errorf("defaults: %s %v", row, err)
	}
}
