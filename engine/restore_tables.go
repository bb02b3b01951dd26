package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// checkTables looks at the tables that a data-only restore loads into.
func (r *restore) checkTables(ctx context.Context) error {
	if err := r.checkColumns(ctx); err != nil {
		return err
	}
	if err := r.checkLoad(ctx); err != nil {
		return err
	}
	full, err := r.target.filled(ctx, r.ordinary(), r.script.Tables)
	if err != nil {
		return err
	}
	if len(full) > 0 && !r.o.Clean {
		return fmt.Errorf("tables of the target hold rows: %s; --clean truncates exactly the tables to be loaded", fewOf(full, 12))
	}
	if r.o.Clean {
		if err := r.planTruncate(ctx); err != nil {
			return err
		}
	}
	if !r.target.super {
		if err := r.planOrder(ctx); err != nil {
			return err
		}
	}
	return r.checkTriggers(ctx)
}

// filled returns the names of tables that hold rows.
func (t *target) filled(ctx context.Context, tables []*format.TableData, names map[uint32]catalog.Name) (full []string, err error) {
	for batch := range slices.Chunk(tables, existsBatch) {
		expressions := make([]string, len(batch))
		for i, table := range batch {
			name := names[table.OID]
			expressions[i] = "EXISTS (SELECT FROM ONLY " + quoteName(name.Schema, name.Name) + ")"
		}
		var rows []bool
		if err := t.conn.QueryRow(ctx, "SELECT ARRAY["+strings.Join(expressions, ", ")+"]").Scan(&rows); err != nil {
			return nil, fmt.Errorf("look whether tables of the target are empty: %w", err)
		}
		for i, table := range batch {
			if rows[i] {
				full = append(full, names[table.OID].String())
			}
		}
	}
	return full, nil
}

// checkColumns makes sure that the tables on the target have the columns to load.
func (r *restore) checkColumns(ctx context.Context) error {
	tables := r.ordinary()
	missing, err := r.missingColumns(ctx, tables)
	if err != nil {
		return err
	}
	for i, t := range tables {
		if len(missing[i]) > 0 {
			return fmt.Errorf("the target has no table %s with the columns %s; leave --data-only out to make it", r.script.Tables[t.OID], strings.Join(missing[i], ", "))
		}
	}
	return nil
}

// missingColumns returns of each table the columns to load that it does not have on the target, of the types they had:
// another type may take the same text for another value, as numeric(5,2) rounds and timestamp leaves the zone away.
func (r *restore) missingColumns(ctx context.Context, tables []*format.TableData) ([][]string, error) {
	schemas, names := r.names(tables)
	rows, err := r.target.conn.Query(ctx, `SELECT w.i::int - 1, a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod)
		FROM unnest($1::text[], $2::text[]) WITH ORDINALITY w(s, n, i) JOIN pg_catalog.pg_namespace n ON n.nspname = w.s
		JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.n JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
		WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''`, schemas, names)
	if err != nil {
		return nil, fmt.Errorf("look for the tables on the target: %w", err)
	}
	there := make([][]string, len(tables))
	var table int
	var column string
	if _, err := pgx.ForEachRow(rows, []any{&table, &column}, func() error {
		there[table] = append(there[table], column)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("look for the tables on the target: %w", err)
	}
	missing := make([][]string, len(tables))
	for i, t := range tables {
		for _, c := range t.Columns {
			if column := c.Name + " " + c.TypeName; !slices.Contains(there[i], column) {
				missing[i] = append(missing[i], column)
			}
		}
	}
	return missing, nil
}

// names are the names of tables on the target as SQL arrays of schemas and names.
func (r *restore) names(tables []*format.TableData) (schemas, names []string) {
	for _, t := range tables {
		n := r.script.Tables[t.OID]
		schemas, names = append(schemas, n.Schema), append(names, n.Name)
	}
	return schemas, names
}

// planTruncate plans the TRUNCATE of a data-only restore; tables that refer to these from outside are refused, for it would take CASCADE.
func (r *restore) planTruncate(ctx context.Context) error {
	if err := r.checkReferences(ctx, "tables to be truncated"); err != nil {
		return err
	}
	schemas, names := r.names(r.ordinary())
	var quoted []string
	for i := range names {
		quoted = append(quoted, quoteName(schemas[i], names[i]))
	}
	if len(quoted) > 0 {
		r.drops = []string{"TRUNCATE ONLY " + strings.Join(quoted, ", ONLY ")}
	}
	r.plan.Drops = r.drops
	return nil
}

// checkReferences refuses tables that refer from outside to those to be loaded, which are what is said.
func (r *restore) checkReferences(ctx context.Context, what string) error {
	schemas, names := r.names(r.wanted)
	rows, err := r.target.conn.Query(ctx, `WITH mine AS (SELECT c.oid FROM unnest($1::text[], $2::text[]) w(s, n)
			JOIN pg_catalog.pg_namespace ns ON ns.nspname = w.s JOIN pg_catalog.pg_class c ON c.relnamespace = ns.oid AND c.relname = w.n)
		SELECT DISTINCT k.conrelid::regclass::text FROM pg_catalog.pg_constraint k
		WHERE k.contype = 'f' AND k.confrelid IN (SELECT oid FROM mine) AND k.conrelid NOT IN (SELECT oid FROM mine)
			AND (SELECT relkind FROM pg_catalog.pg_class WHERE oid = k.conrelid) <> 'p'`, schemas, names)
	if err != nil {
		return fmt.Errorf("look for foreign keys on the target: %w", err)
	}
	referring, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for foreign keys on the target: %w", err)
	}
	if len(referring) > 0 {
		return fmt.Errorf("these tables refer to %s: %s; restore them too, or drop their foreign keys first", what, fewOf(referring, 12))
	}
	return nil
}

// checkTriggers makes sure that no trigger of the user's fires while rows are loaded into tables that exist.
func (r *restore) checkTriggers(ctx context.Context) error {
	// The sessions of a superuser run with session_replication_role = replica.
	firing := "tgenabled <> 'D'"
	if r.target.super {
		firing = "tgenabled IN ('A', 'R')"
	}
	schemas, names := r.names(r.wanted)
	rows, err := r.target.conn.Query(ctx, `SELECT DISTINCT t.tgrelid::regclass::text FROM unnest($1::text[], $2::text[]) w(s, n)
		JOIN pg_catalog.pg_namespace ns ON ns.nspname = w.s JOIN pg_catalog.pg_class c ON c.relnamespace = ns.oid AND c.relname = w.n
		JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal AND t.`+firing, schemas, names)
	if err != nil {
		return fmt.Errorf("look for triggers on the target: %w", err)
	}
	triggered, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for triggers on the target: %w", err)
	}
	if len(triggered) > 0 {
		return fmt.Errorf("tables have triggers that would fire for each loaded row: %s; run as a superuser (who can keep them from firing, but for ENABLE ALWAYS and ENABLE REPLICA), or ALTER TABLE … DISABLE TRIGGER USER first",
			fewOf(triggered, 12))
	}
	return nil
}

// checkLoad makes sure that the role may load into tables that exist, see whether they are empty and set their sequences. The server
// takes no COPY into a table whose row security holds for the role.
func (r *restore) checkLoad(ctx context.Context) error {
	if r.target.super {
		return nil
	}
	privileges := []string{"SELECT", "INSERT"}
	if r.o.Clean {
		privileges = append(privileges, "TRUNCATE")
	}
	schemas, names := r.names(r.ordinary())
	var lacking []string
	for _, privilege := range privileges {
		without, err := r.target.without(ctx, "has_table_privilege", privilege, schemas, names)
		if err != nil {
			return err
		}
		if len(without) > 0 {
			lacking = append(lacking, fmt.Sprintf("lacks %s on the tables %s (or USAGE on their schemas)", privilege, fewOf(without, 12)))
		}
	}
	var sequenceSchemas, sequences []string
	for _, oid := range sortedKeys(r.script.Sequences) {
		name := r.script.Sequences[oid]
		sequenceSchemas, sequences = append(sequenceSchemas, name.Schema), append(sequences, name.Name)
	}
	for _, privilege := range []string{"SELECT", "UPDATE"} {
		without, err := r.target.without(ctx, "has_sequence_privilege", privilege, sequenceSchemas, sequences)
		if err != nil {
			return err
		}
		if len(without) > 0 {
			lacking = append(lacking, fmt.Sprintf("lacks %s on the sequences %s", privilege, fewOf(without, 12)))
		}
	}
	hidden, err := r.target.relations(ctx, "pg_catalog.row_security_active(c.oid)", schemas, names)
	if err != nil {
		return err
	}
	if len(hidden) > 0 {
		lacking = append(lacking, fmt.Sprintf("is subject to row security on the tables %s (ALTER ROLE %s BYPASSRLS)", fewOf(hidden, 12), quoteName(r.target.user)))
	}
	if len(lacking) > 0 {
		return fmt.Errorf("role %q cannot load the rows, and nothing was changed: it %s; grant it that, or restore as the tables' owner", r.target.user, strings.Join(lacking, "; it "))
	}
	return nil
}

// without returns the relations of these names that the role has no such privilege on.
func (t *target) without(ctx context.Context, function, privilege string, schemas, names []string) ([]string, error) {
	kind := "c.relkind <> 'S'"
	if function == "has_sequence_privilege" {
		kind = "c.relkind = 'S'"
	}
	return t.relations(ctx, "CASE WHEN "+kind+" THEN NOT (pg_catalog."+function+"(c.oid, "+quoteText(privilege)+") AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')) END",
		schemas, names)
}

// relations returns those of these names that a condition on the pg_class row c, of the schema n, holds for.
func (t *target) relations(ctx context.Context, condition string, schemas, names []string) ([]string, error) {
	rows, err := t.conn.Query(ctx, `SELECT w.s || '.' || w.n FROM unnest($1::text[], $2::text[]) w(s, n)
		JOIN pg_catalog.pg_namespace n ON n.nspname = w.s JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.n
		WHERE `+condition+` ORDER BY 1`, schemas, names)
	if err != nil {
		return nil, fmt.Errorf("ask for rights on tables of the target: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("ask for rights on tables of the target: %w", err)
	}
	return found, nil
}
