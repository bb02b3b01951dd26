package catalog

import (
	"context"
	"strings"
)

// ForeignDataWrapper is a user's foreign-data wrapper. Functions are schema-qualified and quoted, without arguments.
type ForeignDataWrapper struct {
	Object
	Handler    string   `json:",omitzero"` // empty: none
	Validator  string   `json:",omitzero"` // empty: none
	Options    []string `json:",omitzero"` // name=value
	OwnerSuper bool     `json:",omitzero"` // its owner is a superuser, as ALTER … OWNER wants it
}

// ForeignServer is a foreign server.
type ForeignServer struct {
	Object
	Wrapper string   `json:",omitzero"`
	Type    string   `json:",omitzero"`
	Version string   `json:",omitzero"`
	Options []string `json:",omitzero"` // name=value
}

// UserMapping says as whom a role uses a foreign server.
type UserMapping struct {
	Object           // Name is the role's; "public" is PUBLIC
	Server  string   `json:",omitzero"`
	Options []string `json:",omitzero"` // name=value, usually with a password
}

func (x *ForeignDataWrapper) ref() Ref { return Ref{ClassForeignDataWrapper, x.OID} }
func (x *ForeignServer) ref() Ref      { return Ref{ClassForeignServer, x.OID} }
func (x *UserMapping) ref() Ref        { return Ref{ClassUserMapping, x.OID} }

func (x *ForeignDataWrapper) rank() int { return rankForeignDataWrapper }
func (x *ForeignServer) rank() int      { return rankForeignServer }
func (x *UserMapping) rank() int        { return rankUserMapping }

func (x *UserMapping) variant() string { return x.Server }

func (r *reader) readForeignData(ctx context.Context) error {
	var err error
	r.c.ForeignDataWrappers, err = collect[ForeignDataWrapper](ctx, r, "reading foreign-data wrappers", `
SELECT w.oid, w.fdwname::text AS name, pg_get_userbyid(w.fdwowner)::text AS owner, coalesce(note.description, '') AS comment,
       `+functionName("w.fdwhandler")+` AS handler, `+functionName("w.fdwvalidator")+` AS validator, w.fdwoptions AS options,
       coalesce((SELECT rolsuper FROM pg_roles WHERE oid = w.fdwowner), false) AS owner_super, {acl w.fdwacl F w.fdwowner}
FROM pg_foreign_data_wrapper w {note pg_foreign_data_wrapper w}
WHERE w.oid >= 16384 AND {own pg_foreign_data_wrapper w} ORDER BY w.fdwname`)
	if err != nil {
		return err
	}
	r.c.ForeignServers, err = collect[ForeignServer](ctx, r, "reading foreign servers", `
SELECT s.oid, s.srvname::text AS name, pg_get_userbyid(s.srvowner)::text AS owner, coalesce(note.description, '') AS comment,
       w.fdwname::text AS wrapper, coalesce(s.srvtype, '') AS type, coalesce(s.srvversion, '') AS version, s.srvoptions AS options,
       {acl s.srvacl S s.srvowner}
FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw {note pg_foreign_server s}
WHERE {own pg_foreign_server s} ORDER BY s.srvname`)
	if err != nil {
		return err
	}
	return r.readUserMappings(ctx)
}

// readUserMappings reads user mappings as far as the role may see them. The view shows everybody that there is a mapping,
// and the options to superusers, to the server's owner and to the role mapped (pg_user_mappings in PostgreSQL's
// system_views.sql); a mapping without its options would be another one.
func (r *reader) readUserMappings(ctx context.Context) error {
	from := `pg_user_mappings m JOIN pg_foreign_server s ON s.oid = m.srvid CROSS JOIN LATERAL (SELECT m.umid AS oid, m.umuser, m.umoptions,
       m.umoptions IS NOT NULL OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR
       CASE m.umuser WHEN 0 THEN pg_has_role(s.srvowner, 'USAGE')
            ELSE m.usename = current_user AND (pg_has_role(s.srvowner, 'USAGE') OR has_server_privilege(s.oid, 'USAGE')) END AS readable) u`
	if r.may.UserMappings {
		from = `pg_user_mapping m JOIN pg_foreign_server s ON s.oid = m.umserver
			CROSS JOIN LATERAL (SELECT m.oid, m.umuser, m.umoptions, true AS readable) u`
	}
	rows, err := collect[struct {
		UserMapping
		Readable bool
	}](ctx, r, "reading user mappings", `
SELECT u.oid, CASE u.umuser WHEN 0 THEN 'public' ELSE pg_get_userbyid(u.umuser)::text END AS name, s.srvname::text AS server,
       u.umoptions AS options, u.readable
FROM `+from+` ORDER BY s.srvname, 2`)
	for _, row := range rows {
		if row.Readable {
			r.c.UserMappings = append(r.c.UserMappings, row.UserMapping)
			continue
		}
		r.c.Unsupported = append(r.c.Unsupported, Unsupported{Kind: "user mapping", Name: row.UserMapping.label(),
			Why: "its options are not readable to the role that read the catalog; a superuser or a member of pg_read_all_data may"})
	}
	return err
}

func (x *ForeignDataWrapper) create(p *planner, _ *node) {
	sql := "CREATE FOREIGN DATA WRAPPER " + QuoteIdent(x.Name)
	if x.Handler != "" {
		sql += " HANDLER " + x.Handler
	}
	if x.Validator != "" {
		sql += " VALIDATOR " + x.Validator
	}
	at := x.address()
	p.add(Statement{Kind: at.kind, Name: at.name, OID: x.OID, SQL: sql + foreignOptions(x.Options), at: at})
	d := p.described(x)
	d.keepOwner = p.ownerStays("foreign-data wrapper "+x.Name, x.Owner, x.OwnerSuper)
	p.addProperties(d)
}

// ownerStays says that an object of a kind that only superusers can be given keeps the owner who makes it, for the source's
// has lost that right.
func (p *planner) ownerStays(what, owner string, super bool) bool {
	if !super && !p.o.NoOwner {
		p.leaveOut("owner "+owner+" of "+what, "the role is no superuser on the source, and PostgreSQL gives such an object to superusers only")
	}
	return !super
}

func (x *ForeignServer) create(p *planner, _ *node) {
	sql := "CREATE SERVER " + QuoteIdent(x.Name)
	if x.Type != "" {
		sql += " TYPE " + strings.TrimSpace(quoteLiteral(x.Type))
	}
	if x.Version != "" {
		sql += " VERSION " + strings.TrimSpace(quoteLiteral(x.Version))
	}
	p.make(x, sql+" FOREIGN DATA WRAPPER "+QuoteIdent(x.Wrapper)+foreignOptions(x.Options))
}

func (x *UserMapping) create(p *planner, _ *node) {
	p.add(Statement{Kind: "USER MAPPING", Name: x.label(), OID: x.OID, SQL: "CREATE USER MAPPING " + x.sql() + foreignOptions(x.Options),
		Secret: len(x.Options) > 0, at: x.address()})
}

// sql is what follows USER MAPPING.
func (x *UserMapping) sql() string {
	role := "PUBLIC"
	if x.Name != "public" {
		role = QuoteIdent(x.Name)
	}
	return "FOR " + role + " SERVER " + QuoteIdent(x.Server)
}

// label is the mapping for people.
func (x *UserMapping) label() string { return "for " + x.Name + " on server " + x.Server }

func (x *ForeignDataWrapper) address() address {
	return plainAddress("FOREIGN DATA WRAPPER", "pg_foreign_data_wrapper", "fdwname", x.Name)
}

func (x *ForeignServer) address() address {
	return plainAddress("SERVER", "pg_foreign_server", "srvname", x.Name)
}

func (x *UserMapping) address() address {
	return address{"pg_user_mapping", "SELECT umid FROM pg_catalog.pg_user_mappings WHERE srvname = " + quoteLiteral(x.Server) +
		" AND usename = " + quoteLiteral(x.Name), "USER MAPPING", x.sql()}
}

// foreignOptions is an OPTIONS clause, or empty.
func foreignOptions(options []string) string {
	if len(options) == 0 {
		return ""
	}
	parts := make([]string, len(options))
	for i, option := range options {
		name, value, _ := strings.Cut(option, "=")
		parts[i] = QuoteIdent(name) + " " + strings.TrimSpace(quoteLiteral(value))
	}
	return " OPTIONS (" + strings.Join(parts, ", ") + ")"
}
