package snapshot

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// awkward has a column of every kind of value that is written in a way of its own.
const awkward = `
CREATE TYPE mood AS ENUM ('sad', 'o''k', 'tab	bed');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN pairs AS int[];
CREATE TYPE pair AS (a text, "B b" mood);
CREATE TYPE span AS RANGE (subtype = float8);
CREATE TABLE values_ (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text, v varchar(40), c char(5), b bytea, i int, n numeric, r float4, d float8,
	bool boolean, ts timestamp, tz timestamptz, da date, ti time, tt timetz, iv interval, m mood, p positive, pa pairs, co pair, cs pair[],
	j json, jb jsonb, u uuid, x xml, ip inet, bits bit varying, mo money, box box[], rg int4range, sp span, mr int4multirange, ts_ tsvector,
	cl regclass, twice bigint GENERATED ALWAYS AS (i::bigint * 2) STORED);
INSERT INTO values_ (t) VALUES (NULL), (''), ('\'), ('\N'), ('\.'), (E'a\tb\nc\rd\be\ff\vg'), (E'\\n'), ('ä€𝄞'), (repeat('long ', 3000)), (E'x\\'), (' ');
INSERT INTO values_ (v, c, b) VALUES ('', '', ''), ('\\', 'ab', '\x00ff0a5c09'), (E'\n', ' ', decode(repeat('00', 5000), 'hex'));
INSERT INTO values_ (n, r, d, i) VALUES ('NaN', '-0', '-0', 0), ('1.500', 'NaN', 'Infinity', -2147483648), (1e-20, 1e-45, 4.9406564584124654e-324, 7),
	('-Infinity', 0.1, 0.1, 1), (123456789012345678901234567890.123456789, 3.4028235e38, 1.7976931348623157e308, 2);
INSERT INTO values_ (ts, tz, da, ti, tt, iv, bool) VALUES ('infinity', '-infinity', '0044-03-15 BC', '24:00', '12:00+05:30', '-1 year 2 mons -3 days 04:05:06.7', true),
	('0001-01-01 00:00:00 BC', '2024-02-29 23:59:59.999999+14', 'infinity', '00:00:00.000001', '00:00-15:59', '0', false);
INSERT INTO values_ (m, p, pa, co, cs, rg, sp, mr) VALUES ('o''k', 1, '{1,NULL,-1}', ROW('a,"b\c', 'tab	bed'), ARRAY[ROW(NULL, 'sad'), ROW('', NULL)]::pair[], '[1,5)', '[-0.5,Infinity)', '{[1,2),[5,8)}'),
	(NULL, NULL, '[5:6]={1,2}', NULL, '{}', 'empty', NULL, '{}');
INSERT INTO values_ (j, jb, u, x, ip, bits, mo, box, ts_, cl) VALUES (' { "a" : "\u00e9\n" } ', '{"b":[1,2.50,null],"a":"\\"}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
	'<a>&amp;	</a>', '::1/64', B'0101', '-1234.56', '{(1,2),(3,4);(5,6),(7,8)}', 'it''s:1A "a\b":2', 'pg_class'), (NULL, 'null', NULL, NULL, NULL, B'', NULL, '{}', '', 'values_');
`

func TestEveryAwkwardValueIsCopiedAsPostgreSQLWritesIt(t *testing.T) {
	noLeak(t)
	d := newDatabase(t)
	d.exec(awkward)
	d.exec(`ALTER DATABASE ` + d.config.Database + ` SET datestyle = 'German'`)
	d.exec(`ALTER DATABASE ` + d.config.Database + ` SET extra_float_digits = -3`)
	d.exec(`ALTER DATABASE ` + d.config.Database + ` SET timezone = 'Asia/Kolkata'`)
	d.exec(`ALTER DATABASE ` + d.config.Database + ` SET default_transaction_read_only = on`)
	taken, sink := d.take(Options{})
	table := taken.table(t, "values_")
	var names []string
	for _, c := range table.Columns {
		names = append(names, c.Name)
	}
	if slices.Contains(names, "twice") {
		t.Error("a generated column was copied")
	}
	want := d.copyOut(`COPY public.values_ (`+strings.Join(names, ", ")+`) TO STDOUT`, "UTF8")
	if got := sink.rows(t, taken, "values_"); !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if table.Rows != int64(bytes.Count(want, []byte("\n"))) || table.Identity.Kind != format.IdentityKey || !slices.Equal(table.Identity.Attnums, []int16{1}) {
		t.Errorf("%d rows, identity %+v", table.Rows, table.Identity)
	}
	// And back.
	d.exec(`SET default_transaction_read_only = off`)
	d.exec(`CREATE TABLE loaded (LIKE values_ INCLUDING GENERATED)`)
	conn, err := Connect(t.Context(), d.config, taken.Envelope.Encoding)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	n, err := CopyIn(t.Context(), conn.PgConn(), "public", "loaded", names, bytes.NewReader(want))
	if err != nil || n != table.Rows {
		t.Fatalf("loaded %d rows: %v", n, err)
	}
	again := d.copyOut(`COPY public.loaded (`+strings.Join(names, ", ")+`) TO STDOUT`, "UTF8")
	if !bytes.Equal(again, want) {
		t.Errorf("loaded\n%s\nwant\n%s", again, want)
	}
}

func TestRowsOfEveryEncodingAreCopiedByteForByte(t *testing.T) {
	for _, encoding := range []string{"LATIN1", "SQL_ASCII", "EUC_JP", "WIN1251"} {
		t.Run(encoding, func(t *testing.T) {
			noLeak(t)
			d := newDatabase(t, "ENCODING '"+encoding+"'", "LOCALE 'C'")
			name := map[string]string{"LATIN1": `Größe "x"\`, "SQL_ASCII": "plain", "EUC_JP": `表 "x"\`, "WIN1251": `Таблица "x"\`}[encoding]
			q := quoter{client: "UTF8", server: encoding}
			d.exec(`SET client_encoding = UTF8`)
			d.exec(`CREATE TABLE ` + q.ident(name) + ` (` + q.ident(name) + ` text)`)
			bytesOf := map[string]string{"LATIN1": `\xe4f6ff80a0`, "SQL_ASCII": `\xe4fffe80c328`, "EUC_JP": `\xc9bda4a2`, "WIN1251": `\xd2e0e1eb`}[encoding]
			d.exec(`INSERT INTO ` + q.ident(name) + ` SELECT convert_from('` + bytesOf + `'::bytea, '` + encoding + `') || E'\t\\' FROM generate_series(1, 3)`)
			d.exec(`VACUUM ` + q.ident(name))
			taken, sink := d.take(Options{})
			if taken.Envelope.Encoding != encoding {
				t.Errorf("the snapshot says %s", taken.Envelope.Encoding)
			}
			got := sink.rows(t, taken, name)
			raw := d.text(`SELECT encode('` + bytesOf + `'::bytea, 'hex')`)
			if want := fmt.Sprintf("%s5c745c5c0a", raw); fmt.Sprintf("%x", got) != strings.Repeat(want, 3) {
				t.Errorf("got %x, want 3 times %s", got, want)
			}
			d.exec(`TRUNCATE ` + q.ident(name))
			conn, err := Connect(t.Context(), d.config, encoding)
			if err != nil {
				t.Fatal(err)
			}
			defer closeConn(t.Context(), conn)
			if n, err := CopyIn(t.Context(), conn.PgConn(), "public", name, []string{name}, bytes.NewReader(got)); err != nil || n != 3 {
				t.Errorf("loaded %d rows: %v", n, err)
			}
			if back := d.copyOut("COPY "+quoterOf(conn.PgConn()).table("public", name)+" TO STDOUT", encoding); !bytes.Equal(back, got) {
				t.Errorf("loaded %x, want %x", back, got)
			}
		})
	}
}

func TestEachTableIsCopiedAloneWhateverItsKindAndName(t *testing.T) {
	noLeak(t)
	d := newDatabase(t)
	odd := `we"ird
 tab	le; -- ä\`
	quoted := quoter{client: "UTF8"}.ident
	d.exec(`CREATE SCHEMA ` + quoted(odd))
	d.exec(`CREATE TABLE ` + quoted(odd) + `.` + quoted(odd) + ` (` + quoted(odd) + ` int, "select" int)`)
	d.exec(`INSERT INTO ` + quoted(odd) + `.` + quoted(odd) + ` VALUES (1, 2)`)
	d.exec(`
		CREATE TABLE parent (a int); INSERT INTO parent VALUES (1);
		CREATE TABLE child (b int) INHERITS (parent); INSERT INTO child VALUES (2, 3);
		CREATE TABLE whole (a int) PARTITION BY LIST (a);
		CREATE TABLE half1 PARTITION OF whole FOR VALUES IN (1);
		CREATE TABLE half2 (b int GENERATED ALWAYS AS (1) STORED, dropped int, a int); ALTER TABLE half2 DROP COLUMN dropped; ALTER TABLE half2 DROP COLUMN b;
		ALTER TABLE whole ATTACH PARTITION half2 FOR VALUES IN (2);
		INSERT INTO whole VALUES (1), (2), (2);
		CREATE TABLE no_columns (); INSERT INTO no_columns DEFAULT VALUES; INSERT INTO no_columns DEFAULT VALUES;
		CREATE TABLE generated_only (g int GENERATED ALWAYS AS (5) STORED); INSERT INTO generated_only DEFAULT VALUES;
		CREATE UNLOGGED TABLE unlogged (a int); INSERT INTO unlogged VALUES (9);
		CREATE TABLE empty (a int);
		CREATE TABLE emptied (a int); INSERT INTO emptied VALUES (1); DELETE FROM emptied;
		CREATE TABLE dropped_column (a int, b int, c int); INSERT INTO dropped_column VALUES (1, 2, 3); ALTER TABLE dropped_column DROP COLUMN b;
		CREATE TABLE added_column (a int); INSERT INTO added_column VALUES (1); ALTER TABLE added_column ADD COLUMN b text DEFAULT 'missing';
		CREATE TABLE protected (a int); INSERT INTO protected VALUES (1); ALTER TABLE protected ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
		CREATE TEMP TABLE temporary (a int)`)
	taken, sink := d.take(Options{Jobs: 3})
	for name, want := range map[string]string{
		odd: "1\t2\n", "parent": "1\n", "child": "2\t3\n", "half1": "1\n", "half2": "2\n2\n", "no_columns": "\n\n", "generated_only": "\n", "unlogged": "9\n",
		"empty": "", "emptied": "", "dropped_column": "1\t3\n", "added_column": "1\tmissing\n", "protected": "1\n",
	} {
		if got := string(sink.rows(t, taken, name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if len(taken.Body.Tables) != 13 {
		t.Errorf("%d tables", len(taken.Body.Tables))
	}
	if n := len(taken.table(t, "empty").Parts); n != 0 {
		t.Errorf("an empty table has %d parts", n)
	}
}

func TestARangeOfAnInheritanceParentHasNoRowsOfItsChildren(t *testing.T) {
	d := newDatabase(t)
	d.exec(`CREATE TABLE parent (a int, no_columns text); ALTER TABLE parent DROP COLUMN no_columns; CREATE TABLE child () INHERITS (parent);
		INSERT INTO parent SELECT g FROM generate_series(1, 2000) g; INSERT INTO child SELECT g FROM generate_series(10001, 12000) g;
		CREATE TABLE no_columns (); INSERT INTO no_columns SELECT FROM generate_series(1, 3000)`)
	taken, sink := d.take(Options{PartBytes: 16 << 10})
	for name, first := range map[string]string{"parent": "1\n", "child": "10001\n"} {
		if lines := sink.lines(t, taken, name); len(lines) != 2000 || lines[0] != first || len(taken.table(t, name).Parts) < 3 {
			t.Errorf("%s has %d rows in %d parts", name, len(lines), len(taken.table(t, name).Parts))
		}
	}
	if table := taken.table(t, "no_columns"); table.Rows != 3000 || table.RawBytes != 3000 || len(table.Parts) < 3 {
		t.Errorf("a table without columns has %d rows of %d bytes in %d parts", table.Rows, table.RawBytes, len(table.Parts))
	}
}

func TestASelectionRestrictsRowsAndIsRecorded(t *testing.T) {
	d := newDatabase(t)
	d.exec(`CREATE TABLE a (id serial); CREATE TABLE b (id serial); CREATE SCHEMA s; CREATE TABLE s.c (id int)`)
	taken, _ := d.take(Options{Selection: catalog.Selection{Tables: []string{"a"}, Schemas: []string{"s"}}})
	var names []string
	for _, table := range taken.Body.Tables {
		names = append(names, table.Name)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"a", "c"}) {
		t.Errorf("took %v", names)
	}
	if taken.Body.Filter == nil || !slices.Equal(taken.Body.Filter.Tables, []string{"a"}) {
		t.Errorf("the filter is %+v", taken.Body.Filter)
	}
	if len(taken.Body.Sequences) != 1 || taken.Body.Sequences[0].Name != "a_id_seq" {
		t.Errorf("sequences %+v", taken.Body.Sequences)
	}
	if len(taken.Catalog.Tables) != 3 {
		t.Errorf("the catalog has %d tables", len(taken.Catalog.Tables))
	}
}

func TestSequencesAreSampledAtTheirStateNeverBelow(t *testing.T) {
	d := newDatabase(t)
	d.exec(`CREATE SEQUENCE fresh START 7; CREATE SEQUENCE used; SELECT nextval('used') FROM generate_series(1, 5);
		CREATE SEQUENCE set_back; SELECT setval('set_back', 42, false); CREATE SEQUENCE down INCREMENT -1; SELECT nextval('down') FROM generate_series(1, 3);
		CREATE SEQUENCE restarted; SELECT setval('restarted', 1000); CREATE SEQUENCE dropped; SELECT setval('dropped', 5)`)
	taken, _ := d.take(Options{at: d.during("planned", func() {
		d.exec(`ALTER SEQUENCE restarted RESTART; DROP SEQUENCE dropped; SELECT nextval('used'), nextval('down'); ALTER SEQUENCE fresh RENAME TO renamed`)
	})})
	got := map[string]string{}
	for _, s := range taken.Body.Sequences {
		got[s.Name] = fmt.Sprint(s.Value, s.Called)
	}
	for name, want := range map[string]string{"renamed": "7 false", "used": "6 true", "set_back": "42 false", "down": "-4 true", "restarted": "1000 true", "dropped": "5 true"} {
		if got[name] != want {
			t.Errorf("%s: %s, want %s", name, got[name], want)
		}
	}
	if taken.Body.SampledAt < taken.Envelope.Groups[0].LSN {
		t.Error("sampled before the snapshot")
	}
}

func TestATableWhoseFileIsGoneIsNotTakenForAnEmptyOne(t *testing.T) {
	d := newDatabase(t)
	d.exec(`CREATE TABLE empty (a int); CREATE TABLE gone (a int); INSERT INTO gone VALUES (1); CHECKPOINT`)
	file := filepath.Join(server.DataDir(), d.text("SELECT pg_relation_filepath('gone')"))
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(t.Context(), d.config, Options{}, &memorySink{}); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("the snapshot ended with %v", err)
	}
	d.exec(`DROP TABLE gone`)
	d.take(Options{})
}
