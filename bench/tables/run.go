// Package tables measures what a database of very many tables costs: its catalog is read, fingerprinted and planned, and
// compared with pg_dump on the same server.
package tables

import (
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

	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
	"github.com/pgrecall/pgrecall/snapshot"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// Options say how large the database is and where its server is from.
type Options struct {
	// Tables is their number; each has ten columns, a primary key, another index, a sequence and a comment.
	Tables int
	// Restore also takes a snapshot, and plans and does a restore of it into another database.
	Restore bool
	// Dir holds the server, which is kept and used again; empty is a temporary folder. PostgreSQL is the folder of its
	// programs; empty searches.
	Dir, PostgreSQL string
	// PgDump is the peer; empty is the server's own.
	PgDump string
}

// database is the name of the measured one.
const database = "many"

// Run makes the database and prints of each step how long it took, the processor time of this process and of the server,
// and the most memory that this process held in it.
func Run(ctx context.Context, o Options, out io.Writer) (err error) {
	debug.SetMemoryLimit(768 << 20) // as cmd/pgrecall does
	server, err := pgtemp.Start(ctx, pgtemp.Options{Dir: o.Dir, BinDir: o.PostgreSQL, Settings: map[string]string{
		"fsync": "off", "full_page_writes": "off", "autovacuum": "off", "shared_buffers": "256MB", "max_wal_size": "4GB",
		"max_locks_per_transaction": "2048", // pg_dump locks all tables at once
	}})
	if err != nil {
		return err
	}
	end := server.Remove
	if o.Dir != "" {
		end = server.Stop
	}
	defer func() { err = errors.Join(err, end()) }()
	m := &measurement{server: server, out: out, pgDump: o.PgDump}
	if m.pgDump == "" {
		m.pgDump = filepath.Join(server.BinDir(), "pg_dump")
	}
	fmt.Fprintf(out, "%-30s %10s %10s %10s %10s %8s\n", "", "seconds", "own CPU", "server CPU", "peak MiB", "queries")
	if err := m.fill(ctx, o.Tables); err != nil {
		return err
	}
	if err := m.catalog(ctx); err != nil {
		return err
	}
	if o.Restore {
		return m.restore(ctx)
	}
	return nil
}

// measurement prints one line for each step.
type measurement struct {
	server *pgtemp.Server
	out    io.Writer
	pgDump string
}

// step runs one step. Memory is counted anew from its beginning on.
func (m *measurement) step(what string, do func() (queries int, err error)) error {
	debug.FreeOSMemory()
	forgetPeak()
	own, servers, began := ownCPU(), serverCPU(m.server.DataDir()), time.Now()
	queries, err := do()
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	count := ""
	if queries > 0 {
		count = fmt.Sprint(queries)
	}
	_, err = fmt.Fprintf(m.out, "%-30s %10.2f %10.2f %10.2f %10d %8s\n", what, time.Since(began).Seconds(), (ownCPU() - own).Seconds(),
		(serverCPU(m.server.DataDir()) - servers).Seconds(), peak()>>20, count)
	return err
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
	return m.step("make the database", func() (int, error) { return 0, fill(ctx, m.server.ConnString(database), n) })
}

// catalog reads and plans, each step in a session of its own, as a cold one is what a snapshot or a restore has.
func (m *measurement) catalog(ctx context.Context) error {
	var c *catalog.Catalog
	var model []byte
	var script catalog.Script
	session := func(do func(q catalog.Querier) error) (queries int, err error) {
		config, err := pgx.ParseConfig(m.server.ConnString(database))
		if err != nil {
			return 0, err
		}
		conn, err := snapshot.Connect(ctx, config, "")
		if err != nil {
			return 0, err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		q := &counted{}
		err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			q.Querier = tx
			return do(q)
		})
		return q.n, err
	}
	read := func() (int, error) {
		return session(func(q catalog.Querier) (err error) { c, err = catalog.Read(ctx, q); return err })
	}
	dump := func() (int, error) {
		text, err := exec.CommandContext(ctx, m.pgDump, "--schema-only", "--no-sync", "-f", os.DevNull, "-d",
			m.server.ConnString(database)).CombinedOutput()
		if err != nil {
			return 0, fmt.Errorf("%w: %s", err, text)
		}
		return 0, nil
	}
	for _, s := range []struct {
		what string
		do   func() (int, error)
	}{
		{"Fingerprint", func() (int, error) {
			return session(func(q catalog.Querier) error { _, err := catalog.Fingerprint(ctx, q); return err })
		}},
		{"Read", read},
		{"pg_dump --schema-only", dump},
		{"Read, again", func() (int, error) { c = nil; return read() }},
		{"pg_dump --schema-only, again", dump},
		{"write the model as JSON", func() (_ int, err error) { model, err = json.Marshal(c); return 0, err }},
		{"read the model from JSON", func() (_ int, err error) { c, err = catalog.Decode(model); return 0, err }},
		{"plan the DDL", func() (_ int, err error) { script, err = c.DDL(catalog.DDLOptions{}); return 0, err }},
		{"plan the drops", func() (int, error) { script.Drops(); return 0, nil }},
	} {
		if err := m.step(s.what, s.do); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(m.out, "%d tables, %d bytes of JSON, %d statements\n", len(c.Tables), len(model), len(script.Statements))
	return err
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

// restore takes a snapshot and restores it, first as a plan alone.
func (m *measurement) restore(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "pgrecall-tables-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	place := engine.Place{Repository: dir, Source: database}
	if err := m.step("snapshot", func() (int, error) {
		_, err := engine.Snapshot(ctx, engine.SnapshotOptions{Place: place, DB: m.server.ConnString(database)})
		return 0, err
	}); err != nil {
		return err
	}
	to, err := m.server.NewDatabase(ctx, fmt.Sprintf("copy_%d", time.Now().Unix()))
	if err != nil {
		return err
	}
	for _, s := range []struct {
		what   string
		change func(*engine.RestoreOptions)
	}{
		{"restore --dry-run", func(o *engine.RestoreOptions) { o.DryRun = true }},
		{"restore", func(*engine.RestoreOptions) {}},
		{"restore --clean --dry-run", func(o *engine.RestoreOptions) { o.Clean, o.DryRun = true, true }},
		{"restore --data-only --dry-run", func(o *engine.RestoreOptions) { o.Scope, o.DryRun = engine.RestoreDataOnly, true }},
	} {
		o := engine.RestoreOptions{Place: place, To: to}
		s.change(&o)
		var phases []engine.Phase
		if err := m.step(s.what, func() (int, error) {
			r, err := engine.Restore(ctx, o)
			if err == nil {
				phases = r.Phases
			}
			return 0, err
		}); err != nil {
			return err
		}
		for _, p := range phases {
			fmt.Fprintf(m.out, "  %-28s %10.2f\n", p.Name, p.Seconds)
		}
	}
	return nil
}
