package catalog

import (
	"cmp"
	"context"
	"slices"
)

// columnRow is a column and the relation that has it.
type columnRow struct {
	Column
	Relation uint32
}

// readColumns reads the columns of tables, views and composite types. There are more of them than of anything else: which
// relations count is found out once for each of these, defaults are looked for only where there are any, and printed
// without opening the relation but for generated columns, as only those name others (pg_get_expr in
// src/backend/utils/adt/ruleutils.c). They are sorted here, as those of a relation usually come in order. Texts that columns
// share are kept once.
func (r *reader) readColumns(ctx context.Context) error {
	r.columns = map[uint32][]Column{}
	known := texts{}
	var relation uint32
	var columns []Column // its, so far
	keep := func() {
		if len(columns) > 0 {
			r.columns[relation] = append(slices.Grow(r.columns[relation], len(columns)), columns...)
			columns = columns[:0]
		}
	}
	err := scan(ctx, r, "reading columns", `
WITH rel AS MATERIALIZED (
  SELECT c.oid, c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'c') AND c.relpersistence <> 't' AND {user n} AND {held c})
SELECT a.attrelid AS relation, a.attnum, a.attname::text AS name, a.atttypid AS type, a.atttypmod AS typmod,
       format_type(a.atttypid, a.atttypmod) AS type_name, a.attnotnull AS not_null,
       coalesce(pg_get_expr(d.adbin, CASE WHEN a.attgenerated <> '' THEN d.adrelid ELSE 0 END), '') AS "default",
       coalesce(d.oid, 0::oid) AS default_oid,
       a.attidentity::text AS identity, a.attgenerated::text AS generated,
       CASE WHEN a.attcollation NOT IN (0, t.typcollation) THEN quote_ident(ln.nspname) || '.' || quote_ident(l.collname) ELSE '' END AS collation,
       CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text ELSE '' END AS storage, a.attcompression::text AS compression,
       coalesce(a.attstattarget, -1)::int4 AS statistics, a.attoptions AS options, a.attfdwoptions AS foreign_options,
       a.attislocal AS local, a.attinhcount::int4 AS inherited,
       CASE WHEN a.atthasmissing THEN coalesce(a.attmissingval::text, '') ELSE '' END AS missing,
       coalesce(note.description, '') AS comment,
       a.attacl::text[] AS acl_items, CASE WHEN a.attacl IS NOT NULL THEN acldefault('c', c.relowner)::text[] END AS acl_initial
FROM rel c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = CASE WHEN a.atthasdef THEN a.attrelid END AND d.adnum = a.attnum
LEFT JOIN pg_collation l ON l.oid = a.attcollation LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
LEFT JOIN pg_description note ON note.classoid = 'pg_class'::regclass AND note.objoid = a.attrelid
  AND note.objsubid = a.attnum`, func(row *columnRow) {
		if relation != row.Relation {
			keep()
			relation = row.Relation
		}
		row.Name, row.TypeName, row.Default = known.one(row.Name), known.one(row.TypeName), known.one(row.Default)
		row.Options = ownOptions(row.Options)
		columns = append(columns, row.Column)
	})
	keep()
	for _, columns := range r.columns {
		slices.SortFunc(columns, func(a, b Column) int { return cmp.Compare(a.Attnum, b.Attnum) })
	}
	return err
}

// texts keeps one copy of equal texts.
type texts map[string]string

func (t texts) one(s string) string {
	if kept, ok := t[s]; ok {
		return kept
	}
	t[s] = s
	return s
}
