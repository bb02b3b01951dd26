package catalog_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// largeObjects is all there is to tell of a database's large objects but their bytes.
func largeObjects(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	var s string
	err := conn.QueryRow(t.Context(), `
		SELECT string_agg(concat_ws(' ', m.oid, pg_get_userbyid(lomowner), (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(lomacl) a), d.description), E'\n' ORDER BY m.oid)
		FROM pg_largeobject_metadata m LEFT JOIN pg_description d ON d.classoid = 'pg_largeobject'::regclass AND d.objoid = m.oid`).Scan(&s)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func finish(t *testing.T, conn *pgx.Conn, l *catalog.LargeObjects, o catalog.DDLOptions) {
	t.Helper()
	for sql, err := range l.Finish(o, catalog.LargeObjectBatch) {
		if err != nil {
			t.Fatal(err)
		}
		run(t, conn, sql)
	}
}

func TestLargeObjectsKeepTheirOIDsOwnersGrantsAndComments(t *testing.T) {
	source, target := newDatabase(t, "source"), newDatabase(t, "target")
	run(t, source, `
		SELECT count(lo_create(o)) FROM generate_series(20000, 23499) o;
		SELECT lo_create(4294967295), lo_create(30000), lo_create(30001), lo_create(30010), lo_create(30020), lo_create(30030);
		ALTER LARGE OBJECT 30000 OWNER TO cat_owner; ALTER LARGE OBJECT 30001 OWNER TO cat_owner; ALTER LARGE OBJECT 30020 OWNER TO cat_owner;
		GRANT SELECT ON LARGE OBJECT 20010, 20011, 20013 TO PUBLIC;
		GRANT SELECT, UPDATE ON LARGE OBJECT 30001 TO cat_reader WITH GRANT OPTION;
		SET ROLE cat_reader; GRANT SELECT ON LARGE OBJECT 30001 TO cat_other; RESET ROLE;
		REVOKE ALL ON LARGE OBJECT 30020 FROM cat_owner;
		COMMENT ON LARGE OBJECT 30010 IS E'it''s a \\ "comment",\ntwo lines'; COMMENT ON LARGE OBJECT 20000 IS 'grüße'`)
	c := read(t, source)
	l := &c.LargeObjects
	if len(l.Groups) > 8 || l.Readable().Len() != 3506 || l.Unreadable().Len() != 0 || l.PageBytes != 2048 {
		t.Errorf("%d groups, %d objects, %d not readable, pages of %d bytes", len(l.Groups), l.Readable().Len(), l.Unreadable().Len(), l.PageBytes)
	}
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := catalog.Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	l = &decoded.LargeObjects
	for _, sql := range l.Create(catalog.DDLOptions{}) {
		run(t, target, sql)
	}
	finish(t, target, l, catalog.DDLOptions{})
	equal(t, "large objects of source and copy", largeObjects(t, source), largeObjects(t, target))
	again, _ := json.Marshal(read(t, target).LargeObjects)
	first, _ := json.Marshal(l)
	equal(t, "model of source and copy", string(first), string(again))

	all, foreign, err := catalog.TargetLargeObjects(t.Context(), target)
	if err != nil || all.String() != l.Readable().String() || len(foreign) != 0 {
		t.Errorf("the target is said to have %v, not removable %v: %v", all, foreign, err)
	}
	for sql := range catalog.UnlinkLargeObjects(all.And(catalog.OIDs{{First: 20000, Last: 30000}}), 100) {
		run(t, target, sql)
	}
	if all, _, err = catalog.TargetLargeObjects(t.Context(), target); err != nil || all.String() != "30001,30010,30020,30030,4294967295" {
		t.Errorf("left are %v (%v)", all, err)
	}
	for sql := range catalog.UnlinkLargeObjects(all, catalog.LargeObjectBatch) {
		run(t, target, sql)
	}
	for _, sql := range l.Create(catalog.DDLOptions{NoOwner: true}) {
		run(t, target, sql)
	}
	finish(t, target, l, catalog.DDLOptions{NoPrivileges: true, NoOwner: true})
	if c := read(t, target).LargeObjects; len(c.Groups) != 1 || c.Groups[0].Owner != "postgres" || c.Groups[0].Items != nil || len(c.Notes) != 2 {
		t.Errorf("without owners and privileges: %+v", c)
	}
}

func TestARoleReadsTheLargeObjectsThatAreItsOwnOrGrantedToIt(t *testing.T) {
	conn := newDatabase(t, "source")
	run(t, conn, `
		SELECT count(lo_create(o)) FROM generate_series(40001, 40007) o;
		ALTER LARGE OBJECT 40001 OWNER TO cat_reader; ALTER LARGE OBJECT 40002 OWNER TO cat_owner;
		GRANT SELECT ON LARGE OBJECT 40003 TO cat_reader; GRANT SELECT ON LARGE OBJECT 40004 TO PUBLIC; GRANT UPDATE ON LARGE OBJECT 40005 TO cat_reader;
		ALTER LARGE OBJECT 40006 OWNER TO cat_reader; REVOKE SELECT ON LARGE OBJECT 40006 FROM cat_reader`)
	for role, want := range map[string][2]string{"cat_reader": {"40001,40003-40004", "40002,40005-40007"}, "postgres": {"40001-40007", ""}, "pg_read_all_data": {"40001-40007", ""}} {
		run(t, conn, "SET ROLE "+role)
		l := read(t, conn).LargeObjects
		if got := [2]string{l.Readable().String(), l.Unreadable().String()}; got != want {
			t.Errorf("%s reads %s and not %s, want %v", role, got[0], got[1], want)
		}
		if part := l.Restorable(); part.Readable().String() != want[0] || part.Unreadable().Len() != 0 {
			t.Errorf("%s: restorable are %v", role, part.Readable())
		}
		for oid := range l.Readable().All() {
			if role != "pg_read_all_data" { // it reads them through pg_largeobject
				run(t, conn, fmt.Sprintf("SELECT lo_get(%d)", oid))
			}
		}
		for oid := range l.Unreadable().All() {
			if _, err := conn.Exec(t.Context(), "SELECT lo_get($1)", oid); err == nil {
				t.Errorf("%s may read %d", role, oid)
			}
		}
	}
}

func TestALargeObjectWhoseOwnerIsGoneIsTheRestoringRoles(t *testing.T) {
	source, target := newDatabase(t, "source"), newDatabase(t, "target")
	run(t, source, `SELECT lo_create(50001); SET allow_system_table_mods = on; UPDATE pg_largeobject_metadata SET lomowner = 987654, lomacl = ARRAY[makeaclitem(987654, 987654, 'SELECT', false), makeaclitem(0, 987654, 'SELECT', false)]`)
	l := &read(t, source).LargeObjects
	if got := l.Ownerless().String(); got != "50001" {
		t.Errorf("without owner are %s", got)
	}
	for _, need := range l.Needs(catalog.DDLOptions{}) {
		if need.Kind == catalog.NeedOwner {
			t.Errorf("needed is %+v", need)
		}
	}
	for _, sql := range l.Create(catalog.DDLOptions{}) {
		run(t, target, sql)
	}
	finish(t, target, l, catalog.DDLOptions{NoPrivileges: true})
	if got := largeObjects(t, target); got != "50001 postgres" {
		t.Errorf("the copy is %s", got)
	}
}

func TestSecurityLabelsOfLargeObjectsAreTheirNotes(t *testing.T) {
	conn := newDatabase(t, "source")
	run(t, conn, `SELECT count(lo_create(o)) FROM generate_series(50001, 50003) o; COMMENT ON LARGE OBJECT 50001 IS 'x';
		SET allow_system_table_mods = on;
		INSERT INTO pg_seclabel SELECT o, 'pg_largeobject'::regclass, 0, p, 'it''s ' || o FROM unnest(ARRAY[50001, 50003]) o, unnest(ARRAY['dummy', 'Another One']) p`)
	c := read(t, conn)
	if len(c.Unsupported) > 0 {
		t.Errorf("not held: %v", c.Unsupported)
	}
	for _, w := range []struct {
		o    catalog.DDLOptions
		want string
	}{
		{catalog.DDLOptions{}, `COMMENT ON LARGE OBJECT 50001 IS 'x';
SECURITY LABEL FOR "Another One" ON LARGE OBJECT 50001 IS 'it''s 50001';
SECURITY LABEL FOR dummy ON LARGE OBJECT 50001 IS 'it''s 50001';
SECURITY LABEL FOR "Another One" ON LARGE OBJECT 50003 IS 'it''s 50003';
SECURITY LABEL FOR dummy ON LARGE OBJECT 50003 IS 'it''s 50003';
`},
		{catalog.DDLOptions{NoSecurityLabels: true}, "COMMENT ON LARGE OBJECT 50001 IS 'x';\n"},
	} {
		var got string
		for sql, err := range c.LargeObjects.Finish(w.o, 1) {
			if err != nil {
				t.Fatal(err)
			}
			got += sql
		}
		equal(t, "notes", w.want, got)
	}
}
