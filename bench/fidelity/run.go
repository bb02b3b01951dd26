package fidelity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pgrecall/pgrecall/bench/majors"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// Options say where to try what. Majors need be given.
type Options struct {
	// Majors are the major versions to try, one after the other.
	Majors []int
	// Servers names the folder of the server's programs of a major version; what it does not have is fetched (package majors).
	Servers map[int]string
	// PGDump is the pg_dump that looks at source and copy; empty fetches that of the newest major.
	PGDump string
	// Tests is the major version whose regression tests are run; 0 is each server's own.
	Tests int
	// Fixture is the folder of the fixture's SQL files.
	Fixture string
	// Cache and Mirror are those of majors.Source.
	Cache, Mirror string
	// Keep leaves the servers' folder there, and names it in the log.
	Keep bool
	// Log gets a line for what happens; nil is silent.
	Log io.Writer
}

// trial is one database tried on one server.
type trial struct {
	Options
	source majors.Source
	pgDump string
	server *pgtemp.Server
	dir    string
}

// a maker makes the database to be tried.
type maker func(ctx context.Context, t *trial, r *Result) (db string, err error)

// run tries the database that make makes on each major version. An error means that it could not be tried.
func (o Options) run(ctx context.Context, make maker) (results []*Result, err error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	t := &trial{Options: o, source: majors.Source{Cache: o.Cache, Mirror: o.Mirror, Log: o.Log}, pgDump: o.PGDump}
	if t.pgDump == "" {
		client, err := t.source.Client(ctx, majors.Newest)
		if err != nil {
			return nil, err
		}
		t.pgDump = filepath.Join(client, "pg_dump")
	}
	for _, major := range o.Majors {
		r, err := t.on(ctx, major, make)
		if err != nil {
			return results, fmt.Errorf("PostgreSQL %d: %w", major, err)
		}
		results = append(results, r)
	}
	return results, nil
}

// on tries one major version on a server of its own.
func (t trial) on(ctx context.Context, major int, make maker) (r *Result, err error) {
	bin := t.Servers[major]
	if bin == "" {
		if bin, err = t.source.Server(ctx, major); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	if t.dir, err = os.MkdirTemp("", fmt.Sprintf("fidelity-%d-", major)); err != nil {
		return nil, err
	}
	if err := os.Chmod(t.dir, 0o755); err != nil { // the server may run as another user
		return nil, err
	}
	defer func() {
		if t.Keep {
			fmt.Fprintln(t.Log, "kept:", t.dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(t.dir))
	}()
	t.server, err = pgtemp.Start(ctx, pgtemp.Options{BinDir: bin, Dir: filepath.Join(t.dir, "server"), Detach: t.Keep, Settings: map[string]string{
		"fsync": "off", "full_page_writes": "off", "max_wal_size": "4GB", "jit": "off"}})
	if err != nil {
		return nil, err
	}
	if !t.Keep {
		defer func() { err = errors.Join(err, t.server.Remove()) }()
	}
	if t.server.Version() != major {
		return nil, fmt.Errorf("%s holds version %d", bin, t.server.Version())
	}
	r = &Result{Major: major}
	db, err := make(ctx, &t, r)
	if err != nil {
		return nil, err
	}
	if err := t.compare(ctx, db, r); err != nil {
		return nil, err
	}
	r.Took = time.Since(began)
	return r, nil
}

// compare restores the database into another of the server and compares.
func (t *trial) compare(ctx context.Context, db string, r *Result) (err error) {
	fmt.Fprintf(t.Log, "PostgreSQL %d: snapshot and restore\n", r.Major)
	copied := t.server.ConnString("restored")
	if r.LeftOut, r.Failure = recall(ctx, db, copied, t.dir); ctx.Err() != nil {
		return context.Cause(ctx)
	}
	loaded := true
	if r.Failure != nil {
		surveyed, err := t.server.NewDatabase(ctx, "surveyed")
		if err != nil {
			return err
		}
		if r.Failures, err = survey(ctx, db, surveyed); err != nil {
			return err
		}
		if len(r.Failures) > 0 { // or else what failed came after them, and the unfinished copy tells more
			copied, loaded = surveyed, false
		}
	}
	fmt.Fprintf(t.Log, "PostgreSQL %d: comparing\n", r.Major)
	if r.Source, err = draw(ctx, t.pgDump, db); err != nil {
		return err
	}
	got, err := draw(ctx, t.pgDump, copied)
	if err != nil {
		return err
	}
	r.Differences = differences(r.Source, got)
	if !loaded {
		r.Differences = slices.DeleteFunc(r.Differences, func(d Difference) bool { return d.Item.Kind != Entry && d.Item.Kind != DDL })
	}
	accept(r.Differences, r.Baseline)
	return nil
}
