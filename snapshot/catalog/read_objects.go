package catalog

import "context"

// readSimpleObjects reads the kinds whose rows need nothing put together.
func (r *reader) readSimpleObjects(ctx context.Context) error {
	var err error
	r.c.Schemas, err = collect[Schema](ctx, r, "reading schemas", `
SELECT n.oid, n.nspname::text AS name, pg_get_userbyid(n.nspowner)::text AS owner,
       coalesce(note.description, '') AS comment, {acl n.nspacl n n.nspowner}
FROM pg_namespace n {note pg_namespace n}
WHERE {user n} AND {own pg_namespace n} ORDER BY n.nspname`)
	if err != nil {
		return err
	}
	if err := r.readExtensions(ctx); err != nil {
		return err
	}
	r.c.Collations, err = collect[Collation](ctx, r, "reading collations", `
SELECT c.oid, n.nspname::text AS schema, c.collname::text AS name, pg_get_userbyid(c.collowner)::text AS owner,
       coalesce(note.description, '') AS comment, c.collprovider::text AS provider, c.collisdeterministic AS deterministic,
       coalesce(c.collcollate::text, '') AS collate, coalesce(c.collctype::text, '') AS ctype,
       coalesce(`+r.since(17, `c.colllocale`, r.since(15, `c.colliculocale`,
		`CASE WHEN c.collprovider = 'i' THEN c.collcollate::text END`))+`, '') AS locale,
       coalesce(`+r.since(16, `c.collicurules`, `''`)+`, '') AS rules
FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace {note pg_collation c}
WHERE {user n} AND {own pg_collation c} ORDER BY n.nspname, c.collname, c.collencoding`)
	if err != nil {
		return err
	}
	r.c.Statistics, err = collect[Statistics](ctx, r, "reading extended statistics", `
SELECT s.oid, n.nspname::text AS schema, s.stxname::text AS name, pg_get_userbyid(s.stxowner)::text AS owner,
       coalesce(note.description, '') AS comment, s.stxrelid AS "table", pg_get_statisticsobjdef(s.oid) AS definition,
       quote_ident(cn.nspname) || '.' || quote_ident(c.relname) AS table_sql, coalesce(s.stxstattarget, -1)::int AS target
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
JOIN pg_class c ON c.oid = s.stxrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace {note pg_statistic_ext s}
WHERE {user n} AND {own pg_statistic_ext s} ORDER BY n.nspname, s.stxname`)
	return err
}

// readFunctions leaves out the constructors of range and multirange types: they come with their type, on which they
// depend internally (makeRangeConstructors in src/backend/commands/typecmds.c).
func (r *reader) readFunctions(ctx context.Context) error {
	var err error
	r.c.Functions, err = collect[Function](ctx, r, "reading functions", `
SELECT p.oid, n.nspname::text AS schema, p.proname::text AS name, pg_get_userbyid(p.proowner)::text AS owner,
       coalesce(note.description, '') AS comment, p.prokind::text AS kind, oidvectortypes(p.proargtypes) AS types,
       CASE p.prokind WHEN 'p' THEN array_to_string(ARRAY(SELECT 'IN ' || format_type(u.type, NULL)
            FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY u (type, n) ORDER BY u.n), ', ') ELSE '' END AS input,
       pg_get_functiondef(p.oid) AS definition, {acl p.proacl f p.proowner}
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace {note pg_proc p}
WHERE p.prokind <> 'a' AND {user n} AND {made pg_proc p}
ORDER BY n.nspname, p.proname, oidvectortypes(p.proargtypes)`)
	return err
}

// readPrivileged reads event triggers and publications, leaving out what pgrecall made.
func (r *reader) readPrivileged(ctx context.Context) error {
	if err := r.readEventTriggers(ctx); err != nil {
		return err
	}
	return r.readPublications(ctx)
}
