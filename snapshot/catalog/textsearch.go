package catalog

import (
	"context"
	"slices"
	"strings"
)

// TextSearchParser is a text search parser. Functions are schema-qualified and quoted, without arguments.
type TextSearchParser struct {
	Object
	Start    string `json:",omitzero"`
	Token    string `json:",omitzero"`
	End      string `json:",omitzero"`
	Headline string `json:",omitzero"` // empty: none
	LexTypes string `json:",omitzero"`
}

// TextSearchTemplate is a text search template. Functions are schema-qualified and quoted, without arguments.
type TextSearchTemplate struct {
	Object
	Init   string `json:",omitzero"` // empty: none
	Lexize string `json:",omitzero"`
}

// TextSearchDictionary is a text search dictionary.
type TextSearchDictionary struct {
	Object
	Template string `json:",omitzero"` // schema-qualified and quoted
	Options  string `json:",omitzero"` // as CREATE takes them: name = 'value', …
}

// TextSearchConfiguration is a text search configuration.
type TextSearchConfiguration struct {
	Object
	Parser   string              `json:",omitzero"` // schema-qualified and quoted
	Mappings []TextSearchMapping `json:",omitzero"` // by token type
}

// TextSearchMapping says which dictionaries are asked for a token type, in order.
type TextSearchMapping struct {
	Token        string
	Dictionaries []string `json:",omitzero"` // schema-qualified and quoted
}

func (x *TextSearchParser) ref() Ref        { return Ref{ClassTextSearchParser, x.OID} }
func (x *TextSearchTemplate) ref() Ref      { return Ref{ClassTextSearchTemplate, x.OID} }
func (x *TextSearchDictionary) ref() Ref    { return Ref{ClassTextSearchDictionary, x.OID} }
func (x *TextSearchConfiguration) ref() Ref { return Ref{ClassTextSearchConfiguration, x.OID} }

func (x *TextSearchParser) rank() int        { return rankTextSearchParser }
func (x *TextSearchTemplate) rank() int      { return rankTextSearchTemplate }
func (x *TextSearchDictionary) rank() int    { return rankTextSearchDictionary }
func (x *TextSearchConfiguration) rank() int { return rankTextSearchConfiguration }

func (r *reader) readTextSearch(ctx context.Context) error {
	var err error
	r.c.TextSearchParsers, err = collect[TextSearchParser](ctx, r, "reading text search parsers", `
SELECT p.oid, n.nspname::text AS schema, p.prsname::text AS name, coalesce(note.description, '') AS comment,
       `+functionName("p.prsstart")+` AS start, `+functionName("p.prstoken")+` AS token, `+functionName("p.prsend")+` AS "end",
       `+functionName("p.prsheadline")+` AS headline, `+functionName("p.prslextype")+` AS lex_types
FROM pg_ts_parser p JOIN pg_namespace n ON n.oid = p.prsnamespace {note pg_ts_parser p}
WHERE {user n} AND {own pg_ts_parser p} ORDER BY n.nspname, p.prsname`)
	if err != nil {
		return err
	}
	r.c.TextSearchTemplates, err = collect[TextSearchTemplate](ctx, r, "reading text search templates", `
SELECT t.oid, n.nspname::text AS schema, t.tmplname::text AS name, coalesce(note.description, '') AS comment,
       `+functionName("t.tmplinit")+` AS init, `+functionName("t.tmpllexize")+` AS lexize
FROM pg_ts_template t JOIN pg_namespace n ON n.oid = t.tmplnamespace {note pg_ts_template t}
WHERE {user n} AND {own pg_ts_template t} ORDER BY n.nspname, t.tmplname`)
	if err != nil {
		return err
	}
	r.c.TextSearchDictionaries, err = collect[TextSearchDictionary](ctx, r, "reading text search dictionaries", `
SELECT d.oid, n.nspname::text AS schema, d.dictname::text AS name, pg_get_userbyid(d.dictowner)::text AS owner,
       coalesce(note.description, '') AS comment, quote_ident(tn.nspname) || '.' || quote_ident(t.tmplname) AS template,
       coalesce(d.dictinitoption, '') AS options
FROM pg_ts_dict d JOIN pg_namespace n ON n.oid = d.dictnamespace {note pg_ts_dict d}
JOIN pg_ts_template t ON t.oid = d.dicttemplate JOIN pg_namespace tn ON tn.oid = t.tmplnamespace
WHERE {user n} AND {own pg_ts_dict d} ORDER BY n.nspname, d.dictname`)
	if err != nil {
		return err
	}
	return r.readTextSearchConfigurations(ctx)
}

// functionName is an SQL expression for a function's name, schema-qualified and quoted; empty where there is none.
func functionName(oid string) string {
	return `coalesce((SELECT quote_ident(fn.nspname) || '.' || quote_ident(f.proname) FROM pg_proc f
		JOIN pg_namespace fn ON fn.oid = f.pronamespace WHERE f.oid = ` + oid + `), '')`
}

func (r *reader) readTextSearchConfigurations(ctx context.Context) error {
	var err error
	r.c.TextSearchConfigurations, err = collect[TextSearchConfiguration](ctx, r, "reading text search configurations", `
SELECT c.oid, n.nspname::text AS schema, c.cfgname::text AS name, pg_get_userbyid(c.cfgowner)::text AS owner,
       coalesce(note.description, '') AS comment, quote_ident(pn.nspname) || '.' || quote_ident(p.prsname) AS parser
FROM pg_ts_config c JOIN pg_namespace n ON n.oid = c.cfgnamespace {note pg_ts_config c}
JOIN pg_ts_parser p ON p.oid = c.cfgparser JOIN pg_namespace pn ON pn.oid = p.prsnamespace
WHERE {user n} AND {own pg_ts_config c} ORDER BY n.nspname, c.cfgname`)
	if err != nil {
		return err
	}
	// Token types have numbers here and, by their parser, names in SQL.
	rows, err := collect[struct {
		TextSearchMapping
		Configuration uint32
	}](ctx, r, "reading the mappings of text search configurations", `
SELECT m.mapcfg AS configuration, t.alias AS token,
       array_agg(quote_ident(dn.nspname) || '.' || quote_ident(d.dictname) ORDER BY m.mapseqno) AS dictionaries
FROM pg_ts_config_map m JOIN pg_ts_config c ON c.oid = m.mapcfg JOIN pg_namespace n ON n.oid = c.cfgnamespace
JOIN pg_ts_dict d ON d.oid = m.mapdict JOIN pg_namespace dn ON dn.oid = d.dictnamespace
CROSS JOIN LATERAL ts_token_type(c.cfgparser) t
WHERE t.tokid = m.maptokentype AND {user n} AND {own pg_ts_config c}
GROUP BY m.mapcfg, m.maptokentype, t.alias ORDER BY m.mapcfg, m.maptokentype`)
	for i := range r.c.TextSearchConfigurations {
		c := &r.c.TextSearchConfigurations[i]
		for _, row := range rows {
			if row.Configuration == c.OID {
				c.Mappings = append(c.Mappings, row.TextSearchMapping)
			}
		}
	}
	return err
}

func (x *TextSearchParser) create(p *planner, _ *node) {
	parts := []string{"START = " + x.Start, "GETTOKEN = " + x.Token, "END = " + x.End, "LEXTYPES = " + x.LexTypes}
	if x.Headline != "" {
		parts = append(parts, "HEADLINE = "+x.Headline)
	}
	p.make(x, "CREATE TEXT SEARCH PARSER "+x.SQLName()+" ("+strings.Join(parts, ", ")+")")
}

func (x *TextSearchTemplate) create(p *planner, _ *node) {
	parts := []string{"LEXIZE = " + x.Lexize}
	if x.Init != "" {
		parts = append(parts, "INIT = "+x.Init)
	}
	p.make(x, "CREATE TEXT SEARCH TEMPLATE "+x.SQLName()+" ("+strings.Join(parts, ", ")+")")
}

func (x *TextSearchDictionary) create(p *planner, _ *node) {
	parts := []string{"TEMPLATE = " + x.Template}
	if x.Options != "" {
		parts = append(parts, x.Options)
	}
	p.make(x, "CREATE TEXT SEARCH DICTIONARY "+x.SQLName()+" ("+strings.Join(parts, ", ")+")")
}

func (x *TextSearchConfiguration) create(p *planner, _ *node) {
	p.make(x, "CREATE TEXT SEARCH CONFIGURATION "+x.SQLName()+" (PARSER = "+x.Parser+")")
	// Token types in a row that go to the same dictionaries are one mapping.
	for rest := x.Mappings; len(rest) > 0; {
		n := 1
		for n < len(rest) && slices.Equal(rest[n].Dictionaries, rest[0].Dictionaries) {
			n++
		}
		tokens := make([]string, n)
		for i := range tokens {
			tokens[i] = rest[i].Token
		}
		p.add(Statement{Kind: "TEXT SEARCH CONFIGURATION", Name: x.SQLName(), OID: x.OID, SQL: "ALTER TEXT SEARCH CONFIGURATION " + x.SQLName() +
			" ADD MAPPING FOR " + quoteIdents(tokens) + " WITH " + strings.Join(rest[0].Dictionaries, ", ")})
		rest = rest[n:]
	}
}

func (x *TextSearchParser) address() address {
	return schemaAddress("TEXT SEARCH PARSER", "pg_ts_parser", "prs", Name{x.Schema, x.Name})
}

func (x *TextSearchTemplate) address() address {
	return schemaAddress("TEXT SEARCH TEMPLATE", "pg_ts_template", "tmpl", Name{x.Schema, x.Name})
}

func (x *TextSearchDictionary) address() address {
	return schemaAddress("TEXT SEARCH DICTIONARY", "pg_ts_dict", "dict", Name{x.Schema, x.Name})
}

func (x *TextSearchConfiguration) address() address {
	return schemaAddress("TEXT SEARCH CONFIGURATION", "pg_ts_config", "cfg", Name{x.Schema, x.Name})
}
