package catalog

import "context"

// typeRow tells which object a type stands for: arrays for their element, row
// types for their relation, multiranges for their range.
type typeRow struct {
	OID      uint32
	Element  uint32
	Relation uint32
	Range    uint32
}

// readTypes reads types of all kinds. A new domain has the default of the type it is over unless it says otherwise (DefineDomain
// in src/backend/commands/typecmds.c).
func (r *reader) readTypes(ctx context.Context) error {
	var err error
	r.c.Types, err = collect[Type](ctx, r, "reading types", `
SELECT t.oid, n.nspname::text AS schema, t.typname::text AS name, pg_get_userbyid(t.typowner)::text AS owner,
       coalesce(note.description, '') AS comment, t.typtype::text AS kind,
       CASE t.typtype WHEN 'e' THEN ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) END AS labels,
       CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) ELSE '' END AS base,
       CASE WHEN (t.typtype = 'd' AND t.typcollation <> b.typcollation) OR (t.typtype = 'r' AND r.rngcollation <> s.typcollation)
            THEN quote_ident(ln.nspname) || '.' || quote_ident(l.collname) ELSE '' END AS collation,
       t.typnotnull AS not_null, CASE WHEN t.typtype <> 'd' THEN '' WHEN t.typdefaultbin IS NOT NULL THEN pg_get_expr(t.typdefaultbin, 0)
            WHEN t.typdefault IS DISTINCT FROM b.typdefault THEN coalesce(quote_literal(t.typdefault), '') ELSE '' END AS "default",
       t.typtype = 'd' AND t.typdefault IS NULL AND b.typdefault IS NOT NULL AS default_dropped, t.typrelid AS relation,
       coalesce(format_type(r.rngsubtype, NULL), '') AS subtype,
       CASE WHEN o.opcdefault THEN '' ELSE coalesce(quote_ident(opn.nspname) || '.' || quote_ident(o.opcname), '') END AS subtype_opclass,
       coalesce(quote_ident(cn.nspname) || '.' || quote_ident(c.proname), '') AS canonical,
       coalesce(quote_ident(dn.nspname) || '.' || quote_ident(d.proname), '') AS subtype_diff,
       coalesce(m.typname::text, '') AS multirange, coalesce(mn.nspname::text, '') AS multirange_in, {acl t.typacl T t.typowner}
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace {note pg_type t}
LEFT JOIN pg_class k ON k.oid = t.typrelid
LEFT JOIN pg_type b ON b.oid = t.typbasetype
LEFT JOIN pg_range r ON r.rngtypid = t.oid
LEFT JOIN pg_type s ON s.oid = r.rngsubtype
LEFT JOIN pg_opclass o ON o.oid = r.rngsubopc LEFT JOIN pg_namespace opn ON opn.oid = o.opcnamespace
LEFT JOIN pg_proc c ON c.oid = r.rngcanonical LEFT JOIN pg_namespace cn ON cn.oid = c.pronamespace
LEFT JOIN pg_proc d ON d.oid = r.rngsubdiff LEFT JOIN pg_namespace dn ON dn.oid = d.pronamespace
LEFT JOIN pg_type m ON m.oid = r.rngmultitypid LEFT JOIN pg_namespace mn ON mn.oid = m.typnamespace
LEFT JOIN pg_collation l ON l.oid = CASE t.typtype WHEN 'd' THEN t.typcollation ELSE r.rngcollation END
LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
WHERE {user n} AND {own pg_type t} AND (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND k.relkind = 'c') OR NOT t.typisdefined
  OR (t.typtype = 'b' AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)))
ORDER BY n.nspname, t.typname`)
	if err != nil {
		return err
	}
	r.typeRows, err = collect[typeRow](ctx, r, "reading what types stand for", `
SELECT t.oid, CASE WHEN e.typarray = t.oid THEN e.oid ELSE 0::oid END AS element, t.typrelid AS relation,
       coalesce(r.rngtypid, 0::oid) AS range
FROM pg_type t LEFT JOIN pg_type e ON e.oid = t.typelem LEFT JOIN pg_range r ON r.rngmultitypid = t.oid
WHERE t.oid >= 16384 AND (t.typelem <> 0 OR t.typrelid <> 0 OR r.rngtypid IS NOT NULL)`)
	return err
}
