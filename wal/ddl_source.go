package wal

import "strings"

// Names of what init puts on the source. Nothing of these is part of a backup.
const (
	// Schema holds the functions and tables of pgrecall on the source.
	Schema = "pgrecall"
	// Publication is the publication's name.
	Publication = "pgrecall"
	// eventTriggerPrefix begins the name of every event trigger of pgrecall.
	eventTriggerPrefix = "pgrecall_"
)

// neededIdentity is an expression over pg_class AS c: the replica identity that the table needs so that its UPDATE
// and DELETE can be published and folded. NULL: it is right as it is, as that of every partitioned table, whose partitions'
// identities count (CheckCmdReplicaIdentity); 'f' FULL; 'd' DEFAULT, which is its primary
// key; 'x': there is none, the table cannot be published.
//
// What counts is what the server counts (RelationGetIndexList, CheckCmdReplicaIdentity): an index must be valid,
// unique, immediate (no deferrable key) and not partial. A key with a generated column does not count: its values
// are no part of a COPY, and before 18 they are not decoded either. With a virtual generated column PostgreSQL 18
// refuses UPDATE under FULL, whatever the publication says (publish_generated_columns knows only stored ones).
const neededIdentity = `CASE
    WHEN c.relkind <> 'r' OR c.relpersistence = 't' OR c.oid < 16384 THEN NULL
    WHEN c.relreplident = 'd' AND k.has_key THEN NULL
    WHEN c.relreplident = 'i' AND k.has_index THEN NULL
    WHEN k.has_virtual AND k.has_key THEN 'd'
    WHEN k.has_virtual THEN 'x'
    WHEN c.relreplident = 'f' THEN NULL
    WHEN k.has_key THEN 'd'
    ELSE 'f'
  END`

// identityFacts is the lateral subquery k that neededIdentity reads.
const identityFacts = `LATERAL (
    SELECT coalesce(bool_or(x.indisprimary), false) AS has_key,
           coalesce(bool_or(x.indisreplident), false) AS has_index,
           EXISTS (SELECT FROM pg_attribute v
                   WHERE v.attrelid = c.oid AND v.attgenerated = 'v' AND NOT v.attisdropped) AS has_virtual
    FROM pg_index x
    WHERE x.indrelid = c.oid AND (x.indisprimary OR x.indisreplident)
      AND x.indisvalid AND x.indisunique AND x.indimmediate AND x.indpred IS NULL
      AND NOT EXISTS (SELECT FROM pg_attribute g
                      WHERE g.attrelid = c.oid AND g.attnum = ANY (x.indkey) AND g.attgenerated <> '')
  ) AS k`

// sourceTables are the tables of the schema.
//
// secret holds one random key. Who can set pgrecall.nested to it does DDL of pgrecall's own: so the event triggers know
// such DDL and nobody can feign it. A flag that is read and never written costs a serializable transaction nothing,
// where a row put in and taken out would make any two that do DDL conflict (documentation, "Serializable Isolation
// Level"). identities remembers what a table had before pgrecall gave it another.
func sourceTables() []sourceTable {
	return []sourceTable{
		{"marks", "CREATE TABLE pgrecall.marks (name text PRIMARY KEY, made timestamp with time zone NOT NULL)"},
		{"identities", `CREATE TABLE pgrecall.identities (relid oid PRIMARY KEY, schema text NOT NULL, ` +
			`name text NOT NULL, original "char" NOT NULL, given "char" NOT NULL)`},
		{"secret", "CREATE TABLE pgrecall.secret AS SELECT pg_catalog.gen_random_uuid()::text AS key"},
	}
}

// sourceTable is one table of the schema and the statement that makes it.
type sourceTable struct{ name, sql string }

// pinned returns the settings of every function that turns values into text: the same value is the same text in COPY,
// in the log and in the messages. SECURITY DEFINER functions need the search path fixed as well (CREATE FUNCTION,
// "Writing SECURITY DEFINER Functions Safely"). Planned once, and never compiled, their queries cost a command little.
func pinned() []string {
	return []string{"search_path=pg_catalog, pg_temp", "datestyle=ISO", "intervalstyle=postgres", "extra_float_digits=3", "timezone=UTC",
		"bytea_output=hex", "lc_monetary=C", "xmloption=content", "array_nulls=on", "quote_all_identifiers=off",
		"plan_cache_mode=force_generic_plan", "jit=off"}
}

// sourceFunction is one function of the schema.
type sourceFunction struct {
	name, arguments, returns string
	settings                 []string // name=value, as pg_proc.proconfig keeps them, but for the names' case
	body                     string
}

// sql is the statement that creates or replaces the function.
func (f sourceFunction) sql() string {
	var settings strings.Builder
	for _, s := range f.settings {
		name, value, _ := strings.Cut(s, "=")
		if name != "search_path" { // which is a list of names
			value = "'" + value + "'"
		}
		settings.WriteString("\n  SET " + name + " = " + value)
	}
	return "CREATE OR REPLACE FUNCTION pgrecall." + f.name + "(" + f.arguments + ") RETURNS " + f.returns +
		"\n  LANGUAGE plpgsql SECURITY DEFINER" + settings.String() + "\nAS $pgrecall$" + f.source() + "$pgrecall$"
}

// source is the body as pg_proc.prosrc keeps it.
func (f sourceFunction) source() string {
	return strings.NewReplacer("NEEDED", neededIdentity, "FACTS", identityFacts).Replace(f.body)
}

// sourceFunctions are the functions in the order in which they are made. They are the same text on every major
// version. The three without settings are called by the event triggers: they must see the user's own search_path to
// report it, so each name in them is qualified, of types too, and they use no operator: a name that is looked up there
// is anybody's to give a meaning, and would be run as the role that ran init.
func sourceFunctions() []sourceFunction {
	return []sourceFunction{
		{"keep_identity", "tables oid[]", "json", pinned(), keepIdentityBody},
		{"family", "tables oid[]", "oid[]", pinned(), familyBody},
		{"users_of_types", "types oid[]", "oid[]", pinned(), usersOfTypesBody},
		{"describe_tables", "tables oid[], by_type oid[]", "json", pinned(), describeTablesBody},
		{"describe_types", "types oid[]", "json", pinned(), describeTypesBody},
		{"statement", "tag text", "text", pinned(), statementBody},
		{"ddl_message", "tag text, path text", "bytea", pinned(), ddlMessageBody},
		{"drop_message", "tag text, path text", "bytea", pinned(), dropMessageBody},
		{"rewrite_message", "tag text, path text", "bytea", pinned(), rewriteMessageBody},
		{"on_ddl", "", "event_trigger", nil, eventBody("ddl_message")},
		{"on_drop", "", "event_trigger", nil, eventBody("drop_message")},
		{"on_rewrite", "", "event_trigger", nil, eventBody("rewrite_message")},
	}
}

// sourceTriggers are the event triggers. ENABLE ALWAYS: with the default they would not fire under
// session_replication_role=replica, while the publication works there all the same.
func sourceTriggers() []sourceTrigger {
	return []sourceTrigger{
		{"pgrecall_ddl_command_end", "ddl_command_end", "on_ddl"},
		{"pgrecall_sql_drop", "sql_drop", "on_drop"},
		{"pgrecall_table_rewrite", "table_rewrite", "on_rewrite"},
	}
}

// sourceTrigger is one event trigger.
type sourceTrigger struct{ name, event, function string }
