package catalog

import (
	"context"
	"slices"
	"strings"
)

// Regranted is an object, or a column of one, that initdb or an extension made and whose privileges were changed since.
// ACL.Initial is what it was made with. A restore makes the same changes to the target's, whatever version made that.
type Regranted struct {
	OID       uint32
	Kind      string // as GRANT names it: "TABLE", also of views
	Name      string // as GRANT names it: pg_catalog.pg_sleep(double precision)
	Column    string `json:",omitzero"`
	Schema    string `json:",omitzero"`
	Owner     string `json:",omitzero"`
	Extension string `json:",omitzero"` // the one that made it; empty: initdb
	ACL       `json:"ACL,omitzero"`
}

// readRegranted compares the privileges of what is not the user's own with those that pg_init_privs remembers, or that
// its kind has by default. The public schema is the user's own. initdb notes what pg_init_privs holds before it makes
// information_schema, so that the initial privileges there are those that information_schema.sql grants.
func (r *reader) readRegranted(ctx context.Context) error {
	var err error
	r.c.Regranted, err = collect[Regranted](ctx, r, "reading privileges on objects of the system and of extensions", `
WITH object (class, oid, sub, name, owner, acl, usual) AS (
  SELECT 'pg_class'::regclass, oid, 0, NULL::text, relowner, relacl, acldefault(CASE relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, relowner)
  FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relpersistence <> 't'
  UNION ALL SELECT 'pg_class'::regclass, a.attrelid, a.attnum::int4, a.attname::text, c.relowner, a.attacl, acldefault('c', c.relowner)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_init_privs i ON i.classoid = 'pg_class'::regclass
    AND i.objoid = a.attrelid AND i.objsubid = a.attnum
  WHERE (a.attacl IS NOT NULL OR i.objoid IS NOT NULL) AND NOT a.attisdropped AND c.relpersistence <> 't'
  UNION ALL SELECT 'pg_proc'::regclass, oid, 0, NULL, proowner, proacl, acldefault('f', proowner) FROM pg_proc
  UNION ALL SELECT 'pg_type'::regclass, oid, 0, NULL, typowner, typacl, acldefault('T', typowner) FROM pg_type
  UNION ALL SELECT 'pg_namespace'::regclass, oid, 0, NULL, nspowner, nspacl, acldefault('n', nspowner) FROM pg_namespace
    WHERE nspname !~ '^(public|pg_temp_.*|pg_toast_temp_.*)$'
  UNION ALL SELECT 'pg_language'::regclass, oid, 0, NULL, lanowner, lanacl, acldefault('l', lanowner) FROM pg_language
  UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, 0, NULL, fdwowner, fdwacl, acldefault('F', fdwowner) FROM pg_foreign_data_wrapper
  UNION ALL SELECT 'pg_foreign_server'::regclass, oid, 0, NULL, srvowner, srvacl, acldefault('S', srvowner) FROM pg_foreign_server),
made AS MATERIALIZED (
  SELECT o.*, coalesce(e.extname::text, '') AS extension FROM object o
  LEFT JOIN pg_depend m ON m.classid = o.class AND m.objid = o.oid AND m.deptype = 'e' LEFT JOIN pg_extension e ON e.oid = m.refobjid
  WHERE o.oid < 16384 OR e.oid IS NOT NULL)
SELECT o.oid, coalesce(CASE WHEN o.class = 'pg_type'::regclass THEN i.schema || '.' || i.name END, i.identity, '') AS name,
       coalesce(o.name, '') AS column,
       coalesce((SELECT nspname::text FROM pg_namespace WHERE quote_ident(nspname) = i.schema), '') AS schema,
       CASE WHEN i.type IN ('table', 'view', 'materialized view', 'foreign table') THEN 'TABLE'
            WHEN i.type IN ('aggregate', 'function') THEN 'FUNCTION'
            WHEN i.type = 'foreign-data wrapper' THEN 'FOREIGN DATA WRAPPER' WHEN i.type = 'server' THEN 'FOREIGN SERVER'
            ELSE upper(i.type) END AS kind,
       pg_get_userbyid(o.owner)::text AS owner, o.extension,
       coalesce(o.acl, o.usual)::text[] AS acl_items, coalesce(p.initprivs, o.usual)::text[] AS acl_initial
FROM made o
LEFT JOIN pg_init_privs given ON given.classoid = o.class AND given.objoid = o.oid AND given.objsubid = o.sub
LEFT JOIN LATERAL (
  SELECT given.initprivs WHERE given.objoid IS NOT NULL
  UNION ALL SELECT o.usual || makeaclitem(0, o.owner, 'SELECT', false) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE o.class = 'pg_class'::regclass AND o.sub = 0 AND o.oid < 16384 AND c.oid = o.oid AND n.nspname = 'information_schema'
    AND c.relname !~ '^(_pg_.*|sql_parts|transforms)$'
  UNION ALL SELECT o.usual || makeaclitem(0, o.owner, 'USAGE', false) FROM pg_namespace n
  WHERE o.class = 'pg_namespace'::regclass AND o.oid < 16384 AND n.oid = o.oid AND n.nspname = 'information_schema'
  LIMIT 1) p ON true
CROSS JOIN LATERAL pg_identify_object(o.class, o.oid, 0) i
WHERE coalesce(o.acl, o.usual) IS DISTINCT FROM coalesce(p.initprivs, o.usual)
ORDER BY i.schema NULLS FIRST, i.type, i.identity, o.sub`)
	for i := range r.c.Regranted {
		x := &r.c.Regranted[i]
		x.Initial = ofOwner(x.Initial, x.Owner)
	}
	return err
}

// addRegranted adds the changes of privileges on objects that the target has already, or has from its extensions. Another
// version of the server or the extension may lack one, and some only a superuser can grant on.
func (p *planner) addRegranted() {
	for i := range p.c.Regranted {
		x := &p.c.Regranted[i]
		d := described{kind: x.Kind, schema: x.Schema, sql: x.Name, name: x.Name, oid: x.OID, owner: x.Owner, acl: x.ACL,
			optional: "there the target's own privileges hold"}
		if x.Kind == "SCHEMA" {
			d.grants = StageSchemaGrants
		}
		p.addGrants(d, x.Column)
	}
}

// ofOwner gives the initial items as the present owner has them: ALTER … OWNER rewrites an object's list (aclnewowner()
// in PostgreSQL's acl.c), but before 17 not what pg_init_privs remembers of it.
func ofOwner(items []string, owner string) []string {
	out := slices.Clone(items)
	for i, text := range out {
		item, err := parseACLItem(text)
		if err != nil || item.grantor == owner {
			continue
		}
		grantee, rest, _ := aclName(text)
		letters, _, _ := strings.Cut(rest, "/")
		if grantee == item.grantor {
			grantee = owner
		}
		if grantee != "" {
			grantee = aclQuote(grantee)
		}
		out[i] = grantee + letters + "/" + aclQuote(owner)
	}
	return out
}
