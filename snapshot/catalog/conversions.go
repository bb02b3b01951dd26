package catalog

import "context"

// Conversion is an encoding conversion.
type Conversion struct {
	Object
	Default  bool   `json:",omitzero"`
	From     string `json:",omitzero"` // encoding
	To       string `json:",omitzero"`
	Function string `json:",omitzero"` // quoted, schema-qualified where it is not the system's
}

// Cast is a user-defined cast.
type Cast struct {
	Object          // Name is "(source AS target)"
	Source   string `json:",omitzero"`
	Target   string `json:",omitzero"`
	Function string `json:",omitzero"` // signature, empty unless Method is "f"
	Method   string `json:",omitzero"` // "f" function, "b" binary, "i" inout
	Context  string `json:",omitzero"` // "e" explicit, "a" assignment, "i" implicit
}

func (r *reader) readConversions(ctx context.Context) error {
	var err error
	r.c.Conversions, err = collect[Conversion](ctx, r, "reading conversions", `
SELECT c.oid, n.nspname::text AS schema, c.conname::text AS name, pg_get_userbyid(c.conowner)::text AS owner,
       coalesce(note.description, '') AS comment,
       c.condefault AS default, pg_encoding_to_char(c.conforencoding)::text AS "from", pg_encoding_to_char(c.contoencoding)::text AS "to",
       {function c.conproc} AS function
FROM pg_conversion c JOIN pg_namespace n ON n.oid = c.connamespace {note pg_conversion c}
WHERE {user n} AND {own pg_conversion c} ORDER BY n.nspname, c.conname`)
	if err != nil {
		return err
	}
	r.c.Casts, err = collect[Cast](ctx, r, "reading casts", `
SELECT c.oid, '(' || format_type(c.castsource, NULL) || ' AS ' || format_type(c.casttarget, NULL) || ')' AS name,
       coalesce(note.description, '') AS comment, format_type(c.castsource, NULL) AS source, format_type(c.casttarget, NULL) AS target,
       coalesce(quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')', '') AS function,
       c.castmethod::text AS method, c.castcontext::text AS context
FROM pg_cast c LEFT JOIN pg_proc p ON p.oid = c.castfunc LEFT JOIN pg_namespace n ON n.oid = p.pronamespace {note pg_cast c}
WHERE c.oid >= 16384 AND {made pg_cast c} ORDER BY 2`)
	return err
}

func (c *Conversion) ref() Ref  { return Ref{ClassConversion, c.OID} }
func (k *Cast) ref() Ref        { return Ref{ClassCast, k.OID} }
func (c *Conversion) rank() int { return rankConversion }
func (k *Cast) rank() int       { return rankCast }

func (c *Conversion) address() address {
	return schemaAddress("CONVERSION", "pg_conversion", "con", Name{c.Schema, c.Name})
}

func (k *Cast) address() address {
	return address{"pg_cast", "SELECT oid FROM pg_catalog.pg_cast WHERE '(' || pg_catalog.format_type(castsource, NULL) || ' AS ' || " +
		"pg_catalog.format_type(casttarget, NULL) || ')' = " + quoteLiteral(k.Name), "CAST", k.Name}
}

func (c *Conversion) create(p *planner, _ *node) {
	sql := "CREATE "
	if c.Default {
		sql += "DEFAULT "
	}
	p.make(c, sql+"CONVERSION "+c.SQLName()+" FOR "+quoteLiteral(c.From)+" TO "+quoteLiteral(c.To)+" FROM "+c.Function)
}

func (k *Cast) create(p *planner, _ *node) {
	sql := "CREATE CAST " + k.Name
	switch k.Method {
	case "f":
		sql += " WITH FUNCTION " + k.Function
	case "i":
		sql += " WITH INOUT"
	default:
		sql += " WITHOUT FUNCTION"
	}
	switch k.Context {
	case "a":
		sql += " AS ASSIGNMENT"
	case "i":
		sql += " AS IMPLICIT"
	}
	p.make(k, sql)
}
