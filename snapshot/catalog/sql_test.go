package catalog_test

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// psql runs SQL as a person would, and fails the test where any statement fails.
// It does so in an empty folder, whose files afterwards it returns.
func psql(t *testing.T, db *pgx.Conn, sql []byte) []string {
	t.Helper()
	dir := t.TempDir()
	c := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(server.BinDir(), "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1",
		"-d", server.ConnString(db.Config().Database), "-f", "-")
	c.Stdin, c.Dir = bytes.NewReader(sql), dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v: %s", err, out)
	}
	made, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func written(t *testing.T, s catalog.Script, o catalog.SQLOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.WriteSQL(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPsqlMakesTheDatabaseFromTheWrittenSQL(t *testing.T) {
	source, target := newRich(t, "source"), newDatabase(t, "target")
	both := catalog.SQLOptions{Sections: []catalog.Section{catalog.PostData, catalog.PreData}}
	sql := written(t, ddl(t, read(t, source), catalog.DDLOptions{}), both)
	if again := written(t, ddl(t, read(t, source), catalog.DDLOptions{}), both); !bytes.Equal(sql, again) {
		t.Error("the same database was written differently")
	}
	psql(t, target, sql)
	equal(t, "pg_dump of source and copy", dump(t, source), dump(t, target))
}

func TestNothingInNamesIsACommandToPsql(t *testing.T) {
	source, target := newDatabase(t, "source"), newDatabase(t, "target")
	evil := "x\n\\! touch made\n"
	quoted := catalog.QuoteIdent(evil)
	literal := "E'" + strings.NewReplacer("\\", "\\\\", "\n", "\\n").Replace(evil) + "'"
	run(t, source, "CREATE SCHEMA "+quoted+"; CREATE TABLE "+quoted+"."+quoted+" ("+quoted+" text DEFAULT "+literal+" CHECK ("+quoted+" <> "+literal+"));"+
		"COMMENT ON TABLE "+quoted+"."+quoted+" IS "+literal+"; CREATE INDEX "+catalog.QuoteIdent("i"+evil)+" ON "+quoted+"."+quoted+" ("+quoted+");"+
		"CREATE FUNCTION "+quoted+"."+quoted+"() RETURNS text LANGUAGE sql AS $f$SELECT '\n\\! touch made\n'$f$;"+
		"CREATE VIEW "+quoted+".v AS SELECT "+literal+" AS "+quoted+", (ARRAY[1, 2])[1:2] AS slice; CREATE TYPE "+quoted+".e AS ENUM ("+literal+")")
	sections := []catalog.Section{catalog.PreData, catalog.PostData}
	if made := psql(t, target, written(t, ddl(t, read(t, source), catalog.DDLOptions{}), catalog.SQLOptions{Sections: sections})); len(made) > 0 {
		t.Errorf("psql ran a command out of a name: %v", made)
	}
	equal(t, "DDL of source and copy", text(ddl(t, read(t, source), catalog.DDLOptions{})), text(ddl(t, read(t, target), catalog.DDLOptions{})))
}

func TestTheDataSectionSetsSequencesAndFillsViews(t *testing.T) {
	source, target := newDatabase(t, "source"), newDatabase(t, "target")
	run(t, source, `CREATE SEQUENCE public.q; CREATE SEQUENCE public."Never"; CREATE MATERIALIZED VIEW public.m AS SELECT 1 AS one`)
	script := ddl(t, read(t, source), catalog.DDLOptions{})
	values := map[uint32]catalog.SequenceValue{}
	for oid, name := range script.Sequences {
		if name.Name == "q" {
			values[oid] = catalog.SequenceValue{Last: 7, Called: true}
		}
	}
	sections := []catalog.Section{catalog.PreData, catalog.Data, catalog.PostData}
	psql(t, target, written(t, script, catalog.SQLOptions{Sections: sections, Sequences: values}))
	if got := strings.TrimSpace(texts(t, target, `SELECT nextval('public.q') || ' ' || nextval('public."Never"') || ' ' || one FROM public.m`)); got != "8 1 1" {
		t.Errorf("sequences and view: %s", got)
	}
	without := string(written(t, script, catalog.SQLOptions{Sections: []catalog.Section{catalog.PreData, catalog.PostData}, Sequences: values}))
	if strings.Contains(without, "setval") || strings.Contains(without, "REFRESH") {
		t.Error("rows or values without the data section")
	}
}
