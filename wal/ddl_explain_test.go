package wal

import (
	"testing"

	"github.com/pgrecall/pgrecall/format"
)

func TestAMessageExplainsOnlyWhatItsTransactionCanHaveDone(t *testing.T) {
	visibility := func(text string) format.Visibility {
		v, err := format.ParseVisibility(text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	// 100 was running at the look before and ended; 90 had ended before it; 130 began after the look.
	lower, upper := visibility("100:110:100"), visibility("120:130:120")
	on := func(oid string) string {
		return `{"tag":"ALTER TABLE","tables":[{"oid":` + oid + `,"schema":"s","name":"t"}]}`
	}
	whole := FormChange{Table: 7, Parents: []uint32{8}, Content: true, Versions: true}
	with := func(c FormChange, content, versions bool, since uint64) FormChange {
		c.Content, c.Versions, c.Since = content, versions, since
		return c
	}
	stored := func(c FormChange) FormChange {
		c.Storage = true
		return c
	}
	for _, c := range []struct {
		name    string
		xid     uint64
		message string
		change  FormChange
		want    bool
	}{
		{"the table", 112, on("7"), whole, true},
		{"a parent of it", 112, on("8"), whole, true},
		{"another table", 112, on("9"), whole, false},
		{"one that was running at the look before", 100, on("7"), whole, true},
		{"one that the look before sees", 90, on("7"), whole, false},
		{"one that this look does not see", 120, on("7"), whole, false},
		{"one that began after this look", 130, on("7"), whole, false},
		{"the one that wrote", 112, on("7"), with(whole, true, true, 112), true},
		{"a subtransaction of it that wrote", 112, on("7"), with(whole, true, true, 115), true},
		{"somebody before it who wrote", 112, on("7"), with(whole, true, true, 111), false},
		{"somebody before it, whom the look before sees", 112, on("7"), with(whole, true, true, 105), true},
		{"it is pgrecall's own", 112, `{"tag":"ALTER TABLE","internal":true,"tables":[{"oid":7}]}`, whole, false},
		{"it is incomplete", 112, `{"tag":"ALTER TABLE","incomplete":true,"error":"XX000"}`, whole, true},
		{"it found nothing to alter", 112, `{"tag":"ALTER TABLE","incomplete":true}`, whole, false},
		{"it cannot be read", 112, `{`, whole, true},
		{"a refreshed view", 112, `{"tag":"REFRESH MATERIALIZED VIEW","tables":[{"oid":7}]}`, whole, false},
		{"a dropped table", 112, `{"tag":"DROP TABLE","dropped":[{"class":1259,"oid":7,"type":"table"}]}`, whole, true},
		{"another that was dropped", 112, `{"tag":"DROP TABLE","dropped":[{"class":1259,"oid":9,"type":"table"}]}`, whole, false},
		{"a lost default", 112, `{"tag":"DROP FUNCTION"}`, with(whole, false, true, 0), true},
		{"a grant on a column", 112, `{"tag":"GRANT","objects":[{"type":"TABLE"}]}`, with(whole, false, true, 0), true},
		{"a grant, and another name", 112, `{"tag":"GRANT","objects":[{"type":"TABLE"}]}`, whole, false},
		{"a lost default, where rows are in another file", 112, `{"tag":"DROP FUNCTION"}`, stored(with(whole, false, true, 0)), false},
		{"a grant on a column, where rows are in another file", 112, `{"tag":"GRANT","objects":[{"type":"TABLE"}]}`, stored(with(whole, false, true, 112)), false},
		{"the table, where rows are in another file", 112, on("7"), stored(with(whole, false, true, 112)), true},
		{"a comment on it", 112, `{"tag":"COMMENT","tables":[{"oid":7}]}`, with(whole, false, true, 112), false},
		{"a schema's new name", 112, `{"tag":"ALTER SCHEMA"}`, with(whole, true, false, 0), true},
		{"a schema's new name, and the columns'", 112, `{"tag":"ALTER SCHEMA"}`, whole, false},
	} {
		var a Announcements
		a.Add(112, on("10"))
		a.Add(c.xid, c.message)
		c.change.Lower, c.change.Upper = lower, upper
		if got := a.Explain(&c.change); got != c.want {
			t.Errorf("%s: explained: %v", c.name, got)
		}
	}
	// Who granted on a column wrote first, and did not do all.
	var a Announcements
	c := with(whole, true, true, 111)
	c.Lower, c.Upper = lower, upper
	a.Add(111, `{"tag":"GRANT","objects":[{"type":"TABLE"}]}`)
	if a.Explain(&c) {
		t.Error("a grant explains another name")
	}
	if a.Add(112, on("7")); !a.Explain(&c) {
		t.Error("a grant and a change of the table do not explain both")
	}
}

func TestAnnouncementsAreForgottenWhenTheyCanExplainNothingMore(t *testing.T) {
	var a Announcements
	a.Add(90, `{"tag":"ALTER TABLE","tables":[{"oid":7}]}`)
	a.Add(112, `{"tag":"ALTER TABLE","tables":[{"oid":7}]}`)
	a.forget(format.Visibility{Xmin: 100, Xmax: 110, InProgress: []uint64{100}})
	if len(a.all) != 1 || !a.Explain(&FormChange{Table: 7, Content: true, Upper: format.Visibility{Xmin: 120, Xmax: 120}}) {
		t.Errorf("%+v", a.all)
	}
}
