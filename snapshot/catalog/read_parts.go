package catalog

import (
	"context"
	"fmt"
	"strings"
)

type constraintRow struct {
	Constraint
	Relation uint32
	Domain   uint32
}

type indexRow struct {
	Index
	Relation   uint32
	Simple     bool // a B-tree of all rows without expressions, included columns and options; by key column it has
	Opclasses  []uint32
	Collations []uint32
	Orders     []int16
	Full       string // pg_get_indexdef, where it is neither plain nor a constraint's
	Prefix     string // what Full begins with, up to USING
	Columns    []int16
	Targets    []int32
	Predicate  string
}

type triggerRow struct {
	Trigger
	Relation uint32
}

type ruleRow struct {
	Rule
	Relation uint32
	Return   bool // the rule that makes a view a view
}

type policyRow struct {
	Policy
	Relation uint32
}

// readTableParts reads what belongs to tables: constraints, indexes, triggers,
// rules, policies.
func (r *reader) readTableParts(ctx context.Context) error {
	for _, read := range []func(context.Context) error{r.readConstraints, r.readIndexes, r.readTriggers, r.readPolicies} {
		if err := read(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) readConstraints(ctx context.Context) error {
	var err error
	// Constraint triggers ('t') are read as triggers.
	r.constraints, err = collect[constraintRow](ctx, r, "reading constraints", `
SELECT k.oid, k.conrelid AS relation, k.contypid AS domain, k.conname::text AS name, k.contype::text AS kind,
       pg_get_constraintdef(k.oid) AS definition, k.condeferrable AS deferrable, k.condeferred AS deferred,
       k.convalidated AS validated, `+r.since(18, `k.conenforced`, `true`)+` AS enforced, k.conislocal AS local,
       k.coninhcount::int4 AS inherited, k.connoinherit AS no_inherit, k.conparentid AS parent, k.conindid AS index,
       k.confrelid AS references, coalesce(quote_ident(fn.nspname) || '.' || quote_ident(f.relname), '') AS reference_sql,
       k.conkey AS columns, coalesce(note.description, '') AS comment
FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace {note pg_constraint k}
LEFT JOIN pg_class f ON f.oid = k.confrelid LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
WHERE k.contype <> 't' AND {user n} ORDER BY k.conrelid, k.contypid, k.conname`)
	return err
}

func (r *reader) readIndexes(ctx context.Context) error {
	var err error
	r.indexes, err = collect[indexRow](ctx, r, "reading indexes", `
SELECT i.indexrelid AS oid, i.indrelid AS relation, c.relname::text AS name, c.relkind::text AS kind,
       am.amname = 'btree' AND i.indexprs IS NULL AND i.indpred IS NULL AND i.indnatts = i.indnkeyatts AND c.reloptions IS NULL
       AND NOT `+r.since(15, `i.indnullsnotdistinct`, `false`)+` AS simple,
       i.indclass::oid[] AS opclasses, i.indcollation::oid[] AS collations, i.indoption::int2[] AS orders,
       'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX ' || quote_ident(c.relname) || ' ON ' ||
       CASE c.relkind WHEN 'I' THEN 'ONLY ' ELSE '' END || quote_ident(n.nspname) || '.' || quote_ident(t.relname) || ' ' AS prefix,
       coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS predicate,
       i.indisunique AS "unique", i.indisprimary AS "primary", i.indimmediate AS immediate, i.indisvalid AND i.indisready AS valid,
       i.indisclustered AS clustered, i.indisreplident AS identity, coalesce(k.oid, 0::oid) AS "constraint",
       coalesce(p.inhparent, 0::oid) AS parent, (i.indkey::int2[])[0:i.indnkeyatts - 1] AS keys,
       c.reloptions AS options, coalesce(ts.spcname::text, '') AS tablespace, coalesce(note.description, '') AS comment,
       CASE WHEN i.indexprs IS NOT NULL THEN ARRAY(SELECT a.attnum FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attstattarget >= 0 ORDER BY a.attnum) END AS columns,
       CASE WHEN i.indexprs IS NOT NULL THEN ARRAY(SELECT a.attstattarget::int4 FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attstattarget >= 0 ORDER BY a.attnum) END AS targets
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace {note pg_class c}
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
LEFT JOIN pg_inherits p ON p.inhrelid = i.indexrelid
LEFT JOIN pg_am am ON am.oid = c.relam
LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
WHERE t.relkind IN ('r', 'p', 'm') AND t.relpersistence <> 't' AND {user n} AND {held t}
ORDER BY i.indrelid, c.relname`)
	if err != nil {
		return err
	}
	if err := r.defineIndexes(ctx); err != nil {
		return err
	}
	for n := range r.indexes {
		if err := r.indexes[n].split(); err != nil {
			return err
		}
	}
	return nil
}

// split takes pg_get_indexdef apart so that the index can be made under another
// name. The definition is as of now, the names as of the snapshot: where they do
// not fit the index was renamed meanwhile.
func (i *indexRow) split() error {
	for n, column := range i.Columns {
		i.Statistics = append(i.Statistics, IndexStatistics{column, i.Targets[n]})
	}
	if i.Constraint != 0 || i.Definition != "" {
		return nil // the constraint's definition makes it, or it is a plain one
	}
	def, ok := strings.CutPrefix(i.Full, i.Prefix)
	if ok && i.Predicate != "" {
		// pg_get_indexdef adds parentheses where the expression has none of its own.
		i.Where = i.Predicate
		def, ok = strings.CutSuffix(def, " WHERE "+i.Where)
		if !ok {
			i.Where = "(" + i.Predicate + ")"
			def, ok = strings.CutSuffix(def, " WHERE "+i.Where)
		}
	}
	if !ok {
		return fmt.Errorf("index %s changed while the catalog was read; try again with a new snapshot", QuoteIdent(i.Name))
	}
	i.Definition = def
	return nil
}

// readTriggers reads the users' own triggers, and of their clones on partitions those that are not as a clone is made.
func (r *reader) readTriggers(ctx context.Context) error {
	var err error
	r.triggers, err = collect[triggerRow](ctx, r, "reading triggers", `
SELECT t.oid, t.tgrelid AS relation, t.tgname::text AS name, pg_get_triggerdef(t.oid) AS definition, t.tgenabled::text AS enabled,
       t.tgparentid <> 0 AS cloned, t.tgfoid AS function, t.tgconstrrelid AS references, coalesce(note.description, '') AS comment
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace {note pg_trigger t}
LEFT JOIN pg_constraint k ON k.oid = t.tgconstraint
WHERE (t.tgparentid = 0 AND NOT t.tgisinternal OR t.tgparentid <> 0 AND (t.tgenabled <> 'O' OR note.description IS NOT NULL) AND coalesce(k.contype, 't') = 't')
  AND c.relkind IN ('r', 'p', 'f', 'v', 'm') AND c.relpersistence <> 't' AND {user n} AND {held c}
ORDER BY t.tgrelid, t.tgname`)
	if err != nil {
		return err
	}
	r.rules, err = collect[ruleRow](ctx, r, "reading rules", `
SELECT w.oid, w.ev_class AS relation, w.rulename::text AS name, w.ev_enabled::text AS enabled,
       w.rulename = '_RETURN' AS return, CASE WHEN w.rulename <> '_RETURN' THEN pg_get_ruledef(w.oid) ELSE '' END AS definition,
       coalesce(note.description, '') AS comment
FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace {note pg_rewrite w}
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relpersistence <> 't' AND {user n} AND {held c}
ORDER BY w.ev_class, w.rulename`)
	return err
}

func (r *reader) readPolicies(ctx context.Context) error {
	var err error
	r.policies, err = collect[policyRow](ctx, r, "reading policies", `
SELECT p.oid, p.polrelid AS relation, p.polname::text AS name, p.polpermissive AS permissive, p.polcmd::text AS command,
       CASE WHEN p.polroles = '{0}' THEN NULL
            ELSE ARRAY(SELECT pg_get_userbyid(u.role)::text FROM unnest(p.polroles) WITH ORDINALITY u (role, n) ORDER BY u.n) END AS roles,
       coalesce(pg_get_expr(p.polqual, p.polrelid), '') AS using, coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '') AS "check",
       coalesce(note.description, '') AS comment
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace {note pg_policy p}
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND {user n} AND {held c}
ORDER BY p.polrelid, p.polname`)
	return err
}
