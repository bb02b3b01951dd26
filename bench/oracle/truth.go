package oracle

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// truthSettings pin how values are written, on the source and on the restored copy alike.
func truthSettings() map[string]string {
	return map[string]string{
		"client_encoding": "UTF8", "datestyle": "ISO, YMD", "intervalstyle": "iso_8601", "timezone": "Asia/Tokyo", "extra_float_digits": "3",
		"bytea_output": "hex", "lc_monetary": "C", "search_path": "", "row_security": "off",
	}
}

// A truth is the state of all tables at one instant, or with partial of some.
type truth struct {
	tables  map[string]Sum
	partial bool
	// objects are those of the catalog, nil if they are not known.
	objects objects
	// files hold the rows of each table, so that a difference can be shown row by row.
	files map[string]string
}

// table is one ordinary table of the database.
type table struct {
	name string // quoted, with its schema
	// columns are quoted, in the order of their names: that of a restored child of an inheritance may be another.
	columns string
	file    string // of its rows, in the truth's folder
}

// ordinaryTables lists the tables with rows of their own: leaves of partitioned tables, and each member of an inheritance tree.
func ordinaryTables(ctx context.Context, s *session) ([]table, error) {
	rows, err := s.rows(ctx, `SELECT format('%I.%I', n.nspname, c.relname), coalesce((SELECT string_agg(quote_ident(a.attname),
		', ' ORDER BY a.attname COLLATE "C")
			FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '')
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT LIKE 'pg\_%' AND n.nspname NOT IN ('information_schema', 'pgrecall') ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	tables := make([]table, len(rows))
	for i, row := range rows {
		tables[i] = table{name: row[0], columns: row[1], file: fmt.Sprintf("%03d.copy", i)}
	}
	return tables, nil
}

// readTables reads tables in the session's open transaction and leaves their rows in dir.
func readTables(ctx context.Context, s *session, tables []table, dir string) (*truth, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	t := &truth{tables: make(map[string]Sum), files: make(map[string]string)}
	for _, tab := range tables {
		file := filepath.Join(dir, tab.file)
		sum, err := readTable(ctx, s, tab, file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", tab.name, err)
		}
		t.tables[tab.name], t.files[tab.name] = sum, file
	}
	return t, nil
}

// readTable sums up the rows of one table alone, without those of its children.
func readTable(ctx context.Context, s *session, t table, file string) (Sum, error) {
	f, err := os.Create(file)
	if err != nil {
		return Sum{}, err
	}
	buffered := bufio.NewWriterSize(f, 1<<20)
	summing := &summingWriter{keep: buffered}
	// A query, and not the table itself, so that generated columns are in it.
	_, err = s.conn.CopyTo(ctx, summing, "COPY (SELECT "+t.columns+" FROM ONLY "+t.name+") TO STDOUT")
	if err == nil && len(summing.rest) > 0 {
		err = errors.New("COPY ended within a row")
	}
	return summing.sum, errors.Join(err, buffered.Flush(), f.Close())
}

// summingWriter splits what COPY sends into lines. In COPY's text form a newline ends a row, always: those within values are escaped.
type summingWriter struct {
	sum  Sum
	rest []byte
	keep *bufio.Writer
}

func (w *summingWriter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			w.rest = append(w.rest, p...)
			_, err := w.keep.Write(p)
			return n, err
		}
		if _, err := w.keep.Write(p[:end+1]); err != nil {
			return 0, err
		}
		line := p[:end]
		if len(w.rest) > 0 {
			line = append(w.rest, line...)
			w.rest = w.rest[:0]
		}
		w.sum.Add(line)
		p = p[end+1:]
	}
}

// shown is how many rows of a difference are printed.
const shown = 3

// compare returns what differs between the truth and a copy, one line for each table, in order; empty if they are equal.
func compare(want, got *truth) []string {
	var differences []string
	for name, sum := range want.tables {
		copied, there := got.tables[name]
		if !there {
			differences = append(differences, fmt.Sprintf("table %s is missing", name))
		} else if copied != sum {
			differences = append(differences, fmt.Sprintf("table %s: %s instead of %s", name, copied, sum))
		}
	}
	if !want.partial && len(got.tables) > len(want.tables) {
		differences = append(differences, fmt.Sprintf("%d tables instead of %d", len(got.tables), len(want.tables)))
	}
	sort.Strings(differences)
	return differences
}

// differingRows lists rows that one file has more often than the other: those lost, and those that should not be there.
func differingRows(wantFile, gotFile string) string {
	want, err := os.ReadFile(wantFile)
	if err != nil {
		return " (its rows cannot be shown: " + err.Error() + ")"
	}
	got, err := os.ReadFile(gotFile)
	if err != nil {
		return " (its rows cannot be shown: " + err.Error() + ")"
	}
	count := make(map[string]int)
	for line := range bytes.Lines(want) {
		count[string(line)]++
	}
	for line := range bytes.Lines(got) {
		count[string(line)]--
	}
	var lost, extra []string
	for line, n := range count {
		line = clip(strings.TrimSuffix(line, "\n"))
		for ; n > 0; n-- {
			lost = append(lost, line)
		}
		for ; n < 0; n++ {
			extra = append(extra, line)
		}
	}
	return describe("lost", lost) + describe("extra", extra)
}

func describe(what string, rows []string) string {
	if len(rows) == 0 {
		return ""
	}
	sort.Strings(rows)
	text := fmt.Sprintf("\n    %d rows %s:", len(rows), what)
	for _, row := range rows[:min(shown, len(rows))] {
		text += "\n      " + row
	}
	return text
}

// clip shortens the long fields of a row.
func clip(row string) string {
	fields := strings.Split(row, "\t")
	for i, f := range fields {
		if len(f) > 48 {
			fields[i] = f[:32] + "…(" + fmt.Sprint(len(f)) + ")…" + f[len(f)-8:]
		}
	}
	return strings.Join(fields, "\t")
}
