package catalog_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// history makes tables, ties them by inheritance and gives them columns at random. What the server refuses did not
// happen. Without several, no table begins with more than one parent.
func history(rng *rand.Rand, schema string, several bool) []string {
	var statements []string
	say := func(format string, a ...any) { statements = append(statements, fmt.Sprintf(format, a...)) }
	tables := 0
	name := func(n int) string { return fmt.Sprintf("%s.t%d", schema, n) }
	column := func() string { return fmt.Sprintf("c%d", rng.IntN(12)) }
	for range 25 {
		switch k := rng.IntN(10); {
		case k < 4 || tables < 2:
			inherits := ""
			if tables > 0 && rng.IntN(4) > 0 {
				inherits = " INHERITS (" + name(rng.IntN(tables))
				if several && rng.IntN(2) == 0 {
					inherits += ", " + name(rng.IntN(tables))
				}
				inherits += ")"
			}
			say("CREATE TABLE %s (%s integer DEFAULT %d)%s", name(tables), column(), rng.IntN(3), inherits)
			tables++
		case k < 8:
			say("ALTER TABLE %s ADD COLUMN %s integer DEFAULT %d", name(rng.IntN(tables)), column(), rng.IntN(3))
		case k == 8:
			say("ALTER TABLE %s DROP COLUMN %s", name(rng.IntN(tables)), column())
		default:
			verb := []string{"INHERIT", "NO INHERIT"}[rng.IntN(2)]
			say("ALTER TABLE %s %s %s", name(rng.IntN(tables)), verb, name(rng.IntN(tables)))
		}
	}
	return statements
}

func TestTheOrderOfColumnsComesBackWhateverTheTablesWentThrough(t *testing.T) {
	const histories = 60
	source, target := newDatabase(t, "source"), newDatabase(t, "target")
	for seed := range uint64(histories) {
		schema := fmt.Sprintf("s%d", seed)
		run(t, source, "CREATE SCHEMA "+schema)
		for _, sql := range history(rand.New(rand.NewPCG(seed, 7)), schema, seed%2 == 1) {
			_, _ = source.Exec(t.Context(), sql) // the server refuses some
		}
	}
	c := read(t, source)
	script := ddl(t, c, catalog.DDLOptions{})
	execute(t, target, script)
	told := map[string]bool{}
	for _, left := range script.LeftOut {
		_, rest, _ := strings.Cut(left.What, "order of the columns of ")
		schema, _, _ := strings.Cut(rest, ".")
		told[schema] = true
	}
	want, got := strings.Split(columnOrder(t, source), "\n"), strings.Split(columnOrder(t, target), "\n")
	for i := range want {
		schema, _, _ := strings.Cut(want[i], ".")
		if want[i] != got[i] && !told[schema] {
			t.Errorf("%s\ncame back as\n%s", want[i], got[i])
		}
	}
	for seed := range histories {
		if seed%2 == 0 && told[fmt.Sprintf("s%d", seed)] {
			t.Errorf("the order was given up after history %d, where no table began with two parents", seed)
		}
	}
	if len(told) > histories/6 {
		t.Errorf("the order of %d histories of %d was given up", len(told), histories)
	}
}

func TestValuesWhoseTextWouldBeReadInAnotherOrderAreRefused(t *testing.T) {
	db := newDatabase(t, "db")
	run(t, db, `CREATE TABLE public.top (a integer);
		CREATE TABLE public.old (x integer) INHERITS (public.top);
		ALTER TABLE public.top ADD COLUMN b integer;
		CREATE TABLE public.young () INHERITS (public.top, public.old)`)
	if c := read(t, db); len(ddl(t, c, catalog.DDLOptions{}).LeftOut) != 1 {
		t.Errorf("the order was not given up: %v", ddl(t, c, catalog.DDLOptions{}).LeftOut)
	}
	run(t, db, `CREATE DOMAIN public.olds AS public.old[]; CREATE TABLE public.holds (v public.olds)`)
	_, err := read(t, db).DDL(catalog.DDLOptions{})
	if err == nil || !strings.Contains(err.Error(), "public.holds holds rows of public.old") {
		t.Errorf("values of a row type whose columns will stand in another order: %v", err)
	}
	run(t, db, "DROP TABLE public.holds; ALTER TABLE public.young ADD COLUMN t public.top")
	if _, err := read(t, db).DDL(catalog.DDLOptions{}); err == nil || !strings.Contains(err.Error(), "public.young") {
		t.Errorf("such values in a child: %v", err)
	}
}
