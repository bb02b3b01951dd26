package snapshot

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// ForbiddenError is what an error of Take is when the role may not read all that is to be copied. All of it is named, and
// nothing was copied.
type ForbiddenError struct {
	Role string
	// Tables and Sequences are those that the role may not read.
	Tables, Sequences []catalog.Name
	// Hidden are tables that the role may read, and of which row security shows it a part of the rows at most.
	Hidden []catalog.Name
}

// Error names everything, and what to grant.
func (e *ForbiddenError) Error() string {
	role := catalog.QuoteIdent(e.Role)
	var parts, grants []string
	if len(e.Tables) > 0 {
		parts = append(parts, fmt.Sprintf("may not read the tables %s", fewOf(e.Tables)))
	}
	if len(e.Sequences) > 0 {
		parts = append(parts, fmt.Sprintf("may not read the sequences %s", fewOf(e.Sequences)))
	}
	if len(parts) > 0 {
		grants = append(grants, fmt.Sprintf("GRANT pg_read_all_data TO %s, or SELECT on them and USAGE on their schemas", role))
	}
	if len(e.Hidden) > 0 {
		parts = append(parts, fmt.Sprintf("is shown by row security not all rows of the tables %s", fewOf(e.Hidden)))
		grants = append(grants, fmt.Sprintf("ALTER ROLE %s BYPASSRLS, which a superuser may", role))
	}
	return fmt.Sprintf("the role %s %s; %s", role, strings.Join(parts, "; it "), strings.Join(grants, "; "))
}

// fewOf lists names as SQL text, of many the first.
func fewOf(names []catalog.Name) string {
	const most = 12
	var texts []string
	for _, n := range names[:min(len(names), most)] {
		texts = append(texts, n.SQL())
	}
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(texts, ", "), more)
	}
	return strings.Join(texts, ", ")
}

// Forbidden returns what of the user's tables and sequences the role of a session cannot read; nil: nothing. Those of
// extensions are not looked at: a snapshot leaves out, and names, what of them may not be read.
func Forbidden(ctx context.Context, q catalog.Querier) (*ForbiddenError, error) {
	return forbidden(ctx, q, `c.relkind IN ('r', 'S') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
		AND n.nspname <> ALL ('{information_schema,pgrecall}')
		AND NOT EXISTS (SELECT FROM pg_depend m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid AND m.deptype = 'e')`)
}

// checkRights refuses what the role may not read before anything is copied. The server would refuse it as well, for one
// table and when others are copied already; what a policy hides it never leaves out unasked, for row_security is off. A sequence of no
// chosen table is no reason to refuse the chosen ones: what becomes of it is told.
func (r *run) checkRights(ctx context.Context) error {
	oids := []uint32{}
	for _, t := range r.tables {
		if t.large == nil {
			oids = append(oids, t.OID)
		}
	}
	for i := range r.catalog.Sequences {
		s := &r.catalog.Sequences[i]
		if s.Extension == "" && r.sampled(s.OwnerTable) && (r.filter() == nil || s.OwnerTable != 0) {
			oids = append(oids, s.OID)
		}
	}
	e, err := forbidden(ctx, r.look, "c.oid = ANY ($1::oid[]) AND NOT (pg_is_in_recovery() AND c.relpersistence = 'u')", oids)
	if err == nil && e != nil {
		return e
	}
	return err
}

// forbidden looks at the relations c, in schemas n, that a condition chooses. To read a table it has to be locked, so that rights on
// columns are not enough.
func forbidden(ctx context.Context, q catalog.Querier, chosen string, args ...any) (*ForbiddenError, error) {
	rows, err := q.Query(ctx, `
		SELECT current_user::text AS role, n.nspname::text AS schema, c.relname::text AS name, c.relkind = 'S' AS sequence, may.read
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		CROSS JOIN LATERAL (SELECT has_schema_privilege(n.oid, 'USAGE') AND
			CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END AS read) may
		WHERE `+chosen+` AND (NOT may.read OR c.relkind <> 'S' AND row_security_active(c.oid)) ORDER BY n.nspname, c.relname`, args...)
	if err != nil {
		return nil, fmt.Errorf("ask for the rights to read tables and sequences: %w", err)
	}
	type relation struct {
		Role, Schema, Name string
		Sequence, Read     bool
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[relation])
	if err != nil {
		return nil, fmt.Errorf("ask for the rights to read tables and sequences: %w", err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	e := &ForbiddenError{Role: found[0].Role}
	for _, f := range found {
		into := &e.Hidden
		switch {
		case f.Sequence:
			into = &e.Sequences
		case !f.Read:
			into = &e.Tables
		}
		*into = append(*into, catalog.Name{Schema: f.Schema, Name: f.Name})
	}
	return e, nil
}
