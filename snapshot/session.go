package snapshot

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrecall/pgrecall/format"
)

// closeTimeout bounds how long the end of a connection is waited for, so that an unreachable server holds nobody up.
const closeTimeout = 10 * time.Second

// Connect opens a session with every setting pinned that has to do with how values are written and how long a
// statement may take (format.SessionSettings), over whatever the role, the database or config say. The encoding is
// the client's: the database's own where rows flow, so that no byte is converted; empty: UTF8. The
// caller closes the session. config is not changed.
func Connect(ctx context.Context, config *pgx.ConnConfig, encoding string) (*pgx.Conn, error) {
	c := config.Copy()
	if c.RuntimeParams == nil {
		c.RuntimeParams = map[string]string{}
	}
	for name, value := range format.SessionSettings() {
		c.RuntimeParams[name] = value
	}
	if encoding == "" {
		encoding = "UTF8"
	}
	c.RuntimeParams["client_encoding"] = encoding
	// A machine that vanishes without a word must not hold its snapshot, and so the source's xmin, for the two hours
	// that Linux waits by default. Where the platform or a Unix socket has no keepalives this does nothing.
	c.RuntimeParams["tcp_keepalives_idle"] = "60"
	c.RuntimeParams["tcp_keepalives_interval"] = "10"
	c.RuntimeParams["tcp_keepalives_count"] = "6"
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "pgrecall"
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("connect to database %q: %w", config.Database, err)
	}
	// transaction_timeout came with version 17; an older server refuses it at the connection's start.
	major, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), ".")
	if n, err := strconv.Atoi(major); err == nil && n >= 17 || err != nil {
		if _, err := conn.Exec(ctx, `SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'`); err != nil {
			return nil, errors.Join(fmt.Errorf("pin the settings of a session: %w", err), closeConn(ctx, conn))
		}
	}
	return conn, nil
}

// closeConn ends a connection and waits until its socket is closed, also when ctx has ended; a statement that
// was interrupted has by then been cancelled on the server.
func closeConn(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	err := conn.Close(ctx)
	select {
	case <-conn.PgConn().CleanupDone():
	case <-ctx.Done():
	}
	return err
}

// simple runs statements in one round trip of the simple protocol and returns the rows of the last, as text; a NULL is "".
func simple(ctx context.Context, conn *pgconn.PgConn, sql string) ([][]string, error) {
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(results) == 0 {
		return nil, nil
	}
	last := results[len(results)-1]
	rows := make([][]string, len(last.Rows))
	for i, r := range last.Rows {
		rows[i] = make([]string, len(r))
		for j, v := range r {
			rows[i][j] = string(v)
		}
	}
	return rows, nil
}

// sqlState returns the SQLSTATE of a server's error, or "".
func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// quoter writes identifiers for one session.
type quoter struct{ client, server string }

func quoterOf(conn *pgconn.PgConn) quoter {
	return quoter{client: conn.ParameterStatus("client_encoding"), server: conn.ParameterStatus("server_encoding")}
}

// ident quotes a name that is UTF-8 text. Where the session's encoding is another, characters beyond ASCII are
// written as Unicode escapes, which the server converts (PostgreSQL documentation, "Identifiers and Key Words"). In
// a SQL_ASCII database names are bytes and go as they are.
func (q quoter) ident(name string) string {
	ascii := true
	for i := range len(name) {
		ascii = ascii && name[i] < utf8.RuneSelf
	}
	asIs := q.client == "UTF8" || q.server == "SQL_ASCII" || q.client == "SQL_ASCII" && q.server == "UTF8"
	if ascii || asIs || !utf8.ValidString(name) {
		return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	var b strings.Builder
	b.WriteString(`U&"`)
	for _, r := range name {
		switch {
		case r == '"':
			b.WriteString(`""`)
		case r == '\\':
			b.WriteString(`\\`)
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\+%06X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func (q quoter) table(schema, name string) string { return q.ident(schema) + "." + q.ident(name) }

func (q quoter) list(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = q.ident(name)
	}
	return strings.Join(quoted, ", ")
}
