// Package tables measures what a database of very many tables costs: its catalog is read, fingerprinted and planned, and
// compared with pg_dump on the same server.
package tables

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
	"github.com/pgrecall/pgrecall/snapshot"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// Options say how large the database is and where its server is from.
type Options struct {
	// Tables is their number; each has ten columns, a primary key, another index, a sequence and a comment.
	Tables int
	// Restore also makes the objects in another database, with one connection.
	Restore bool
	// Dir holds the server, which is kept and used again; empty is a temporary folder. PostgreSQL is the folder of its programs; empty searches.
	Dir, PostgreSQL string
	Log             io.Writer
}

// database is the name of the measured one.
const database = "many"

// Run makes the database and prints what each step took: seconds, and the most memory that this process ever held in it.
func Run(ctx context.Context, o Options, out io.Writer) (err error) {
	server, err := pgtemp.Start(ctx, pgtemp.Options{Dir: o.Dir, BinDir: o.PostgreSQL, Settings: map[string]string{
		"fsync": "off", "full_page_writes": "off", "autovacuum": "off", "shared_buffers": "256MB", "max_wal_size": "4GB"}})
	if err != nil {
		return err
	}
	end := server.Remove
	if o.Dir != "" {
		end = server.Stop
	}
	defer func() { err = errors.Join(err, end()) }()
	m := &measurement{server: server, out: out}
	if err := m.fill(ctx, o.Tables); err != nil {
		return err
	}
	return m.run(ctx, o)
}

// fill makes the database, unless the folder's server has it from a run before.
func (m *measurement) fill(ctx context.Context, n int) error {
	var missing *pgconn.PgError
	conn, err := pgx.Connect(ctx, m.server.ConnString(database))
	switch {
	case err == nil:
		defer conn.Close(context.WithoutCancel(ctx))
		var is int
		err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '^t[0-9]+$'").Scan(&is)
		if err == nil && is != n {
			err = fmt.Errorf("the folder's database has %d tables, not %d; name another folder", is, n)
		}
		return err
	case !errors.As(err, &missing) || missing.Code != "3D000": // invalid_catalog_name
		return err
	}
	if _, err := m.server.NewDatabase(ctx, database); err != nil {
		return err
	}
	return m.step("make the database", func() error { return fill(ctx, m.server.ConnString(database), n) })
}

// measurement prints one line for each step.
type measurement struct {
	server *pgtemp.Server
	out    io.Writer
}

// step runs one step. Memory is counted anew from each step's beginning on.
func (m *measurement) step(what string, do func() error) error {
	debug.FreeOSMemory()
	forgetPeak()
	began := time.Now()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	fmt.Fprintf(m.out, "%-34s %8.2f s  peak %5d MiB\n", what, time.Since(began).Seconds(), peak()>>20)
	return nil
}

func (m *measurement) run(ctx context.Context, o Options) error {
	config, err := pgx.ParseConfig(m.server.ConnString(database))
	if err != nil {
		return err
	}
	conn, err := snapshot.Connect(ctx, config, "")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	q := &counted{Querier: conn}
	var c *catalog.Catalog
	var model []byte
	var script catalog.Script
	steps := []struct {
		what string
		do   func() error
	}{
		{"Fingerprint", func() (err error) { _, err = catalog.Fingerprint(ctx, q); return err }},
		{"Read, cold", func() (err error) { c, err = readAll(ctx, conn, q); return err }},
		{"Read, warm", func() (err error) { c, err = readAll(ctx, conn, q); return err }},
		{"write the model as JSON", func() (err error) { model, err = json.Marshal(c); return err }},
		{"read the model from JSON", func() error { c = new(catalog.Catalog); return json.Unmarshal(model, c) }},
		{"plan the DDL", func() (err error) { script, err = c.DDL(catalog.DDLOptions{}); return err }},
		{"plan the drops", func() error { script.Drops(); return nil }},
		{"pg_dump --schema-only", func() error { return m.dump(ctx, "--schema-only") }},
		{"pg_dump --schema-only, again", func() error { return m.dump(ctx, "--schema-only") }},
	}
	for _, s := range steps {
		before := q.n
		if err := m.step(s.what, s.do); err != nil {
			return err
		}
		if q.n > before {
			fmt.Fprintf(m.out, "%-34s %8d queries\n", "", q.n-before)
		}
	}
	fmt.Fprintf(m.out, "%d tables, %d bytes of JSON, %d statements\n", len(c.Tables), len(model), len(script.Statements))
	return nil
}

// counted counts queries.
type counted struct {
	catalog.Querier
	n int
}

// Query implements catalog.Querier.
func (c *counted) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	c.n++
	return c.Querier.Query(ctx, sql, args...)
}

func readAll(ctx context.Context, conn *pgx.Conn, q *counted) (c *catalog.Catalog, err error) {
	if _, err = conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return nil, err
	}
	if c, err = catalog.Read(ctx, q); err != nil {
		return nil, err
	}
	_, err = conn.Exec(ctx, "COMMIT")
	return c, err
}

// dump runs the peer.
func (m *measurement) dump(ctx context.Context, args ...string) error {
	program := cmp.Or(os.Getenv("BENCH_PG_DUMP"), filepath.Join(m.server.BinDir(), "pg_dump"))
	args = append(args, "--no-sync", "-f", os.DevNull, "-d", m.server.ConnString(database))
	if text, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, text)
	}
	return nil
}
