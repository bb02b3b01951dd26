package main

import (
	"strings"
	"testing"
)

func TestArgumentsShowNoPassword(t *testing.T) {
	for given, shown := range map[string]string{
		"--db=postgres://ann:s3cret@host/db":                  "--db=postgres://ann:******@host/db",
		"postgresql://ann:s3/c@ret@host/db?sslpassword=abc&x": "postgresql://ann:********@host/db?sslpassword=***&x",
		"postgres://ann@host:5432/db":                         "postgres://ann@host:5432/db",
		"host=h password=s3cret user=ann":                     "host=h password=****** user=ann",
		`host=h password = 'a b\'c' user=ann`:                 `host=h password = ******** user=ann`,
		"--table":                                             "--table",
		"":                                                    "",
	} {
		original := []string{strings.Clone(given)}
		if args := ownArguments(original); args[0] != given {
			t.Errorf("%q was read as %q", given, args[0])
		}
		if original[0] != shown {
			t.Errorf("%q is shown as %q, want %q", given, original[0], shown)
		}
	}
}
