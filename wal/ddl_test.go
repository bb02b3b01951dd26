package wal

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestCaptureTellsEachCommand(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE keyed (a int PRIMARY KEY, b text)", "CREATE TABLE plain (a int)",
		"CREATE TABLE parent (a int PRIMARY KEY, b text) PARTITION BY LIST (a)", "CREATE TABLE leaf PARTITION OF parent DEFAULT",
		"CREATE TYPE mood AS ENUM ('sad', 'glad')", "CREATE DOMAIN moods AS mood[]", "CREATE TYPE pair AS (m moods, n int)",
		"CREATE TABLE moody (a int PRIMARY KEY, p pair)", "CREATE MATERIALIZED VIEW seen AS SELECT * FROM keyed",
		"CREATE FUNCTION noise() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$")
	d.init(InitOptions{})
	app := d.connect("postgres")
	for _, c := range []struct {
		sql    string
		want   string // tags, and what marks each
		tables string // names of the tables touched that still exist
	}{
		{"CREATE TABLE new1 (a int PRIMARY KEY)", "CREATE TABLE", "new1"},
		{"CREATE TABLE new2 (a int)", "ALTER TABLE internal, CREATE TABLE kept", "new2"},
		{"CREATE TABLE IF NOT EXISTS new2 (a int)", "", ""},
		{"DROP TABLE IF EXISTS nothing", "", ""},
		{"ALTER TABLE keyed ADD c int DEFAULT 7", "ALTER TABLE", "keyed"},
		{"ALTER TABLE keyed ALTER c TYPE bigint", "ALTER TABLE rewrite, ALTER TABLE", "keyed"},
		{"ALTER TABLE keyed DROP c", "ALTER TABLE dropped, ALTER TABLE", "keyed"},
		{"ALTER TABLE parent ADD c int", "ALTER TABLE", "leaf,parent"},
		{"ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'", "ALTER TYPE", "moody"},
		{"ALTER TYPE pair ADD ATTRIBUTE o text", "ALTER TYPE", "moody"},
		{"CREATE INDEX ON keyed (b)", "CREATE INDEX", ""},
		{"CREATE INDEX CONCURRENTLY late ON keyed (b)", "CREATE INDEX", ""},
		{"REINDEX TABLE keyed", "", ""},
		{"REFRESH MATERIALIZED VIEW seen", "REFRESH MATERIALIZED VIEW", "seen"},
		{"GRANT SELECT ON keyed TO app", "GRANT", ""},
		{"COMMENT ON TABLE keyed IS 'x'", "COMMENT", "keyed"},
		{"DROP TABLE new1, new2", "DROP TABLE dropped", ""},
		{"CREATE TEMP TABLE fleeting (a serial, b mood)", "", ""},
		{"CREATE INDEX ON fleeting (a)", "", ""},
		{"ALTER TABLE fleeting ADD c int DEFAULT random() PRIMARY KEY", "", ""},
		{"CREATE TRIGGER n BEFORE INSERT ON fleeting FOR EACH ROW EXECUTE FUNCTION noise()", "", ""},
		{"ALTER TABLE fleeting DROP CONSTRAINT fleeting_pkey, DROP a", "", ""},
		{"DROP TABLE fleeting", "", ""},
		{"CREATE TEMP VIEW gone AS SELECT 1", "", ""},
		{"DROP VIEW gone", "", ""},
		{"SELECT 1 AS a INTO TEMP fleeting", "", ""},
		{"ALTER SEQUENCE IF EXISTS nothing OWNED BY NONE", "ALTER SEQUENCE incomplete: ", ""},
		{"CREATE PUBLICATION other", "CREATE PUBLICATION", ""},
		{"DROP PUBLICATION other", "DROP PUBLICATION dropped", ""},
	} {
		d.skip()
		execOn(t, app, c.sql)
		ms := d.ddl()
		wantText(t, c.sql, tags(ms), c.want)
		var names []string
		for _, m := range ms {
			for _, table := range m.Tables {
				if !slices.Contains(names, table.Name) {
					names = append(names, table.Name)
				}
			}
			if !m.Internal && m.SearchPath != "public" || m.User != "postgres" || m.Statement != c.sql {
				t.Errorf("%s: user %q, search path %q, statement %q", c.sql, m.User, m.SearchPath, m.Statement)
			}
		}
		slices.Sort(names)
		wantText(t, c.sql+": tables", strings.Join(names, ","), c.tables)
	}
}

func TestCaptureTellsColumnsAndMissingValues(t *testing.T) {
	for _, encoding := range []struct{ options, text, bytes string }{
		{"", "'æ \"\\'", "æ \"\\"},
		{"ENCODING 'LATIN1' LOCALE 'C'", "'æ \"\\'", "\xe6 \"\\"},
		{"ENCODING 'SQL_ASCII' LOCALE 'C'", "E'\\xe6 \"\\\\'", "\xe6 \"\\"},
	} {
		t.Run(encoding.options, func(t *testing.T) {
			d := newDatabase(t, encoding.options)
			d.exec("CREATE TABLE k (a int PRIMARY KEY, gone int)", "ALTER TABLE k DROP gone")
			d.init(InitOptions{})
			d.exec("SET datestyle = 'German, DMY'", "SET timezone = 'Asia/Tokyo'")
			d.exec(`ALTER TABLE k ADD t text DEFAULT ` + encoding.text + `, ADD i int[] DEFAULT '{1,NULL,3}', ADD b box DEFAULT '(1,1),(0,0)',
				ADD w timestamptz DEFAULT '2020-02-03 04:05:06+00', ADD e text DEFAULT '', ADD f float8 DEFAULT 0.1, ADD n int,
				ADD s int GENERATED ALWAYS AS (a) STORED`)
			ms := d.ddl()
			last := ms[len(ms)-1]
			var got []string
			for _, c := range last.Tables[0].Columns {
				s := fmt.Sprintf("%d %s", c.Attnum, c.Name)
				if c.Dropped {
					s = fmt.Sprintf("%d dropped", c.Attnum)
				}
				if c.HasMissing {
					s += "=" + string(c.Missing)
				}
				got = append(got, s+c.Generated)
			}
			// A stored column rewrites the table, and a rewritten table has no missing values.
			want := "1 a|2 dropped|3 t|4 i|5 b|6 w|7 e|8 f|9 n|10 ss"
			wantText(t, "rewritten", strings.Join(got, "|"), want)

			d.skip()
			d.exec(`ALTER TABLE k DROP s, DROP t, DROP i, DROP b, DROP w, DROP e, DROP f`,
				`ALTER TABLE k ADD t text DEFAULT `+encoding.text+`, ADD i int[] DEFAULT '{1,NULL,3}', ADD b box DEFAULT '(1,1),(0,0)',
				ADD w timestamptz DEFAULT '2020-02-03 04:05:06+00', ADD e text DEFAULT '', ADD f float8 DEFAULT 0.1`)
			ms = d.ddl()
			last = ms[len(ms)-1]
			got = nil
			for _, c := range last.Tables[0].Columns {
				if c.HasMissing {
					got = append(got, c.Name+"="+string(c.Missing))
				}
			}
			want = "t=" + encoding.bytes + "|i={1,NULL,3}|b=(1,1),(0,0)|w=2020-02-03 04:05:06+00|e=|f=0.1"
			wantText(t, "missing values", strings.Join(got, "|"), want)
			again, err := json.Marshal(last)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := ParseDDL(string(again))
			if err != nil || fmt.Sprint(parsed) != fmt.Sprint(last) {
				t.Errorf("written and read again: %v %v\n%v", err, parsed, last)
			}
		})
	}
}

func TestCaptureKeepsSecretsOut(t *testing.T) {
	d := newDatabase(t)
	d.init(InitOptions{})
	for sql, kept := range map[string]bool{
		"CREATE FOREIGN DATA WRAPPER w":                                      true,
		"CREATE SERVER s FOREIGN DATA WRAPPER w":                             false,
		"CREATE USER MAPPING FOR app SERVER s":                               false,
		"CREATE TABLE a1 (a int); ALTER ROLE app PASSWORD 'hush'":            false,
		"CREATE TABLE b1 (a int); ALTER ROLE app PASSWORD U&'hush'":          false,
		"CREATE TABLE b2 (a int); ALTER ROLE app PASSWORD /* */ 'hush'":      false,
		"CREATE TABLE b3 (a int); SELECT 'postgres://app:hush@host/db'":      false,
		"CREATE TABLE a2 (password text, b int DEFAULT 1)":                   true,
		"DO $$BEGIN CREATE TABLE a3 (a int); PERFORM 'password=hush'; END$$": false,
	} {
		if strings.HasPrefix(sql, "CREATE SERVER") || strings.HasPrefix(sql, "CREATE USER") {
			d.exec("CREATE FOREIGN DATA WRAPPER w2", "CREATE SERVER IF NOT EXISTS s0 FOREIGN DATA WRAPPER w2")
			sql = strings.NewReplacer("SERVER s ", "SERVER s1 ", "WRAPPER w", "WRAPPER w2").Replace(sql)
			sql = strings.TrimSuffix(sql, "SERVER s") + map[bool]string{true: "SERVER s0"}[strings.HasSuffix(sql, "SERVER s")]
		}
		d.skip()
		d.exec(sql)
		ms := d.ddl()
		if len(ms) == 0 {
			t.Errorf("%s: no message", sql)
		}
		for _, m := range ms {
			if (m.Statement != "") != kept {
				t.Errorf("%s: statement %q", sql, m.Statement)
			}
		}
		d.exec("DROP FOREIGN DATA WRAPPER IF EXISTS w2 CASCADE")
	}
}

// TestCaptureNeverFailsTheStatement breaks each function in turn: the statement goes on, and the log says that
// something is missing.
func TestCaptureNeverFailsTheStatement(t *testing.T) {
	d := newDatabase(t)
	log := d.init(InitOptions{}).Log
	for _, f := range sourceFunctions() {
		if strings.HasPrefix(f.name, "on_") {
			continue
		}
		d.exec("CREATE TABLE was (a int PRIMARY KEY)", "CREATE TYPE mood AS ENUM ('sad')", "SET session_replication_role = replica",
			"ALTER EVENT TRIGGER pgrecall_sql_drop DISABLE", "ALTER EVENT TRIGGER pgrecall_ddl_command_end DISABLE",
			"DROP FUNCTION pgrecall."+f.name, "ALTER EVENT TRIGGER pgrecall_sql_drop ENABLE ALWAYS",
			"ALTER EVENT TRIGGER pgrecall_ddl_command_end ENABLE ALWAYS", "RESET session_replication_role")
		d.skip()
		d.exec("CREATE TABLE broken (a int)", "ALTER TABLE was ADD b int DEFAULT random()", "ALTER TYPE mood ADD VALUE 'glad'",
			"ALTER TABLE was DROP a", "DROP TABLE was, broken", "DROP TYPE mood")
		incomplete := 0
		for _, m := range d.ddl() {
			if m.Incomplete {
				incomplete++
			}
		}
		if incomplete == 0 {
			t.Errorf("without %s nothing is said to be incomplete", f.name)
		}
		again := d.init(InitOptions{Started: log})
		if !slices.ContainsFunc(again.Changes, func(c Change) bool { return strings.Contains(c.What, "pgrecall."+f.name) }) {
			t.Errorf("init did not bring %s back", f.name)
		}
	}
}

func TestParseDDLRefusesWhatItIsNot(t *testing.T) {
	for _, s := range []string{"", "{", "{}", `{"tag":1}`, `{"tag":"X","tables":[{"columns":[[1]]}]}`,
		`{"tag":"X","tables":[{"columns":[[1,"a",23,-1,false,"","zz"]]}]}`,
		`{"tag":"X","tables":[{"columns":[[1,"a",23,-1,false,"","7b22"]]}]}`} {
		if d, err := ParseDDL(s); err == nil {
			t.Errorf("%s: %+v", s, d)
		}
	}
}

func FuzzParseDDL(f *testing.F) {
	f.Add(`{"tag":"ALTER TABLE","tables":[{"oid":1,"columns":[[1,"a",23,-1,false,"","7b22615c22227d"]]}]}`)
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDDL(s)
		if err != nil {
			return
		}
		d.TouchedTables()
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseDDL(string(b)); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
	})
}
