package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgrecall/pgrecall/format"
)

// protect makes a database, follows it and takes a snapshot of it.
func protect(t *testing.T, statements ...string) (Place, string) {
	t.Helper()
	db := newDatabase(t, statements...)
	place := Place{Repository: filepath.Join(t.TempDir(), "repo")}
	if _, err := Init(t.Context(), InitOptions{Place: place, DB: db}); err != nil {
		t.Fatal(err)
	}
	// The test's own context has ended by then, and the server has 20 slots for all tests.
	t.Cleanup(func() { _, _ = Uninstall(context.Background(), UninstallOptions{Place: place, DB: db}) })
	take(t, place, db)
	return place, db
}

func take(t *testing.T, place Place, db string) *SnapshotResult {
	t.Helper()
	r, err := Snapshot(t.Context(), SnapshotOptions{Place: place, DB: db})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func drain(t *testing.T, place Place, db string) *StreamResult {
	t.Helper()
	r, err := Stream(t.Context(), StreamOptions{Place: place, DB: db, Once: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// drainOnly drains without taking a version of the catalog, as where none can be read.
func drainOnly(t *testing.T, place Place, db string) {
	t.Helper()
	if _, err := Stream(t.Context(), StreamOptions{Place: place, DB: db, Once: true, NoVersions: true}); err != nil {
		t.Fatal(err)
	}
}

// truth is the source at one point.
type truth struct {
	name     string
	target   Target
	contents string
}

func TestEveryKindOfTargetRestoresExactlyItsPoint(t *testing.T) {
	place, db := protect(t, schema...)
	conn := open(t, db)
	var truths []truth
	steps := [][]string{
		{`UPDATE users SET name = 'renamed ' || id WHERE id % 7 = 0`, `DELETE FROM orders WHERE id % 11 = 0`},
		{`INSERT INTO orders (user_id, amount, items) SELECT 5, i, ARRAY[NULL, E'\\', 'x'] FROM generate_series(1, 300) i`, `UPDATE log SET line = 'changed' WHERE line = 'line 7'`},
		{`UPDATE orders SET id = -id WHERE id < 50`, `DELETE FROM log WHERE line = 'line 3'`, `INSERT INTO log SELECT 'twice', NULL FROM generate_series(1, 5)`},
		{`UPDATE events SET day = '2026-01-01' WHERE id % 5 = 0`, `DELETE FROM events WHERE id = 7`},
		{`TRUNCATE log`, `INSERT INTO log VALUES ('after', now())`},
		{`DELETE FROM users WHERE id > 100`},
	}
	for i, step := range steps {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, sql := range step {
			if _, err := tx.Exec(t.Context(), sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
		var xid uint64
		if err := tx.QueryRow(t.Context(), "SELECT pg_current_xact_id()::text::bigint").Scan(&xid); err != nil {
			t.Fatal(err)
		}
		if i == 1 || i == 4 {
			truths = append(truths, truth{fmt.Sprintf("before step %d", i), Target{Kind: TargetBeforeXID, XID: xid}, truths[len(truths)-1].contents})
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		var lsnText string
		var at time.Time
		if err := conn.QueryRow(t.Context(), "SELECT pg_current_wal_insert_lsn()::text, clock_timestamp()").Scan(&lsnText, &at); err != nil {
			t.Fatal(err)
		}
		lsn, _ := format.ParseLSN(lsnText)
		now := contents(t, db)
		all := []truth{
			{fmt.Sprintf("step %d by xid", i), Target{Kind: TargetXID, XID: xid}, now},
			{fmt.Sprintf("step %d by LSN", i), Target{Kind: TargetLSN, LSN: lsn}, now},
			{fmt.Sprintf("step %d by time", i), Target{Kind: TargetTime, Time: at}, now}}
		truths = append(truths, all[i%3], all[(i+1)%3])
		if i == 2 {
			if _, err := Mark(t.Context(), MarkOptions{Place: place, DB: db, Name: "half way"}); err != nil {
				t.Fatal(err)
			}
			truths = append(truths, truth{"mark", Target{Kind: TargetMark, Name: "half way"}, now})
			drain(t, place, db)
		}
	}
	truths = append(truths, truth{"latest", Target{}, contents(t, db)})
	if _, err := Mark(t.Context(), MarkOptions{Place: place, DB: db, Name: "end"}); err != nil {
		t.Fatal(err)
	}
	drain(t, place, db)
	for _, c := range truths {
		to := newDatabase(t)
		r, err := Restore(t.Context(), RestoreOptions{Place: place, To: to, Target: c.target})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := contents(t, to); got != c.contents {
			t.Errorf("%s: the rows differ (reached %+v)\nwant\n%s\ngot\n%s", c.name, r.Reached, c.contents, got)
		}
		exec(t, "host="+hostOf(to)+" dbname=postgres", "DROP DATABASE "+nameOfDB(to)+" WITH (FORCE)")
	}
	for _, target := range []Target{
		{Kind: TargetLSN, LSN: 1 << 60}, {Kind: TargetTime, Time: time.Now().Add(time.Hour)}, {Kind: TargetTime, Time: time.Now().Add(-time.Hour)},
		{Kind: TargetXID, XID: 1 << 40}, {Kind: TargetMark, Name: "never"}, {Kind: TargetSnapshot, Name: "ffff"},
	} {
		if _, err := Restore(t.Context(), RestoreOptions{Place: place, To: db, Target: target}); ExitCode(err) != 3 {
			t.Errorf("%v: %v, want exit code 3", target, err)
		}
	}
	if _, err := Mark(t.Context(), MarkOptions{Place: place, DB: db, Name: "end"}); ExitCode(err) != 2 {
		t.Errorf("a mark used before: %v, want exit code 2", err)
	}
}

func hostOf(conninfo string) string {
	c, err := parseConn(conninfo)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s port=%d user=%s", c.Host, c.Port, c.User)
}

func nameOfDB(conninfo string) string {
	c, err := parseConn(conninfo)
	if err != nil {
		return ""
	}
	return c.Database
}

func TestWhatActsOnRowsPutBackIsNamed(t *testing.T) {
	place, db := protect(t, "CREATE TABLE users (id int PRIMARY KEY, name text)", "INSERT INTO users VALUES (1, 'a'), (2, 'b')",
		"CREATE TABLE visits (id int, day int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)", "CREATE TABLE visits1 PARTITION OF visits FOR VALUES FROM (1) TO (9)",
		"CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
		"CREATE TRIGGER \"lou\nd\" BEFORE UPDATE OR INSERT ON users FOR EACH ROW EXECUTE FUNCTION shout()",
		"CREATE TRIGGER later BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION shout()",
		"CREATE TRIGGER off BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION shout()", "ALTER TABLE users DISABLE TRIGGER off",
		"CREATE RULE also AS ON INSERT TO users DO ALSO SELECT 1", "CREATE TRIGGER each AFTER INSERT ON visits FOR EACH ROW EXECUTE FUNCTION shout()",
		"CREATE TRIGGER once AFTER INSERT ON visits FOR EACH STATEMENT EXECUTE FUNCTION shout()")
	drain(t, place, db)
	exec(t, db, "DELETE FROM users WHERE id = 1")
	r, err := Restore(t.Context(), RestoreOptions{Place: place, To: db, Tables: []string{"users", "visits"}, IntoSchema: "rescue"})
	if err != nil || len(r.PutBack) != 2 {
		t.Fatalf("%v, %v", r, err)
	}
	told := "-- these act on it, as on any INSERT, and can change what is put back: "
	for table, want := range map[string]string{`"users"`: "trigger \"lou d\", rule \"also\"\n", `"visits1"`: "trigger \"each\"\n"} {
		i := slices.IndexFunc(r.PutBack, func(sql string) bool { return strings.Contains(sql, `INSERT INTO "public".`+table) })
		if i < 0 || !strings.HasPrefix(r.PutBack[i], told+want) {
			t.Errorf("%s: %q", table, r.PutBack)
		}
	}
	exec(t, db, r.PutBack...)
}

func TestOneTableIsRestoredBesideTheLiveOne(t *testing.T) {
	place, db := protect(t, schema...)
	if _, err := Mark(t.Context(), MarkOptions{Place: place, DB: db, Name: "good"}); err != nil {
		t.Fatal(err)
	}
	good := value(t, db, "SELECT md5(string_agg(u::text, ',' ORDER BY id)) FROM users u")
	exec(t, db, "DELETE FROM users WHERE id % 2 = 0")
	drain(t, place, db)
	r, err := Restore(t.Context(), RestoreOptions{Place: place, To: db, Target: Target{Kind: TargetMark, Name: "good"}, Tables: []string{"users"}, IntoSchema: "rescue"})
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, db, "SELECT md5(string_agg(u::text, ',' ORDER BY id)) FROM rescue.users u"); got != good {
		t.Error("the copy differs from the table as it was")
	}
	if len(r.PutBack) != 1 {
		t.Fatalf("put back: %q", r.PutBack)
	}
	exec(t, db, r.PutBack...)
	if got := value(t, db, "SELECT md5(string_agg(u::text, ',' ORDER BY id)) FROM users u"); got != good {
		t.Error("the live table differs after the missing rows were put back")
	}
	if got := value(t, db, "SELECT pg_get_serial_sequence('rescue.users', 'id')"); !strings.HasPrefix(got, "rescue.") {
		t.Errorf("the copy's sequence is %s", got)
	}
	renamed, err := Restore(t.Context(), RestoreOptions{Place: place, To: db, Target: Target{Kind: TargetMark, Name: "good"}, Rename: map[string]string{"users": "users_then"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, db, "SELECT md5(string_agg(u::text, ',' ORDER BY id)) FROM users_then u"); got != good {
		t.Errorf("the renamed copy differs: %+v", renamed.Tables)
	}
}
