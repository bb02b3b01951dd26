package catalog

import "context"

// AccessMethod is an access method of tables or indexes.
type AccessMethod struct {
	Object
	Kind    string `json:",omitzero"` // "i" index, "t" table
	Handler string `json:",omitzero"` // quoted, schema-qualified where it is not the system's
}

func (r *reader) readAccessMethods(ctx context.Context) error {
	var err error
	r.c.AccessMethods, err = collect[AccessMethod](ctx, r, "reading access methods", `
SELECT a.oid, a.amname::text AS name, coalesce(note.description, '') AS comment, a.amtype::text AS kind, {function a.amhandler} AS handler
FROM pg_am a {note pg_am a} WHERE a.oid >= 16384 AND {own pg_am a} ORDER BY a.amname`)
	return err
}

func (a *AccessMethod) ref() Ref  { return Ref{ClassAccessMethod, a.OID} }
func (a *AccessMethod) rank() int { return rankAccessMethod }

func (a *AccessMethod) address() address {
	return plainAddress("ACCESS METHOD", "pg_am", "amname", a.Name)
}

func (a *AccessMethod) create(p *planner, _ *node) {
	kind := "INDEX"
	if a.Kind == "t" {
		kind = "TABLE"
	}
	p.make(a, "CREATE ACCESS METHOD "+QuoteIdent(a.Name)+" TYPE "+kind+" HANDLER "+a.Handler)
}
