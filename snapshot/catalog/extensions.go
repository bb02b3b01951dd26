package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Extension is an installed extension. Its members are not in the model but by name.
type Extension struct {
	Object           // Schema is where its objects are
	Version string   `json:",omitzero"` // informational: a restore takes the target's default version
	Schemas []string `json:",omitzero"` // those that its script made
	Members []string `json:",omitzero"` // "function public.hstore_out(public.hstore)", sorted
}

func (e *Extension) ref() Ref  { return Ref{ClassExtension, e.OID} }
func (e *Extension) rank() int { return rankExtension }

// readExtensions leaves out plpgsql and whatever else initdb made: it has a small oid, and every target has it.
func (r *reader) readExtensions(ctx context.Context) error {
	var err error
	r.c.Extensions, err = collect[Extension](ctx, r, "reading extensions", `
SELECT e.oid, n.nspname::text AS schema, e.extname::text AS name, pg_get_userbyid(e.extowner)::text AS owner,
       e.extversion AS version, coalesce(note.description, '') AS comment,
       ARRAY(SELECT m.nspname::text FROM pg_depend d JOIN pg_namespace m ON m.oid = d.objid
             WHERE d.classid = 'pg_namespace'::regclass AND d.refclassid = 'pg_extension'::regclass
               AND d.refobjid = e.oid AND d.deptype = 'e' ORDER BY m.nspname) AS schemas,
       ARRAY(`+memberNames+` ORDER BY 1) AS members
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace {note pg_extension e}
WHERE e.oid >= 16384 ORDER BY e.extname`)
	return err
}

// memberNames selects the names of the members of extension e.
const memberNames = `SELECT i.type || ' ' || i.identity FROM pg_catalog.pg_depend d
	CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) i
             WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e' AND i.identity IS NOT NULL`

// create makes an extension where the target lacks it. An owner cannot be given to it. A comment is its control file's
// unless the source says another one or none; an extension that is there keeps its own.
func (e *Extension) create(p *planner, _ *node) {
	at := e.address()
	p.add(Statement{Kind: "EXTENSION", Name: e.Name, OID: e.OID, IfMissing: true,
		SQL: "CREATE EXTENSION " + QuoteIdent(e.Name) + " WITH SCHEMA " + QuoteIdent(e.Schema), at: at})
	was := p.at.ifMissing
	defer func() { p.at.ifMissing = was }()
	p.at.ifMissing = at.exists()
	if e.Comment == "" {
		p.add(Statement{Kind: "COMMENT", Name: e.Name, OID: e.OID, SQL: "COMMENT ON EXTENSION " + QuoteIdent(e.Name) + " IS NULL"})
	}
	p.addComment(described{kind: "EXTENSION", sql: QuoteIdent(e.Name), name: e.Name, oid: e.OID, comment: e.Comment})
}

func (e *Extension) address() address {
	return plainAddress("EXTENSION", "pg_extension", "extname", e.Name)
}

// MissingMembers lists, by extension, what the catalog's extensions have on the source and not in the database that q is
// connected to: there they may be of another version, and CREATE EXTENSION makes nothing that ALTER EXTENSION … ADD put into
// one. Extensions that are not there at all are none of its business.
func (c *Catalog) MissingMembers(ctx context.Context, q Querier) ([]LeftOut, error) {
	there, err := collect[Extension](ctx, &reader{q: q}, "reading the members of the target's extensions", `
SELECT e.oid, e.extname::text AS name, e.extversion AS version, ARRAY(`+memberNames+`) AS members FROM pg_catalog.pg_extension e`)
	if err != nil {
		return nil, err
	}
	var missing []LeftOut
	for _, e := range c.Extensions {
		i := slices.IndexFunc(there, func(x Extension) bool { return x.Name == e.Name })
		if i < 0 {
			continue
		}
		has := make(map[string]bool, len(there[i].Members))
		for _, member := range there[i].Members {
			has[anyServersName(member)] = true
		}
		lacks := slices.DeleteFunc(slices.Clone(e.Members), func(member string) bool { return has[anyServersName(member)] })
		why := "CREATE EXTENSION does not make what ALTER EXTENSION … ADD put into one"
		if e.Version != there[i].Version {
			why = fmt.Sprintf("its version is %s on the target and %s on the source", there[i].Version, e.Version)
		}
		if len(lacks) > 0 {
			missing = append(missing, LeftOut{"of extension " + e.Name + ": " + strings.Join(lacks, ", "), why})
		}
	}
	return missing, nil
}

// anyServersName leaves out of an object's name what some versions of the server write and others do not.
func anyServersName(name string) string { return strings.ReplaceAll(name, "pg_catalog.", "") }
