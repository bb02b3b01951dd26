package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// CopyIn loads rows of COPY text, each ended by a newline, into a table and returns how many the server took. The
// columns are those of the rows' fields, in their order; with none the rows are empty lines. The session is
// one of Connect's, in the encoding of the rows. When r fails, nothing of the statement is kept and r's error is returned.
func CopyIn(ctx context.Context, conn *pgconn.PgConn, schema, table string, columns []string, r io.Reader) (rows int64, err error) {
	q := quoterOf(conn)
	sql := "COPY " + q.table(schema, table)
	if len(columns) > 0 {
		sql += " (" + q.list(columns) + ")"
	}
	source := &rememberError{r: r}
	tag, err := conn.CopyFrom(ctx, source, sql+" FROM STDIN")
	if source.err != nil {
		// The server only echoes the reason as text; the reader's own error can be told apart by the caller.
		err = source.err
	}
	if err != nil {
		return 0, fmt.Errorf("load rows into %s.%s: %w", schema, table, withoutValues(err, columns))
	}
	return tag.RowsAffected(), nil
}

// withoutValues takes what may hold row data out of a server's error: the messages of data exceptions (class 22) and
// of exceptions raised by functions quote the value, and the context of a COPY quotes the line. The column, if it is
// one of columns, is told instead.
func withoutValues(err error, columns []string) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	safe := &pgconn.PgError{Severity: pg.Severity, SeverityUnlocalized: pg.SeverityUnlocalized, Code: pg.Code, Message: pg.Message,
		SchemaName: pg.SchemaName, TableName: pg.TableName, ColumnName: pg.ColumnName, ConstraintName: pg.ConstraintName}
	if strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "P0") {
		safe.Message = "the target refuses a value"
		for _, c := range columns {
			if strings.Contains(pg.Where, ", column "+c+": ") {
				safe.Message += fmt.Sprintf(" of column %q", c)
				break
			}
		}
		safe.Message += ": is its type there, an enum or a domain perhaps, another one than the source's?"
	}
	return safe
}

// rememberError keeps the error that ended a stream.
type rememberError struct {
	r   io.Reader
	err error
}

func (e *rememberError) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil && err != io.EOF {
		e.err = err
	}
	return n, err
}
