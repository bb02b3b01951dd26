package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

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
