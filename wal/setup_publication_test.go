package wal

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/wal/pgoutput"
)

// decodedTables counts the changes that the slot holds by table: name=inserts/updates/deletes.
func (d *database) decodedTables() string {
	d.Helper()
	names, counts := map[uint32]string{}, map[string]*[3]int{}
	count := func(id uint32) *[3]int {
		name := names[id]
		if counts[name] == nil {
			counts[name] = new([3]int)
		}
		return counts[name]
	}
	for _, m := range d.decoded() {
		switch m := m.(type) {
		case *pgoutput.Relation:
			names[m.OID] = m.Name
			if m.Schema == Schema {
				names[m.OID] = ""
			}
		case *pgoutput.Insert:
			count(m.Relation)[0]++
		case *pgoutput.Update:
			count(m.Relation)[1]++
		case *pgoutput.Delete:
			count(m.Relation)[2]++
		}
	}
	delete(counts, "")
	var all []string
	for name, c := range counts {
		all = append(all, fmt.Sprintf("%s=%d/%d/%d", name, c[0], c[1], c[2]))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestInspectFindsAFilterInThePublication(t *testing.T) {
	d := newDatabase(t)
	if d.version() < 15 {
		return // there are no filters
	}
	d.exec("CREATE TABLE part (id int PRIMARY KEY)", `CREATE TABLE "a b" (id int PRIMARY KEY, v int)`, "CREATE TABLE every (id int PRIMARY KEY)")
	d.init(InitOptions{})
	d.exec("DROP PUBLICATION pgrecall", `CREATE PUBLICATION pgrecall FOR TABLE part WHERE (id > 7), "a b" (id), every
		WITH (`+publicationOptions(10000*d.version())+")")
	findings, err := Inspect(d.ctx, d.conn, d.name, "")
	const narrowed = "the table %s has a row filter or a column list in the publication: not all of its changes are in the log"
	want := fmt.Sprintf(narrowed+"; "+narrowed, `public."a b"`, `public.part`)
	if got := find(findings, Blocker, "publication"); err != nil || got != want {
		t.Errorf("%v: %s", err, got)
	}
	planned := d.init(InitOptions{DryRun: true}).Changes
	if r := d.init(InitOptions{}); len(r.Changes) != 6 || !slices.Equal(r.Changes[:2], planned[:2]) {
		t.Errorf("planned %+v; done %+v", planned, r.Changes)
	}
	if p, err := readPublication(d.ctx, d.conn); err != nil || len(p.tables) != 3 || len(p.narrowed) > 0 {
		t.Errorf("%v: %+v", err, p)
	}
}

// TestTablesThatCannotBePublished: from 18 on a table with a virtual generated column and no key makes UPDATE fail
// in any publication. The publication lists the others then, and the event triggers keep the list.
func TestTablesThatCannotBePublished(t *testing.T) {
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("late=%v", late), func(t *testing.T) {
			d := newDatabase(t)
			if d.version() < 18 {
				return // there are no virtual columns
			}
			d.exec("CREATE TABLE plain (a int, g int GENERATED ALWAYS AS (a) STORED)", "CREATE TABLE keyed (a int PRIMARY KEY)",
				"CREATE TABLE parts (a int) PARTITION BY LIST (a)", "CREATE TABLE part PARTITION OF parts DEFAULT", "GRANT ALL ON ALL TABLES IN SCHEMA public TO app")
			app := d.connect("app")
			odd := "CREATE TABLE odd (a int, g int GENERATED ALWAYS AS (a) VIRTUAL)"
			var r *InitResult
			if late {
				r = d.init(InitOptions{})
				execOn(t, app, odd)
			} else {
				execOn(t, app, odd)
				r = d.init(InitOptions{})
				if len(r.Findings) != 1 || !strings.Contains(r.Findings[0].What, `"odd"`) {
					t.Errorf("findings: %+v", r.Findings)
				}
			}
			execOn(t, app, "INSERT INTO odd VALUES (1)", "UPDATE odd SET a = 2", "DELETE FROM odd",
				"INSERT INTO plain VALUES (1)", "UPDATE plain SET a = 2", "DELETE FROM plain",
				"INSERT INTO parts VALUES (1)", "UPDATE parts SET a = 2", "DELETE FROM parts",
				"CREATE TABLE new (a int)", "INSERT INTO new VALUES (1)", "UPDATE new SET a = 2", "DELETE FROM new",
				"BEGIN; CREATE TABLE same (a int); INSERT INTO same VALUES (1); UPDATE same SET a = 2; COMMIT")
			wantText(t, "decoded", d.decodedTables(), "new=1/1/1 part=1/1/1 plain=1/1/1 same=1/1/0")
			findings, err := Inspect(d.ctx, d.conn, d.name, "")
			if err != nil || !strings.Contains(find(findings, Warning, "unpublished"), `"odd"`) || find(findings, Blocker, "publication") != "" {
				t.Errorf("%v: %+v", err, findings)
			}
			d.skip()
			// It gets a key, and is published from then on; what it held must be copied.
			execOn(t, app, "INSERT INTO odd VALUES (3)", "ALTER TABLE odd ADD PRIMARY KEY (a)", "UPDATE odd SET a = 4")
			ms := d.ddl()
			if last := ms[len(ms)-1]; !last.Rewrite || len(last.Kept.Published) != 1 {
				t.Errorf("%+v", last)
			}
			wantText(t, "with a key", d.decodedTables(), "odd=0/1/0")
			d.skip()
			execOn(t, app, "CREATE TABLE copied AS SELECT 1 AS a", "ALTER TABLE odd DROP CONSTRAINT odd_pkey", "UPDATE odd SET a = 5")
			ms = d.ddl()
			var published, unpublished int
			for _, m := range ms {
				published += len(m.Kept.Published)
				unpublished += len(m.Kept.Unpublished)
				if len(m.Kept.Published) > 0 && !m.Rewrite {
					t.Errorf("its rows are not in the log, and nobody knows: %+v", m)
				}
			}
			if published != 1 || unpublished != 1 {
				t.Errorf("published %d, unpublished %d: %s", published, unpublished, tags(ms))
			}
			if again := d.init(InitOptions{Started: r.Log}); len(again.Changes) != 0 {
				t.Errorf("the second init changed %+v", again.Changes)
			}
			plan, err := Uninstall(d.ctx, d.conn, d.name, UninstallOptions{})
			if err != nil || len(plan.Kept) != 0 {
				t.Errorf("%+v, %v", plan, err)
			}
		})
	}
}
