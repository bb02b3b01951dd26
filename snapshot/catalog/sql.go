package catalog

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// SQLOptions say what Script.WriteSQL writes.
type SQLOptions struct {
	// Sections are written in their own order, whatever the order here. Data are the values of sequences and the
	// filling of materialized views: rows of tables are not SQL.
	Sections []Section
	// Sequences are the values that Data sets, by the source's oid of a sequence; what is not in it stays at its start.
	Sequences map[uint32]SequenceValue
	// NotWritten are things that the script cannot make; they stand in comments before it, with what it leaves out itself.
	NotWritten []LeftOut
}

// SequenceValue is the last value of a sequence and whether it was given.
type SequenceValue struct {
	Last   int64
	Called bool
}

// session is what a session must have set before it runs a script; see the package's doc. The first line is what the
// bytes of all others are. Default expressions hold values as a session of Read's has them printed: with settings of its own
// another would read '-1 days +02:00' or '$1,50' for something else. transaction_timeout came with version 17.
const session = `SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
DO $$BEGIN PERFORM pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout'; END$$;
SET default_transaction_read_only = off;
SET check_function_bodies = off;
SET row_security = on;
SET default_tablespace = '';
SET default_table_access_method = heap;
SET datestyle = ISO;
SET intervalstyle = postgres;
SET timezone = 'UTC';
SET lc_monetary = 'C';
SET array_nulls = on;
SET xmloption = content;
SET client_min_messages = warning;
SELECT pg_catalog.set_config('search_path', '', false);
`

// WriteSQL writes the script as SQL that psql runs into an empty database. Equal scripts and options give equal bytes.
// Statements that hold passwords are written with them.
//
// What psql would take for more than SQL stays out of its way (see forPsql), and names stand in comments without
// line ends or anything else that is not seen. A statement that cannot be written so is an error, and the script is not
// complete.
func (s Script) WriteSQL(w io.Writer, o SQLOptions) error {
	b := &sqlWriter{Writer: bufio.NewWriter(w), objects: s.objects()}
	b.WriteString(session)
	b.notWritten(slices.Concat(o.NotWritten, s.LeftOut))
	for _, section := range []Section{PreData, Data, PostData} {
		if !slices.Contains(o.Sections, section) {
			continue
		}
		fmt.Fprintf(b, "\n-- %s\n", section)
		if section == Data {
			b.sequences(s, o.Sequences)
			continue
		}
		for i := range s.Statements {
			if x := &s.Statements[i]; x.Section == section && !x.fills() {
				b.statement(x)
			}
		}
	}
	// A materialized view can be filled only when all that post-data makes is there.
	if slices.Contains(o.Sections, Data) && slices.Contains(o.Sections, PostData) {
		for i := range s.Statements {
			if x := &s.Statements[i]; x.fills() {
				b.statement(x)
			}
		}
	}
	if err := cmp.Or(b.failed, b.Flush()); err != nil {
		return fmt.Errorf("write the SQL: %w", err)
	}
	return nil
}

// fills says that a statement computes rows.
func (s *Statement) fills() bool { return s.Kind == "MATERIALIZED VIEW DATA" }

// sqlWriter writes statements under headings.
type sqlWriter struct {
	*bufio.Writer
	objects map[uint32]*Object
	heading string
	failed  error
}

// objects are those of the source by oid; of an oid that two catalogs gave there is none.
func (s Script) objects() map[uint32]*Object {
	objects := map[uint32]*Object{}
	if s.of == nil {
		return objects
	}
	for o := range s.of.objects() {
		h := o.head()
		if _, twice := objects[h.OID]; twice {
			h = nil
		}
		objects[o.head().OID] = h
	}
	return objects
}

// statement writes one, under a heading unless it is of the object above.
func (b *sqlWriter) statement(s *Statement) {
	sql := s.SQL
	// An empty database has its schema public, and perhaps extensions of its template.
	if s.IfMissing && s.at.oid != "" {
		for _, kind := range []string{"CREATE SCHEMA ", "CREATE EXTENSION "} {
			if rest, ok := strings.CutPrefix(sql, kind); ok {
				sql = kind + "IF NOT EXISTS " + rest
			}
		}
	}
	sql, err := forPsql(sql)
	if err != nil {
		b.failed = cmp.Or(b.failed, fmt.Errorf("%s %s: %w", strings.ToLower(s.Kind), oneLine(s.Name), err))
		return
	}
	if heading := b.headingOf(s); heading != b.heading {
		b.heading = heading
		fmt.Fprintf(b, "\n-- %s\n", heading)
	}
	fmt.Fprintf(b, "%s;\n", sql)
}

// headingOf tells what a statement is of, and in which schema and whose that was on the source.
func (b *sqlWriter) headingOf(s *Statement) string {
	heading := "Kind: " + s.Kind + "; Name: " + oneLine(s.Name)
	o := cmp.Or(b.objects[s.OID], b.objects[s.Table])
	if o != nil && o.Schema != "" {
		heading += "; Schema: " + oneLine(o.Schema)
	}
	if o != nil && o.Owner != "" {
		heading += "; Owner: " + oneLine(o.Owner)
	}
	return heading
}

// notWritten tells what the script does not make.
func (b *sqlWriter) notWritten(all []LeftOut) {
	for i, left := range all {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(b, "-- Not written: %s: %s\n", oneLine(left.What), oneLine(left.Why))
	}
}

func (b *sqlWriter) sequences(s Script, values map[uint32]SequenceValue) {
	b.WriteString("-- The rows of tables are not written.\n")
	oids := make([]uint32, 0, len(s.Sequences))
	for _, names := range []map[uint32]Name{s.Sequences, s.Needed} {
		for oid := range names {
			if _, known := values[oid]; known {
				oids = append(oids, oid)
			}
		}
	}
	name := func(oid uint32) string { return cmp.Or(s.Sequences[oid], s.Needed[oid]).SQL() }
	slices.SortFunc(oids, func(x, y uint32) int { return strings.Compare(name(x), name(y)) })
	for _, oid := range slices.Compact(oids) {
		v := values[oid]
		fmt.Fprintf(b, "SELECT pg_catalog.setval(%s, %d, %t);\n", strings.TrimSpace(quoteLiteral(name(oid))), v.Last, v.Called)
	}
}

// oneLine keeps a name from ending the comment that it stands in, and from hiding in it: control characters and those that
// only change how others are shown become spaces.
func oneLine(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, name)
}
