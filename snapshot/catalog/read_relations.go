package catalog

import "context"

type parentRow struct{ Child, Parent uint32 }

// readRelations reads sequences, tables, views and the columns of all of them.
func (r *reader) readRelations(ctx context.Context) error {
	for _, read := range []func(context.Context) error{r.readSequences, r.readTables, r.readViews, r.readColumns} {
		if err := read(ctx); err != nil {
			return err
		}
	}
	var err error
	r.parents, err = collect[parentRow](ctx, r, "reading inheritance", `
SELECT i.inhrelid AS child, i.inhparent AS parent FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE c.relkind IN ('r', 'p', 'f') ORDER BY i.inhrelid, i.inhseqno`)
	if err != nil {
		return err
	}
	return r.readIdentities(ctx)
}

// readIdentities reads the replica identities that tables had before pgrecall
// set theirs to FULL.
func (r *reader) readIdentities(ctx context.Context) error {
	known, err := collect[struct{ Known bool }](ctx, r, "looking for recorded replica identities", `
SELECT coalesce(has_schema_privilege('pgrecall', 'USAGE') AND has_table_privilege(to_regclass('pgrecall.identities'), 'SELECT'), false) AS known
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'pgrecall' AND c.relname = 'identities'`)
	if err != nil || len(known) == 0 || !known[0].Known {
		return err
	}
	rows, err := collect[struct {
		Relid    uint32
		Original string
	}](ctx, r, "reading recorded replica identities", `SELECT relid, original::text AS original FROM pgrecall.identities`)
	r.identities = make(map[uint32]string, len(rows))
	for _, row := range rows {
		r.identities[row.Relid] = row.Original
	}
	return err
}

func (r *reader) readSequences(ctx context.Context) error {
	var err error
	r.c.Sequences, err = collect[Sequence](ctx, r, "reading sequences", `
SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, pg_get_userbyid(c.relowner)::text AS owner,
       coalesce(note.description, '') AS comment, c.relpersistence::text AS persistence, format_type(s.seqtypid, NULL) AS type,
       s.seqstart AS start, s.seqmin AS min, s.seqmax AS max, s.seqincrement AS increment, s.seqcache AS cache, s.seqcycle AS cycle,
       coalesce(d.refobjid, 0::oid) AS owner_table, coalesce(d.refobjsubid, 0)::int2 AS owner_column, coalesce(d.deptype = 'i', false) AS identity,
       coalesce(x.extname::text, '') AS extension, {acl c.relacl s c.relowner}
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace {note pg_class c}
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
     AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
LEFT JOIN pg_extension x ON c.oid = ANY (x.extconfig)
WHERE {user n} AND {held c} AND c.relpersistence <> 't' ORDER BY n.nspname, c.relname`)
	return err
}

// tableBytes is about what a table c with its TOAST table toast occupies. To measure it the server opens both and the
// latter's index, which takes time and memory of the source with very many tables; VACUUM and ANALYZE have left the number
// of blocks in pg_class. It is measured where they cannot have seen most of the rows, unless somebody keeps readers out: a size is not
// worth waiting for.
const tableBytes = `CASE WHEN c.relkind <> 'r' THEN 0
            WHEN c.oid <> ALL (ARRAY(SELECT l.relation FROM pg_locks l WHERE l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation'))
            AND pg_stat_get_live_tuples(c.oid) > 0 AND (c.relpages = 0 OR pg_stat_get_mod_since_analyze(c.oid) > c.reltuples)
            THEN coalesce(pg_table_size(c.oid), 0)
            ELSE (c.relpages + coalesce(toast.relpages, 0))::int8 * current_setting('block_size')::int8 END`

func (r *reader) readTables(ctx context.Context) error {
	var err error
	r.c.Tables, err = collect[Table](ctx, r, "reading tables", `
SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, pg_get_userbyid(c.relowner)::text AS owner,
       coalesce(note.description, '') AS comment, c.relkind::text AS kind, c.relpersistence::text AS persistence,
       c.relfilenode AS file_node, `+tableBytes+` AS bytes,
       c.relispartition AS partition, CASE WHEN c.relispartition THEN coalesce(pg_get_expr(c.relpartbound, c.oid), '') ELSE '' END AS bound,
       CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) ELSE '' END AS partition_key,
       CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) ELSE '' END AS of_type,
       c.reloptions AS options, toast.reloptions AS toast_options,
       CASE WHEN am.amname <> 'heap' THEN am.amname::text ELSE '' END AS access_method, coalesce(ts.spcname::text, '') AS tablespace,
       c.relreplident::text AS live_identity, c.relrowsecurity AS row_security, c.relforcerowsecurity AS force_row_security,
       coalesce(x.extname::text, '') AS extension, coalesce(x.extcondition[array_position(x.extconfig, c.oid)], '') AS condition,
       coalesce(fs.srvname::text, '') AS server, ft.ftoptions AS foreign_options, {acl c.relacl r c.relowner}
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace {note pg_class c}
LEFT JOIN pg_class toast ON toast.oid = c.reltoastrelid
LEFT JOIN pg_am am ON am.oid = c.relam
LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
LEFT JOIN pg_foreign_table ft ON ft.ftrelid = c.oid LEFT JOIN pg_foreign_server fs ON fs.oid = ft.ftserver
LEFT JOIN pg_extension x ON c.oid = ANY (x.extconfig)
WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND {user n} AND {held c} ORDER BY n.nspname, c.relname`)
	return err
}

func (r *reader) readViews(ctx context.Context) error {
	var err error
	r.c.Views, err = collect[View](ctx, r, "reading views", `
SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, pg_get_userbyid(c.relowner)::text AS owner,
       coalesce(note.description, '') AS comment, c.relkind::text AS kind, rtrim(pg_get_viewdef(c.oid), ';') AS definition,
       c.reloptions AS options, toast.reloptions AS toast_options, c.relispopulated AS populated,
       CASE c.relkind WHEN 'm' THEN coalesce(pg_table_size(c.oid), 0) ELSE 0 END AS bytes,
       CASE WHEN am.amname <> 'heap' THEN am.amname::text ELSE '' END AS access_method, coalesce(ts.spcname::text, '') AS tablespace,
       {acl c.relacl r c.relowner}
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace {note pg_class c}
LEFT JOIN pg_class toast ON toast.oid = c.reltoastrelid
LEFT JOIN pg_am am ON am.oid = c.relam
LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
WHERE c.relkind IN ('v', 'm') AND c.relpersistence <> 't' AND {user n} AND {own pg_class c} ORDER BY n.nspname, c.relname`)
	return err
}
