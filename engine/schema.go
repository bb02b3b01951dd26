package engine

import (
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// SchemaOptions say which objects to write as SQL, and from where.
type SchemaOptions struct {
	Place
	// Live reads the database that DB names; else the repository is read, at Target.
	Live   bool
	DB     string
	Target Target
	// Tables are psql's patterns; empty writes everything.
	Tables []string
	// Sections by their names, pre-data, data and post-data; none are pre-data and post-data.
	Sections                                               []string
	NoOwner, NoPrivileges, NoTablespaces, NoSecurityLabels bool
	// CatalogOfSnapshot accepts objects as of the snapshot where statements that change no table's layout lie between it and the target.
	CatalogOfSnapshot bool
	// GlobalsOnly writes what the databases of the server share instead, with the passwords of roles or, NoRolePasswords, without.
	GlobalsOnly     bool
	NoRolePasswords bool
	Tracer          Tracer
}

// Schema writes the objects of a live database, or of a repository at a target, as SQL that psql runs into an empty
// database: a backup of the schema alone, and what a restore to that target would do. The same objects give the same bytes.
func Schema(ctx context.Context, o SchemaOptions, w io.Writer) error {
	sections, err := parseSections(o.Sections)
	if err != nil {
		return err
	}
	if o.GlobalsOnly {
		return o.writeGlobals(ctx, w)
	}
	options := catalog.SQLOptions{Sections: sections, Sequences: map[uint32]catalog.SequenceValue{}}
	var script catalog.Script
	if o.Live {
		if o.Target != (Target{}) {
			return usagef("a recovery target is a point of a repository; a live database is written as it is")
		}
		script, err = o.live(ctx, options.Sequences)
	} else {
		script, err = o.recorded(ctx, options.Sequences)
	}
	if err != nil {
		return err
	}
	tracer := tracing(o.Tracer)
	for _, left := range script.LeftOut {
		tracer.Note(Note{LevelWarn, fmt.Sprintf("not written: %s: %s", left.What, left.Why)})
	}
	return script.WriteSQL(w, options)
}

func parseSections(names []string) ([]catalog.Section, error) {
	if len(names) == 0 {
		return []catalog.Section{catalog.PreData, catalog.PostData}, nil
	}
	var sections []catalog.Section
	for _, name := range names {
		known := false
		for _, s := range []catalog.Section{catalog.PreData, catalog.Data, catalog.PostData} {
			if s.String() == name {
				sections, known = append(sections, s), true
			}
		}
		if !known {
			return nil, usagef("section %q: one of pre-data, data, post-data", name)
		}
	}
	return sections, nil
}

// live reads a database at one instant.
func (o *SchemaOptions) live(ctx context.Context, values map[uint32]catalog.SequenceValue) (script catalog.Script, err error) {
	config, err := parseConn(o.DB)
	if err != nil {
		return script, err
	}
	conn, _, err := connect(ctx, config)
	if err != nil {
		return script, err
	}
	defer hangUp(ctx, conn)
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		c, err := catalog.Read(ctx, tx)
		if err != nil {
			return fmt.Errorf("read the catalog: %w", err)
		}
		noteUnread(tracing(o.Tracer), c)
		if script, err = o.script(c); err != nil {
			return err
		}
		return readSequences(ctx, tx, values)
	})
	return script, err
}

// noteUnread says what a catalog could not hold.
func noteUnread(tracer Tracer, c *catalog.Catalog) {
	for _, u := range c.Unsupported {
		tracer.Note(Note{LevelWarn, fmt.Sprintf("not written: %s %s", u.Kind, u.Name)})
	}
}

func (o *SchemaOptions) script(c *catalog.Catalog) (catalog.Script, error) {
	options := catalog.DDLOptions{NoOwner: o.NoOwner, NoPrivileges: o.NoPrivileges, NoTablespaces: o.NoTablespaces, NoSecurityLabels: o.NoSecurityLabels}
	if len(o.Tables) > 0 {
		tables, err := c.Select(catalog.Selection{Tables: o.Tables})
		if err != nil {
			return catalog.Script{}, windowf("nothing matches: %w", err)
		}
		options.Tables = map[uint32]bool{}
		for _, t := range tables {
			options.Tables[t.OID] = true
		}
	}
	script, err := c.DDL(options)
	if err != nil {
		return script, usagef("%w", err)
	}
	return script, nil
}

// readSequences reads the values of the sequences that the role may read; one that never gave a value has none.
func readSequences(ctx context.Context, tx pgx.Tx, values map[uint32]catalog.SequenceValue) error {
	rows, err := tx.Query(ctx, `SELECT q.oid, q.value FROM (
		SELECT seqrelid AS oid, CASE WHEN pg_catalog.has_sequence_privilege(seqrelid, 'USAGE, SELECT') THEN pg_catalog.pg_sequence_last_value(seqrelid) END AS value
		FROM pg_catalog.pg_sequence) q WHERE q.value IS NOT NULL`)
	if err != nil {
		return fmt.Errorf("read the values of sequences: %w", err)
	}
	var oid uint32
	var last int64
	_, err = pgx.ForEachRow(rows, []any{&oid, &last}, func() error {
		values[oid] = catalog.SequenceValue{Last: last, Called: true}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the values of sequences: %w", err)
	}
	return nil
}

// recorded takes the objects out of the repository, by the same choice and with the same checks as a restore.
func (o *SchemaOptions) recorded(ctx context.Context, values map[uint32]catalog.SequenceValue) (catalog.Script, error) {
	r := newRestore(RestoreOptions{Place: o.Place, Target: o.Target, Tables: o.Tables, Scope: RestoreSchemaOnly, CatalogOfSnapshot: o.CatalogOfSnapshot,
		NoOwner: o.NoOwner, NoPrivileges: o.NoPrivileges, NoTablespaces: o.NoTablespaces, NoSecurityLabels: o.NoSecurityLabels, Tracer: o.Tracer})
	if err := r.choose(ctx); err != nil {
		return catalog.Script{}, err
	}
	noteUnread(r.tracer, r.catalog)
	for i := range r.catalog.Sequences {
		q := &r.catalog.Sequences[i]
		if s, sampled := r.past.sequence(q.OID, q.Increment < 0); sampled {
			values[q.OID] = catalog.SequenceValue{Last: s.Value, Called: s.Called}
		}
	}
	return r.script, nil
}
