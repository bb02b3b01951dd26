package catalog

import (
	"context"
	"fmt"
	"strings"
)

// readUnsupported lists the objects that the model does not hold, so that a restore can say what it lacks.
func (r *reader) readUnsupported(ctx context.Context) error {
	// A class's oids, with conditions beyond "no extension's", and why they are not in the model.
	type kind struct{ class, from, where, why string }
	kinds := []kind{
		{"pg_operator", "pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace", `{user n} AND o.oprcode = 0
			AND NOT EXISTS (SELECT FROM pg_operator p WHERE p.oprcode <> 0 AND o.oid IN (p.oprcom, p.oprnegate))`,
			"it is a shell that no operator names any more: nothing can use it, and no statement makes it"},
	}
	// What is in a system schema and was not there from the start, nor belongs to an extension or another object. Collations are no
	// loss: pg_import_system_collations() adds what the operating system has.
	stray := "n.nspname IN ('pg_catalog', 'information_schema') AND o.oid >= 16384 AND {made %s o}"
	for _, in := range []struct{ class, column, and string }{
		{"pg_class", "relnamespace", " AND o.relkind NOT IN ('i', 'I')"},
		{"pg_type", "typnamespace", " AND o.typrelid = 0"},
		{"pg_proc", "pronamespace", ""}, {"pg_operator", "oprnamespace", ""}, {"pg_opclass", "opcnamespace", ""},
		{"pg_opfamily", "opfnamespace", ""}, {"pg_conversion", "connamespace", ""}, {"pg_ts_parser", "prsnamespace", ""},
		{"pg_ts_dict", "dictnamespace", ""}, {"pg_ts_template", "tmplnamespace", ""}, {"pg_ts_config", "cfgnamespace", ""},
	} {
		kinds = append(kinds, kind{in.class, in.class + " o JOIN pg_namespace n ON n.oid = o." + in.column, fmt.Sprintf(stray, in.class) + in.and,
			"it is in a schema of the system"})
	}
	var b strings.Builder
	for _, k := range kinds {
		b.WriteString("SELECT '" + k.class + "'::regclass AS class, o.oid, '" + k.why + "' AS why FROM " + k.from + " WHERE " + k.where +
			" AND {own " + k.class + " o}\nUNION ALL ")
	}
	rows, err := collect[Unsupported](ctx, r, "listing objects of other kinds", `
WITH other AS (`+strings.TrimSuffix(b.String(), "\nUNION ALL ")+`)
SELECT coalesce(i.type, 'object') AS kind, coalesce(i.identity, '') AS name, 0::oid AS "table", other.why
FROM other CROSS JOIN LATERAL pg_identify_object(other.class, other.oid, 0) i
UNION ALL
SELECT CASE c.relkind WHEN 'm' THEN 'materialized view of extension' ELSE 'rows of extension table' END, c.oid::regclass::text, c.oid,
       CASE c.relkind WHEN 'm' THEN 'it is as CREATE EXTENSION makes it'
         ELSE 'they are as CREATE EXTENSION makes them; pg_dump leaves them out as well' END
FROM pg_extension e JOIN pg_depend m ON m.deptype = 'e' AND m.refclassid = 'pg_extension'::regclass AND m.refobjid = e.oid
  AND m.classid = 'pg_class'::regclass
JOIN pg_class c ON c.oid = m.objid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND NOT (coalesce(c.oid = ANY (e.extconfig), false) AND {user n}) OR c.relkind = 'm' AND c.oid = ANY (e.extconfig)
ORDER BY 1, 2`)
	r.c.Unsupported = append(r.c.Unsupported, rows...)
	return err
}
