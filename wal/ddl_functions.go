package wal

import "strings"

// eventBody is what an event trigger calls. Whatever goes wrong in making the message, the statement goes on, and
// the log says that something happened there. The message is sent outside of the block that catches, because that
// block is a subtransaction, and one with an id of its own for every command of a long migration would cost other
// sessions (more than 64 overflow the list that snapshots take).
func eventBody(function string) string {
	return strings.ReplaceAll(`
DECLARE
  path pg_catalog.text := pg_catalog.current_setting('search_path');
  message pg_catalog.bytea;
BEGIN
  BEGIN
    message := pgrecall.FUNCTION(TG_TAG, path);
  EXCEPTION WHEN OTHERS THEN
    message := pg_catalog.convert_to(pg_catalog.json_build_object('tag', TG_TAG, 'incomplete', true,
      'error', pg_catalog.concat(SQLSTATE, ' ', SQLERRM))::pg_catalog.text, 'UTF8');
  END;
  IF message IS NOT NULL THEN
    PERFORM pg_catalog.pg_logical_emit_message(true, 'pgrecall.ddl'::pg_catalog.text, message);
  END IF;
END
`, "FUNCTION", function)
}

// keepIdentityBody gives each table the identity it needs, and says which it changed. The user's own event triggers
// do not see this (session_replication_role, which is set only where there are such, because it lets the session
// forget its plans). A table that cannot have an identity must leave the publication: one
// of all tables has no exceptions, so it becomes a list.
const keepIdentityBody = `
DECLARE
  t record;
  role text := current_setting('session_replication_role');
  quiet boolean := (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    AND EXISTS (SELECT FROM pg_event_trigger WHERE evtenabled = 'O' AND NOT starts_with(evtname::text, 'pgrecall_'));
  changed oid[]; published oid[]; unpublished oid[]; everything boolean; listed boolean; others text; changes text[];
BEGIN
  SELECT puballtables INTO everything FROM pg_publication WHERE pubname = 'pgrecall';
  FOR t IN
    SELECT c.oid, c.relpersistence, n.nspname, c.relname, c.relreplident, NEEDED AS needed
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, FACTS
    WHERE c.oid = ANY (tables) AND c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'pgrecall'
  LOOP
    changes := '{}';
    IF t.needed IN ('f', 'd') THEN
      changes := ARRAY[format('ALTER TABLE ONLY %I.%I REPLICA IDENTITY %s', t.nspname, t.relname,
        CASE t.needed WHEN 'f' THEN 'FULL' ELSE 'DEFAULT' END)];
      BEGIN
        INSERT INTO pgrecall.identities AS i (relid, schema, name, original, given)
          VALUES (t.oid, t.nspname, t.relname, t.relreplident, t.needed::"char")
          ON CONFLICT (relid) DO UPDATE SET schema = EXCLUDED.schema, name = EXCLUDED.name, given = EXCLUDED.given,
            original = CASE WHEN i.given = EXCLUDED.original THEN i.original ELSE EXCLUDED.original END;
      EXCEPTION WHEN serialization_failure THEN
        NULL; -- this transaction's snapshot is older than the row: what it says of the table may stay
      END;
      changed := array_append(changed, t.oid);
    END IF;
    IF everything IS NOT NULL AND t.relpersistence = 'p' THEN
      listed := EXISTS (SELECT FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
                        WHERE p.pubname = 'pgrecall' AND r.prrelid = t.oid);
      IF t.needed = 'x' AND everything THEN
        SELECT string_agg(format('ONLY %I.%I', n.nspname, c.relname), ', ') INTO others
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, FACTS
        WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.oid >= 16384 AND n.nspname <> 'pgrecall'
          AND NEEDED IS DISTINCT FROM 'x';
        changes := changes || ARRAY['DROP PUBLICATION pgrecall',
          'CREATE PUBLICATION pgrecall' || coalesce(' FOR TABLE ' || others, '')
          || ' WITH (publish_generated_columns = stored)'];
        unpublished := array_append(unpublished, t.oid);
        everything := false;
      ELSIF t.needed = 'x' AND listed THEN
        changes := array_append(changes, format('ALTER PUBLICATION pgrecall DROP TABLE ONLY %I.%I', t.nspname, t.relname));
        unpublished := array_append(unpublished, t.oid);
      ELSIF t.needed IS DISTINCT FROM 'x' AND NOT everything AND NOT listed THEN
        changes := array_append(changes, format('ALTER PUBLICATION pgrecall ADD TABLE ONLY %I.%I', t.nspname, t.relname));
        published := array_append(published, t.oid);
      END IF;
    END IF;
    CONTINUE WHEN changes = '{}';
    PERFORM set_config('pgrecall.nested', (SELECT key FROM pgrecall.secret), true);
    IF quiet THEN PERFORM set_config('session_replication_role', 'replica', true); END IF;
    FOR i IN 1 .. cardinality(changes) LOOP EXECUTE changes[i]; END LOOP;
    IF quiet THEN PERFORM set_config('session_replication_role', role, true); END IF;
    PERFORM set_config('pgrecall.nested', '', true);
  END LOOP;
  RETURN json_build_object('identity', changed::bigint[], 'published', published::bigint[],
    'unpublished', unpublished::bigint[]);
END
`

// familyBody adds partitions and inheriting tables: what is done to a parent is done to them and not reported.
const familyBody = `
BEGIN
  RETURN ARRAY(
    WITH RECURSIVE family(relid) AS (
      SELECT unnest(tables)
      UNION SELECT i.inhrelid FROM family f JOIN pg_inherits i ON i.inhparent = f.relid
    ) SELECT relid FROM family);
END
`

// usersOfTypesBody finds the tables with a column of one of the types, directly or within a domain, an array, a range
// or a composite type.
const usersOfTypesBody = `
BEGIN
  RETURN ARRAY(
    WITH RECURSIVE used(typ) AS (
      SELECT unnest(types)
      UNION
      SELECT n.typ FROM used u, LATERAL (
        SELECT t.typarray AS typ FROM pg_type t WHERE t.oid = u.typ AND t.typarray <> 0
        UNION ALL
        SELECT d.objid FROM pg_depend d
        WHERE d.refclassid = 'pg_type'::regclass AND d.refobjid = u.typ AND d.classid = 'pg_type'::regclass
        UNION ALL
        SELECT c.reltype FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
        WHERE d.refclassid = 'pg_type'::regclass AND d.refobjid = u.typ AND d.classid = 'pg_class'::regclass
          AND d.objsubid > 0 AND c.reltype <> 0
      ) n
    )
    SELECT DISTINCT c.oid FROM used u
    JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid = u.typ
      AND d.classid = 'pg_class'::regclass AND d.objsubid > 0
    JOIN pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't');
END
`

// describeTablesBody tells the columns of each table, dropped ones too, with what an added column holds in rows
// written before it (the text of attmissingval in the database's own encoding, as hex). Of many tables only the
// first 200 are told in full: a family of thousands of partitions would make each message megabytes long.
const describeTablesBody = `
BEGIN
  RETURN (
    SELECT json_agg(json_build_object('oid', d.oid::bigint, 'schema', d.nspname, 'name', d.relname, 'kind', d.relkind,
      'persistence', d.relpersistence, 'identity', d.relreplident,
      'by_type', CASE WHEN d.oid = ANY (by_type) AND NOT d.oid = ANY (tables) THEN true END,
      'columns', CASE WHEN d.place <= 200 THEN (
        SELECT json_agg(json_build_array(a.attnum, a.attname, a.atttypid::bigint, a.atttypmod, a.attisdropped, a.attgenerated,
          CASE WHEN a.atthasmissing THEN
            encode(convert_to(a.attmissingval::text, getdatabaseencoding()), 'hex') END) ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = d.oid AND a.attnum > 0) END) ORDER BY d.place)
    FROM (
      SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relreplident,
             row_number() OVER (ORDER BY c.oid) AS place
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE (c.oid = ANY (tables) OR c.oid = ANY (by_type))
        AND c.relkind IN ('r', 'p', 'f', 'm') AND c.relpersistence <> 't') d);
END
`

// describeTypesBody tells labels of enums and attributes of composite types.
const describeTypesBody = `
BEGIN
  RETURN (
    SELECT json_agg(json_build_object('oid', t.oid::bigint, 'schema', n.nspname, 'name', t.typname, 'type', t.typtype,
      'labels', (SELECT json_agg(json_build_array(e.oid::bigint, e.enumlabel) ORDER BY e.enumsortorder)
                 FROM pg_enum e WHERE e.enumtypid = t.oid),
      'attributes', (SELECT json_agg(json_build_array(a.attnum, a.attname, a.atttypid::bigint, a.atttypmod, a.attisdropped)
                                     ORDER BY a.attnum)
                     FROM pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0)) ORDER BY t.oid)
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.oid = ANY (types));
END
`

// statementBody is the text that the client sent, for people and as a last resort. One that may hold a secret is
// left out, and so is a long script: it would be repeated with each of its commands.
const statementBody = `
DECLARE
  sent text := current_query();
BEGIN
  IF tag ~ '(USER MAPPING|SERVER|SUBSCRIPTION)' OR octet_length(sent) > 65536 THEN RETURN NULL; END IF;
  sent := left(sent, 16384);
  IF sent ~* ('passw(or)?d[[:space:]]*(=|:=|(e|u&)?''|[$]|,|/[*]|--)|://[^/[:space:]]*:[^/[:space:]]*@|user[[:space:]]+mapping|subscription'
               || '|(create|alter)[[:space:]]+server') THEN
    RETURN NULL;
  END IF;
  RETURN sent;
END
`

// ddlMessageBody is for ddl_command_end. Commands on temporary objects alone say nothing, nor does one that did
// nothing (IF EXISTS); REINDEX changes nothing that a backup knows.
const ddlMessageBody = `
DECLARE
  objects json; tables oid[]; types oid[]; users oid[]; kept json; failure text; commands bigint; permanent bigint;
  own boolean; internal boolean;
BEGIN
  IF tag = 'REINDEX' THEN RETURN NULL; END IF;
  SELECT count(*),
         count(*) FILTER (WHERE NOT c.temporary),
         coalesce(bool_and(c.schema_name IS NOT DISTINCT FROM 'pgrecall'
           OR (c.object_type = 'schema' AND c.object_identity = 'pgrecall')), false),
         json_agg(json_build_object('class', c.classid::bigint, 'oid', c.objid::bigint, 'subid', nullif(c.objsubid, 0),
           'type', c.object_type, 'schema', c.schema_name, 'identity', c.object_identity, 'tag', c.command_tag,
           'extension', CASE WHEN c.in_extension THEN true END))
           FILTER (WHERE NOT c.temporary),
         array_agg(c.objid) FILTER (WHERE c.classid = 'pg_class'::regclass AND NOT c.temporary),
         array_agg(c.objid) FILTER (WHERE c.classid = 'pg_type'::regclass)
  INTO commands, permanent, own, objects, tables, types
  FROM (
    SELECT e.*, e.schema_name IS NOT DISTINCT FROM 'pg_temp'
      OR (e.object_type IN ('trigger', 'rule', 'policy') AND e.object_identity ~ ' on pg_temp[._]') AS temporary
    FROM pg_event_trigger_ddl_commands() e) c;

  IF permanent = 0 AND (commands > 0 OR tag LIKE 'CREATE%' OR tag LIKE 'DROP%') THEN RETURN NULL; END IF;
  -- pgrecall itself alters nothing in its schema: ALTER there moves a table of the user's in.
  internal := own AND tag NOT LIKE 'ALTER%' OR EXISTS (SELECT FROM pgrecall.secret WHERE key = current_setting('pgrecall.nested', true));
  tables := ARRAY(SELECT c.oid FROM pg_class c WHERE c.oid = ANY (tables) AND c.relkind IN ('r', 'p', 'f', 'm', 'c'));
  IF tag LIKE 'ALTER%' THEN
    types := types || ARRAY(SELECT c.reltype FROM pg_class c WHERE c.oid = ANY (tables) AND c.relkind = 'c');
    users := pgrecall.users_of_types(types || ARRAY(
      SELECT c.reltype FROM pg_class c WHERE c.oid = ANY (tables) AND c.relkind <> 'c' AND c.reltype <> 0));
    tables := pgrecall.family(tables);
  END IF;
  IF NOT internal AND tables <> '{}' THEN
    BEGIN
      kept := pgrecall.keep_identity(tables);
    EXCEPTION WHEN OTHERS THEN
      failure := concat(SQLSTATE, ' ', SQLERRM);
    END;
  END IF;
  RETURN convert_to(json_strip_nulls(json_build_object('tag', tag, 'objects', objects,
    'tables', pgrecall.describe_tables(tables, users),
    'types', CASE WHEN tag LIKE 'ALTER%' OR tag = 'CREATE TYPE' THEN pgrecall.describe_types(types) END, 'kept', kept,
    'rewrite', CASE WHEN json_typeof(kept->'published') = 'array' AND tag <> 'CREATE TABLE' THEN true END,
    'statement', pgrecall.statement(tag), 'user', session_user,
    'role', nullif(current_setting('role'), 'none'), 'search_path', path,
    'internal', CASE WHEN internal THEN true END,
    'incomplete', CASE WHEN commands = 0 OR failure IS NOT NULL THEN true END, 'error', failure))::text, 'UTF8');
END
`

// dropMessageBody is for sql_drop. A dropped constraint tells its table by name, a dropped column by its oid, a
// dropped index not at all: so then every table is looked at whose identity is an index that is gone.
const dropMessageBody = `
DECLARE
  dropped json; tables oid[]; gone oid[]; indexes boolean; kept json; failure text; own boolean; internal boolean;
BEGIN
  SELECT json_agg(json_build_object('class', d.classid::bigint, 'oid', d.objid::bigint, 'subid', nullif(d.objsubid, 0),
           'type', d.object_type, 'schema', d.schema_name, 'identity', d.object_identity,
           'original', CASE WHEN d.original THEN true END))
           FILTER (WHERE d.original OR d.object_type IN ('table', 'table column', 'foreign table', 'sequence', 'view',
             'materialized view', 'schema', 'extension', 'publication')),
         array_agg(DISTINCT CASE
           WHEN d.object_type = 'table column' THEN d.objid
           WHEN d.object_type = 'table constraint' THEN
             to_regclass(format('%I.%I', d.address_names[1], d.address_names[2]))::oid END),
         array_agg(d.objid) FILTER (WHERE d.object_type = 'table'),
         bool_or(d.object_type = 'index'),
         bool_and(d.schema_name IS NOT DISTINCT FROM 'pgrecall'
           OR d.address_names[1] = 'pgrecall' AND d.object_type IN ('table column', 'table constraint', 'default value', 'trigger', 'rule', 'policy')
           OR d.object_identity = 'pgrecall' AND d.object_type IN ('publication', 'schema')
           OR d.object_type = 'event trigger' AND d.object_identity IN ('pgrecall_ddl_command_end', 'pgrecall_sql_drop', 'pgrecall_table_rewrite'))
  INTO dropped, tables, gone, indexes, own
  FROM pg_event_trigger_dropped_objects() d
  WHERE NOT d.is_temporary AND d.address_names[1] IS DISTINCT FROM 'pg_temp' AND d.object_type <> 'toast table';

  IF dropped IS NULL AND tables IS NULL THEN RETURN NULL; END IF;
  internal := own OR EXISTS (SELECT FROM pgrecall.secret WHERE key = current_setting('pgrecall.nested', true));
  tables := array_remove(tables, NULL);
  IF indexes THEN
    tables := tables || ARRAY(
      SELECT c.oid FROM pg_class c WHERE c.relreplident = 'i' AND c.relkind = 'r' AND c.relpersistence <> 't'
        AND NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisreplident));
  END IF;
  IF NOT internal AND (tables <> '{}' OR gone <> '{}') THEN
    BEGIN
      kept := pgrecall.keep_identity(pgrecall.family(tables));
      -- The scan would be a conflict with every serializable transaction that gives an identity.
      IF current_setting('transaction_isolation') <> 'serializable' THEN
        DELETE FROM pgrecall.identities i WHERE i.relid = ANY (gone);
      END IF;
    EXCEPTION WHEN OTHERS THEN
      failure := concat(SQLSTATE, ' ', SQLERRM);
    END;
  END IF;
  RETURN convert_to(json_strip_nulls(json_build_object('tag', tag, 'dropped', dropped,
    'tables', pgrecall.describe_tables(tables, NULL), 'kept', kept,
    'statement', pgrecall.statement(tag), 'user', session_user,
    'role', nullif(current_setting('role'), 'none'), 'search_path', path,
    'internal', CASE WHEN internal THEN true END,
    'incomplete', CASE WHEN failure IS NOT NULL THEN true END, 'error', failure))::text, 'UTF8');
END
`

// rewriteMessageBody is for table_rewrite: every row gets a new value or place without being decoded. The reasons
// are those of pg_event_trigger_table_rewrite_reason(): 1 persistence, 2 a default, 4 a column's type, 8 the access
// method.
const rewriteMessageBody = `
DECLARE
  tables oid[] := ARRAY[pg_event_trigger_table_rewrite_oid()];
BEGIN
  IF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = tables[1] AND c.relpersistence <> 't') THEN RETURN NULL; END IF;
  RETURN convert_to(json_strip_nulls(json_build_object('tag', tag, 'rewrite', true,
    'reason', pg_event_trigger_table_rewrite_reason(), 'tables', pgrecall.describe_tables(tables, NULL),
    'statement', pgrecall.statement(tag), 'user', session_user,
    'role', nullif(current_setting('role'), 'none'), 'search_path', path))::text, 'UTF8');
END
`
