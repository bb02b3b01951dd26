package engine

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pgrecall/pgrecall/engine/internal/merge"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// CatFormat is how Cat writes rows.
type CatFormat string

// The formats of Cat.
const (
	// CatCopy is COPY's text format.
	CatCopy CatFormat = "copy"
	// CatCSV is COPY's CSV format with a header line; NULL is empty and an empty string is "".
	CatCSV CatFormat = "csv"
	// CatSQL is one INSERT per row.
	CatSQL CatFormat = "sql"
)

// CatOptions say which rows to write.
type CatOptions struct {
	Place
	// Table is a psql pattern that matches exactly one table; a partitioned one counts with its partitions.
	Table  string
	Target Target
	// Format is CatCopy where empty.
	Format CatFormat
	Out    io.Writer
	// TempDir holds the changed rows while they are folded; empty is the system's.
	TempDir string
	Tracer  Tracer
}

// CatResult says what was written.
type CatResult struct {
	Source  string   `json:"source"`
	Schema  string   `json:"schema"`
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
	Rows    int64    `json:"rows"`
	Reached Point    `json:"reached"`
	Reading Reading  `json:"reading"`
}

// Cat writes the rows of one table at a target to Out, of a partitioned one those of all its partitions; it needs no
// server. The bytes are in the source's encoding.
func Cat(ctx context.Context, o CatOptions) (*CatResult, error) {
	write, err := rowWriter(o.Format)
	if err != nil {
		return nil, err
	}
	if o.Table == "" {
		return nil, usagef("name the table")
	}
	// The same choice and the same checks as those of a restore of this table.
	r := &restore{o: RestoreOptions{Place: o.Place, Target: o.Target, Tables: []string{o.Table}, TempDir: o.TempDir}, tracer: tracing(o.Tracer), result: &RestoreResult{}}
	if err := r.choose(ctx); err != nil {
		return nil, err
	}
	whole, err := r.oneTable()
	if err != nil {
		return nil, err
	}
	if err := r.checkParts(ctx); err != nil {
		return nil, err
	}
	for _, what := range r.followedTables() {
		r.tracer.Note(Note{LevelInfo, what})
	}
	for _, what := range r.notFollowed() {
		r.tracer.Note(Note{LevelWarn, "not included: " + what})
	}
	for i := range r.catalog.Tables {
		if t := &r.catalog.Tables[i]; t.Kind == "f" && r.script.Tables[t.OID] != (catalog.Name{}) {
			r.tracer.Note(Note{LevelWarn, fmt.Sprintf("not included: rows of the foreign table %s.%s, a partition, which are on another server", t.Schema, t.Name)})
		}
	}
	orders := make([][]int, len(r.wanted))
	for i, t := range r.wanted {
		if orders[i], err = orderOf(whole, t); err != nil {
			return nil, err
		}
	}
	out := bufio.NewWriterSize(o.Out, 1<<16)
	w := write(out, whole, r.models()[whole.OID])
	result := &CatResult{Source: r.plan.Source, Schema: whole.Schema, Table: whole.Name, Reached: r.past.reached}
	for i, t := range r.wanted {
		rows, err := rowsOf(ctx, &tableRows{past: r.past, data: t}, o.TempDir, inOrder(orders[i], w.rows))
		if err != nil {
			return nil, err
		}
		result.Rows += rows
	}
	if err := out.Flush(); err != nil {
		return nil, err
	}
	for _, c := range whole.Columns {
		result.Columns = append(result.Columns, c.Name)
	}
	result.Reading = r.opened.reading()
	return result, nil
}

// oneTable is the table that was asked for, with the columns that are to be written: the one chosen that is no partition of
// another chosen.
func (r *restore) oneTable() (*format.TableData, error) {
	var found *catalog.Table
	var names []string
	for i := range r.catalog.Tables {
		t := &r.catalog.Tables[i]
		chosen := func(oid uint32) bool { return r.script.Tables[oid] != catalog.Name{} }
		if chosen(t.OID) && !(t.Partition && slices.ContainsFunc(t.Parents, chosen)) {
			found, names = t, append(names, t.Schema+"."+t.Name)
		}
	}
	if len(names) != 1 {
		return nil, usagef("%q matches %d tables (%s): name one", strings.Join(r.o.Tables, " "), len(names), fewOf(names, 12))
	}
	if found.Kind == "f" {
		return nil, usagef("%s is a foreign table: its rows are on another server, and in no backup of this one", names[0])
	}
	d := &format.TableData{OID: found.OID, Schema: found.Schema, Name: found.Name}
	for c := range found.CopyColumns() {
		d.Columns = append(d.Columns, format.Column{Attnum: c.Attnum, Name: c.Name, Type: c.Type, Typmod: c.Typmod, TypeName: c.TypeName})
	}
	return d, nil
}

// orderOf says which field of a row of t, a partition perhaps, is each column of the whole table; nil: they are in order.
func orderOf(whole, t *format.TableData) ([]int, error) {
	order := make([]int, len(whole.Columns))
	moved := false
	for i, c := range whole.Columns {
		order[i] = slices.IndexFunc(t.Columns, func(own format.Column) bool { return own.Name == c.Name })
		moved = moved || order[i] != i
	}
	if slices.Contains(order, -1) || len(t.Columns) != len(order) {
		// Before PostgreSQL 16 a column may be generated in one of the two only.
		return nil, usagef("%s and its partition %s do not hold the same columns: name the partitions one by one", nameOf(whole), nameOf(t))
	}
	if !moved {
		return nil, nil
	}
	return order, nil
}

// inOrder brings the fields of rows into another order on their way to emit.
func inOrder(order []int, emit merge.Emit) merge.Emit {
	if order == nil {
		return emit
	}
	var fields [][]byte
	var line []byte
	return func(rows []byte) error {
		for len(rows) > 0 {
			row, rest, _ := bytes.Cut(rows, []byte{'\n'})
			rows = rest
			fields = format.SplitRow(fields[:0], row)
			line = line[:0]
			for _, from := range order {
				line = append(append(line, fields[from]...), '\t')
			}
			line[len(line)-1] = '\n'
			if err := emit(line); err != nil {
				return err
			}
		}
		return nil
	}
}

// rowFormatter writes rows of COPY text in another form.
type rowFormatter struct {
	out    *bufio.Writer
	prefix string // before each row
	suffix string
	field  func(b, field []byte, index int) ([]byte, error)
	comma  string

	fields [][]byte
	line   []byte
}

// rowWriter returns what makes the formatter of a format.
func rowWriter(f CatFormat) (func(*bufio.Writer, *format.TableData, *catalog.Table) *rowFormatter, error) {
	switch f {
	case "", CatCopy:
		return func(out *bufio.Writer, _ *format.TableData, _ *catalog.Table) *rowFormatter {
			return &rowFormatter{out: out}
		}, nil
	case CatCSV:
		return csvFormatter, nil
	case CatSQL:
		return sqlFormatter, nil
	}
	return nil, usagef("format %q: one of copy, csv, sql", f)
}

// rows takes whole rows with their newlines.
func (w *rowFormatter) rows(rows []byte) error {
	if w.field == nil {
		_, err := w.out.Write(rows)
		return err
	}
	for len(rows) > 0 {
		end := 0
		for rows[end] != '\n' {
			end++
		}
		if err := w.row(rows[:end]); err != nil {
			return err
		}
		rows = rows[end+1:]
	}
	return nil
}

func (w *rowFormatter) row(row []byte) (err error) {
	w.fields = format.SplitRow(w.fields[:0], row)
	w.line = append(w.line[:0], w.prefix...)
	for i, f := range w.fields {
		if i > 0 {
			w.line = append(w.line, w.comma...)
		}
		if w.line, err = w.field(w.line, f, i); err != nil {
			return err
		}
	}
	w.line = append(append(w.line, w.suffix...), '\n')
	_, err = w.out.Write(w.line)
	return err
}

// csvFormatter writes COPY's CSV: NULL is nothing, and a value is quoted where it must be, the empty string included,
// and "\." where it would be the whole line (CopyAttributeOutCSV in src/backend/commands/copyto.c).
func csvFormatter(out *bufio.Writer, t *format.TableData, _ *catalog.Table) *rowFormatter {
	var value []byte
	w := &rowFormatter{out: out, comma: ","}
	quote := func(b, value []byte) []byte {
		if len(value) > 0 && !strings.ContainsAny(string(value), ",\"\r\n") && (string(value) != `\.` || len(t.Columns) > 1) {
			return append(b, value...)
		}
		b = append(b, '"')
		for _, c := range value {
			if c == '"' {
				b = append(b, '"')
			}
			b = append(b, c)
		}
		return append(b, '"')
	}
	w.field = func(b, field []byte, _ int) (_ []byte, err error) {
		var null bool
		if value, null, err = format.UnescapeField(value[:0], field); err != nil || null {
			return b, err
		}
		return quote(b, value), nil
	}
	var header []byte
	for i, c := range t.Columns {
		if i > 0 {
			header = append(header, ',')
		}
		header = quote(header, []byte(c.Name))
	}
	_, _ = out.Write(append(header, '\n')) // a bufio.Writer tells its error at Flush
	return w
}

// sqlFormatter writes one INSERT per row, with every value as a literal of unknown type, which the column's type reads.
func sqlFormatter(out *bufio.Writer, t *format.TableData, model *catalog.Table) *rowFormatter {
	var names []string
	for _, c := range t.Columns {
		names = append(names, catalog.QuoteIdent(c.Name))
	}
	var value []byte
	w := &rowFormatter{out: out, comma: ", ", suffix: ");",
		prefix: "INSERT INTO " + catalog.QuoteIdent(t.Schema) + "." + catalog.QuoteIdent(t.Name) + " (" + strings.Join(names, ", ") + ")" + overriding(model) + " VALUES ("}
	if len(names) == 0 {
		w.prefix, w.suffix = strings.TrimSuffix(w.prefix, " () VALUES (")+" DEFAULT VALUES", ";"
	}
	w.field = func(b, field []byte, _ int) (_ []byte, err error) {
		var null bool
		value, null, err = format.UnescapeField(value[:0], field)
		switch {
		case err != nil:
			return b, err
		case len(t.Columns) == 0:
			return b, nil // a row without columns still splits into one empty field
		case null:
			return append(b, "NULL"...), nil
		}
		return append(b, quoteText(string(value))...), nil
	}
	return w
}
