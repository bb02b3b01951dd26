package catalog

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

const unreadPasswords = "passwords of roles: pg_authid may not be read"

// ReadGlobals reads the globals of the server that q is connected to. q must be inside a repeatable-read transaction, as
// for Read. What the role of the session may not see is listed in Unread and is no error.
func ReadGlobals(ctx context.Context, q Querier) (*Globals, error) {
	r := &reader{q: q, c: &Catalog{}}
	if err := r.readVersion(ctx); err != nil {
		return nil, err
	}
	if err := r.readGlobals(ctx); err != nil {
		return nil, err
	}
	return r.c.Globals, r.readSharedLabels(ctx)
}

// readGlobals reads the globals. They are no part of the database: that they cannot be read, because somebody revoked the right to, or
// because another database of another encoding wrote a comment that this one cannot show, must not keep its snapshot from being taken.
func (r *reader) readGlobals(ctx context.Context) error {
	g := &Globals{ServerVersion: r.c.ServerVersion}
	r.c.Globals = g
	command := func(sql string) error {
		rows, err := r.q.Query(ctx, sql)
		if err == nil {
			rows.Close()
			err = rows.Err()
		}
		return err
	}
	if err := command("SAVEPOINT globals"); err != nil {
		return fmt.Errorf("reading what the databases share: %w", err)
	}
	err := r.readSharedObjects(ctx, g)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "42501" || strings.HasPrefix(pg.Code, "22")) { // insufficient_privilege; data exceptions
		*g = Globals{ServerVersion: g.ServerVersion, Unread: []string{"roles, memberships, settings and tablespaces: " + pg.Message}}
		if err := command("ROLLBACK TO SAVEPOINT globals"); err != nil {
			return fmt.Errorf("reading what the databases share: %w", err)
		}
		err = nil
	}
	if err == nil {
		err = command("RELEASE SAVEPOINT globals")
	}
	return err
}

func (r *reader) readSharedObjects(ctx context.Context, g *Globals) error {
	for _, step := range []func(context.Context, *Globals) error{
		r.readRoles, r.readRoleSettings, r.readMemberships, r.readTablespaces, r.readParameters,
	} {
		if err := step(ctx, g); err != nil {
			return err
		}
	}
	g.keepText()
	return nil
}

func (r *reader) readRoles(ctx context.Context, g *Globals) error {
	may, err := collect[struct{ Authid bool }](ctx, r, "asking who may read passwords",
		`SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT') AS authid`)
	if err != nil {
		return err
	}
	from, password := "pg_authid", "coalesce(o.rolpassword, '')"
	if !may[0].Authid {
		from, password = "pg_roles", "''"
		g.Unread = append(g.Unread, unreadPasswords)
	}
	roles, err := collect[struct {
		Role
		Bootstrap bool
	}](ctx, r, "reading roles", `
SELECT o.oid, o.rolname::text AS name, o.rolsuper AS super, o.rolinherit AS inherit, o.rolcreaterole AS create_role, o.rolcreatedb AS create_db,
       o.rolcanlogin AS login, o.rolreplication AS replication, o.rolbypassrls AS bypass_rls, o.rolconnlimit AS conn_limit,
       `+password+` AS password, coalesce(o.rolvaliduntil::text, '') AS valid_until, o.oid = 10 AS bootstrap,
       coalesce(note.description, '') AS comment
FROM `+from+` o LEFT JOIN pg_shdescription note ON note.classoid = 'pg_authid'::regclass AND note.objoid = o.oid
WHERE o.rolname !~ '^pg_' OR o.oid = 10 ORDER BY o.rolname`)
	for _, row := range roles {
		if row.Bootstrap {
			g.Bootstrap = row.Name
		}
		if !systemRole(row.Name) {
			g.Roles = append(g.Roles, row.Role)
		}
	}
	return err
}

// readRoleSettings reads ALTER ROLE … SET of all databases.
func (r *reader) readRoleSettings(ctx context.Context, g *Globals) error {
	settings, err := collect[Setting](ctx, r, "reading the settings of roles", `
SELECT coalesce(a.rolname::text, '') AS role, split_part(u.setting, '=', 1) AS name,
       substr(u.setting, strpos(u.setting, '=') + 1) AS value
FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) WITH ORDINALITY u (setting, n)
LEFT JOIN pg_roles a ON a.oid = s.setrole
WHERE s.setdatabase = 0 AND (s.setrole = 0 OR a.oid IS NOT NULL)
ORDER BY 1, u.n`)
	roles := map[string]*Role{}
	for i := range g.Roles {
		roles[g.Roles[i].Name] = &g.Roles[i]
	}
	for _, s := range settings {
		if s.Role == "" {
			g.Settings = append(g.Settings, s)
		} else if role := roles[s.Role]; role != nil {
			s.Role = ""
			role.Settings = append(role.Settings, s)
		}
	}
	return err
}

func (r *reader) readMemberships(ctx context.Context, g *Globals) (err error) {
	g.Memberships, err = collect[Membership](ctx, r, "reading the members of roles", `
SELECT o.rolname::text AS role, m.rolname::text AS member, coalesce(g.rolname::text, '') AS grantor, a.admin_option AS admin,
       `+r.since(16, "a.inherit_option", "m.rolinherit")+` AS inherit, `+r.since(16, "a.set_option", "true")+` AS set
FROM pg_auth_members a JOIN pg_roles o ON o.oid = a.roleid JOIN pg_roles m ON m.oid = a.member LEFT JOIN pg_roles g ON g.oid = a.grantor
WHERE NOT (o.rolname ~ '^pg_' AND m.rolname ~ '^pg_') ORDER BY 1, 2, 3`)
	return err
}

func (r *reader) readTablespaces(ctx context.Context, g *Globals) (err error) {
	g.Tablespaces, err = collect[Tablespace](ctx, r, "reading tablespaces", `
SELECT t.oid, t.spcname::text AS name, coalesce(o.rolname::text, '') AS owner, coalesce(note.description, '') AS comment, {acl t.spcacl t t.spcowner},
       CASE WHEN l.location ~ '^(/|[A-Za-z]:)' THEN l.location ELSE '' END AS location, t.spcoptions AS options
FROM pg_tablespace t CROSS JOIN LATERAL pg_tablespace_location(t.oid) l (location) LEFT JOIN pg_roles o ON o.oid = t.spcowner
LEFT JOIN pg_shdescription note ON note.classoid = 'pg_tablespace'::regclass AND note.objoid = t.oid
WHERE t.spcname !~ '^pg_' ORDER BY t.spcname`)
	return err
}

func (r *reader) readParameters(ctx context.Context, g *Globals) (err error) {
	if r.c.ServerVersion < 150000 {
		return nil
	}
	g.Parameters, err = collect[Parameter](ctx, r, "reading grants on parameters", `
SELECT a.parname AS name, {acl a.paracl p 10} FROM pg_parameter_acl a ORDER BY a.parname`)
	return err
}

// readSharedLabels reads the security labels of roles, tablespaces and the database.
func (r *reader) readSharedLabels(ctx context.Context) error {
	rows, err := collect[struct {
		SecurityLabel
		Class  string
		Object uint32
	}](ctx, r, "reading security labels of what databases share", `
SELECT l.provider, l.label, l.classoid::regclass::text AS class, l.objoid AS object FROM pg_shseclabel l
WHERE l.classoid IN ('pg_authid'::regclass, 'pg_tablespace'::regclass)
   OR l.classoid = 'pg_database'::regclass AND l.objoid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY l.provider`)
	if len(rows) == 0 {
		return err
	}
	slots := map[Ref]*[]SecurityLabel{}
	for i := range r.c.Globals.Roles {
		slots[Ref{"pg_authid", r.c.Globals.Roles[i].OID}] = &r.c.Globals.Roles[i].SecurityLabels
	}
	for i := range r.c.Globals.Tablespaces {
		slots[Ref{"pg_tablespace", r.c.Globals.Tablespaces[i].OID}] = &r.c.Globals.Tablespaces[i].SecurityLabels
	}
	for _, row := range rows {
		slot := slots[Ref{Class(row.Class), row.Object}]
		if row.Class == string(ClassDatabase) {
			slot = &r.c.Database.SecurityLabels
		}
		if slot != nil {
			*slot = append(*slot, row.SecurityLabel)
		}
	}
	return err
}

// keepText leaves out what is not UTF-8: shared catalogs hold names and comments in the encoding of whatever database they
// were written in, and a database of another encoding gets the bytes (PostgreSQL documentation, "Character Set Support").
func (g *Globals) keepText() {
	g.Roles = keepText(g, "role", g.Roles)
	g.Memberships = keepText(g, "membership", g.Memberships)
	g.Tablespaces = keepText(g, "tablespace", g.Tablespaces)
	g.Settings = keepText(g, "setting of all roles", g.Settings)
	g.Parameters = keepText(g, "grants on a parameter", g.Parameters)
}

func keepText[T any](g *Globals, what string, rows []T) []T {
	var kept []T
	for i := range rows {
		if err := checkStrings(reflect.ValueOf(rows[i]), what); err != nil {
			g.Unread = append(g.Unread, fmt.Sprintf("a %s with text that is not UTF-8", what))
			continue
		}
		kept = append(kept, rows[i])
	}
	return kept
}
