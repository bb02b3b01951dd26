package engine

import (
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/snapshot"
)

// largeSchema has large objects in every form, of two owners, with grants and comments, and a table that names one.
var largeSchema = []string{
	`DO $$ BEGIN CREATE ROLE lo_owner; EXCEPTION WHEN duplicate_object THEN END $$`,
	`CREATE TABLE t (id int PRIMARY KEY, picture oid)`,
	`SELECT lo_create(50000)`,
	`SELECT lo_from_bytea(50001, 'short')`,
	`SELECT lo_from_bytea(50002, decode(repeat('00ff', 2048), 'hex'))`,
	`SELECT lo_from_bytea(50003, decode(repeat('0123456789abcdef', 100000), 'hex'))`,
	`SELECT lo_create(50004)`, `SELECT lo_put(50004, 300000, 'after a hole')`,
	`SELECT lo_from_bytea(50005, 'before')`, `SELECT lo_put(50005, 10000, 'middle')`, `SELECT lo_put(50005, 500001, 'end')`,
	`SELECT lo_from_bytea(50006, decode(repeat('aa', 6000), 'hex'))`, `SELECT lo_truncate64(lo_open(50006, 131072), 4096)`,
	`SELECT lo_create(50007)`, `SELECT lo_truncate64(lo_open(50007, 131072), 20480)`,
	`SELECT lo_from_bytea(50008, decode(repeat('bb', 6000), 'hex'))`, `SELECT lo_truncate64(lo_open(50008, 131072), 2048)`, `SELECT lo_put(50008, 4096, 'on')`,
	`SELECT lo_from_bytea(50009, decode(repeat('00', 10), 'hex'))`,
	`SELECT count(lo_from_bytea((60000 + i)::oid, convert_to(repeat('number ' || i, i % 900), 'UTF8'))) FROM generate_series(1, 2500) i`,
	`ALTER LARGE OBJECT 50003 OWNER TO lo_owner`, `ALTER LARGE OBJECT 60002 OWNER TO lo_owner`,
	`GRANT SELECT ON LARGE OBJECT 50001, 60001 TO PUBLIC`, `GRANT UPDATE ON LARGE OBJECT 50003 TO postgres`,
	`REVOKE ALL ON LARGE OBJECT 60002 FROM lo_owner`, `COMMENT ON LARGE OBJECT 50003 IS 'a picture'`,
	`INSERT INTO t VALUES (1, 50003)`,
}

// largeOf is everything about a database's large objects, their bytes as size and MD5.
func largeOf(t *testing.T, db string) string {
	t.Helper()
	return value(t, db, `SELECT string_agg(concat_ws(' ', m.oid, pg_get_userbyid(lomowner), lomacl::text, d.description, length(lo_get(m.oid)), md5(lo_get(m.oid))), E'\n' ORDER BY m.oid)
		FROM pg_largeobject_metadata m LEFT JOIN pg_description d ON d.classoid = 'pg_largeobject'::regclass AND d.objoid = m.oid`)
}

func sameObjects(t *testing.T, want, db string) {
	t.Helper()
	got := largeOf(t, db)
	if got == want {
		return
	}
	wants, gots := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(wants), len(gots)) {
		a, b := "nothing", "nothing"
		if i < len(wants) {
			a = wants[i]
		}
		if i < len(gots) {
			b = gots[i]
		}
		if a != b {
			t.Fatalf("large objects differ (%d, %d), the first:\nwant %.300s\ngot  %.300s", len(wants), len(gots), a, b)
		}
	}
}

func TestLargeObjectsAreRestoredAsOfTheSnapshot(t *testing.T) {
	place, db := protect(t, largeSchema...)
	want := largeOf(t, db)
	exec(t, db, "SELECT lo_put(50001, 0, 'LATER')", "SELECT lo_unlink(50002)", "SELECT lo_create(70000)", "INSERT INTO t VALUES (2, 70000)")
	drain(t, place, db)
	for _, jobs := range []int{1, 3} {
		to := newDatabase(t)
		r, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Jobs: jobs})
		if err != nil {
			t.Fatal(err)
		}
		sameObjects(t, want, to)
		if r.LargeObjects != 2510 || r.Plan.LargeObjects != 2510 || len(r.Tables) != 1 {
			t.Errorf("restored %d of %d large objects and %d tables", r.LargeObjects, r.Plan.LargeObjects, len(r.Tables))
		}
		if value(t, to, "SELECT count(*)::text FROM t") != "2" {
			t.Error("the table is not as of the target")
		}
		said := strings.Join(r.Plan.LeftOut, "\n")
		if !strings.Contains(said, "changes of large objects after the snapshot") {
			t.Errorf("what is not exact is not said: %s", said)
		}
	}
	list, err := List(t.Context(), ListOptions{Place: place})
	if err != nil || list.Sources[0].Snapshots[0].Inexact.LargeObjects != 2510 {
		t.Errorf("list: %v, %v", list, err)
	}
	if _, err := Verify(t.Context(), VerifyOptions{Place: place}); err != nil {
		t.Error(err)
	}
	show, err := Show(t.Context(), ShowOptions{Place: place})
	if err != nil || show.LargeObjects != 2510 || len(show.Unsupported) > 0 || len(show.Unfollowed) != 1 {
		t.Errorf("show: %+v, %v", show, err)
	}
}

func TestPgDumpSeesTheSameLargeObjects(t *testing.T) {
	db := newDatabase(t, largeSchema...)
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, db)
	to := newDatabase(t)
	r, err := Restore(t.Context(), RestoreOptions{Place: place, To: to})
	if err != nil {
		t.Fatal(err)
	}
	if said := strings.Join(r.Plan.LeftOut, "\n"); strings.Contains(said, "large objects") {
		t.Errorf("at the snapshot's own instant all is exact, and it is said: %s", said)
	}
	dump := func(db string) string {
		return dumped(t, server, "pg_dump", "PGRECALL_TEST_PG_DUMP", "--no-sync", "-d", db)
	}
	if a, b := dump(db), dump(to); a != b {
		t.Errorf("pg_dump of source and copy differ, in %d and %d bytes", len(a), len(b))
	}
}

func TestLargeObjectsThatAreThereAreRefusedOrUnlinked(t *testing.T) {
	db := newDatabase(t, largeSchema...)
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, db)
	to := newDatabase(t, "SELECT lo_from_bytea(60005, 'theirs'), lo_from_bytea(50001, 'theirs')", "SELECT lo_from_bytea(80000, 'theirs')")
	before := largeOf(t, to)
	_, err := Restore(t.Context(), RestoreOptions{Place: place, To: to})
	contains(t, err, "50001, 60005", "--clean", "--no-large-objects")
	if largeOf(t, to) != before || value(t, to, "SELECT to_regclass('t')::text") != "NULL" {
		t.Error("a refused restore changed the target")
	}
	r, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Clean: true, DryRun: true})
	if err != nil || r.Plan.Unlinks.String() != "50001,60005" || largeOf(t, to) != before {
		t.Fatalf("plan: %+v, %v", r, err)
	}
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Clean: true}); err != nil {
		t.Fatal(err)
	}
	if value(t, to, "SELECT convert_from(lo_get(80000), 'UTF8')") != "theirs" {
		t.Error("an object that is not of the restore was touched")
	}
	exec(t, to, "SELECT lo_unlink(80000)")
	sameObjects(t, largeOf(t, db), to)

	// Rows alone bring them too; objects alone, tables, and copies do not.
	exec(t, to, "TRUNCATE t", "SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE oid BETWEEN 60000 AND 61000", "SELECT lo_put(50001, 0, 'SPOILED')")
	_, err = Restore(t.Context(), RestoreOptions{Place: place, To: to, Scope: RestoreDataOnly})
	contains(t, err, "50000-50009, 61001-62500")
	if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Scope: RestoreDataOnly, Clean: true}); err != nil {
		t.Fatal(err)
	}
	sameObjects(t, largeOf(t, db), to)
	for name, o := range map[string]RestoreOptions{"schema only": {Scope: RestoreSchemaOnly}, "a table": {Tables: []string{"t"}}, "copies": {IntoSchema: "copies"}, "-B": {NoLargeObjects: true}} {
		o.Place, o.To = place, newDatabase(t)
		r, err := Restore(t.Context(), o)
		if err != nil || r.LargeObjects != 0 || largeOf(t, o.To) != "NULL" {
			t.Errorf("%s: %v", name, err)
		}
		if said := strings.Join(r.Plan.LeftOut, "\n"); strings.Contains(said, "large objects") != (name == "copies") {
			t.Errorf("%s: left out is said to be %q", name, said)
		}
	}
}

func TestASnapshotWithoutLargeObjectsIsToldFromOneOfADatabaseThatHasNone(t *testing.T) {
	db := newDatabase(t, largeSchema...)
	place := Place{Repository: t.TempDir() + "/repo"}
	s, err := Snapshot(t.Context(), SnapshotOptions{Place: place, DB: db, LargeObjects: snapshot.LargeObjectsNever})
	if err != nil || s.LargeObjects != 0 || len(s.Unsupported) != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	to := newDatabase(t)
	r, err := Restore(t.Context(), RestoreOptions{Place: place, To: to})
	if err != nil || largeOf(t, to) != "NULL" {
		t.Fatal(err)
	}
	if said := strings.Join(r.Plan.LeftOut, "\n"); !strings.Contains(said, "all 2510 large objects: the snapshot was taken without them") {
		t.Errorf("left out is said to be %q", said)
	}
}

func TestAnOrdinaryRoleBacksUpItsLargeObjectsAndRestoresThem(t *testing.T) {
	db := newDatabase(t, largeSchema...)
	const user = "lo_tenant"
	exec(t, db, "DO $$ BEGIN CREATE ROLE lo_tenant LOGIN CREATEDB IN ROLE lo_owner; EXCEPTION WHEN duplicate_object THEN END $$",
		`DO $$ DECLARE o oid; BEGIN FOR o IN SELECT oid FROM pg_largeobject_metadata WHERE oid < 60000 AND oid <> 50003 LOOP
			EXECUTE format('ALTER LARGE OBJECT %s OWNER TO lo_tenant', o); END LOOP; END $$`,
		"ALTER TABLE t OWNER TO lo_tenant", "GRANT SELECT ON LARGE OBJECT 60005 TO lo_owner", "GRANT CREATE ON SCHEMA public TO lo_tenant")
	as := strings.Replace(db, "postgres@", user+"@", 1)
	place := Place{Repository: t.TempDir() + "/repo"}
	s, err := Snapshot(t.Context(), SnapshotOptions{Place: place, DB: as})
	if err != nil || s.LargeObjects != 12 {
		t.Fatalf("%+v, %v", s, err)
	}
	if said := strings.Join(s.Unsupported, "\n"); !strings.Contains(said, "of role postgres, 60003-60004, 60006-62500") || !strings.Contains(said, "of role lo_owner, 60002") {
		t.Errorf("not in the snapshot is said to be %s", said)
	}
	// 60001 and 60005 are postgres's, to which the role cannot give them.
	to := newDatabase(t, "GRANT CREATE ON SCHEMA public TO lo_tenant")
	o := RestoreOptions{Place: place, To: strings.Replace(to, "postgres@", user+"@", 1)}
	_, err = Restore(t.Context(), o)
	contains(t, err, user, "postgres", "--no-owner")
	o.NoOwner, o.NoPrivileges = true, true
	if _, err := Restore(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	const bytes = `SELECT string_agg(concat_ws(' ', oid, length(lo_get(oid)), md5(lo_get(oid))), E'\n' ORDER BY oid) FROM pg_largeobject_metadata WHERE oid < 60000 OR oid IN (60001, 60005)`
	if want, got := value(t, db, bytes), value(t, to, bytes); want != got {
		t.Errorf("want\n%s\ngot\n%s", want, got)
	}
	if n := value(t, to, "SELECT count(*)::text FROM pg_largeobject_metadata"); n != "12" {
		t.Errorf("%s large objects were restored", n)
	}
}

func TestLargeObjectsThatAreNotCompleteAreRemovedAgain(t *testing.T) {
	db := newDatabase(t, largeSchema...)
	place := Place{Repository: t.TempDir() + "/repo"}
	take(t, place, db)
	to := newDatabase(t, "SELECT lo_from_bytea(80000, 'theirs')")
	flip(t, objects(t, place, ".part")[0])
	_, err := Restore(t.Context(), RestoreOptions{Place: place, To: to})
	if ExitCode(err) != 4 {
		t.Errorf("%v: want an integrity failure", err)
	}
	contains(t, err, "large objects made were removed again")
	if got := value(t, to, "SELECT string_agg(oid::text, ' ') FROM pg_largeobject_metadata"); got != "80000" {
		t.Errorf("left are the large objects %s", got)
	}
}
