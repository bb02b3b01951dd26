package snapshot

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Matching is a table that takes the rows which a condition chooses.
type Matching struct {
	Schema, Table string
	Columns       []string
	// Condition is SQL to follow the table's name in a FROM clause, as "WHERE NOT builtin". The target's server judges it.
	Condition string
	// Keys are unique keys of the table. Rows of the table that the condition does not choose give way to a chosen row with the
	// same key; none: they do not.
	Keys [][]string
}

// arrived is the temporary table that all rows go into before they are judged.
const arrived = "pgrecall_rows"

// CopyInMatching loads those rows of COPY text that the table's condition chooses, and returns how many rows r gave and
// how many of them the table took. conn is one of Connect's, in the encoding of the rows and in a transaction, which
// the caller ends: the rows are in the table only with its commit, and client_encoding is UTF8 until then.
func CopyInMatching(ctx context.Context, conn *pgx.Conn, m Matching, r io.Reader) (given, taken int64, err error) {
	fail := func(err error) (int64, int64, error) {
		return 0, 0, fmt.Errorf("load rows into %s.%s: %w", m.Schema, m.Table, withoutValues(err, m.Columns))
	}
	run := conn.PgConn()
	// What the rows do not have gets the table's default, and generated columns are there for the condition.
	_, err = simple(ctx, run, "CREATE TEMPORARY TABLE "+arrived+" (LIKE "+quoterOf(run).table(m.Schema, m.Table)+
		" INCLUDING DEFAULTS INCLUDING GENERATED) ON COMMIT DROP")
	if err != nil {
		return fail(err)
	}
	if given, err = CopyIn(ctx, run, "pg_temp", arrived, m.Columns, r); err != nil {
		return 0, 0, fmt.Errorf("for %s.%s: %w", m.Schema, m.Table, err)
	}
	// What follows holds no row, but the condition, which is text of ours.
	if _, err := simple(ctx, run, "SET LOCAL client_encoding = UTF8"); err != nil {
		return fail(err)
	}
	q := quoterOf(run)
	chosen := " FROM pg_temp." + arrived + " AS " + q.ident(m.Table) + " " + m.Condition
	// A role that may not write the table need not, if no row is to be written.
	found, err := simple(ctx, run, "SELECT EXISTS (SELECT"+chosen+")")
	if err != nil {
		return fail(fmt.Errorf("choose them by the condition %q: %w", m.Condition, err))
	}
	if found[0][0] != "t" {
		return given, 0, nil
	}
	for _, key := range m.Keys {
		if _, err := simple(ctx, run, m.giveWay(q, key, chosen)); err != nil {
			return fail(err)
		}
	}
	tag, err := conn.Exec(ctx, "INSERT INTO "+q.table(m.Schema, m.Table)+" ("+q.list(m.Columns)+") OVERRIDING SYSTEM VALUE SELECT "+
		m.list(q, m.Table, m.Columns)+chosen)
	if err != nil {
		return fail(err)
	}
	return given, tag.RowsAffected(), nil
}

// giveWay is the statement that deletes rows with the key of a chosen row. It leaves alone what the condition chooses in the
// table: rows that were loaded before, which cannot have the same key.
func (m *Matching) giveWay(q quoter, key []string, chosen string) string {
	table := q.table(m.Schema, m.Table)
	return "DELETE FROM ONLY " + table + " AS was WHERE (" + m.list(q, "was", key) + ") IN (SELECT " + m.list(q, m.Table, key) + chosen + ")" +
		" AND was.ctid NOT IN (SELECT " + q.ident(m.Table) + ".ctid FROM ONLY " + table + " " + m.Condition + ")"
}

// list names columns of a table.
func (m *Matching) list(q quoter, table string, columns []string) string {
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = q.ident(table) + "." + q.ident(column)
	}
	return strings.Join(names, ", ")
}
