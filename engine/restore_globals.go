package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// GlobalsOptions say what a restore does about what the databases of a server share: roles, memberships, their settings, tablespaces.
type GlobalsOptions struct {
	// Globals makes what is missing on the target before anything else, as the newest catalog of the target has it. What exists
	// there is not altered; it is told where it differs.
	Globals bool
	// GlobalsOnly does nothing else. To names any database of the target.
	GlobalsOnly bool
	// OverwriteGlobals gives roles and tablespaces that exist what they have on the source, and takes nothing away.
	OverwriteGlobals bool
	// NoRolePasswords makes roles without their passwords.
	NoRolePasswords bool
}

func (o *GlobalsOptions) wanted() bool { return o.Globals || o.GlobalsOnly }

// PlannedGlobals is what becomes of the globals.
type PlannedGlobals struct {
	// AsOf is the instant of the catalog that they are from: a stream takes one soon after they were changed.
	AsOf time.Time `json:"as_of"`
	// Roles and Tablespaces are made.
	Roles       []string `json:"roles"`
	Tablespaces []string `json:"tablespaces"`
	// Statements are all, in order; those with secrets without their text.
	Statements []string `json:"statements"`
	// Differs tells what exists on the target and stays as it is there.
	Differs []string `json:"differs,omitempty"`
	LeftOut []string `json:"left_out,omitempty"`
}

var errNoGlobals = usagef("the snapshot holds no roles and tablespaces: an earlier version took it; take a new one, or leave --globals out")

// planGlobals compares the snapshot's globals with the target's. What stands in the way is added to r.lacks.
func (r *restore) planGlobals(ctx context.Context, g *catalog.Globals, asOf time.Time) error {
	if !r.o.wanted() {
		return nil
	}
	if g == nil {
		return errNoGlobals
	}
	t := r.target
	there, err := readGlobals(ctx, t.conn)
	if err != nil {
		return err
	}
	if len(there.Roles) == 0 {
		return fmt.Errorf("what the target has is not known, and so not what it lacks: %s", strings.Join(there.Unread, "; "))
	}
	if t.parameters == nil {
		if t.parameters, err = readParameters(ctx, t.conn); err != nil {
			return err
		}
	}
	p, err := g.Plan(there, catalog.GlobalsOptions{As: t.user, Parameters: t.parameters, Overwrite: r.o.OverwriteGlobals,
		NoPrivileges: r.o.NoPrivileges, NoTablespaces: r.o.NoTablespaces, NoRolePasswords: r.o.NoRolePasswords,
		NoSecurityLabels: r.o.NoSecurityLabels})
	if err != nil {
		return err
	}
	for _, what := range p.Forbidden {
		r.lacks.add("role %s may not %s", t.user, what)
	}
	if err := t.checkLocations(ctx, p, &r.lacks); err != nil {
		return err
	}
	r.globals = p
	r.plan.Globals = plannedGlobals(g, p, asOf)
	return nil
}

func plannedGlobals(g *catalog.Globals, p *catalog.GlobalsPlan, asOf time.Time) *PlannedGlobals {
	planned := &PlannedGlobals{AsOf: asOf, Roles: []string{}, Tablespaces: []string{}, Statements: []string{}, Differs: p.Differs}
	planned.Roles = append(planned.Roles, p.Roles...)
	planned.Tablespaces = append(planned.Tablespaces, p.TablespaceNames...)
	for _, s := range slices.Concat(p.Tablespaces, p.Statements) {
		planned.Statements = append(planned.Statements, s.Shown())
	}
	for _, l := range p.LeftOut {
		planned.LeftOut = append(planned.LeftOut, l.What+": "+l.Why)
	}
	for _, what := range g.Unread {
		planned.LeftOut = append(planned.LeftOut, what+": not in the snapshot")
	}
	return planned
}

// readParameters reads which configuration parameters a server knows.
func readParameters(ctx context.Context, conn *pgx.Conn) (catalog.Parameters, error) {
	rows, err := conn.Query(ctx, `SELECT pg_catalog.lower(name), context FROM pg_catalog.pg_settings`)
	if err != nil {
		return nil, fmt.Errorf("read the target's configuration parameters: %w", err)
	}
	known := catalog.Parameters{}
	var name, context string
	_, err = pgx.ForEachRow(rows, []any{&name, &context}, func() error { known[name] = context; return nil })
	if err != nil {
		return nil, fmt.Errorf("read the target's configuration parameters: %w", err)
	}
	return known, nil
}

// checkLocations makes sure that each tablespace can be made: its directory is there, and no tablespace of this version of the server is in it
// (documentation, "CREATE TABLESPACE"). Only a superuser may ask, and only a superuser makes tablespaces.
func (t *target) checkLocations(ctx context.Context, p *catalog.GlobalsPlan, lacks *lacking) error {
	if !t.super {
		return nil
	}
	for i, location := range p.Locations {
		if location == "" {
			continue
		}
		var directory, used bool
		err := t.conn.QueryRow(ctx, `SELECT coalesce((pg_catalog.pg_stat_file($1, true)).isdir, false)`, location).Scan(&directory)
		if err == nil && directory {
			err = t.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_ls_dir($1) d, pg_catalog.pg_control_system() c
				WHERE d = 'PG_' || pg_catalog.current_setting('server_version_num')::int / 10000 || '_' || c.catalog_version_no)`, location).Scan(&used)
		}
		what := ""
		switch {
		case err != nil && ctx.Err() != nil:
			return fmt.Errorf("look for the directories of tablespaces on the target: %w", err)
		case err != nil:
			what = "cannot be looked at by the server: " + err.Error()
		case !directory:
			what = "does not exist on the target's machine"
		case used:
			what = "is in use as a tablespace already"
		default:
			continue
		}
		lacks.add("directory %s of tablespace %s %s; make it an empty directory that the server's account owns, or leave tablespaces out with --no-tablespaces",
			location, p.TablespaceNames[i], what)
	}
	return nil
}

// makeGlobals carries the plan of the globals out, wholly or not at all: the tablespaces, which no transaction can make, are dropped again if
// anything fails.
func (r *restore) makeGlobals(ctx context.Context) (err error) {
	if r.globals == nil {
		return nil
	}
	began := time.Now()
	conn := r.target.conn
	var made []string
	defer func() {
		if err == nil {
			r.phase("globals", began)
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		for _, name := range made {
			if _, dropErr := conn.Exec(ctx, "DROP TABLESPACE "+quoteName(name)); dropErr != nil {
				err = errors.Join(err, fmt.Errorf("the new tablespace %s could not be dropped again: %w", name, dropErr))
			}
		}
	}()
	if r.target.super && slices.Contains(r.globals.Locations, "") {
		// A tablespace within the data directory is made only where this is on (documentation, "Developer Options").
		if _, err := conn.Exec(ctx, `SELECT pg_catalog.set_config(name, 'on', false) FROM pg_catalog.pg_settings WHERE name = 'allow_in_place_tablespaces'`); err != nil {
			return fmt.Errorf("make tablespaces: %w", err)
		}
	}
	for i := range r.globals.Tablespaces {
		if err := r.execute(ctx, conn, &r.globals.Tablespaces[i]); err != nil {
			return err
		}
		made = append(made, r.globals.TablespaceNames[i])
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if !r.target.super && r.target.db.version >= 160000 {
			// Somebody who is no superuser gets the right to act for the roles they make (documentation,
			// createrole_self_grant): without it they could not give them what they own.
			if _, err := tx.Exec(ctx, "SET LOCAL createrole_self_grant = 'set, inherit'"); err != nil {
				return fmt.Errorf("prepare to make roles: %w", err)
			}
		}
		for i := range r.globals.Statements {
			if err := r.execute(ctx, tx.Conn(), &r.globals.Statements[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// restoreGlobals restores the globals alone.
func (r *restore) restoreGlobals(ctx context.Context) (*RestoreResult, error) {
	began := time.Now()
	g, err := r.chooseGlobals(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.connectTarget(ctx); err != nil {
		return nil, err
	}
	defer r.target.close(ctx)
	if g != nil {
		if err := checkVersion(g.ServerVersion, r.target.db.version); err != nil {
			return nil, err
		}
	}
	if err := r.planGlobals(ctx, g, r.plan.Reaches.Time); err != nil {
		return nil, err
	}
	if err := r.lacks.err(); err != nil {
		return nil, err
	}
	r.phase("plan", began)
	if !r.o.DryRun {
		if err := r.makeGlobals(ctx); err != nil {
			return nil, err
		}
	}
	r.result.Plan, r.result.Reached, r.result.Reading = r.plan, r.plan.Reaches, r.opened.reading()
	return r.result, nil
}

// chooseGlobals finds the newest catalog at or before the target, and its globals.
func (r *restore) chooseGlobals(ctx context.Context) (*catalog.Globals, error) {
	choices, err := r.candidates(ctx)
	if err != nil {
		return nil, err
	}
	source := r.held.source
	for _, c := range choices {
		noted, err := r.held.noted(ctx, &c)
		if err != nil {
			return nil, err
		}
		if !noted {
			continue
		}
		latest, err := r.held.latestCatalog(ctx, &c)
		if err != nil {
			return nil, err
		}
		e := latest.Envelope
		body, err := source.Body(ctx, e)
		if err != nil {
			return nil, err
		}
		model, err := takeCatalog(body)
		if err != nil {
			return nil, err
		}
		r.plan = RestorePlan{Source: source.Name, Target: r.o.Target.String(), Snapshot: e.ID, Tables: []PlannedTable{}, GlobalsOnly: true,
			Reaches: point(e.Groups[0].LSN, 0, e.Groups[0].Time)}
		return model.Globals, nil
	}
	return nil, windowf("nothing matches: no snapshot of the source %q serves %s", source.Name, r.o.Target)
}
