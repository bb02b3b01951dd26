package fidelity

import (
	"path/filepath"
	"slices"
	"testing"
)

func TestOnlyTheVeryDifferenceOfPgDumpsCopyIsAccepted(t *testing.T) {
	item := Item{Entry, "TABLE app.t"}
	baseline := []Difference{{Item: item, Want: "a, b", Got: "b, a"}, {Item: Item{Entry, "VIEW app.v"}, Want: "x"}}
	for _, c := range []struct {
		d        Difference
		accepted bool
	}{
		{Difference{Item: item, Want: "a, b", Got: "b, a"}, true},
		{Difference{Item: item, Want: "a, b", Got: "b"}, false},
		{Difference{Item: item, Want: "a, b"}, false},
		{Difference{Item: Item{Entry, "TABLE app.u"}, Want: "a, b", Got: "b, a"}, false},
		{Difference{Item: Item{Entry, "VIEW app.v"}, Want: "x"}, false}, // lost by both is lost
	} {
		d := []Difference{c.d}
		accept(d, baseline)
		r := &Result{Source: Picture{item: "a, b"}, Differences: d}
		if r.OK() != c.accepted {
			t.Errorf("%+v: accepted %t", c.d, r.OK())
		}
	}
}

func TestADifferenceIsShownByTheLinesThatOnlyOneSideHas(t *testing.T) {
	for want, d := range map[string]Difference{
		"entry VIEW v is missing":                 {Item: Item{Entry, "VIEW v"}, Want: "x"},
		"entry VIEW v is not in the source":       {Item: Item{Entry, "VIEW v"}, Got: "x"},
		"entry VIEW v\n    - b\n    + c\n    + d": {Item: Item{Entry, "VIEW v"}, Want: "a\nb", Got: "a\nc\nd"},
		"entry VIEW v\n    - a\n    + a\n    + a": {Item: Item{Entry, "VIEW v"}, Want: "a", Got: "a\na"},
	} {
		if got := d.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTheFixturesFilesComeInTheOrderOfTheirGroupsAndMajors(t *testing.T) {
	dir := filepath.Join("..", "..", "snapshot", "catalog", "testdata")
	for major, has := range map[int]bool{14: false, 15: true, 18: true} {
		files, err := fixtureFiles(dir, major)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(files[0]) != "rich.sql" {
			t.Errorf("%d: the first is %s", major, files[0])
		}
		if slices.Contains(files, filepath.Join(dir, "rich15.sql")) != has {
			t.Errorf("%d: %v", major, files)
		}
	}
	if _, err := fixtureFiles(t.TempDir(), 15); err == nil {
		t.Error("a folder without files is no fixture")
	}
}

func TestTheOrderOfAllStatementsCountsWhereEachIsTheSame(t *testing.T) {
	want := Picture{wholeDDL(): "1", {DDL, "TABLE t"}: "a"}
	for _, c := range []struct {
		got     Picture
		differs Item
	}{
		{Picture{wholeDDL(): "2", {DDL, "TABLE t"}: "a"}, wholeDDL()},
		{Picture{wholeDDL(): "2", {DDL, "TABLE t"}: "b"}, Item{DDL, "TABLE t"}},
	} {
		if d := differences(want, c.got); len(d) != 1 || d[0].Item != c.differs {
			t.Errorf("%v: differs: %v", c.got, d)
		}
	}
}

func TestOnlyNotNullsMayBeSaidInAnotherWayByANewerServer(t *testing.T) {
	for _, c := range []struct {
		want, got string
		accepted  bool
	}{
		{"pre-data: CREATE TABLE t (\n\ta integer NOT NULL\n)", "pre-data: CREATE TABLE t (\n\ta integer CONSTRAINT \"t A\" NOT NULL,\n\tCONSTRAINT t_b NOT NULL b\n)", true},
		{"pre-data: ALTER TABLE ONLY t ALTER COLUMN a SET NOT NULL", "", true},
		{"", "pre-data: ALTER TABLE t ADD CONSTRAINT t_a NOT NULL a", true},
		{"pre-data: DO $_$BEGIN IF older THEN EXECUTE 'ALTER TABLE ONLY t ALTER COLUMN a DROP NOT NULL'; END IF; END$_$", "", true},
		{"pre-data: ALTER TABLE ONLY t ALTER COLUMN a SET STATISTICS 7", "", false},
		{"pre-data: CREATE TABLE t (\n\ta integer NOT NULL\n)", "pre-data: CREATE TABLE t (\n\ta bigint NOT NULL\n)", false},
		{"CHECK (a IS NOT NULL)", "CHECK (a IS NULL)", false},
	} {
		d := []Difference{{Item: Item{DDL, "TABLE t"}, Want: c.want, Got: c.got}}
		acceptNewer(d, 17, 18)
		if accepted := d[0].Why != ""; accepted != c.accepted {
			t.Errorf("%q and %q: accepted %t", c.want, c.got, accepted)
		}
	}
}
