package catalog

import (
	"context"
	"strings"
)

// readUnsupported lists the objects of kinds that the model does not hold yet, so
// that a restore can say what it lacks. Each line is one kind.
func (r *reader) readUnsupported(ctx context.Context) error {
	// A class's oids, with conditions beyond "the user's and no extension's".
	kinds := []struct{ class, from, where string }{
		{"pg_type", "pg_type o JOIN pg_namespace n ON n.oid = o.typnamespace",
			"{user n} AND (o.typtype = 'p' OR (o.typtype = 'b' AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = o.oid)))"},
		{"pg_proc", "pg_proc o JOIN pg_namespace n ON n.oid = o.pronamespace", "{user n} AND o.prokind = 'a'"},
		{"pg_operator", "pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace", "{user n}"},
		{"pg_opclass", "pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace", "{user n}"},
		{"pg_opfamily", "pg_opfamily o JOIN pg_namespace n ON n.oid = o.opfnamespace", "{user n}"},
		{"pg_conversion", "pg_conversion o JOIN pg_namespace n ON n.oid = o.connamespace", "{user n}"},
		{"pg_language", "pg_language o", "o.oid >= 16384"},
		{"pg_transform", "pg_transform o", "o.oid >= 16384"},
		{"pg_am", "pg_am o", "o.oid >= 16384"},
	}
	var b strings.Builder
	for _, k := range kinds {
		b.WriteString("SELECT '" + k.class + "'::regclass AS class, o.oid FROM " + k.from + " WHERE " + k.where + " AND {own " + k.class + " o}\nUNION ALL ")
	}
	rows, err := collect[Unsupported](ctx, r, "listing objects of other kinds", `
WITH other AS (`+strings.TrimSuffix(b.String(), "\nUNION ALL ")+`)
SELECT coalesce(i.type, 'object') AS kind, coalesce(i.identity, '') AS name, 0::oid AS "table", 0::int8 AS count
FROM other CROSS JOIN LATERAL pg_identify_object(other.class, other.oid, 0) i
UNION ALL
SELECT 'large objects', count(*) || ' of them', 0, count(*) FROM pg_largeobject_metadata HAVING count(*) > 0
UNION ALL
SELECT CASE WHEN c.oid = ANY (e.extconfig) THEN 'extension configuration table' ELSE 'rows of extension table' END, c.oid::regclass::text, c.oid, 0
FROM pg_extension e JOIN pg_depend m ON m.deptype = 'e' AND m.refclassid = 'pg_extension'::regclass AND m.refobjid = e.oid AND m.classid = 'pg_class'::regclass
JOIN pg_class c ON c.oid = m.objid WHERE c.relkind = 'r' OR c.oid = ANY (e.extconfig)
UNION ALL
SELECT 'privileges on system or extension object', i.type || ' ' || i.identity, 0, 0
FROM (SELECT 'pg_class'::regclass AS class, oid, relacl AS acl FROM pg_class WHERE relacl IS NOT NULL AND relkind NOT IN ('i', 'I', 't')
      UNION ALL SELECT 'pg_proc'::regclass, oid, proacl FROM pg_proc WHERE proacl IS NOT NULL
      UNION ALL SELECT 'pg_type'::regclass, oid, typacl FROM pg_type WHERE typacl IS NOT NULL
      UNION ALL SELECT 'pg_namespace'::regclass, oid, nspacl FROM pg_namespace WHERE nspacl IS NOT NULL AND nspname <> 'public' AND nspname !~ '^pg_(toast_)?temp_'
      UNION ALL SELECT 'pg_language'::regclass, oid, lanacl FROM pg_language WHERE lanacl IS NOT NULL) g
LEFT JOIN pg_init_privs p ON p.classoid = g.class AND p.objoid = g.oid AND p.objsubid = 0
CROSS JOIN LATERAL pg_identify_object(g.class, g.oid, 0) i
WHERE p.initprivs IS DISTINCT FROM g.acl AND i.schema IS DISTINCT FROM 'information_schema' AND i.identity <> 'information_schema'
  AND (g.oid < 16384 OR EXISTS (SELECT FROM pg_depend m WHERE m.classid = g.class AND m.objid = g.oid AND m.deptype = 'e'))
ORDER BY 1, 2`)
	r.c.Unsupported = append(r.c.Unsupported, rows...)
	return err
}
