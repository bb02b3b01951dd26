package oracle

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// scene is a server with the workload's schema, and a session in a transaction on it.
func scene(t *testing.T) (*session, []table) {
	t.Helper()
	ctx := t.Context()
	server, err := pgtemp.Start(ctx, pgtemp.Options{Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Remove(); err != nil {
			t.Error(err)
		}
	})
	db, err := server.NewDatabase(ctx, databaseName)
	if err != nil {
		t.Fatal(err)
	}
	s, err := connect(ctx, db, truthSettings())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close(t.Context()) })
	if err := makeSchema(ctx, s); err != nil {
		t.Fatal(err)
	}
	tables, err := ordinaryTables(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	return s, tables
}

const content = `
INSERT INTO app.events SELECT i / 3, NULL, '-0', 'same', NULL FROM generate_series(1, 300) i;
INSERT INTO app.audit SELECT i, 'what' || i, '\x00ff', '{"a": 1}' FROM generate_series(1, 100) i;
INSERT INTO app.documents SELECT i, 'path' || i, 1, repeat(i::text, 2000), NULL FROM generate_series(1, 50) i;
INSERT INTO app.measures SELECT i, 'north', NULL, i, '' FROM generate_series(1, 50) i;
INSERT INTO app.nothing SELECT FROM generate_series(1, 5);
INSERT INTO app.accounts (email, note) SELECT i, 'note' FROM generate_series(1, 20) i`

func TestTheComparisonNoticesTheSmallestDifference(t *testing.T) {
	s, tables := scene(t)
	ctx := t.Context()
	if err := s.run(ctx, content); err != nil {
		t.Fatal(err)
	}
	want, err := readTables(ctx, s, tables, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, sql, table string }{
		{"a changed byte", "UPDATE app.audit SET what = 'What7' WHERE id = 7", "app.audit"},
		{"a changed byte far into a value stored out of line",
			"UPDATE app.documents SET body = overlay(body placing 'x' from 1999) WHERE tenant = 7", "app.documents"},
		{"a lost row", "DELETE FROM app.audit WHERE id = 100", "app.audit"},
		{"a lost row of several equal ones", "DELETE FROM app.events WHERE ctid = (SELECT ctid FROM app.events WHERE kind = 7 LIMIT 1)", "app.events"},
		{"a doubled row", "INSERT INTO app.events SELECT * FROM app.events WHERE kind = 7 LIMIT 1", "app.events"},
		{"two doubled rows that are equal", "INSERT INTO app.events SELECT * FROM app.events WHERE kind = 7 LIMIT 2", "app.events"},
		{"one equal row instead of another", "UPDATE app.events SET kind = 8 WHERE ctid = (SELECT ctid FROM app.events WHERE kind = 7 LIMIT 1)", "app.events"},
		{"values of two rows exchanged",
			"UPDATE app.documents SET body = (SELECT d.body FROM app.documents d WHERE d.tenant = 17 - documents.tenant) WHERE tenant IN (8, 9)",
			"app.documents"},
		{"an empty string instead of NULL", "UPDATE app.documents SET extra = '' WHERE tenant = 1", "app.documents"},
		{"a NULL instead of an empty string", "UPDATE app.measures_north SET body = NULL WHERE id = 1", "app.measures_north"},
		{"0 instead of -0", "UPDATE app.events SET amount = 0 WHERE ctid = (SELECT ctid FROM app.events LIMIT 1)", "app.events"},
		{"a row without columns", "INSERT INTO app.nothing DEFAULT VALUES", "app.nothing"},
		{"a generated value",
			"UPDATE app.accounts SET note = 'notE' WHERE email = '3'; ALTER TABLE app.accounts ALTER shout DROP EXPRESSION; UPDATE app.accounts SET note = 'note', shout = 'x' WHERE email = '3'",
			"app.accounts"},
		{"all rows lost", "DELETE FROM app.audit", "app.audit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := s.run(ctx, "BEGIN; "+c.sql); err != nil {
				t.Fatal(err)
			}
			got, err := readTables(ctx, s, tables, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			differences := compare(want, got)
			if len(differences) != 1 || !strings.HasPrefix(differences[0], "table "+c.table+": ") {
				t.Errorf("differences found: %q, want one in %s", differences, c.table)
			}
			if rows := differingRows(want.files[c.table], got.files[c.table]); !strings.Contains(rows, "rows lost:") && !strings.Contains(rows, "rows extra:") {
				t.Errorf("the differing rows are not shown: %q", rows)
			}
			if err := s.run(ctx, "ROLLBACK"); err != nil {
				t.Fatal(err)
			}
		})
	}
	again, err := readTables(ctx, s, tables, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if differences := compare(want, again); len(differences) > 0 {
		t.Errorf("the same tables differ: %q", differences)
	}
}

func TestTheComparisonNoticesTablesAndObjects(t *testing.T) {
	s, tables := scene(t)
	ctx := t.Context()
	all, err := readTables(ctx, s, tables, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	fewer := &truth{tables: maps.Clone(all.tables), files: all.files}
	delete(fewer.tables, "app.audit")
	if len(compare(all, fewer)) == 0 || len(compare(fewer, all)) == 0 {
		t.Error("a table that only one side has is not noticed")
	}
	want, err := readObjects(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"ALTER TABLE app.audit REPLICA IDENTITY DEFAULT", "DROP INDEX app.ledger_account_idx", "ALTER TABLE app.events ALTER at SET NOT NULL",
		"ALTER TABLE app.vehicles ALTER wheels SET DEFAULT 5", "DROP VIEW app.rich", "ALTER SEQUENCE app.downward MINVALUE -5",
	} {
		if err := s.run(ctx, "BEGIN; "+sql); err != nil {
			t.Fatal(err)
		}
		got, err := readObjects(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		if len(compareObjects(want, got)) == 0 {
			t.Errorf("%s is not noticed", sql)
		}
		if err := s.run(ctx, "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOnlyForeignKeysThatAreNotValidAreNoDifference(t *testing.T) {
	other := []string{"not restored: constraint app.b b_fkey FOREIGN KEY (a) REFERENCES app.a(id)",
		"restored and not there before: constraint app.b c_fkey FOREIGN KEY (a) REFERENCES app.a(id) NOT VALID"}
	key := "constraint app.a a_fkey FOREIGN KEY (a) REFERENCES app.a(id)"
	got := unvalidated(append([]string{"not restored: " + key, "restored and not there before: " + key + " NOT VALID"}, other...))
	if !slices.Equal(got, other) {
		t.Errorf("differences: %q", got)
	}
}

func TestASequenceBehindItsRowsIsNoticed(t *testing.T) {
	s, _ := scene(t)
	ctx := t.Context()
	if err := s.run(ctx, content+"; INSERT INTO app.ledger (ticket) SELECT nextval('app.tickets') FROM generate_series(1, 9)"); err != nil {
		t.Fatal(err)
	}
	if failures, err := behind(ctx, s); err != nil || len(failures) > 0 {
		t.Fatalf("%q, %v, want nothing", failures, err)
	}
	for sequence, last := range map[string]int{"app.accounts_id_seq": 19, "app.ledger_id_seq": 1001, "app.tickets": 8, "app.downward": -8} {
		if err := s.run(ctx, "BEGIN; SELECT setval('"+sequence+"', "+strconv.Itoa(last)+")"); err != nil {
			t.Fatal(err)
		}
		failures, err := behind(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		if len(failures) != 1 || !strings.Contains(failures[0], sequence) {
			t.Errorf("%q, want one about %s", failures, sequence)
		}
		far := "1000000" // setval does not roll back
		if sequence == "app.downward" {
			far = "-1000000"
		}
		if err := s.run(ctx, "ROLLBACK; SELECT setval('"+sequence+"', "+far+")"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheTruthIsTheCommittedState takes points while writers write, without any backup: a locked point's truth must be
// the same again when read by a slot's snapshot with the writers stopped, and each row must be summed up once.
func TestTheTruthIsTheCommittedState(t *testing.T) {
	s, tables := scene(t)
	ctx := t.Context()
	db := "postgres://postgres@127.0.0.1:" + serverPort(t, s) + "/" + databaseName + "?sslmode=disable"
	all, err := readObjects(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	o := &observer{db: db, ddl: newHistory(t.TempDir(), all), dir: filepath.Join(t.TempDir(), "truth")}
	load := startWriters(ctx, db, 3, 1, false)
	for n, tries := 0, 0; n < 6; tries++ {
		_, err := o.next(ctx, n == 3, func(context.Context, string) error { return nil })
		if err == nil {
			n++
		} else if tries > 50 {
			t.Fatal(err)
		}
	}
	if err := load.end(); err != nil {
		t.Fatal(err)
	}
	if err := resolveOnce(ctx, s, newDice(1, 1), ""); err != nil {
		t.Fatal(err)
	}
	p, err := o.next(ctx, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := readTables(ctx, s, tables, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if differences := compare(want, p[0].truth); len(differences) > 0 {
		t.Errorf("the slot's snapshot differs from what is committed: %q", differences)
	}
	empty := 0
	for _, sum := range want.tables {
		if sum.Rows == 0 {
			empty++
		}
	}
	t.Logf("%d committed, %d rolled back, %d of %d tables empty", load.committed.Load(), load.rolledBack.Load(), empty, len(want.tables))
}

func serverPort(t *testing.T, s *session) string {
	t.Helper()
	port, err := s.value(t.Context(), "SELECT inet_server_port()")
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestRefusalsAreCountedByWhatTheyHaveInCommon(t *testing.T) {
	for text, want := range map[string]string{
		"the target lies across a statement, and no version of the catalog was taken at the target, as where one statement follows the other: CREATE DOMAIN d AS text CHECK (VALUE <> ''); nearest exact point before: --before-xid 7": "no version of the catalog",
		"the target lies across a statement that this version cannot fold: ALTER TABLE on a.t1 in transaction 7: ALTER TABLE a.t1 ALTER b TYPE bigint (it rewrote table a.t1, and why); nearest exact point before: none":              "(it rewrote …, and why)",
	} {
		if got := (&refusedError{"restore", errors.New(text)}).reason(); got != want {
			t.Errorf("%q is counted as %q", text, got)
		}
	}
}
