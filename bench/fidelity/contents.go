package fidelity

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/bench/oracle"
)

// settings make equal values equal texts, in source and copy.
func settings() map[string]string {
	return map[string]string{"datestyle": "ISO", "intervalstyle": "postgres", "extra_float_digits": "3", "timezone": "UTC", "bytea_output": "hex",
		"lc_monetary": "C", "search_path": "", "row_security": "off", "client_encoding": "UTF8", "application_name": "fidelity"}
}

// connect opens a session with settings.
func connect(ctx context.Context, db string, settings map[string]string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(db)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	for name, value := range settings {
		config.RuntimeParams[name] = value
	}
	return pgx.ConnectConfig(ctx, config)
}

// tablesQuery lists what holds rows, with its columns in the order of their names: a restored table may have them in another
// order, as one restored by pg_dump may, where a child has columns of its own before those it inherits.
const tablesQuery = `
SELECT format('%I.%I', n.nspname, c.relname), coalesce((SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname COLLATE "C")
	FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.relispopulated AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1`

// addRows adds the rows of every table, each counted and hashed whatever their order.
func (p Picture) addRows(ctx context.Context, conn *pgx.Conn) error {
	tables, err := pairs(ctx, conn, tablesQuery)
	if err != nil {
		return fmt.Errorf("list the tables: %w", err)
	}
	for _, t := range tables {
		name, columns := t[0], t[1]
		var sum rowSum
		_, err := conn.PgConn().CopyTo(ctx, &sum, "COPY (SELECT "+columns+" FROM ONLY "+name+") TO STDOUT")
		if err != nil {
			return fmt.Errorf("read table %s: %w", name, err)
		}
		p.add(Item{Rows, name}, columns+"\n"+sum.String())
	}
	return nil
}

// addNotNulls adds what columns of each table are NOT NULL.
func (p Picture) addNotNulls(ctx context.Context, conn *pgx.Conn) error {
	tables, err := pairs(ctx, conn, `SELECT c.oid::regclass::text, coalesce(string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname COLLATE "C") FILTER (WHERE a.attnotnull), 'none')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema') GROUP BY c.oid`)
	if err != nil {
		return fmt.Errorf("list the NOT NULLs: %w", err)
	}
	for _, t := range tables {
		p.add(Item{NotNulls, t[0]}, t[1])
	}
	return nil
}

// rowSum sums the lines written to it.
type rowSum struct {
	oracle.Sum
	rest []byte
}

var _ io.Writer = (*rowSum)(nil)

func (s *rowSum) Write(b []byte) (int, error) {
	s.rest = append(s.rest, b...)
	done := 0
	for {
		end := bytes.IndexByte(s.rest[done:], '\n')
		if end < 0 {
			break
		}
		s.Add(s.rest[done : done+end])
		done += end + 1
	}
	s.rest = append(s.rest[:0], s.rest[done:]...)
	return len(b), nil
}

// addSequences adds the state of every sequence.
func (p Picture) addSequences(ctx context.Context, conn *pgx.Conn) error {
	names, err := pairs(ctx, conn, `SELECT format('%I.%I', n.nspname, c.relname), '' FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`)
	if err != nil {
		return fmt.Errorf("list the sequences: %w", err)
	}
	for _, n := range names {
		var last int64
		var called bool
		if err := conn.QueryRow(ctx, "SELECT last_value, is_called FROM "+n[0]).Scan(&last, &called); err != nil {
			return fmt.Errorf("read sequence %s: %w", n[0], err)
		}
		p.add(Item{Sequence, n[0]}, fmt.Sprintf("last value %d, called %t", last, called))
	}
	return nil
}

// addLargeObjects adds every large object.
func (p Picture) addLargeObjects(ctx context.Context, conn *pgx.Conn) error {
	objects, err := pairs(ctx, conn, `SELECT oid::text, concat_ws(E'\n', 'owner ' || lomowner::regrole, 'privileges ' || lomacl::text,
	'comment ' || pg_catalog.obj_description(oid, 'pg_largeobject'), 'content ' || pg_catalog.encode(pg_catalog.sha256(pg_catalog.lo_get(oid)), 'hex')) FROM pg_catalog.pg_largeobject_metadata`)
	if err != nil {
		return fmt.Errorf("read the large objects: %w", err)
	}
	for _, o := range objects {
		p.add(Item{LargeObject, o[0]}, o[1])
	}
	return nil
}

// pairs runs a query of two columns of texts.
func pairs(ctx context.Context, conn *pgx.Conn, sql string) ([][2]string, error) {
	rows, err := conn.Query(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p [2]string, err error) {
		err = row.Scan(&p[0], &p[1])
		return [2]string{strings.Clone(p[0]), strings.Clone(p[1])}, err
	})
}
