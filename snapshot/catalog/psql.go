package catalog

import (
	"errors"
	"fmt"
	"strings"
)

// forPsql writes a statement so that psql sends it to the server as it is. What psql does to its input (src/fe_utils/psqlscan.l)
// it does outside of quotes only: a backslash begins a command of its own, a colon before a name or a quote stands for
// a variable, and a semicolon ends the statement unless it is within parentheses, or within the BEGIN and END of a function.
//
// A backslash outside of quotes is in no statement that PostgreSQL prints; one from a server that was tampered with is
// an error, for psql would run it as a command. A colon, as in a slice of an array, gets a space behind it. A name
// begin, which PostgreSQL does not quote, gets quotes where psql would take it for the beginning of a function's body.
func forPsql(sql string) (string, error) {
	l := psqlScan{sql: sql}
	for l.at < len(sql) {
		if err := l.token(); err != nil {
			return "", fmt.Errorf("it cannot be written for psql: %w", err)
		}
	}
	return l.out.String(), nil
}

// psqlScan goes through a statement as psql does.
type psqlScan struct {
	sql string
	at  int
	out strings.Builder

	words  []string // the first ones, in lower case
	parens int
}

// What is left open at the end would take the semicolon in, and the statements that follow.
var errOpen = errors.New("a quote or a comment in it is not closed")

// token copies one token.
func (l *psqlScan) token() error {
	rest := l.sql[l.at:]
	c := rest[0]
	next := byte(0)
	if len(rest) > 1 {
		next = rest[1]
	}
	switch {
	case c == '\'':
		return l.quoted(1, '\'', false)
	case c == '"':
		return l.quoted(1, '"', false)
	case (c == 'e' || c == 'E') && next == '\'':
		return l.quoted(2, '\'', true)
	case strings.IndexByte("bBxXnN", c) >= 0 && next == '\'':
		return l.quoted(2, '\'', false)
	case (c == 'u' || c == 'U') && next == '&' && len(rest) > 2 && (rest[2] == '\'' || rest[2] == '"'):
		return l.quoted(3, rest[2], false)
	case c == '$':
		return l.dollar()
	case c == '-' && next == '-', c == '/' && next == '*':
		return l.comment()
	case identifierStart(c):
		l.word()
	case c == '\\':
		return errors.New("a backslash stands outside of quotes")
	case c == ':' && (next == ':' || next == '='):
		l.copy(2)
	case c == ':' && (identifierStart(next) || next >= '0' && next <= '9' || next == '\'' || next == '"' || next == '{'):
		l.copy(1)
		l.out.WriteByte(' ')
	default:
		switch c {
		case '(':
			l.parens++
		case ')':
			l.parens--
		}
		l.copy(1)
	}
	return nil
}

func (l *psqlScan) copy(n int) {
	l.out.WriteString(l.sql[l.at : l.at+n])
	l.at += n
}

// quoted copies a literal or a quoted name, whose opening takes so many bytes.
func (l *psqlScan) quoted(opening int, quote byte, escapes bool) error {
	for i := l.at + opening; i < len(l.sql); i++ {
		switch {
		case escapes && l.sql[i] == '\\':
			i++
		case l.sql[i] != quote:
		case i+1 < len(l.sql) && l.sql[i+1] == quote:
			i++
		default:
			l.copy(i + 1 - l.at)
			if after := strings.TrimLeft(l.sql[l.at:], " \t\n\r\f\v"); escapes && (strings.HasPrefix(after, "'") || strings.HasPrefix(after, "--")) {
				return errors.New("a literal in it goes on in another line")
			}
			return nil
		}
	}
	return errOpen
}

// dollar copies a dollar-quoted literal, or a dollar alone.
func (l *psqlScan) dollar() error {
	end := l.at + 1
	for end < len(l.sql) && (identifierStart(l.sql[end]) || end > l.at+1 && l.sql[end] >= '0' && l.sql[end] <= '9') {
		end++
	}
	if end == len(l.sql) || l.sql[end] != '$' {
		l.copy(1) // a parameter
		return nil
	}
	tag := l.sql[l.at : end+1]
	length := strings.Index(l.sql[end+1:], tag)
	if length < 0 {
		return errOpen
	}
	l.copy(2*len(tag) + length)
	return nil
}

// comment copies a comment. No statement that PostgreSQL prints has one outside of quotes.
func (l *psqlScan) comment() error {
	if l.sql[l.at] == '-' {
		end := strings.IndexAny(l.sql[l.at:], "\n\r")
		if end < 0 {
			return errOpen
		}
		l.copy(end)
		return nil
	}
	for depth, i := 0, l.at; i+1 < len(l.sql); i++ {
		switch l.sql[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
		}
		if depth == 0 {
			l.copy(i + 1 - l.at)
			return nil
		}
	}
	return errOpen
}

// word copies an unquoted name or keyword.
func (l *psqlScan) word() {
	end := l.at
	for end < len(l.sql) && (identifierStart(l.sql[end]) || l.sql[end] >= '0' && l.sql[end] <= '9' || l.sql[end] == '$') {
		end++
	}
	word := strings.ToLower(l.sql[l.at:end])
	if len(l.words) < 4 {
		l.words = append(l.words, word)
	}
	if word == "begin" && l.parens == 0 && l.makesRoutine() {
		following := strings.TrimLeft(l.sql[end:], " \t\n\r\f\v")
		if len(following) < 6 || !strings.EqualFold(following[:6], "atomic") {
			l.out.WriteString(`"` + word + `"`)
			l.at = end
			return
		}
	}
	l.copy(end - l.at)
}

// makesRoutine says that psql looks for the body of a function in the statement.
func (l *psqlScan) makesRoutine() bool {
	words := strings.Join(l.words, " ") + " "
	for _, of := range []string{"function ", "procedure "} {
		if strings.HasPrefix(words, "create "+of) || strings.HasPrefix(words, "create or replace "+of) {
			return true
		}
	}
	return false
}

func identifierStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
