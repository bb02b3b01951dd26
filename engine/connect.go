package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/snapshot"
)

// maintenance is the database that a session is with where none is named.
const maintenance = "postgres"

// database is what a connection reached.
type database struct {
	host     string
	port     uint16
	name     string
	oid      uint32
	systemID string
	version  int
	encoding string
}

// server returns the public view.
func (d *database) server() Server {
	return Server{Host: d.host, Port: d.port, Database: d.name, SystemID: d.systemID, Version: d.version}
}

// parseConn reads a connection string, completed from libpq's PG* variables, pgpass and service files. The error
// holds no password.
func parseConn(conninfo string) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(conninfo)
	if err != nil {
		return nil, usagef("connection string: %w", err)
	}
	c.RuntimeParams["application_name"] = "pgrecall"
	return c, nil
}

// dial is connect with a connection string.
func dial(ctx context.Context, conninfo string) (*pgx.Conn, *database, error) {
	config, err := parseConn(conninfo)
	if err != nil {
		return nil, nil, err
	}
	return connect(ctx, config)
}

// connect opens a session and says what it reached.
func connect(ctx context.Context, c *pgx.ConnConfig) (*pgx.Conn, *database, error) {
	conn, err := snapshot.Connect(ctx, c, "")
	if err != nil {
		return nil, nil, err // pgconn leaves the password out
	}
	d, err := identify(ctx, conn)
	if err != nil {
		_ = conn.Close(ctx)
		return nil, nil, err
	}
	return conn, d, nil
}

// identify asks the server which database this is.
func identify(ctx context.Context, conn *pgx.Conn) (*database, error) {
	d := &database{host: conn.Config().Host, port: conn.Config().Port}
	err := conn.QueryRow(ctx, `
		SELECT d.datname, d.oid, pg_catalog.pg_encoding_to_char(d.encoding), c.system_identifier::text,
		       pg_catalog.current_setting('server_version_num')::int
		FROM pg_catalog.pg_database d, pg_catalog.pg_control_system() c
		WHERE d.datname = pg_catalog.current_database()`).Scan(&d.name, &d.oid, &d.encoding, &d.systemID, &d.version)
	if err != nil {
		return nil, fmt.Errorf("ask the server which database this is: %w", err)
	}
	return d, nil
}

// closing bounds how long a connection is given to say goodbye.
const closing = 5 * time.Second

// hangUp ends a session, also when ctx is done.
func hangUp(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer cancel()
	_ = conn.Close(ctx)
}
