package engine

import (
	"cmp"
	"testing"
)

// A table brings the types that it needs only where the target has none of their names: what it has must take the text
// of the values for the same values.
func TestTypesOfTheTargetThatAreOthersAreRefusedBeforeAnythingChanges(t *testing.T) {
	place, db := protect(t,
		`CREATE TYPE mood AS ENUM ('sad', 'it''s ok')`,
		`CREATE DOMAIN price AS numeric(10,2) CHECK (VALUE >= 0)`,
		`CREATE TYPE "Pair" AS (a int, b price)`,
		`CREATE TYPE span AS RANGE (subtype = float8)`,
		`CREATE TABLE places (x int, y int)`,
		`CREATE TABLE pets (id int PRIMARY KEY, m mood, ps "Pair"[], s span, at places, said text GENERATED ALWAYS AS (id::text) STORED)`,
		`INSERT INTO pets VALUES (1, 'sad', ARRAY[ROW(1, 2.5)::"Pair"], '[1,2]', ROW(3, 4)), (2, 'it''s ok', NULL, NULL, NULL)`)
	same := map[string]string{
		"mood": `CREATE TYPE mood AS ENUM ('sad', 'it''s ok')`, "price": `CREATE DOMAIN price AS numeric(10,2) CHECK (VALUE >= 0)`,
		"pair": `CREATE TYPE "Pair" AS (a int, b price)`, "span": `CREATE TYPE span AS RANGE (subtype = float8)`,
		"places": `CREATE TABLE places (x int, y int)`,
	}
	for _, c := range []struct {
		name  string
		is    map[string]string // what is another
		words []string          // of the refusal; none: it is taken
	}{
		{"all the same", nil, nil},
		{"labels more and in another order, checks less", map[string]string{"mood": `CREATE TYPE mood AS ENUM ('new', 'it''s ok', 'sad')`,
			"price": `CREATE DOMAIN price AS numeric(10,2)`}, nil},
		{"labels less, types of columns, their order, also in a table", map[string]string{"mood": `CREATE TYPE mood AS ENUM ('sad')`,
			"price": `CREATE DOMAIN price AS numeric(10,1) CHECK (VALUE >= 0)`, "pair": `CREATE TYPE "Pair" AS (b int, a price)`,
			"span": `CREATE TYPE span AS RANGE (subtype = numeric)`, "places": `CREATE TABLE places (y int, x int)`},
			[]string{"public.mood (it lacks the label 'it''s ok')", "public.price (it is a domain over numeric(10,1) there", `public."Pair" (it has the columns (b integer, a public.price)`,
				"public.span (it is a range of numeric there", "public.places (it has the columns (y integer, x integer)"}},
		{"another kind, a column more, checks more", map[string]string{"mood": `CREATE DOMAIN mood AS text`, "pair": `CREATE TYPE "Pair" AS (a int, b price, c int)`,
			"price": `CREATE DOMAIN price AS numeric(10,2) CHECK (VALUE >= 3)`},
			[]string{"public.mood (it is a domain there, and was an enum)", `public."Pair"`, "public.price (it has another constraint there: CHECK ((VALUE >= (3)::numeric)))"}},
		{"a table of that name, not null", map[string]string{"mood": `CREATE TABLE mood (a int)`, "price": `CREATE DOMAIN price AS numeric(10,2) NOT NULL`},
			[]string{"public.mood (it is a composite type there", "public.price (it is NOT NULL there)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var statements []string
			for _, name := range []string{"mood", "price", "pair", "span", "places"} {
				statements = append(statements, cmp.Or(c.is[name], same[name]))
			}
			to := newDatabase(t, statements...)
			_, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Tables: []string{"pets"}})
			if c.words != nil {
				contains(t, err, c.words...)
				if value(t, to, "SELECT to_regclass('pets')::text") != "NULL" {
					t.Error("the table was made")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			const rows = "SELECT string_agg(p::text, ' ' ORDER BY id) FROM pets p"
			if want, got := value(t, db, rows), value(t, to, rows); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
	t.Run("a base type read by another function", func(t *testing.T) {
		base := func(input string) []string {
			return []string{`CREATE TYPE number`, `CREATE FUNCTION number_in(cstring, oid, int) RETURNS number LANGUAGE internal IMMUTABLE STRICT AS '` + input + `'`,
				`CREATE FUNCTION number_out(number) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'numeric_out'`,
				`CREATE FUNCTION number_mod(cstring[]) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'numerictypmodin'`,
				`CREATE FUNCTION number_mod_out(int) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'numerictypmodout'`,
				`CREATE TYPE number (INPUT = number_in, OUTPUT = number_out, TYPMOD_IN = number_mod, TYPMOD_OUT = number_mod_out, STORAGE = main)`}
		}
		place, _ := protect(t, append(base("numeric_in"), `CREATE TABLE amounts (id int PRIMARY KEY, n number(10,1))`, `INSERT INTO amounts VALUES (1, '1.5')`)...)
		to := newDatabase(t, base("numeric_in")...)
		if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Tables: []string{"amounts"}}); err != nil {
			t.Fatal(err)
		}
		other := newDatabase(t, base("array_in")...)
		_, err := Restore(t.Context(), RestoreOptions{Place: place, To: other, Tables: []string{"amounts"}})
		contains(t, err, "public.number (it is read by $function$array_in$function$ , there, and was by $function$numeric_in$function$ ,)")
		if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: other, Clean: true}); err != nil {
			t.Fatal(err)
		}
		if got := value(t, other, "SELECT string_agg(n::text, ' ') FROM amounts"); got != "1.5" {
			t.Errorf("%s after a restore that made the type anew", got)
		}
	})
	t.Run("rows alone", func(t *testing.T) {
		to := newDatabase(t, same["mood"], same["price"], `CREATE TYPE "Pair" AS (b int, a price)`, same["span"], same["places"],
			`CREATE TABLE pets (id int PRIMARY KEY, m mood, ps "Pair"[], s span, at places)`)
		_, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Tables: []string{"pets"}, Scope: RestoreDataOnly})
		contains(t, err, `public."Pair"`)
	})
	t.Run("types that are made anew", func(t *testing.T) {
		to := newDatabase(t, `CREATE TYPE mood AS ENUM ('other')`, `CREATE DOMAIN price AS text`)
		if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Clean: true}); err != nil {
			t.Fatal(err)
		}
		sameDatabase(t, contents(t, db), to)
	})
	t.Run("copies beside the originals", func(t *testing.T) {
		exec(t, db, "DELETE FROM pets", "TRUNCATE places")
		if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: db, IntoSchema: "beside"}); err != nil {
			t.Fatal(err)
		}
		exec(t, db, "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'")
		_, err := Restore(t.Context(), RestoreOptions{Place: place, To: db, IntoSchema: "again", Target: Target{Kind: TargetSnapshot}})
		contains(t, err, "public.mood", "'sad'")
	})
}
