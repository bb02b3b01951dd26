package snapshot

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// present is what a table is now, whatever any snapshot says.
type present struct {
	schema, name string
	fileNode     uint32
	heap         bool
	columns      []presentColumn
}

type presentColumn struct {
	Attnum    int16
	Name      string
	Type      uint32
	Typmod    int32
	Generated string
}

// inspect tells what the given tables are now, by oid; one that is gone is not in the answer. The caller
// holds locks on them, so that the answer stays true. It reads catalogs and pg_relation_filenode() only, which take no
// lock on the tables: this session has none of its own on them and would have to queue for one behind an ALTER TABLE
// that waits for the caller, a circle that the server cannot see.
func (r *run) inspect(ctx context.Context, oids []uint32) (map[uint32]present, error) {
	r.lookMu.Lock()
	defer r.lookMu.Unlock()
	rows, err := r.look.Query(ctx, `
		SELECT c.oid, n.nspname, c.relname, coalesce(pg_relation_filenode(c.oid), 0), coalesce(am.amname = 'heap', false),
			a.attnum, a.attname, a.atttypid, a.atttypmod, a.attgenerated::text
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am am ON am.oid = c.relam
			LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.oid = ANY ($1::oid[]) AND c.relkind = 'r' ORDER BY c.oid, a.attnum`, oids)
	if err != nil {
		return nil, fmt.Errorf("compare tables with the catalog: %w", err)
	}
	defer rows.Close()
	found := map[uint32]present{}
	for rows.Next() {
		var oid uint32
		var p present
		var attnum *int16
		var name, generated *string
		var typ *uint32
		var typmod *int32
		if err := rows.Scan(&oid, &p.schema, &p.name, &p.fileNode, &p.heap, &attnum, &name, &typ, &typmod, &generated); err != nil {
			return nil, fmt.Errorf("compare tables with the catalog: %w", err)
		}
		if earlier, ok := found[oid]; ok {
			p = earlier
		}
		if attnum != nil {
			p.columns = append(p.columns, presentColumn{*attnum, *name, *typ, *typmod, *generated})
		}
		found[oid] = p
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("compare tables with the catalog: %w", err)
	}
	return found, nil
}

// differs says in which way a table is no longer what the catalog says; empty: it can be read. Columns that were
// added since do no harm to reading as of the snapshot; exact allows for none.
func differs(t *catalog.Table, now map[uint32]present, exact bool) string {
	p, ok := now[t.OID]
	switch {
	case !ok:
		return fmt.Sprintf("table %s.%s was dropped", t.Schema, t.Name)
	case p.schema != t.Schema || p.name != t.Name:
		return fmt.Sprintf("table %s.%s was renamed to %s.%s", t.Schema, t.Name, p.schema, p.name)
	case exact && len(p.columns) != len(t.Columns):
		return fmt.Sprintf("columns were added to table %s.%s", t.Schema, t.Name)
	}
	for _, c := range t.Columns {
		if !slices.Contains(p.columns, presentColumn{c.Attnum, c.Name, c.Type, c.Typmod, c.Generated}) {
			return fmt.Sprintf("column %q of table %s.%s was changed", c.Name, t.Schema, t.Name)
		}
	}
	return ""
}

// columnTypes lists the types of all columns that are copied.
func columnTypes(model *catalog.Catalog) []uint32 {
	seen := map[uint32]bool{}
	for i := range model.Tables {
		for c := range model.Tables[i].CopyColumns() {
			seen[c.Type] = true
		}
	}
	types := make([]uint32, 0, len(seen))
	for t := range seen {
		types = append(types, t)
	}
	slices.Sort(types)
	return types
}

// readTypes describes how values of the given types are written, so far as DDL can change that without touching a
// table: the labels of enums and the attributes of composite types, through arrays, domains and ranges. A lock on a
// table does not stop ALTER TYPE, and values are written with the labels of now. The name types (regclass and its
// kin) write the names of now, which any DDL may change: they are described by a line of their own.
func readTypes(ctx context.Context, q catalog.Querier, types []uint32) (string, error) {
	rows, err := q.Query(ctx, `
		WITH RECURSIVE used(oid) AS (
			SELECT unnest($1::oid[])
			UNION
			SELECT x.oid FROM used u JOIN pg_type t ON t.oid = u.oid CROSS JOIN LATERAL (
				SELECT t.typelem AS oid UNION ALL SELECT t.typbasetype
				UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
				UNION ALL SELECT g.rngsubtype FROM pg_range g WHERE g.rngtypid = t.oid
				UNION ALL SELECT g.rngtypid FROM pg_range g WHERE g.rngmultitypid = t.oid) x
			WHERE x.oid <> 0)
		SELECT t.oid::text || ' ' || coalesce(
			(SELECT string_agg(e.oid::text || '=' || quote_literal(e.enumlabel), ',' ORDER BY e.oid) FROM pg_enum e WHERE e.enumtypid = t.oid),
			(SELECT string_agg(concat_ws(' ', a.attnum, a.atttypid, a.atttypmod), ',' ORDER BY a.attnum) FROM pg_attribute a
				WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '')
		FROM used u JOIN pg_type t ON t.oid = u.oid
		WHERE t.typtype IN ('e', 'c')
		UNION ALL
		SELECT 'names' FROM used u JOIN pg_type t ON t.oid = u.oid
		WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typname LIKE 'reg%' AND t.typtype = 'b' AND t.typelem = 0
		ORDER BY 1`, types)
	if err != nil {
		return "", fmt.Errorf("read the columns' types: %w", err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return "", fmt.Errorf("read the columns' types: %w", err)
	}
	return strings.Join(slices.Compact(lines), "\n"), nil
}

// checkTypes makes sure, after the last row was copied, that all rows were written with the same types.
func (r *run) checkTypes(ctx context.Context) error {
	now, err := readTypes(ctx, r.look, columnTypes(r.catalog))
	if err != nil {
		return err
	}
	if now != r.types {
		return &changedError{"the labels of an enum or the attributes of a composite type were changed"}
	}
	names, err := readNames(ctx, r.look, r.types)
	if err != nil {
		return err
	}
	for line := range r.names {
		if !names[line] {
			return &changedError{"a column holds names of objects (regclass or its kin), and one was renamed or dropped"}
		}
	}
	return nil
}

// readNames returns the names and oids of all user-made objects that a value of a name type can stand for, a line for
// each; none if the types as readTypes describes them have no such type. New objects change no value.
func readNames(ctx context.Context, q catalog.Querier, types string) (map[string]bool, error) {
	if !slices.Contains(strings.Split(types, "\n"), "names") {
		return nil, nil
	}
	rows, err := q.Query(ctx, `
		SELECT concat_ws(' ', 'class', oid, relnamespace, relname) FROM pg_class
		  WHERE oid >= 16384 AND relpersistence <> 't' AND relnamespace <> 'pg_toast'::regnamespace
		UNION ALL SELECT concat_ws(' ', 'proc', oid, pronamespace, proname, proargtypes) FROM pg_proc WHERE oid >= 16384
		UNION ALL SELECT concat_ws(' ', 'type', t.oid, t.typnamespace, t.typname) FROM pg_type t
			WHERE t.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relpersistence = 't')
			AND NOT EXISTS (SELECT FROM pg_type e JOIN pg_class c ON c.oid = e.typrelid WHERE e.oid = t.typelem AND c.relpersistence = 't')
		UNION ALL SELECT concat_ws(' ', 'oper', oid, oprnamespace, oprname, oprleft, oprright) FROM pg_operator WHERE oid >= 16384
		UNION ALL SELECT concat_ws(' ', 'collation', oid, collnamespace, collname) FROM pg_collation WHERE oid >= 16384
		UNION ALL SELECT concat_ws(' ', 'config', oid, cfgnamespace, cfgname) FROM pg_ts_config WHERE oid >= 16384
		UNION ALL SELECT concat_ws(' ', 'dictionary', oid, dictnamespace, dictname) FROM pg_ts_dict WHERE oid >= 16384
		UNION ALL SELECT concat_ws(' ', 'namespace', oid, nspname) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'
		UNION ALL SELECT concat_ws(' ', 'role', oid, rolname) FROM pg_roles`)
	if err != nil {
		return nil, fmt.Errorf("read the names of objects: %w", err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("read the names of objects: %w", err)
	}
	names := make(map[string]bool, len(lines))
	for _, line := range lines {
		names[line] = true
	}
	return names, nil
}
