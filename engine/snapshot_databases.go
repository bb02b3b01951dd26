package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine/internal/repository"
	"github.com/pgrecall/pgrecall/snapshot"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// SnapshotDatabasesResult says what was copied of a server's databases.
type SnapshotDatabasesResult struct {
	Databases []DatabaseSnapshot `json:"databases"`
	// LeftOut are databases that accept no connections, or are templates, and why.
	LeftOut []string `json:"left_out,omitempty"`
	// Failed is the number of databases of which there is no new snapshot.
	Failed int `json:"failed"`
}

// DatabaseSnapshot is one of them: a snapshot, or why there is none.
type DatabaseSnapshot struct {
	Database string          `json:"database"`
	Snapshot *SnapshotResult `json:"snapshot,omitempty"`
	Error    string          `json:"error,omitempty"`
}

// SnapshotDatabases takes a snapshot of every database of a server that accepts connections and is no template, but for those that
// the patterns exclude. Each is a source of its own, of the database's name, or of that which the repository knows the database by; each
// snapshot is of an instant of its own and holds the server's roles and tablespaces as of then.
//
// A backup of what can be backed up is worth more than none: where one fails the others are taken all the same, and
// the error at the end names it. The result then is not nil.
func SnapshotDatabases(ctx context.Context, o SnapshotOptions, exclude []string) (*SnapshotDatabasesResult, error) {
	if o.Source != "" || len(o.Tables) > 0 || len(o.Schemas) > 0 {
		return nil, usagef("all databases: each is a source of its own and whole; leave out --source, --table and --schema")
	}
	options, err := o.parsed()
	if err != nil {
		return nil, err
	}
	excluded, err := parseDatabasePatterns(exclude)
	if err != nil {
		return nil, err
	}
	config, err := parseConn(o.DB)
	if err != nil {
		return nil, err
	}
	result := &SnapshotDatabasesResult{Databases: []DatabaseSnapshot{}}
	names, err := result.list(ctx, config, excluded)
	if err != nil {
		return nil, err
	}
	opened, err := o.create(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	tracer := tracing(o.Tracer)
	var failed []string
	for i, name := range names {
		tracer.Note(Note{LevelInfo, fmt.Sprintf("database %q (%d of %d)", name, i+1, len(names))})
		taken, err := snapshotNamed(ctx, opened, config, name, options, tracer)
		if ctx.Err() != nil && err != nil {
			return nil, err
		}
		d := DatabaseSnapshot{Database: name, Snapshot: taken}
		if err != nil {
			d.Error = err.Error()
			result.Failed++
			failed = append(failed, name)
			tracer.Note(Note{LevelAlert, fmt.Sprintf("database %q has no new snapshot: %v", name, err)})
		}
		result.Databases = append(result.Databases, d)
	}
	if result.Failed > 0 {
		return result, fmt.Errorf("%d of %d databases have no new snapshot: %s", result.Failed, len(names), strings.Join(failed, ", "))
	}
	return result, nil
}

func parseDatabasePatterns(texts []string) ([]*catalog.Pattern, error) {
	var patterns []*catalog.Pattern
	for _, text := range texts {
		p, err := catalog.ParseNamePattern(text)
		if err != nil {
			return nil, usagef("--exclude-database %q: %w", text, err)
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}

func matchesAny(patterns []*catalog.Pattern, name string) bool {
	return slices.ContainsFunc(patterns, func(p *catalog.Pattern) bool { return p.Match("", name) })
}

// list returns the databases to take, and tells those that are left out.
func (r *SnapshotDatabasesResult) list(ctx context.Context, config *pgx.ConnConfig, excluded []*catalog.Pattern) ([]string, error) {
	if config.Database == "" {
		config = config.Copy()
		config.Database = maintenance
	}
	conn, _, err := connect(ctx, config)
	if err != nil {
		return nil, err
	}
	defer hangUp(ctx, conn)
	// A connection limit of -2 marks a database whose DROP was interrupted (src/include/catalog/pg_database.h).
	rows, err := conn.Query(ctx, `SELECT datname::text, CASE WHEN datconnlimit = -2 THEN 'its DROP DATABASE was interrupted'
			WHEN datistemplate THEN 'it is a template' WHEN NOT datallowconn THEN 'it accepts no connections' ELSE '' END
		FROM pg_catalog.pg_database ORDER BY datname`)
	if err != nil {
		return nil, fmt.Errorf("list the databases: %w", err)
	}
	var names []string
	var name, why string
	_, err = pgx.ForEachRow(rows, []any{&name, &why}, func() error {
		switch {
		case matchesAny(excluded, name):
		case why == "":
			names = append(names, name)
		case name != "template0" && name != "template1":
			r.LeftOut = append(r.LeftOut, fmt.Sprintf("database %s: %s", name, why))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the databases: %w", err)
	}
	if len(names) == 0 {
		return nil, windowf("nothing matches: every database of the server is excluded, a template, or accepts no connections")
	}
	return names, nil
}

// snapshotNamed takes a snapshot of a database of the server that config reaches.
func snapshotNamed(ctx context.Context, opened *opened, config *pgx.ConnConfig, name string, o snapshot.Options, tracer Tracer) (*SnapshotResult, error) {
	config = config.Copy()
	config.Database = name
	conn, db, err := connect(ctx, config)
	if err != nil {
		return nil, err
	}
	defer hangUp(ctx, conn)
	known, err := opened.knownAs(ctx, db)
	if err != nil {
		return nil, err
	}
	source, err := opened.addSource(ctx, known, db)
	if err != nil {
		return nil, err
	}
	return snapshotOf(ctx, source, config, conn, o, tracer)
}

// knownAs returns the name of the source that is this very database, or else the database's own.
func (o *opened) knownAs(ctx context.Context, db *database) (string, error) {
	all, err := o.repo.Sources(ctx)
	if err != nil {
		return "", err
	}
	same := func(s *repository.Source) bool { return s.CheckDatabase(db.systemID, db.oid) == nil }
	if i := slices.IndexFunc(all, same); i >= 0 {
		return all[i].Name, nil
	}
	return db.name, nil
}
