package catalog_test

import (
	"errors"
	"testing"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

func TestPatternsMatchAsInPsql(t *testing.T) {
	for _, c := range []struct {
		pattern, schema, name string
		want                  bool
	}{
		{"users", "public", "users", true},
		{"users", "app", "users", true},
		{"users", "app", "users2", false},
		{"USERS", "public", "users", true},
		{"users", "public", "USERS", false},
		{`"Users"`, "public", "Users", true},
		{`"Users"`, "public", "users", false},
		{"us*", "public", "users", true},
		{"*", "public", "anything", true},
		{"user?", "public", "users", true},
		{"user?", "public", "user", false},
		{"app.users", "app", "users", true},
		{"app.users", "public", "users", false},
		{"a*.u*", "app", "users", true},
		{"app.*", "app", "users", true},
		{"app.", "app", "users", true},
		{".users", "app", "users", true},
		{`"a.b"`, "public", "a.b", true},
		{`"a.b"`, "a", "b", false},
		{`app."Us""er.s"`, "app", `Us"er.s`, true},
		{`"us*"`, "public", "users", false},
		{`"us*"`, "public", "us*", true},
		{"users|orders", "public", "orders", true},
		{"users|orders", "public", "orders2", false},
		{"t[0-9]+", "public", "t12", true},
		{"t[0-9]+", "public", "tx", false},
		{`"t[0-9]+"`, "public", "t12", false},
		{"pay$", "public", "pay$", true},
		{"pay$", "public", "pay", false},
		{"_int[]", "public", "_int[]", true},
		{`Foo"BAR"BAZ`, "public", "fooBARbaz", true},
		{"(ab)+", "public", "abab", true},
		{"ÄRGER", "public", "ärger", true},
	} {
		p, err := catalog.ParsePattern(c.pattern)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
		} else if got := p.Match(c.schema, c.name); got != c.want {
			t.Errorf("%q on %s.%s: %v; want %v", c.pattern, c.schema, c.name, got, c.want)
		}
	}
	for _, bad := range []string{"", `"open`, "a.b.c", "a(", "["} {
		if _, err := catalog.ParsePattern(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestSelectTakesPartitionsAlongAndNamesWhatMatchesNothing(t *testing.T) {
	c := read(t, newRich(t, "source"))
	for _, test := range []struct {
		selection catalog.Selection
		want      string
	}{
		{catalog.Selection{Tables: []string{"app.users", `"Un Logged"`}}, "Mixed Case.Un Logged app.users"},
		{catalog.Selection{Tables: []string{"log"}}, "app.log app.log_2024 app.log_default app.log_default_eu app.log_default_rest app.log_old"},
		{catalog.Selection{Tables: []string{"log"}, ExcludeTables: []string{"log_default", "log_2*"}}, "app.log app.log_old"},
		{catalog.Selection{Schemas: []string{`"Mixed*"`, "PUBLIC"}}, "public.composite_typed public.typed_plain"},
		{catalog.Selection{Schemas: []string{`"Mixed Case"`}, Tables: []string{"mother"}}, "Mixed Case.Un Logged app.mother"},
	} {
		tables, err := c.Select(test.selection)
		var unmatched *catalog.UnmatchedError
		if errors.As(err, &unmatched) && unmatched.Pattern == `"Mixed*"` {
			continue // quotes make * a character
		}
		got := ""
		for i, table := range tables {
			if i > 0 {
				got += " "
			}
			got += table.Schema + "." + table.Name
		}
		if err != nil || got != test.want {
			t.Errorf("%+v: %s, %v; want %s", test.selection, got, err, test.want)
		}
	}
	var unmatched *catalog.UnmatchedError
	if _, err := c.Select(catalog.Selection{Tables: []string{"users", "typo"}}); !errors.As(err, &unmatched) || unmatched.Pattern != "typo" {
		t.Errorf("error: %v", err)
	}
	if all, err := c.Select(catalog.Selection{}); err != nil || len(all) != len(c.Tables) {
		t.Errorf("everything: %d of %d, %v", len(all), len(c.Tables), err)
	}
}
