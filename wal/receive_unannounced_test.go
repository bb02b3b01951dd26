package wal

import (
	"testing"

	"github.com/pgrecall/pgrecall/format"
)

// TestANewTableOfANewTypeIsAnnounced: both are made between two looks, the type by an earlier transaction, whose message
// cannot name the table.
func TestANewTableOfANewTypeIsAnnounced(t *testing.T) {
	var u unexplained
	u.announced.Add(10, `{"tag":"CREATE TYPE","types":[{"oid":70,"schema":"public","name":"pair","type":"c"}]}`)
	u.announced.Add(11, `{"tag":"CREATE TABLE","tables":[{"oid":77,"schema":"public","name":"pairs","kind":"r","persistence":"p","columns":[]}]}`)
	between := look{
		before: &format.Forms{Visibility: format.Visibility{Xmin: 10, Xmax: 10}, LSN: 100},
		forms:  &format.Forms{Visibility: format.Visibility{Xmin: 12, Xmax: 12}, LSN: 200, Until: 200},
		old:    map[uint32]tableForm{}, changed: map[uint32]tableForm{77: {schema: "public", name: "pairs", since: 10}},
	}
	u.notice(&between)
	if told := u.settle(200, between.forms.Visibility); len(told) != 0 {
		t.Errorf("told of %v", told)
	}
	u.announced.Add(13, `{"tag":"CREATE TABLE","tables":[{"oid":78,"schema":"public","name":"other","kind":"r","persistence":"p","columns":[]}]}`)
	after := look{before: between.forms, forms: &format.Forms{Visibility: format.Visibility{Xmin: 15, Xmax: 15}, LSN: 300, Until: 300},
		old: between.changed, changed: map[uint32]tableForm{77: {schema: "public", name: "pairs", content: 1, versions: 1, since: 14}}}
	u.notice(&after)
	if told := u.settle(300, after.forms.Visibility); len(told) != 1 || told[0].Tables[0] != "public.pairs" {
		t.Errorf("of a change that nobody announced it told %v", told)
	}
}
