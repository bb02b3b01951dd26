package catalog

import (
	"slices"
	"strings"
)

// QuoteIdent gives an identifier as SQL text, quoted only where it must be.
func QuoteIdent(name string) string {
	plain := name != "" && (name[0] == '_' || (name[0] >= 'a' && name[0] <= 'z'))
	for i := 0; plain && i < len(name); i++ {
		c := name[i]
		plain = c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')
	}
	if plain && !isKeyword(name) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// quoteLiteral gives a string constant that means the same whatever
// standard_conforming_strings is.
func quoteLiteral(s string) string {
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return " E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

func qualified(schema, name string) string {
	if schema == "" {
		return QuoteIdent(name)
	}
	return QuoteIdent(schema) + "." + QuoteIdent(name)
}

func quoteIdents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = QuoteIdent(n)
	}
	return strings.Join(quoted, ", ")
}

// optionsSQL turns reloptions (name=value) into the inside of WITH (…).
func optionsSQL(options, toast []string) string {
	var parts []string
	add := func(prefix, option string) {
		name, value, _ := strings.Cut(option, "=")
		if !isPlainWord(value) {
			value = strings.TrimSpace(quoteLiteral(value))
		}
		parts = append(parts, prefix+QuoteIdent(name)+"="+value)
	}
	for _, o := range options {
		add("", o)
	}
	for _, o := range toast {
		add("toast.", o)
	}
	return strings.Join(parts, ", ")
}

// isPlainWord says that a value can stand in an option list without quotes.
func isPlainWord(s string) bool {
	if s == "" || isKeyword(s) {
		return slices.Contains([]string{"true", "false", "on"}, s)
	}
	digits, dots := 0, 0
	for _, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '.':
			dots++
		case c >= 'a' && c <= 'z' || c == '_':
		default:
			return false
		}
	}
	if digits+dots > 0 {
		return digits+dots == len(s) && digits > 0 && dots <= 1 && s[0] != '.'
	}
	return true
}

// isKeyword says that a word is one of those of PostgreSQL 14 to 18 that
// pg_get_keywords() does not call unreserved: quote_identifier() (ruleutils.c) quotes them.
func isKeyword(word string) bool {
	switch word {
	case "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "between",
		"bigint", "binary", "bit", "boolean", "both", "case", "cast", "char", "character", "check", "coalesce",
		"collate", "collation", "column", "concurrently", "constraint", "create", "cross", "current_catalog",
		"current_date", "current_role", "current_schema", "current_time", "current_timestamp", "current_user", "dec",
		"decimal", "default", "deferrable", "desc", "distinct", "do", "else", "end", "except", "exists", "extract",
		"false", "fetch", "float", "for", "foreign", "freeze", "from", "full", "grant", "greatest", "group",
		"grouping", "having", "ilike", "in", "initially", "inner", "inout", "int", "integer", "intersect", "interval",
		"into", "is", "isnull", "join", "json", "json_array", "json_arrayagg", "json_exists", "json_object",
		"json_objectagg", "json_query", "json_scalar", "json_serialize", "json_table", "json_value", "lateral",
		"leading", "least", "left", "like", "limit", "localtime", "localtimestamp", "merge_action", "national",
		"natural", "nchar", "none", "normalize", "not", "notnull", "null", "nullif", "numeric", "offset", "on",
		"only", "or", "order", "out", "outer", "overlaps", "overlay", "placing", "position", "precision", "primary",
		"real", "references", "returning", "right", "row", "select", "session_user", "setof", "similar", "smallint",
		"some", "substring", "symmetric", "system_user", "table", "tablesample", "then", "time", "timestamp", "to",
		"trailing", "treat", "trim", "true", "union", "unique", "user", "using", "values", "varchar", "variadic",
		"verbose", "when", "where", "window", "with", "xmlattributes", "xmlconcat", "xmlelement", "xmlexists",
		"xmlforest", "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "xmltable":
		return true
	}
	return false
}
