package oracle

import "context"

// objectsQuery lists what a restored database must have besides rows, one line each: relations, columns, constraints,
// indexes, triggers, types. Definitions are the server's own words. The replica identity is the one before pgrecall came.
const objectsQuery = `
WITH ours AS (SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('information_schema', 'pgrecall'))
SELECT format('relation %I.%I kind %s persistence %s identity %s options %s bound %s', n.nspname, c.relname, c.relkind, c.relpersistence, c.relreplident,
	c.reloptions, pg_catalog.pg_get_expr(c.relpartbound, c.oid)) FROM pg_catalog.pg_class c JOIN ours n ON n.oid = c.relnamespace
UNION ALL SELECT format('column %I.%I %s %I %s default %s not null %s identity %s generated %s storage %s', n.nspname, c.relname,
	row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), a.attname,
	pg_catalog.format_type(a.atttypid, a.atttypmod), pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attnotnull, a.attidentity, a.attgenerated, a.attstorage)
	FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN ours n ON n.oid = c.relnamespace
	LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attnum > 0 AND NOT a.attisdropped
UNION ALL SELECT format('constraint %I.%I %I %s', n.nspname, coalesce(c.relname, ''), o.conname, pg_catalog.pg_get_constraintdef(o.oid))
	FROM pg_catalog.pg_constraint o JOIN ours n ON n.oid = o.connamespace LEFT JOIN pg_catalog.pg_class c ON c.oid = o.conrelid
UNION ALL SELECT 'index ' || pg_catalog.pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisreplident THEN ' identity' ELSE '' END
	FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN ours n ON n.oid = c.relnamespace
UNION ALL SELECT 'trigger ' || pg_catalog.pg_get_triggerdef(t.oid) FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
	JOIN ours n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal
UNION ALL SELECT format('inherits %s from %s', inhrelid::regclass, inhparent::regclass) FROM pg_catalog.pg_inherits
	JOIN pg_catalog.pg_class c ON c.oid = inhrelid JOIN ours n ON n.oid = c.relnamespace
UNION ALL SELECT format('type %I.%I %s', n.nspname, t.typname, t.typtype) FROM pg_catalog.pg_type t JOIN ours n ON n.oid = t.typnamespace
UNION ALL SELECT format('label %s %s', e.enumtypid::regtype, string_agg(quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder))
	FROM pg_catalog.pg_enum e JOIN pg_catalog.pg_type t ON t.oid = e.enumtypid JOIN ours n ON n.oid = t.typnamespace GROUP BY e.enumtypid
UNION ALL SELECT format('sequence %s %s %s %s %s %s %s', s.seqrelid::regclass, s.seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcycle)
	FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid JOIN ours n ON n.oid = c.relnamespace
UNION ALL SELECT format('view %s %s', c.oid::regclass, pg_catalog.pg_get_viewdef(c.oid)) FROM pg_catalog.pg_class c JOIN ours n ON n.oid = c.relnamespace WHERE c.relkind = 'v'
ORDER BY 1`

// readObjects lists the objects of a database.
func readObjects(ctx context.Context, s *session) (map[string]bool, error) {
	rows, err := s.rows(ctx, objectsQuery)
	if err != nil {
		return nil, err
	}
	objects := make(map[string]bool, len(rows))
	for _, row := range rows {
		objects[row[0]] = true
	}
	return objects, nil
}

// compareObjects returns one line for each object that only one side has.
func compareObjects(want, got map[string]bool) []string {
	var differences []string
	for line := range want {
		if !got[line] {
			differences = append(differences, "not restored: "+line)
		}
	}
	for line := range got {
		if !want[line] {
			differences = append(differences, "restored and not there before: "+line)
		}
	}
	return differences
}
