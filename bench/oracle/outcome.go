package oracle

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pgrecall/pgrecall/engine"
)

// refusedError is a restore that the planner refused.
type refusedError struct {
	what string
	err  error
}

func (e *refusedError) Error() string { return e.what + " refused: " + e.err.Error() }

// reason is the refusal without what is of this point only: names, numbers, times.
func (e *refusedError) reason() string {
	text, _, _ := strings.Cut(e.err.Error(), "; nearest")
	if strings.Contains(text, "no version of the catalog") {
		return "no version of the catalog"
	}
	if i := strings.LastIndex(text, "("); i > 0 && strings.HasSuffix(text, ")") {
		text = text[i:] // why, and not the statement
	}
	for _, detail := range []string{`"[^"]*"`, `\b\S*\d\S*\b`, `table [^\s,]+`} {
		text = regexp.MustCompile(detail).ReplaceAllString(text, "…")
	}
	return text
}

// refusal is what an error of a restore is: a refusal, or a failure of the point.
func refusal(ctx context.Context, what string, err error) ([]string, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if errors.Is(err, engine.ErrWindow) {
		return nil, &refusedError{what, err}
	}
	return []string{what + " failed: " + err.Error()}, nil
}

// behindQuery lists the sequences that give the values of columns, with the end that is farthest of these.
const behindQuery = `SELECT seqrelid::regclass, attrelid::regclass, quote_ident(attname), seqincrement < 0 FROM (
	SELECT s.*, a.* FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_depend p ON p.classid = 'pg_class'::regclass AND p.objid = s.seqrelid AND p.refclassid = 'pg_class'::regclass AND p.deptype IN ('a',
		'i')
		JOIN pg_catalog.pg_attribute a ON a.attrelid = p.refobjid AND a.attnum = p.refobjsubid
	UNION ALL SELECT s.*, a.* FROM (VALUES ('app.tickets', 'ticket'), ('app.downward', 'down')) AS v (sequence, name)
		JOIN pg_catalog.pg_sequence s ON s.seqrelid = to_regclass(v.sequence) JOIN pg_catalog.pg_attribute a ON a.attrelid = to_regclass('app.ledger') AND a.attname = v.name) AS used
	LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = attrelid AND d.adnum = attnum
	WHERE attidentity <> '' OR attname = 'ticket' OR pg_catalog.pg_get_expr(adbin, adrelid) LIKE 'nextval%'`

// behind lists the sequences of a copy that would give again a value that a row holds.
func behind(ctx context.Context, s *session) ([]string, error) {
	uses, err := s.rows(ctx, behindQuery)
	if err != nil {
		return nil, err
	}
	var failures []string
	for _, u := range uses {
		sequence, table, column := u[0], u[1], u[2]
		farthest, beyond := "max", ">"
		if u[3] == "t" {
			farthest, beyond = "min", "<"
		}
		rows, err := s.rows(ctx, fmt.Sprintf("SELECT n, f, coalesce(n %s f, true) FROM (SELECT nextval(%s) AS n, (SELECT %s(%s) FROM ONLY %s) AS f) AS q",
			beyond, literal(sequence), farthest, column, table))
		if err != nil {
			return nil, err
		}
		if rows[0][2] != "t" {
			failures = append(failures, fmt.Sprintf("sequence %s gives %s although %s.%s holds %s", sequence, rows[0][0], table, column, rows[0][1]))
		}
	}
	return failures, nil
}

// tableNamed is a table of a database with its columns.
func tableNamed(ctx context.Context, db, name string) (table, error) {
	s, err := connect(ctx, db, truthSettings())
	if err != nil {
		return table{}, err
	}
	defer s.close(ctx)
	tables, err := ordinaryTables(ctx, s)
	for _, t := range tables {
		if t.name == name {
			return t, err
		}
	}
	return table{}, errors.Join(err, fmt.Errorf("no table %s", name))
}

// unqualified is the name without its schema; no schema of the workload has a dot in its name.
func unqualified(name string) string {
	_, rest, _ := strings.Cut(name, ".")
	return rest
}
