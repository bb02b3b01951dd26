package snapshot

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// manyLargeObjects makes large objects in every form: empty; small; of whole pages; with holes, in them and before their
// beginning; cut to a whole page, which leaves a page of no bytes; longer than their last byte; with pages short in the middle.
const manyLargeObjects = `
	SELECT lo_create(50000);
	SELECT lo_from_bytea(50001, 'short');
	SELECT lo_from_bytea(50002, decode(repeat('00ff', 2048), 'hex'));
	SELECT lo_from_bytea(50003, decode(repeat('0123456789abcdef', 200000), 'hex'));
	SELECT lo_create(50004); SELECT lo_put(50004, 3000000, 'after a hole');
	SELECT lo_from_bytea(50005, 'before'); SELECT lo_put(50005, 10000, 'middle'); SELECT lo_put(50005, 5000001, 'end');
	SELECT lo_from_bytea(50006, decode(repeat('aa', 6000), 'hex')); SELECT lo_truncate64(lo_open(50006, 131072), 4096);
	SELECT lo_create(50007); SELECT lo_truncate64(lo_open(50007, 131072), 20480);
	SELECT lo_from_bytea(50008, 'tail'); SELECT lo_truncate64(lo_open(50008, 131072), 5000);
	SELECT lo_from_bytea(50009, decode(repeat('bb', 6000), 'hex')); SELECT lo_truncate64(lo_open(50009, 131072), 2048); SELECT lo_put(50009, 4096, 'on');
	SELECT lo_from_bytea(50010, decode(repeat('00', 1048576), 'hex')); SELECT lo_from_bytea(50011, decode(repeat('00', 10), 'hex'));
	SELECT lo_from_bytea(50012, decode(repeat('cc', 2097152), 'hex')); SELECT lo_from_bytea(50013, decode(repeat('dd', 2097153), 'hex'));
	SELECT lo_from_bytea(0, convert_to('number ' || i, 'UTF8')) FROM generate_series(1, 300) i;`

// sizes is the size of each large object now and the MD5 of its bytes.
func (d *database) sizes() map[string]string {
	d.t.Helper()
	rows, err := d.conn.Query(d.t.Context(), `SELECT oid::text, length(lo_get(oid)) || ' ' || md5(lo_get(oid)) FROM pg_largeobject_metadata`)
	if err != nil {
		d.t.Fatal(err)
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var oid, size string
		if err := rows.Scan(&oid, &size); err != nil {
			d.t.Fatal(err)
		}
		all[oid] = size
	}
	if err := rows.Err(); err != nil {
		d.t.Fatal(err)
	}
	return all
}

// sizes is the same from the pages in a snapshot, without the objects that have none.
func (m *memorySink) sizes(t *testing.T, taken *Taken) map[string]string {
	t.Helper()
	contents := map[string][]byte{}
	for line := range bytes.Lines(m.rows(t, taken, "pg_largeobject")) {
		fields := strings.Split(strings.TrimSuffix(string(line), "\n"), "\t")
		page, err := strconv.Atoi(fields[1])
		if err != nil {
			t.Fatal(err)
		}
		data, err := hex.DecodeString(strings.TrimPrefix(fields[2], `\\x`))
		if err != nil {
			t.Fatal(err)
		}
		b := contents[fields[0]]
		if end := page*2048 + len(data); len(b) < end {
			b = append(b, make([]byte, end-len(b))...)
		}
		copy(b[page*2048:], data)
		contents[fields[0]] = b
	}
	all := map[string]string{}
	for oid, b := range contents {
		all[oid] = fmt.Sprintf("%d %x", len(b), md5.Sum(b))
	}
	return all
}

func sameSizes(t *testing.T, want, got map[string]string) {
	t.Helper()
	for oid, size := range want {
		if got[oid] != size && (got[oid] != "" || !strings.HasPrefix(size, "0 ")) {
			t.Errorf("large object %s: %q in the snapshot, want %q", oid, got[oid], size)
		}
	}
	for oid := range got {
		if want[oid] == "" {
			t.Errorf("large object %s should not be in the snapshot", oid)
		}
	}
}

func TestLargeObjectsAreCopiedAsOfTheSnapshot(t *testing.T) {
	noLeak(t)
	d := newDatabase(t)
	d.exec(manyLargeObjects)
	want := d.sizes()
	for _, jobs := range []int{1, 3} {
		t.Run(fmt.Sprint(jobs), func(t *testing.T) {
			change := d.during("planned", func() {
				d.exec(`SELECT lo_put(50001, 0, 'LATER'); SELECT lo_unlink(50003); SELECT lo_from_bytea(60000, 'later'); SELECT lo_put(50004, 0, 'x')`)
			})
			taken, sink := d.take(Options{Jobs: jobs, PartBytes: 64 << 10, at: change})
			sameSizes(t, want, sink.sizes(t, taken))
			table := taken.table(t, "pg_largeobject")
			if table.OID != format.LargeObjectTable || len(table.Parts) < 2 || table.Identity.Kind != format.IdentityNone || len(table.Columns) != 3 {
				t.Errorf("the table of large objects: %+v", table)
			}
			if n := taken.Catalog.LargeObjects.Readable().Len(); n != len(want) {
				t.Errorf("the catalog tells %d large objects, want %d", n, len(want))
			}
			d.exec(`SELECT lo_put(50001, 0, 'short'); SELECT lo_from_bytea(50003, decode(repeat('0123456789abcdef', 200000), 'hex')); SELECT lo_unlink(60000);
				SELECT lo_put(50004, 0, decode('00', 'hex'))`)
		})
	}
}

func TestATableOfLargeObjectsThatIsRewrittenIsReadAnew(t *testing.T) {
	d := newDatabase(t)
	d.exec(manyLargeObjects)
	want := d.sizes()
	for name, joins := range map[string]*format.LogStart{"alone": nil, "with a log": d.logStart()} {
		t.Run(name, func(t *testing.T) {
			other := connect(t, d.config)
			rewrite := d.during("planned", func() {
				if _, err := other.Exec(t.Context(), "VACUUM FULL pg_largeobject"); err != nil {
					t.Error(err)
				}
			})
			taken, sink := d.take(Options{Jobs: 2, PartBytes: 64 << 10, Joins: joins, at: rewrite})
			sameSizes(t, want, sink.sizes(t, taken))
			if len(taken.Envelope.Groups) != 1 {
				t.Errorf("the large objects were read in a snapshot of their own")
			}
		})
	}
}

func TestARoleWithoutRightsOnTheirTableCopiesItsLargeObjects(t *testing.T) {
	noLeak(t)
	d := newDatabase(t)
	d.exec(manyLargeObjects + `
		DROP ROLE IF EXISTS lo_user; CREATE ROLE lo_user LOGIN;
		SELECT lo_from_bytea(70000, 'not for others'); SELECT lo_from_bytea(70001, 'for all'); GRANT SELECT ON LARGE OBJECT 70001 TO PUBLIC;
		DO $$ DECLARE o oid; BEGIN FOR o IN SELECT oid FROM pg_largeobject_metadata WHERE oid < 70000 LOOP
			EXECUTE format('ALTER LARGE OBJECT %s OWNER TO lo_user', o); END LOOP; END $$`)
	want := d.sizes()
	delete(want, "70000")
	as := *d
	as.config = d.config.Copy()
	as.config.User = "lo_user"
	for _, jobs := range []int{1, 3} {
		taken, sink := as.take(Options{Jobs: jobs, PartBytes: 64 << 10, at: d.during("planned", func() {
			d.exec(`SELECT lo_put(50001, 0, 'LATER')`)
		})})
		sameSizes(t, want, sink.sizes(t, taken))
		d.exec(`SELECT lo_put(50001, 0, 'short')`)
		if got := taken.Catalog.LargeObjects.Unreadable().String(); got != "70000" {
			t.Errorf("not readable are %s", got)
		}
		if table := taken.table(t, "pg_largeobject"); len(table.Parts) < 2 {
			t.Errorf("the table of large objects: %+v", table)
		}
	}
	// A hole of gigabytes costs no bytes.
	d.exec(`SELECT lo_create(80000); SELECT lo_put(80000, 3000000000, 'far'); ALTER LARGE OBJECT 80000 OWNER TO lo_user`)
	taken, sink := as.take(Options{})
	rows := string(sink.rows(t, taken, "pg_largeobject"))
	if i := strings.Index(rows, "80000\t"); !strings.HasPrefix(rows[i:], "80000\t1464843\t") || strings.Count(rows, "80000\t") != 1 {
		t.Errorf("the object with a large hole is copied as %.100s", rows[i:])
	}
}

func TestLargeObjectsAreLeftOutAsPgDumpDoes(t *testing.T) {
	d := newDatabase(t)
	d.exec(`CREATE TABLE t (a int); SELECT lo_from_bytea(50001, 'short')`)
	one := catalog.Selection{Tables: []string{"t"}}
	for _, o := range []struct {
		Options
		copied bool
	}{
		{Options{}, true}, {Options{LargeObjects: LargeObjectsAlways}, true}, {Options{LargeObjects: LargeObjectsNever}, false},
		{Options{Selection: one}, false}, {Options{Selection: catalog.Selection{ExcludeTables: one.Tables}}, true}, {Options{Selection: one, LargeObjects: LargeObjectsAlways}, true},
	} {
		taken, _ := d.take(o.Options)
		if copied := taken.Body.LargeObjects() != nil; copied != o.copied {
			t.Errorf("%+v: copied: %v", o.Options, copied)
		}
		if n := taken.Catalog.LargeObjects.Readable().Len(); n != 1 {
			t.Errorf("%+v: the catalog tells %d large objects", o.Options, n)
		}
	}
}
