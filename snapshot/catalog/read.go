package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Querier runs queries; *pgx.Conn and pgx.Tx do.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// oldestServer is the oldest server version whose catalogs Read understands.
const oldestServer = 140000

// Read reads the catalog of the database that q is connected to.
//
// q must be inside a repeatable-read transaction of a session with the settings
// of format.SessionSettings and client_encoding UTF8. The number of queries is
// fixed. Read takes ACCESS SHARE locks on relations as pg_get_viewdef and its like do, and none stronger.
//
// Errors: a server too old; text that is not UTF-8 in an SQL_ASCII database, naming
// the object; an object dropped while it was read (try again with a new snapshot).
func Read(ctx context.Context, q Querier) (*Catalog, error) {
	r := &reader{q: q, c: &Catalog{}}
	if err := r.readServer(ctx); err != nil {
		return nil, err
	}
	if r.c.Database.Encoding == "SQL_ASCII" {
		// Such a server sends whatever bytes it holds to a client that asks for
		// SQL_ASCII, and fails without naming the object for one that asks for UTF8.
		if err := r.clientEncoding(ctx, "SQL_ASCII"); err != nil {
			return nil, err
		}
	}
	for _, step := range []func(context.Context) error{
		r.readGlobals, r.readSharedLabels, r.readMembership, r.readSimpleObjects, r.readTypes, r.readBaseTypes, r.readFunctions,
		r.readAggregates, r.readLanguages, r.readAccessMethods, r.readOperators, r.readOperatorClasses, r.readConversions,
		r.readForeignData, r.readTextSearch, r.readRelations, r.readTableParts, r.readPrivileged, r.readLargeObjects,
		r.readSubscriptions, r.readPrivileges, r.readImplicit, r.readLabels, r.readDependencies, r.readUnsupported,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	r.assemble()
	if err := r.checkText(); err != nil {
		return nil, err
	}
	if r.c.Database.Encoding == "SQL_ASCII" {
		if err := r.clientEncoding(ctx, "UTF8"); err != nil {
			return nil, err
		}
	}
	return r.c, nil
}

// reader gathers rows, query by query, until assemble puts them together.
type reader struct {
	q   Querier
	c   *Catalog
	may rights

	members       map[Ref]uint32 // extension that an object belongs to
	typeRows      []typeRow
	columns       map[uint32][]Column // by pg_class oid, in order
	constraints   []constraintRow
	indexes       []indexRow
	triggers      []triggerRow
	rules         []ruleRow
	policies      []policyRow
	parents       []parentRow
	dependencies  []dependencyRow
	identities    map[uint32]string
	labels        []labelRow
	numericRoles  map[string]bool // roles whose names are numbers
	baseTypes     []baseTypeRow
	familyMembers []memberRow
	implicit      []implicitRow
}

// since gives the first text on servers of at least the major version, else the second.
func (r *reader) since(major int, text, otherwise string) string {
	if r.c.ServerVersion >= major*10000 {
		return text
	}
	return otherwise
}

func (r *reader) clientEncoding(ctx context.Context, name string) error {
	_, err := collect[struct{ Encoding string }](ctx, r, "setting client_encoding",
		`SELECT set_config('client_encoding', '`+name+`', true) AS encoding`)
	return err
}

// expand fills in the conditions that nearly every query has:
//
//	{user n}          n is a schema of the user's, neither system's, temporary nor ours
//	{own pg_class c}  c is not a member of an extension
//	{held c}          c is a relation that is no member of an extension, or one of its configuration
//	{made pg_proc p}  p was not made along with something else, as a range's constructors are
//	{note pg_class c} joins the comment of c as note.description
//	{acl c.relacl r c.relowner} the columns acl_items and acl_initial
//	{function x}      the function of oid x as SQL text, without arguments; empty if x is 0
func expand(sql string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(sql, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		macro, after, _ := strings.Cut(rest, "}")
		sql = after
		f := strings.Fields(macro)
		switch f[0] {
		case "user":
			fmt.Fprintf(&b, `(%[1]s.nspname !~ '^pg_' AND %[1]s.nspname <> ALL ('{information_schema,pgrecall}'))`, f[1])
		case "own":
			fmt.Fprintf(&b, `NOT EXISTS (SELECT FROM pg_depend m WHERE m.classid = '%s'::regclass AND m.objid = %s.oid
				AND m.deptype = 'e')`, f[1], f[2])
		case "held":
			fmt.Fprintf(&b, `(NOT EXISTS (SELECT FROM pg_depend m WHERE m.classid = 'pg_class'::regclass AND m.objid = %[1]s.oid AND m.deptype = 'e')
				OR EXISTS (SELECT FROM pg_extension x WHERE %[1]s.oid = ANY (x.extconfig)))`, f[1])
		case "made":
			fmt.Fprintf(&b, `NOT EXISTS (SELECT FROM pg_depend m WHERE m.classid = '%s'::regclass AND m.objid = %s.oid
				AND m.deptype IN ('e', 'i'))`, f[1], f[2])
		case "note":
			fmt.Fprintf(&b, `LEFT JOIN pg_description note ON note.classoid = '%s'::regclass AND note.objoid = %s.oid
				AND note.objsubid = 0`, f[1], f[2])
		case "acl":
			fmt.Fprintf(&b, `%[1]s::text[] AS acl_items, CASE WHEN %[1]s IS NOT NULL THEN acldefault('%[2]s', %[3]s)::text[] END AS acl_initial`, f[1], f[2], f[3])
		case "function":
			fmt.Fprintf(&b, `CASE WHEN %[1]s <> 0 THEN %[1]s::oid::regproc::text ELSE '' END`, f[1])
		default:
			fmt.Fprintf(&b, "{%s}", macro)
		}
	}
}

// rights say which columns with secrets the role may read: superusers and members of pg_read_all_data may all.
type rights struct {
	UserMappings  bool // pg_user_mapping
	Subscriptions bool // pg_subscription.subconninfo
}

// readVersion reads the server's version and the role's rights. For the rest of the transaction it turns off
// jit, which compiles such queries for longer than they run.
func (r *reader) readVersion(ctx context.Context) error {
	rows, err := collect[struct {
		rights
		Version int
		JIT     string
	}](ctx, r, "reading the server's version", `
SELECT current_setting('server_version_num')::int AS version, set_config('jit', 'off', true) AS jit,
       has_table_privilege('pg_catalog.pg_user_mapping', 'SELECT') AS user_mappings,
       has_column_privilege('pg_catalog.pg_subscription', 'subconninfo', 'SELECT') AS subscriptions`)
	if err == nil {
		r.c.ServerVersion, r.may = rows[0].Version, rows[0].rights
	}
	return err
}

func (r *reader) readServer(ctx context.Context) error {
	if err := r.readVersion(ctx); err != nil {
		return err
	}
	if r.c.ServerVersion < oldestServer {
		return fmt.Errorf("the server's version is %d; PostgreSQL 14 or newer is needed", r.c.ServerVersion)
	}
	rows, err := collect[Database](ctx, r, "reading the database's properties", `
SELECT d.datname::text AS name, pg_get_userbyid(d.datdba)::text AS owner, pg_encoding_to_char(d.encoding)::text AS encoding,
       `+r.since(15, `d.datlocprovider::text`, `'c'`)+` AS locale_provider,
       d.datcollate::text AS collate, d.datctype::text AS ctype,
       coalesce(`+r.since(17, `d.datlocale`, r.since(15, `d.daticulocale`, `''`))+`, '') AS locale,
       coalesce(`+r.since(16, `d.daticurules`, `''`)+`, '') AS icu_rules,
       coalesce(`+r.since(15, `d.datcollversion`, `''`)+`, '') AS collation_version, d.datistemplate AS template,
       CASE WHEN t.spcname <> 'pg_default' THEN t.spcname::text ELSE '' END AS tablespace,
       d.datconnlimit AS conn_limit, coalesce(note.description, '') AS comment, {acl d.datacl d d.datdba}
FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace
LEFT JOIN pg_shdescription note ON note.classoid = 'pg_database'::regclass AND note.objoid = d.oid
WHERE d.datname = current_database()`)
	if err != nil {
		return err
	}
	if len(rows) != 1 {
		return errors.New("reading the database's properties: its row is not there")
	}
	r.c.Database = rows[0]
	r.c.Database.Settings, err = collect[Setting](ctx, r, "reading the database's settings", `
SELECT coalesce(a.rolname::text, '') AS role, split_part(u.setting, '=', 1) AS name,
       substr(u.setting, strpos(u.setting, '=') + 1) AS value
FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) WITH ORDINALITY u (setting, n)
LEFT JOIN pg_roles a ON a.oid = s.setrole
WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY 1, u.n`)
	return err
}

// readMembership reads which objects belong to which extension.
func (r *reader) readMembership(ctx context.Context) error {
	rows, err := collect[struct {
		Class     string
		Object    uint32
		Extension uint32
	}](ctx, r, "reading the members of extensions", `
SELECT classid::regclass::text AS class, objid AS object, refobjid AS extension FROM pg_depend WHERE deptype = 'e'`)
	if err != nil {
		return err
	}
	r.members = make(map[Ref]uint32, len(rows))
	for _, m := range rows {
		r.members[Ref{Class(m.Class), m.Object}] = m.Extension
	}
	return nil
}
