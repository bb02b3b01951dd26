package engine

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

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
	ObjectOptions
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
	if _, err := parsePatterns(o.ExcludeTables); err != nil {
		return err
	}
	if o.GlobalsOnly {
		return o.writeGlobals(ctx, w)
	}
	if o.Live && o.Target != (Target{}) {
		return usagef("a recovery target is a point of a repository; a live database is written as it is")
	}
	options := catalog.SQLOptions{Sections: sections, Sequences: map[uint32]catalog.SequenceValue{}}
	var script catalog.Script
	if o.Live {
		script, err = o.live(ctx, &options)
	} else {
		script, err = o.recorded(ctx, &options)
	}
	if err != nil {
		return err
	}
	tracer := tracing(o.Tracer)
	for _, left := range slices.Concat(options.NotWritten, script.LeftOut) {
		tracer.Note(Note{LevelWarn, fmt.Sprintf("not written: %s: %s", left.What, left.Why)})
	}
	secret := func(s catalog.Statement) bool { return s.Secret }
	if slices.ContainsFunc(script.Statements, secret) {
		tracer.Note(Note{LevelWarn, "the SQL holds passwords, of user mappings or subscriptions"})
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

// live reads a database at one instant. PostgreSQL's functions that print definitions answer as of now and not as of the
// instant, so that all is read again where objects changed meanwhile.
func (o *SchemaOptions) live(ctx context.Context, options *catalog.SQLOptions) (script catalog.Script, err error) {
	conn, _, err := dial(ctx, o.DB)
	if err != nil {
		return script, err
	}
	defer hangUp(ctx, conn)
	for try := 1; ; try++ {
		var before, after string
		var c *catalog.Catalog
		readErr := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
			if before, err = catalog.Fingerprint(ctx, tx); err != nil {
				return err
			}
			if c, err = catalog.Read(ctx, tx); err != nil {
				return fmt.Errorf("read the catalog: %w", err)
			}
			if slices.Contains(options.Sections, catalog.Data) {
				return o.readSequences(ctx, tx, c, options.Sequences)
			}
			return nil
		})
		if before == "" || ctx.Err() != nil {
			return script, readErr
		}
		if after, err = catalog.Fingerprint(ctx, conn); err != nil {
			return script, err
		}
		switch {
		case before == after && readErr != nil:
			return script, readErr
		case before == after:
			return o.script(c, options)
		case try == mostReads:
			return script, fmt.Errorf("objects of database %q changed during each of %d readings; try again when DDL runs less often", conn.Config().Database, mostReads)
		}
		clear(options.Sequences)
	}
}

// mostReads bounds how often a catalog is read again.
const mostReads = 8

// script is the SQL of a catalog's objects.
func (o *SchemaOptions) script(c *catalog.Catalog, options *catalog.SQLOptions) (script catalog.Script, err error) {
	ddl := catalog.DDLOptions{NoOwner: o.NoOwner, NoPrivileges: o.NoPrivileges, NoTablespaces: o.NoTablespaces, NoSecurityLabels: o.NoSecurityLabels, NoComments: o.NoComments}
	if len(o.Tables) > 0 {
		tables, err := c.Select(catalog.Selection{Tables: o.Tables, ExcludeTables: o.ExcludeTables})
		if err != nil {
			return script, windowf("nothing matches: %w", err)
		}
		ddl.Tables = map[uint32]bool{}
		for _, t := range tables {
			ddl.Tables[t.OID] = true
		}
	}
	reduced, left, err := o.reduce(c, ddl.Tables != nil, nil)
	if err != nil {
		return script, err
	}
	options.NotWritten = slices.Concat(left, unhandled(c, ddl.Tables == nil))
	if script, err = reduced.DDL(ddl); err != nil {
		return script, usagef("%w", err)
	}
	return script, nil
}

// unhandled are the objects that the model does not hold; tables that were chosen do without.
func unhandled(c *catalog.Catalog, whole bool) (left []catalog.LeftOut) {
	for _, u := range c.Unsupported {
		if whole {
			left = append(left, catalog.LeftOut{What: u.Kind + " " + u.Name, Why: cmp.Or(u.Why, "this version does not handle its kind")})
		}
	}
	return left
}

// readSequences reads the values of the sequences that the role may read, as of now: they know no snapshot.
func (o *SchemaOptions) readSequences(ctx context.Context, tx pgx.Tx, c *catalog.Catalog, values map[uint32]catalog.SequenceValue) error {
	var oids []uint32
	for i := range c.Sequences {
		oids = append(oids, c.Sequences[i].OID)
	}
	rows, err := tx.Query(ctx, `SELECT c.oid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), pg_catalog.has_sequence_privilege(c.oid, 'SELECT') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid = ANY ($1::oid[]) AND NOT (pg_catalog.pg_is_in_recovery() AND c.relpersistence = 'u') ORDER BY c.oid`, oids)
	if err != nil {
		return fmt.Errorf("list the sequences: %w", err)
	}
	type sequence struct {
		OID      uint32
		Name     string
		Readable bool
	}
	sequences, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sequence])
	if err != nil {
		return fmt.Errorf("list the sequences: %w", err)
	}
	var unread []string
	var readable []sequence
	for _, s := range sequences {
		if s.Readable {
			readable = append(readable, s)
		} else {
			unread = append(unread, s.Name)
		}
	}
	if len(unread) > 0 {
		tracing(o.Tracer).Note(Note{LevelWarn, "the values of these sequences are not written, as the role may not read them (GRANT SELECT ON SEQUENCE, and USAGE ON SCHEMA): " + fewOf(unread, 12)})
	}
	for some := range slices.Chunk(readable, existsBatch) {
		queries := make([]string, len(some))
		for i, s := range some {
			queries[i] = fmt.Sprintf("SELECT %d::oid, last_value, is_called FROM %s", s.OID, s.Name)
		}
		rows, err := tx.Query(ctx, strings.Join(queries, " UNION ALL "))
		if err != nil {
			return fmt.Errorf("read the values of sequences: %w", err)
		}
		var oid uint32
		var v catalog.SequenceValue
		if _, err := pgx.ForEachRow(rows, []any{&oid, &v.Last, &v.Called}, func() error { values[oid] = v; return nil }); err != nil {
			return fmt.Errorf("read the values of sequences: %w", err)
		}
	}
	return nil
}

// recorded takes the objects out of the repository, by the same choice and with the same checks as a restore.
func (o *SchemaOptions) recorded(ctx context.Context, options *catalog.SQLOptions) (catalog.Script, error) {
	r := newRestore(RestoreOptions{Place: o.Place, Target: o.Target, Tables: o.Tables, Scope: RestoreSchemaOnly, CatalogOfSnapshot: o.CatalogOfSnapshot,
		NoOwner: o.NoOwner, NoPrivileges: o.NoPrivileges, NoTablespaces: o.NoTablespaces, NoSecurityLabels: o.NoSecurityLabels,
		ObjectOptions: o.ObjectOptions, Tracer: o.Tracer})
	if err := r.choose(ctx); err != nil {
		return catalog.Script{}, err
	}
	options.NotWritten = slices.Concat(r.left, unhandled(r.catalog, len(o.Tables) == 0))
	for i := range r.catalog.Sequences {
		q := &r.catalog.Sequences[i]
		if s, sampled := r.past.sequences.value(q.OID, q.Increment < 0); sampled {
			options.Sequences[q.OID] = catalog.SequenceValue{Last: s.Value, Called: s.Called}
		}
	}
	return r.script, nil
}
