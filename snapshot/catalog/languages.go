package catalog

import (
	"context"
	"strings"
)

// Language is a procedural language that no extension made.
type Language struct {
	Object
	Trusted   bool   `json:",omitzero"`
	Handler   string `json:",omitzero"` // quoted, schema-qualified where it is not the system's; so are the next two
	Inline    string `json:",omitzero"`
	Validator string `json:",omitzero"`
}

// Transform says how values of a type come into functions of a language, and back.
type Transform struct {
	Object          // Name is "FOR type LANGUAGE language"
	Type     string `json:",omitzero"`
	Language string `json:",omitzero"`
	FromSQL  string `json:",omitzero"` // function with the types of its arguments; empty: the language's own way
	ToSQL    string `json:",omitzero"`
}

func (r *reader) readLanguages(ctx context.Context) error {
	var err error
	r.c.Languages, err = collect[Language](ctx, r, "reading languages", `
SELECT l.oid, l.lanname::text AS name, pg_get_userbyid(l.lanowner)::text AS owner, coalesce(note.description, '') AS comment,
       l.lanpltrusted AS trusted, {function l.lanplcallfoid} AS handler, {function l.laninline} AS inline, {function l.lanvalidator} AS validator,
       {acl l.lanacl l l.lanowner}
FROM pg_language l {note pg_language l} WHERE l.lanispl AND l.oid >= 16384 AND {own pg_language l} ORDER BY l.lanname`)
	if err != nil {
		return err
	}
	r.c.Transforms, err = collect[Transform](ctx, r, "reading transforms", `
SELECT t.oid, 'FOR ' || format_type(t.trftype, NULL) || ' LANGUAGE ' || quote_ident(l.lanname) AS name, coalesce(note.description, '') AS comment,
       format_type(t.trftype, NULL) AS type, l.lanname::text AS language,
       CASE WHEN t.trffromsql <> 0 THEN t.trffromsql::oid::regprocedure::text ELSE '' END AS from_sql,
       CASE WHEN t.trftosql <> 0 THEN t.trftosql::oid::regprocedure::text ELSE '' END AS to_sql
FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang {note pg_transform t}
WHERE t.oid >= 16384 AND {own pg_transform t} ORDER BY 2`)
	return err
}

func (l *Language) ref() Ref   { return Ref{ClassLanguage, l.OID} }
func (t *Transform) ref() Ref  { return Ref{ClassTransform, t.OID} }
func (l *Language) rank() int  { return rankLanguage }
func (t *Transform) rank() int { return rankTransform }

func (l *Language) address() address {
	return plainAddress("LANGUAGE", "pg_language", "lanname", l.Name)
}

func (t *Transform) address() address {
	return address{"pg_transform", "SELECT t.oid FROM pg_catalog.pg_transform t JOIN pg_catalog.pg_language l ON l.oid = t.trflang" +
		" WHERE l.lanname = " + quoteLiteral(t.Language) + " AND pg_catalog.format_type(t.trftype, NULL) = " + quoteLiteral(t.Type),
		"TRANSFORM", t.Name}
}

func (l *Language) create(p *planner, _ *node) {
	sql := "CREATE "
	if l.Trusted {
		sql += "TRUSTED "
	}
	sql += "LANGUAGE " + QuoteIdent(l.Name) + " HANDLER " + l.Handler
	if l.Inline != "" {
		sql += " INLINE " + l.Inline
	}
	if l.Validator != "" {
		sql += " VALIDATOR " + l.Validator
	}
	p.make(l, sql)
}

func (t *Transform) create(p *planner, _ *node) {
	var ways []string
	if t.FromSQL != "" {
		ways = append(ways, "FROM SQL WITH FUNCTION "+t.FromSQL)
	}
	if t.ToSQL != "" {
		ways = append(ways, "TO SQL WITH FUNCTION "+t.ToSQL)
	}
	p.make(t, "CREATE TRANSFORM "+t.Name+" ("+strings.Join(ways, ", ")+")")
}
