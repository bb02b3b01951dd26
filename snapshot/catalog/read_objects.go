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
	// plpgsql and whatever else initdb made has a small oid: every target has it.
	r.c.Extensions, err = collect[Extension](ctx, r, "reading extensions", `
SELECT e.oid, n.nspname::text AS schema, e.extname::text AS name, pg_get_userbyid(e.extowner)::text AS owner,
       e.extversion AS version, coalesce(note.description, '') AS comment,
       ARRAY(SELECT m.nspname::text FROM pg_depend d JOIN pg_namespace m ON m.oid = d.objid
             WHERE d.classid = 'pg_namespace'::regclass AND d.refclassid = 'pg_extension'::regclass
               AND d.refobjid = e.oid AND d.deptype = 'e' ORDER BY m.nspname) AS schemas
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace {note pg_extension e}
WHERE e.oid >= 16384 ORDER BY e.extname`)
	if err != nil {
		return err
	}
	r.c.Collations, err = collect[Collation](ctx, r, "reading collations", `
SELECT c.oid, n.nspname::text AS schema, c.collname::text AS name, pg_get_userbyid(c.collowner)::text AS owner,
       coalesce(note.description, '') AS comment, c.collprovider::text AS provider, c.collisdeterministic AS deterministic,
       coalesce(c.collcollate::text, '') AS collate, coalesce(c.collctype::text, '') AS ctype,
       coalesce(`+r.since(17, `c.colllocale`, r.since(15, `c.colliculocale`, `CASE WHEN c.collprovider = 'i' THEN c.collcollate::text END`))+`, '') AS locale,
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
	var err error
	r.c.EventTriggers, err = collect[EventTrigger](ctx, r, "reading event triggers", `
SELECT e.oid, e.evtname::text AS name, pg_get_userbyid(e.evtowner)::text AS owner, coalesce(note.description, '') AS comment,
       e.evtevent::text AS event, e.evttags AS tags, e.evtenabled::text AS enabled,
       quote_ident(n.nspname) || '.' || quote_ident(p.proname) AS function
FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid JOIN pg_namespace n ON n.oid = p.pronamespace {note pg_event_trigger e}
WHERE e.evtname !~ '^pgrecall' AND {own pg_event_trigger e} ORDER BY e.evtname`)
	if err != nil {
		return err
	}
	return r.readPublications(ctx)
}

func (r *reader) readPublications(ctx context.Context) error {
	type row struct {
		Publication
		PubInsert, PubUpdate, PubDelete, PubTruncate bool
	}
	rows, err := collect[row](ctx, r, "reading publications", `
SELECT p.oid, p.pubname::text AS name, pg_get_userbyid(p.pubowner)::text AS owner, coalesce(note.description, '') AS comment,
       p.puballtables AS all_tables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot AS via_root,
       `+r.since(18, `p.pubgencols::text`, `''`)+` AS generated,
       `+r.since(15, `ARRAY(SELECT s.nspname::text FROM pg_publication_namespace pn JOIN pg_namespace s ON s.oid = pn.pnnspid
             WHERE pn.pnpubid = p.oid ORDER BY 1)`, `NULL::text[]`)+` AS schemas
FROM pg_publication p {note pg_publication p}
WHERE p.pubname !~ '^pgrecall' AND {own pg_publication p} ORDER BY p.pubname`)
	if err != nil {
		return err
	}
	tables, err := collect[struct {
		PublicationTable
		Publication uint32
	}](ctx, r, "reading the tables of publications", `
SELECT pr.prpubid AS publication, pr.prrelid AS "table",
       `+r.since(15, `CASE WHEN pr.prattrs IS NOT NULL THEN ARRAY(SELECT a.attname::text FROM unnest(pr.prattrs::int2[]) WITH ORDINALITY u (n, o)
             JOIN pg_attribute a ON a.attrelid = pr.prrelid AND a.attnum = u.n ORDER BY u.o) END`, `NULL::text[]`)+` AS columns,
       `+r.since(15, `coalesce(pg_get_expr(pr.prqual, pr.prrelid), '')`, `''`)+` AS "where"
FROM pg_publication_rel pr JOIN pg_class c ON c.oid = pr.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY n.nspname, c.relname`)
	if err != nil {
		return err
	}
	for _, p := range rows {
		for i, on := range []bool{p.PubInsert, p.PubUpdate, p.PubDelete, p.PubTruncate} {
			if on {
				p.Publish = append(p.Publish, []string{"insert", "update", "delete", "truncate"}[i])
			}
		}
		for _, t := range tables {
			if t.Publication == p.OID {
				p.Publication.Tables = append(p.Publication.Tables, t.PublicationTable)
			}
		}
		r.c.Publications = append(r.c.Publications, p.Publication)
	}
	return nil
}
