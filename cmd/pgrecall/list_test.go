package main

import (
	"testing"

	"github.com/pgrecall/pgrecall/format"
)

func TestWhatCannotBeExactIsSaidInWords(t *testing.T) {
	for _, c := range []struct {
		n    *format.Inexact
		said string
	}{
		{nil, "what cannot be exact was not counted (show names it)"}, // a snapshot of an earlier version
		{&format.Inexact{}, ""},
		{&format.Inexact{UnloggedTables: 2, UnfollowedTables: 1, LargeObjects: 1},
			"not exact at any point but the snapshot's own: 2 unlogged tables, 1 table that no log can follow, 1 large object (show names them)"},
		{&format.Inexact{SkippedTables: 1, SkippedLargeObjects: 1500, MaterializedViews: 1},
			"refreshed by a restore, not copied: 1 materialized view; not in it: the rows of 1 table, 1,500 large objects (show names them)"},
	} {
		if said := inexact(c.n); said != c.said {
			t.Errorf("%+v: %q, want %q", c.n, said, c.said)
		}
	}
}
