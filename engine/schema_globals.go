package engine

import (
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// writeGlobals writes what the databases of a server share as SQL that psql runs on a server that initdb has just made.
func (o *SchemaOptions) writeGlobals(ctx context.Context, w io.Writer) error {
	if len(o.Tables) > 0 || len(o.Sections) > 0 {
		return usagef("--globals-only writes no objects of a database; leave out --table and --section")
	}
	g, err := o.globals(ctx)
	if err != nil {
		return err
	}
	script, err := g.Script(catalog.GlobalsOptions{NoPrivileges: o.NoPrivileges, NoTablespaces: o.NoTablespaces,
		NoSecurityLabels: o.NoSecurityLabels, NoRolePasswords: o.NoRolePasswords})
	if err != nil {
		return err
	}
	tracer := tracing(o.Tracer)
	for _, what := range g.Unread {
		tracer.Note(Note{LevelWarn, "not written: " + what})
	}
	for _, left := range script.LeftOut {
		tracer.Note(Note{LevelWarn, fmt.Sprintf("not written: %s: %s", left.What, left.Why)})
	}
	return script.WriteSQL(w, catalog.SQLOptions{Sections: []catalog.Section{catalog.PreData}})
}

// globals reads those of a live server, or of the snapshot that a restore to the target would begin from.
func (o *SchemaOptions) globals(ctx context.Context) (*catalog.Globals, error) {
	if !o.Live {
		r := newRestore(RestoreOptions{Place: o.Place, Target: o.Target, Tracer: o.Tracer})
		g, err := r.chooseGlobals(ctx)
		if err == nil && g == nil {
			err = errNoGlobals
		}
		return g, err
	}
	if o.Target != (Target{}) {
		return nil, usagef("a recovery target is a point of a repository; a live server is written as it is")
	}
	conn, _, err := dial(ctx, o.DB)
	if err != nil {
		return nil, err
	}
	defer hangUp(ctx, conn)
	return readGlobals(ctx, conn)
}

// readGlobals reads those of a server at one instant.
func readGlobals(ctx context.Context, conn *pgx.Conn) (g *catalog.Globals, err error) {
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		g, err = catalog.ReadGlobals(ctx, tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read roles and tablespaces: %w", err)
	}
	return g, nil
}
