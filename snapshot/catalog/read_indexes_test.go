package catalog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// Most definitions of indexes are written here and not by the server: they must say the same.
func TestDefinitionsOfIndexesAreThoseOfTheServer(t *testing.T) {
	conn := newRich(t, "source")
	var types []string
	rows, err := conn.Query(t.Context(), `SELECT DISTINCT format_type(o.opcintype, NULL) FROM pg_opclass o JOIN pg_am a ON a.oid = o.opcmethod
		WHERE a.amname = 'btree' AND o.opcdefault AND o.opcintype NOT IN (SELECT oid FROM pg_type WHERE typtype = 'p') ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		types = append(types, name)
	}
	if rows.Err() != nil || len(types) < 30 {
		t.Fatalf("%d types: %v", len(types), rows.Err())
	}
	types = append(types, "varchar", "varchar(3)", "char(4)", "integer[]", "app.mood", "app.even", "app.name", "int4range", "app.pair", "name[]", `text COLLATE "C"`, "app.loop")
	columns := []string{}
	for i, name := range types {
		columns = append(columns, fmt.Sprintf(`"Column %d" %s`, i, name))
	}
	sql := "CREATE TABLE app.keys (plain integer, \"order\" text, vary varchar(9), " + strings.Join(columns, ", ") + ");"
	for i := range types {
		sql += fmt.Sprintf(`CREATE INDEX ON app.keys ("Column %d", plain);`, i)
	}
	for _, rest := range []string{`("order", vary)`, `(plain DESC)`, `(plain NULLS FIRST)`, `(plain DESC NULLS LAST, vary)`, `("order" COLLATE "C")`, `("order" COLLATE "default")`,
		`("order" text_pattern_ops)`, `(vary varchar_ops)`, `(vary varchar_pattern_ops)`, `(plain) INCLUDE ("order")`, `(plain) WITH (fillfactor = 60)`, `(plain) WHERE plain > 1`,
		`((plain + 1))`, `(lower(vary))`, `("Column 1") TABLESPACE pg_default`} {
		sql += "CREATE INDEX ON app.keys " + rest + ";"
	}
	for _, using := range []string{"hash (plain)", "brin (plain)", `gist ("order" public.gist_text_ops)`, `gin (to_tsvector('english', "order"))`} {
		sql += "CREATE INDEX ON app.keys USING " + using + ";"
	}
	if server.Version() >= 15 {
		sql += "CREATE UNIQUE INDEX ON app.keys (plain) NULLS NOT DISTINCT;"
	}
	run(t, conn, sql)
	c := read(t, conn)
	seen := 0
	check := func(schema, table string, indexes []catalog.Index) {
		for _, i := range indexes {
			if i.Constraint != 0 {
				continue
			}
			seen++
			var want string
			if err := conn.QueryRow(t.Context(), "SELECT pg_get_indexdef($1)", i.OID).Scan(&want); err != nil {
				t.Fatal(err)
			}
			_, want, _ = strings.Cut(want, " ON ")
			got := i.Definition
			if i.Where != "" {
				got += " WHERE " + i.Where
			}
			if got = catalog.QuoteIdent(schema) + "." + catalog.QuoteIdent(table) + " " + got; got != strings.TrimPrefix(want, "ONLY ") {
				t.Errorf("index %s\n%s\nis\n%s", i.Name, got, want)
			}
		}
	}
	for _, table := range c.Tables {
		check(table.Schema, table.Name, table.Indexes)
	}
	for _, view := range c.Views {
		check(view.Schema, view.Name, view.Indexes)
	}
	if seen < len(types)+20 {
		t.Errorf("only %d indexes were looked at", seen)
	}
}
