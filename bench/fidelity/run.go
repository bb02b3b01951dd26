package fidelity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
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
	// PGDump is the pg_dump that looks at source and copy, with pg_dumpall beside it; empty fetches those of the newest major.
	PGDump string
	// Into, if not 0, is a newer major version than those tried: the database is restored into a server of it instead.
	Into int
	// Tests is the major version whose regression tests are run; 0 is each server's own.
	Tests int
	// Follow follows the regression tests from an empty database on, and restores from the log all that they leave behind.
	Follow bool
	// Fixture is the folder of the fixture's SQL files.
	Fixture string
	// Cache and Mirror are those of majors.Source.
	Cache, Mirror string
	// Keep leaves the servers running and their folder there, and names it in the log.
	Keep bool
	// Log gets a line for what happens; nil is silent.
	Log io.Writer
}

// trial is one database tried on one major version.
type trial struct {
	Options
	major  int
	bin    string
	source majors.Source
	dir    string
	server *pgtemp.Server
	// baseline is what differs in a copy made by other means, tests how the database came to be; both empty where there is neither.
	baseline []Difference
	tests    string
	// followed is what a stream brought into a repository; nil: a snapshot is to be taken.
	followed *shot
	unlike   []TestDifference
}

// a maker makes the database to be tried and returns its name.
type maker func(ctx context.Context, t *trial) (name string, err error)

// run tries the database that make makes on each major version. An error means that it could not be tried.
func (o Options) run(ctx context.Context, make maker) (results []*Result, err error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	t := &trial{Options: o, source: majors.Source{Cache: o.Cache, Mirror: o.Mirror, Log: o.Log}}
	if t.PGDump == "" {
		client, err := t.source.Client(ctx, majors.Newest)
		if err != nil {
			return nil, err
		}
		t.PGDump = filepath.Join(client, "pg_dump")
	}
	for _, major := range o.Majors {
		t.major = major
		of, err := t.try(ctx, make)
		results = append(results, of...)
		if err != nil {
			return results, fmt.Errorf("PostgreSQL %d: %w", major, err)
		}
	}
	return results, nil
}

func (t *trial) logf(text string, args ...any) {
	fmt.Fprintf(t.Log, "PostgreSQL %d: %s\n", t.major, fmt.Sprintf(text, args...))
}

// try makes the database on a server of its own, takes a snapshot, and copies it in every way.
func (t trial) try(ctx context.Context, make maker) (results []*Result, err error) {
	if t.bin, err = t.programs(ctx, t.major); err != nil {
		return nil, err
	}
	if t.dir, err = os.MkdirTemp("", fmt.Sprintf("fidelity-%d-", t.major)); err != nil {
		return nil, err
	}
	if err := os.Chmod(t.dir, 0o755); err != nil { // the server may run as another user
		return nil, err
	}
	defer func() {
		if t.Keep {
			t.logf("kept: %s", t.dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(t.dir))
	}()
	var stop func() error
	if t.server, stop, err = t.start(ctx, t.bin, "server"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if v := t.server.Version(); v != t.major {
		return nil, fmt.Errorf("%s holds version %d", t.bin, v)
	}
	name, err := make(ctx, &t)
	if err != nil {
		return nil, err
	}
	shot := t.followed
	if shot == nil {
		t.logf("snapshot")
		if shot, err = take(ctx, t.server.ConnString(name), filepath.Join(t.dir, "repository")); err != nil {
			return nil, err
		}
	}
	if t.Into != 0 {
		newer, err := t.newer(ctx, name, shot)
		return []*Result{newer}, err
	}
	beside, err := t.beside(ctx, name, shot)
	if err != nil || len(beside.Failures) > 0 {
		return []*Result{beside}, err
	}
	elsewhere, err := t.elsewhere(ctx, name, shot)
	if err != nil {
		return []*Result{beside, elsewhere}, err
	}
	written, err := t.written(ctx, name, shot)
	return []*Result{beside, elsewhere, written}, err
}

// programs is the folder of the server's programs of a major version.
func (t *trial) programs(ctx context.Context, major int) (bin string, err error) {
	if bin = t.Servers[major]; bin != "" {
		return bin, nil
	}
	return t.source.Server(ctx, major)
}

// start starts a server; stop ends it, unless it is to be kept.
func (t *trial) start(ctx context.Context, bin, folder string) (s *pgtemp.Server, stop func() error, err error) {
	s, err = pgtemp.Start(ctx, pgtemp.Options{BinDir: bin, Dir: filepath.Join(t.dir, folder), Detach: t.Keep, Settings: map[string]string{
		"fsync": "off", "full_page_writes": "off", "max_wal_size": "4GB", "jit": "off"}})
	if err != nil {
		return nil, nil, err
	}
	if t.Keep {
		return s, func() error { return nil }, nil
	}
	return s, s.Remove, nil
}

// beside restores the database into a new one of the same server, and compares the two. If the restore fails, it tells all
// that fails.
func (t *trial) beside(ctx context.Context, name string, shot *shot) (r *Result, err error) {
	began := time.Now()
	t.logf("restore into the same server")
	from, to := t.server.ConnString(name), t.server.ConnString("restored")
	r = &Result{Major: t.major, Way: "restore, same server", Tests: t.tests, OtherTests: t.unlike, Baseline: t.baseline}
	if r.LeftOut, r.Failure = shot.restore(ctx, to, false); ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	loaded := true
	if r.Failure != nil {
		surveyed, err := t.server.NewDatabase(ctx, "surveyed")
		if err != nil {
			return r, err
		}
		if r.Failures, err = survey(ctx, from, surveyed); err != nil {
			return r, err
		}
		if len(r.Failures) > 0 { // or else what failed came after them, and the unfinished copy tells more
			to, loaded = surveyed, false
		}
	}
	if err := t.compare(ctx, r, from, to, false); err != nil {
		return r, err
	}
	if !loaded {
		r.onlySchema()
	}
	r.Took = time.Since(began)
	return r, nil
}

// elsewhere restores the database with what databases share into a new server, and compares the databases and the servers.
func (t *trial) elsewhere(ctx context.Context, name string, shot *shot) (r *Result, err error) {
	began := time.Now()
	t.logf("restore into another server")
	other, stop, err := t.start(ctx, t.bin, "other")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	from, to := t.server.ConnString(name), other.ConnString(name)
	r = &Result{Major: t.major, Way: "restore, another server"}
	if r.LeftOut, r.Failure = shot.restore(ctx, to, true); ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	if err := t.compare(ctx, r, from, to, true); err != nil && r.Failure == nil { // or else there may be nothing to compare
		return r, err
	}
	r.Took = time.Since(began)
	return r, nil
}

// newer restores the database with what databases share into a new server of a newer major version, and copies it there by
// its pg_dump, too: what the newer server tells in another way of both copies is no failure. The rows must be the source's.
func (t *trial) newer(ctx context.Context, name string, shot *shot) (r *Result, err error) {
	began := time.Now()
	t.logf("restore into PostgreSQL %d", t.Into)
	bin, err := t.programs(ctx, t.Into)
	if err != nil {
		return nil, err
	}
	other, stop, err := t.start(ctx, bin, "newer")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if _, err := t.extend(ctx, other); err != nil {
		return nil, err
	}
	from, to := t.server.ConnString(name), other.ConnString(name)
	r = &Result{Major: t.major, Way: fmt.Sprintf("restore into %d", t.Into), Tests: t.tests}
	if r.LeftOut, r.Failure = shot.restore(ctx, to, true); ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	if t.baseline, err = t.piped(ctx, name, t.Into, other); err != nil {
		return r, err
	}
	r.Baseline = t.baseline
	if err := t.compare(ctx, r, from, to, false); err != nil && r.Failure == nil { // or else there may be nothing to compare
		return r, err
	}
	acceptNewer(r.Differences, t.major, t.Into)
	r.Took = time.Since(began)
	return r, nil
}

// written makes the database anew, without rows, by psql from what `schema` writes of the snapshot, and compares the schemas.
func (t *trial) written(ctx context.Context, name string, shot *shot) (r *Result, err error) {
	began := time.Now()
	t.logf("schema and psql")
	client, err := t.source.Client(ctx, majors.Newest)
	if err != nil {
		return nil, err
	}
	to, err := t.server.NewDatabase(ctx, "written")
	if err != nil {
		return nil, err
	}
	r = &Result{Major: t.major, Way: "schema and psql"}
	if r.Failure = shot.write(ctx, filepath.Join(client, "psql"), to); ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	if err := t.compare(ctx, r, t.server.ConnString(name), to, false); err != nil {
		return r, err
	}
	r.onlySchema()
	r.Took = time.Since(began)
	return r, nil
}

// compare compares two databases; whole: with what they are themselves and what the databases of their servers share.
func (t *trial) compare(ctx context.Context, r *Result, from, to string, whole bool) (err error) {
	t.logf("comparing")
	if r.Source, err = draw(ctx, t.PGDump, from, whole); err != nil {
		return err
	}
	got, err := draw(ctx, t.PGDump, to, whole)
	if err != nil {
		return err
	}
	r.Differences = differences(r.Source, got)
	accept(r.Differences, t.baseline)
	if t.Follow {
		acceptFollowed(r.Differences, r.LeftOut)
	}
	return nil
}

// dumpall is the pg_dumpall beside a pg_dump.
func dumpall(pgDump string) string {
	dir, file := filepath.Split(pgDump)
	return filepath.Join(dir, strings.Replace(file, "pg_dump", "pg_dumpall", 1))
}
