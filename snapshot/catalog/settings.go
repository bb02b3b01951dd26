package catalog

import (
	"slices"
	"strings"
)

// Parameters are the configuration parameters that a server knows, by name, with who may set each (pg_settings.context).
type Parameters map[string]string

// settable says whether a role of the server may set a parameter for others, and if not, why.
func (p Parameters) settable(name string, super bool) (bool, string) {
	context, known := p[strings.ToLower(name)]
	switch {
	case p == nil:
		return true, ""
	case !known && !strings.Contains(name, ".") && !strings.EqualFold(name, "role"): // pg_settings does not list role
		return false, "the target's version has no such parameter"
	case !super && context != "user" && context != "backend":
		return false, "only a superuser may set it"
	}
	return true, ""
}

// listQuoted are the parameters that are stored as a list of quoted names. Given as one string they would be one name; the server marks
// them GUC_LIST_QUOTE (guc_tables.c) and has no function that tells.
var listQuoted = []string{"local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries", "temp_tablespaces",
	"unix_socket_directories"}

// setting is the statement that sets a parameter for what on names: "ROLE r", "DATABASE d". A parameter with a dot in its name is an
// application's own, and what applications keep there are keys and tokens too.
func setting(on, name string, s Setting) Statement {
	return Statement{Kind: "SETTING", Name: s.Name + " of " + name, SQL: "ALTER " + on + " SET " + QuoteIdent(s.Name) + " TO " + settingValue(s),
		Secret: strings.Contains(s.Name, ".")}
}

func settingValue(s Setting) string {
	if !slices.Contains(listQuoted, strings.ToLower(s.Name)) {
		return strings.TrimSpace(quoteLiteral(s.Value))
	}
	var quoted []string
	for _, element := range splitQuoted(s.Value) {
		quoted = append(quoted, strings.TrimSpace(quoteLiteral(element)))
	}
	if len(quoted) == 0 {
		return "''"
	}
	return strings.Join(quoted, ", ")
}

// splitQuoted splits a stored list of names at its commas; within double quotes every character stands for itself.
func splitQuoted(list string) []string {
	var elements []string
	var b strings.Builder
	quoted, some := false, false
	for i := 0; i < len(list); i++ {
		c := list[i]
		switch {
		case c == '"' && quoted && i+1 < len(list) && list[i+1] == '"':
			b.WriteByte('"')
			i++
		case c == '"':
			quoted, some = !quoted, true
		case c == ',' && !quoted:
			elements = append(elements, b.String())
			b.Reset()
			some = true
		case !quoted && strings.IndexByte(" \t\n\r\f\v", c) >= 0:
		default:
			b.WriteByte(c)
			some = true
		}
	}
	if some {
		elements = append(elements, b.String())
	}
	return elements
}
