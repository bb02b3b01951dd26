package catalog

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// SQLOptions say what Script.WriteSQL writes.
type SQLOptions struct {
	// Sections are written in their own order, whatever the order here. Data are the values of sequences and the
	// filling of materialized views: rows of tables are not SQL.
	Sections []Section
	// Sequences are the values that Data sets, by the source's oid of a sequence; what is not in it stays at its start.
	Sequences map[uint32]SequenceValue
}

// SequenceValue is the last value of a sequence and whether it was given.
type SequenceValue struct {
	Last   int64
	Called bool
}

// session is what a session must have set before it runs a script; see the package's doc.
const session = `SET statement_timeout = 0;
SET lock_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET check_function_bodies = off;
SET xmloption = content;
SET row_security = on;
SET client_min_messages = warning;
SELECT pg_catalog.set_config('search_path', '', false);
`

// WriteSQL writes the script as SQL that psql runs into an empty database. Equal scripts and options give equal bytes.
// Statements that hold passwords are written with them.
//
// What psql would take for more than SQL stays out of its way: names stand in comments without line ends, and every
// other text from the database is inside quotes, or in an expression as PostgreSQL itself printed it.
func (s Script) WriteSQL(w io.Writer, o SQLOptions) error {
	b := bufio.NewWriter(w)
	b.WriteString(session)
	for _, section := range []Section{PreData, Data, PostData} {
		if !slices.Contains(o.Sections, section) {
			continue
		}
		fmt.Fprintf(b, "\n-- %s\n", section)
		if section == Data {
			s.writeSequences(b, o.Sequences)
			continue
		}
		for i := range s.Statements {
			if x := &s.Statements[i]; x.Section == section && !x.fills() {
				x.write(b)
			}
		}
	}
	// A materialized view can be filled only when all that post-data makes is there.
	if slices.Contains(o.Sections, Data) && slices.Contains(o.Sections, PostData) {
		for i := range s.Statements {
			if x := &s.Statements[i]; x.fills() {
				x.write(b)
			}
		}
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write the SQL: %w", err)
	}
	return nil
}

// fills says that a statement computes rows.
func (s *Statement) fills() bool { return s.Kind == "MATERIALIZED VIEW DATA" }

func (s *Statement) write(b *bufio.Writer) {
	sql := s.SQL
	// An empty database has its schema public, and perhaps extensions of its template.
	if s.IfMissing && s.at.oid != "" {
		for _, kind := range []string{"CREATE SCHEMA ", "CREATE EXTENSION "} {
			if rest, ok := strings.CutPrefix(sql, kind); ok {
				sql = kind + "IF NOT EXISTS " + rest
			}
		}
	}
	fmt.Fprintf(b, "\n-- %s: %s\n%s;\n", s.Kind, oneLine(s.Name), sql)
}

func (s Script) writeSequences(b *bufio.Writer, values map[uint32]SequenceValue) {
	b.WriteString("-- The rows of tables are not written.\n")
	oids := make([]uint32, 0, len(s.Sequences))
	for oid := range s.Sequences {
		if _, known := values[oid]; known {
			oids = append(oids, oid)
		}
	}
	slices.SortFunc(oids, func(x, y uint32) int {
		return strings.Compare(s.Sequences[x].SQL(), s.Sequences[y].SQL())
	})
	for _, oid := range oids {
		v := values[oid]
		fmt.Fprintf(b, "SELECT pg_catalog.setval(%s, %d, %t);\n", strings.TrimSpace(quoteLiteral(s.Sequences[oid].SQL())), v.Last, v.Called)
	}
}

// oneLine keeps a name from ending the comment that it stands in.
func oneLine(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u0085' || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, name)
}
