package catalog

import (
	"fmt"
	"regexp"
	"strings"
)

// Pattern is a compiled name pattern as psql's \d commands and pg_dump's --table
// take them.
//
// Letters outside double quotes are folded to lower case; * stands for any
// characters and ? for any one; the first dot outside quotes divides schema from name; $ is an
// ordinary character; other regular-expression characters keep their meaning. Inside
// double quotes every character stands for itself, and "" for one quote. A pattern
// without a schema matches the name in every schema.
type Pattern struct {
	text   string
	schema *regexp.Regexp // nil: any
	name   *regexp.Regexp
}

// ParsePattern compiles a pattern. Its error says what is wrong with the pattern.
func ParsePattern(text string) (*Pattern, error) {
	parts, err := translatePattern(text)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", text, err)
	}
	p := &Pattern{text: text}
	compile := func(part string) (re *regexp.Regexp) {
		if err == nil {
			re, err = regexp.Compile(`(?s)^(?:` + part + `)$`)
		}
		return re
	}
	p.name = compile(parts[len(parts)-1])
	if len(parts) == 2 && parts[0] != "" {
		p.schema = compile(parts[0])
	}
	if err != nil {
		return nil, fmt.Errorf("pattern %q is not a valid regular expression: %w", text, err)
	}
	return p, nil
}

// ParseNamePattern compiles a pattern of names that are in no schema, as databases' are.
func ParseNamePattern(text string) (*Pattern, error) {
	p, err := ParsePattern(text)
	if err == nil && p.schema != nil {
		return nil, fmt.Errorf("pattern %q: it has too many dotted names; quote a dot that is part of a name", text)
	}
	return p, err
}

// Match reports whether the pattern matches an object's schema and name.
func (p *Pattern) Match(schema, name string) bool {
	return p.name.MatchString(name) && (p.schema == nil || p.schema.MatchString(schema))
}

// translatePattern turns a pattern into one or two regular expressions, by the
// rules of patternToSQLRegex() in PostgreSQL's fe_utils/string_utils.c.
func translatePattern(text string) ([]string, error) {
	var parts []string
	var b strings.Builder
	quoted := false
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		c := runes[i]
		next := rune(0)
		if i+1 < len(runes) {
			next = runes[i+1]
		}
		switch {
		case c == '"' && quoted && next == '"':
			b.WriteRune('"')
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
			b.WriteString(regexp.QuoteMeta(string(c)))
		case c == '*':
			b.WriteString(".*")
		case c == '?':
			b.WriteString(".")
		case c == '.':
			parts = append(parts, b.String())
			b.Reset()
		case c == '$':
			b.WriteString(`\$`)
		case c == '[' && next == ']':
			// As in the name of an array type.
			b.WriteString(`\[\]`)
			i++
		default:
			b.WriteString(strings.ToLower(string(c)))
		}
	}
	switch {
	case quoted:
		return nil, fmt.Errorf("a double quote is not closed")
	case len(parts) > 1:
		return nil, fmt.Errorf("it has too many dotted names; write schema.table, and quote a dot that is part of a name")
	case b.Len() == 0 && len(parts) == 0:
		return nil, fmt.Errorf("it is empty")
	}
	if b.Len() == 0 { // "schema." means all of it
		b.WriteString(".*")
	}
	return append(parts, b.String()), nil
}
