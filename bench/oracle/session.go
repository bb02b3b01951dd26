package oracle

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// A session is one connection to the source, used by one goroutine. Parameters are texts, their types are the server's to infer.
type session struct {
	conn *pgconn.PgConn
}

// connect opens a session; settings are sent with the startup packet.
func connect(ctx context.Context, connString string, settings map[string]string) (*session, error) {
	config, err := pgconn.ParseConfig(connString)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	for name, value := range settings {
		config.RuntimeParams[name] = value
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &session{conn: conn}, nil
}

// close ends the session, also when ctx has ended.
func (s *session) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closePatience)
	defer cancel()
	_ = s.conn.Close(ctx) // a session that does not say goodbye is ended by the server just the same
}

// run executes statements without parameters, several if separated by semicolons.
func (s *session) run(ctx context.Context, sql string) error {
	_, err := s.conn.Exec(ctx, sql).ReadAll()
	return said(err, sql)
}

// exec executes one statement with parameters (texts; nil is NULL) and returns the number of rows it changed.
func (s *session) exec(ctx context.Context, sql string, args ...any) (int64, error) {
	result := s.conn.ExecParams(ctx, sql, parameters(args), nil, nil, nil).Read()
	return result.CommandTag.RowsAffected(), said(result.Err, sql)
}

// rows runs a query with parameters and returns its rows as texts, NULL as an empty one.
func (s *session) rows(ctx context.Context, sql string, args ...any) ([][]string, error) {
	result := s.conn.ExecParams(ctx, sql, parameters(args), nil, nil, nil).Read()
	if result.Err != nil {
		return nil, said(result.Err, sql)
	}
	rows := make([][]string, len(result.Rows))
	for i, row := range result.Rows {
		for _, field := range row {
			rows[i] = append(rows[i], string(field))
		}
	}
	return rows, nil
}

// value runs a query that returns one value.
func (s *session) value(ctx context.Context, sql string, args ...any) (string, error) {
	rows, err := s.rows(ctx, sql, args...)
	if err != nil {
		return "", err
	}
	if len(rows) != 1 || len(rows[0]) != 1 {
		return "", fmt.Errorf("not one value but %d rows: %s", len(rows), brief(sql))
	}
	return rows[0][0], nil
}

func parameters(args []any) [][]byte {
	out := make([][]byte, len(args))
	for i, arg := range args {
		if arg != nil {
			out[i] = []byte(fmt.Sprint(arg))
		}
	}
	return out
}

func said(err error, sql string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w (in: %s)", err, brief(sql))
}

// brief is the beginning of a statement on one line.
func brief(sql string) string {
	sql = strings.Join(strings.Fields(sql), " ")
	if len(sql) > 160 {
		sql = sql[:160] + " …"
	}
	return sql
}

// ordinary tells the errors that concurrent writers meet in normal life, and those of a server that crashes: they end
// a transaction, not the run. Everything else is either a mistake of the workload, or a statement of the
// application that began to fail because its database is being protected.
func ordinary(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return connectionLost(err)
	}
	switch pg.Code[:2] {
	case "23", "40", "57", "08": // integrity, rollback (deadlocks), operator intervention, connection
		return true
	}
	switch pg.Code {
	case "55P03", // a lock not available in time
		"55006", // a prepared transaction, or slot, in use
		"42704", // a prepared transaction that does not exist any more
		"53300": // too many connections, while the dead ones' are given back
		return true
	}
	return false
}

// amidMigrations tells the errors that an application meets while its tables are being changed: names that are not there, or are
// those of other things, and values that no longer fit. None of them is that of a missing privilege.
func amidMigrations(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code[:2] == "42" && pg.Code != "42501" || pg.Code[:2] == "22" || pg.Code[:2] == "0A" || pg.Code[:2] == "2B")
}

// identityless tells that a statement was refused because a published table has no replica identity: it would not without us.
func identityless(err error) bool {
	return err != nil && strings.Contains(err.Error(), "replica identity")
}

// connectionLost tells that the server, or the connection to it, is gone.
func connectionLost(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code[:2] == "57" || pg.Code[:2] == "08"
	}
	return true // not said by the server: the connection's own
}
