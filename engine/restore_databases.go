package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine/internal/repository"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// RestoreDatabasesResult says what was restored of a repository's sources.
type RestoreDatabasesResult struct {
	DryRun bool `json:"dry_run"`
	// Globals is what became of roles and tablespaces, where they were asked for.
	Globals   *RestoreResult    `json:"globals,omitempty"`
	Databases []DatabaseRestore `json:"databases"`
	// Failed is the number of databases that were not restored, or not wholly.
	Failed int `json:"failed"`
}

// DatabaseRestore is one of them: what was done, or why it failed.
type DatabaseRestore struct {
	Source   string         `json:"source"`
	Database string         `json:"database"`
	Restore  *RestoreResult `json:"restore,omitempty"`
	Error    string         `json:"error,omitempty"`
}

// RestoreDatabases restores every source of the repository but those whose databases the patterns exclude, each into the database of its
// own name on the server that To names: into a new one, made as Create does, or into the one that is there, as "postgres" is on every server. Globals
// come first, once, from the newest of the snapshots.
//
// All plans are checked before anything is changed, and one that cannot be carried out refuses everything. If one fails
// later all the same the others go on, and the error at the end names it. The result then is not nil.
func RestoreDatabases(ctx context.Context, o RestoreOptions, exclude []string) (*RestoreDatabasesResult, error) {
	a := &databasesRestore{o: o, tracer: tracing(o.Tracer), result: &RestoreDatabasesResult{DryRun: o.DryRun, Databases: []DatabaseRestore{}}}
	if err := a.check(); err != nil {
		return nil, err
	}
	if err := a.choose(ctx, exclude); err != nil {
		return nil, err
	}
	if err := a.plan(ctx); err != nil {
		return nil, err
	}
	if o.DryRun {
		return a.result, nil
	}
	if a.globals != nil {
		r, err := Restore(ctx, *a.globals)
		if err != nil {
			return nil, err
		}
		a.result.Globals = r
	}
	return a.run(ctx)
}

type databasesRestore struct {
	o       RestoreOptions
	tracer  Tracer
	sources []*repository.Source
	each    []RestoreOptions
	globals *RestoreOptions // nil: not asked for
	result  *RestoreDatabasesResult
}

func (a *databasesRestore) check() error {
	o := &a.o
	switch {
	case o.Source != "" || len(o.Tables) > 0 || len(o.Rename) > 0 || o.IntoSchema != "":
		return usagef("all databases are restored whole and under their own names; leave out --source, --table, --rename and --into-schema")
	case o.Create:
		return usagef("all databases: those that the target does not have are made anyway; leave --create out")
	case o.GlobalsOnly:
		return usagef("--globals-only restores no database; leave --all-databases out, and name the --source whose roles and tablespaces are meant")
	}
	return o.check()
}

// choose finds the sources, and where each goes.
func (a *databasesRestore) choose(ctx context.Context, exclude []string) error {
	excluded, err := parseDatabasePatterns(exclude)
	if err != nil {
		return err
	}
	opened, err := a.o.open(ctx)
	if err != nil {
		return err
	}
	all, err := opened.repo.Sources(ctx)
	if err != nil {
		return err
	}
	named := map[string]*repository.Source{}
	for _, s := range all {
		if matchesAny(excluded, s.Database) {
			continue
		}
		if other := named[s.Database]; other != nil {
			return usagef("the sources %q and %q are both of a database %q; restore them one by one with --source, or leave both out with --exclude-database", other.Name, s.Name, s.Database)
		}
		if len(a.sources) > 0 && a.sources[0].SystemID != s.SystemID && a.o.Globals {
			return usagef("the sources %q and %q are of two servers, each with roles of its own; restore those of one with --globals-only --source NAME, and leave --globals out", a.sources[0].Name, s.Name)
		}
		named[s.Database] = s
		a.sources = append(a.sources, s)
	}
	if len(a.sources) == 0 {
		return windowf("nothing matches: the repository holds no source whose database is not excluded")
	}
	slices.SortFunc(a.sources, func(x, y *repository.Source) int { return strings.Compare(x.Database, y.Database) })
	return a.place(ctx)
}

// place says which of the databases are to be made.
func (a *databasesRestore) place(ctx context.Context) error {
	config, err := parseConn(a.o.To)
	if err != nil {
		return err
	}
	if config.Database == "" {
		config.Database = maintenance
	}
	conn, _, err := connect(ctx, config)
	if err != nil {
		return err
	}
	defer hangUp(ctx, conn)
	rows, err := conn.Query(ctx, `SELECT datname::text FROM pg_catalog.pg_database`)
	if err != nil {
		return fmt.Errorf("list the databases of the target: %w", err)
	}
	there, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list the databases of the target: %w", err)
	}
	for _, s := range a.sources {
		o := a.o
		o.Globals, o.OverwriteGlobals, o.NoRolePasswords = false, false, false
		o.Source, o.into, o.Create = s.Name, s.Database, !slices.Contains(there, s.Database)
		if o.Create && o.Scope == RestoreDataOnly {
			return fmt.Errorf("the target has no database %q to load rows into; leave --data-only out to make it", s.Database)
		}
		if o.Create {
			o.Clean = false // there is nothing
		}
		a.each = append(a.each, o)
	}
	return nil
}

// plan checks everything that is going to be done.
func (a *databasesRestore) plan(ctx context.Context) error {
	var coming *catalog.GlobalsPlan
	if a.o.Globals {
		var err error
		if coming, err = a.planGlobals(ctx); err != nil {
			return err
		}
	}
	var failed []error
	for i := range a.each {
		o := a.each[i]
		o.DryRun, o.coming = true, coming
		if !a.o.DryRun {
			o.Tracer = nil // the restore itself will tell
		}
		r, err := Restore(ctx, o)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			failed = append(failed, fmt.Errorf("database %q: %w", a.sources[i].Database, err))
			continue
		}
		if a.o.DryRun {
			a.result.Databases = append(a.result.Databases, DatabaseRestore{Source: o.Source, Database: o.into, Restore: r})
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d databases cannot be restored, and nothing was changed; --exclude-database leaves one out:\n%w", len(failed), len(a.each), errors.Join(failed...))
	}
	return nil
}

// planGlobals plans those of the newest snapshot that is restored from.
func (a *databasesRestore) planGlobals(ctx context.Context) (*catalog.GlobalsPlan, error) {
	var newest *restore
	for i := range a.each {
		o := a.each[i]
		o.GlobalsOptions, o.Scope, o.Create, o.Clean, o.into, o.DryRun = a.o.GlobalsOptions, RestoreAll, false, false, "", true
		o.Globals, o.GlobalsOnly = false, true
		r := newRestore(o)
		if _, err := r.chooseGlobals(ctx); err != nil {
			return nil, fmt.Errorf("database %q: %w", a.sources[i].Database, err)
		}
		if newest == nil || r.plan.Reaches.Time.After(newest.plan.Reaches.Time) {
			newest = r
		}
	}
	planned := newRestore(newest.o)
	if config, err := parseConn(a.o.To); err == nil && config.Database == "" {
		planned.o.into = maintenance
	}
	r, err := planned.restoreGlobals(ctx)
	if err != nil {
		return nil, err
	}
	if a.o.DryRun {
		a.result.Globals = r
	}
	o := planned.o
	o.DryRun = false
	a.globals = &o
	return planned.globals, nil
}

// run restores one database after the other.
func (a *databasesRestore) run(ctx context.Context) (*RestoreDatabasesResult, error) {
	var failed []string
	for i, o := range a.each {
		a.tracer.Note(Note{LevelInfo, fmt.Sprintf("database %q (%d of %d)", o.into, i+1, len(a.each))})
		r, err := Restore(ctx, o)
		if ctx.Err() != nil && err != nil {
			return nil, err
		}
		d := DatabaseRestore{Source: o.Source, Database: o.into, Restore: r}
		if err != nil {
			d.Error = err.Error()
			a.result.Failed++
			failed = append(failed, o.into)
			a.tracer.Note(Note{LevelAlert, fmt.Sprintf("database %q is not restored in whole: %v", o.into, err)})
		}
		a.result.Databases = append(a.result.Databases, d)
	}
	if a.result.Failed > 0 {
		return a.result, fmt.Errorf("%d of %d databases are not restored in whole: %s", a.result.Failed, len(a.each), strings.Join(failed, ", "))
	}
	return a.result, nil
}
