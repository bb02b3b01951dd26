package oracle

import (
	"context"
	"fmt"
	"strings"
)

// A migration is statements that belong together.
type migration struct {
	kind string
	sql  []string
	// undo are the statements that take it back later.
	undo []string
	// anyone may do it in a schema where one may create things.
	anyone bool
	// outside of a transaction; what the catalog is while it runs is not known.
	outside bool
}

// ownTable is one of a migrator's own tables, as the catalog has it.
type ownTable struct {
	schema, name string // quoted
	partitioned  bool
	parent       string // of a partition or a child, empty without
	partition    bool
	owner        string
	columns      []ownColumn
	// constraints are the names of those that can be dropped, of kinds c, u, p, f, each with its kind in front: "p:t1_pkey".
	constraints []string
}

type ownColumn struct {
	name, typ string
	// set: values may be given; those of identities, sequences and generated columns are the server's.
	set bool
	// kind is pg_type's typtype; attributes are the number of a composite's.
	kind       string
	attributes int
}

func (t ownTable) String() string { return t.schema + "." + t.name }

// ownTables reads the migrator's own tables.
func (m *migrator) ownTables(ctx context.Context) ([]ownTable, error) {
	rows, err := m.ask(ctx, `SELECT quote_ident(n.nspname), quote_ident(c.relname), c.relkind, c.relispartition, c.relowner::regrole,
		coalesce((SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = c.oid LIMIT 1), ''),
		coalesce((SELECT string_agg(o.contype::text || ':' || quote_ident(o.conname),
			' ' ORDER BY o.conname) FROM pg_constraint o WHERE o.conrelid = c.oid AND o.contype IN ('c', 'u', 'p',
			'f') AND o.coninhcount = 0), '')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE starts_with(n.nspname, $1) AND c.relkind IN ('r', 'p') ORDER BY 1, 2`)
	if err != nil {
		return nil, err
	}
	var tables []ownTable
	for _, r := range rows {
		t := ownTable{schema: r[0], name: r[1], partitioned: r[2] == "p", partition: r[3] == "t", owner: r[4], parent: r[5], constraints: strings.Fields(r[6])}
		tables = append(tables, t)
	}
	columns, err := m.ask(ctx, `SELECT quote_ident(n.nspname), quote_ident(c.relname), quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
		a.attidentity = '' AND a.attgenerated = '' AND coalesce(pg_get_expr(d.adbin, d.adrelid), '') NOT LIKE 'nextval%', t.typtype,
		(SELECT count(*) FROM pg_attribute p WHERE p.attrelid = t.typrelid AND t.typtype = 'c' AND p.attnum > 0 AND NOT p.attisdropped)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
		LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE starts_with(n.nspname, $1) AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, 2, a.attnum`)
	if err != nil {
		return nil, err
	}
	for _, r := range columns {
		c := ownColumn{name: r[2], typ: r[3], set: r[4] == "t", kind: r[5]}
		if _, err := fmt.Sscan(r[6], &c.attributes); err != nil {
			return nil, err
		}
		for i := range tables {
			if tables[i].schema == r[0] && tables[i].name == r[1] {
				tables[i].columns = append(tables[i].columns, c)
			}
		}
	}
	return tables, nil
}

// ask runs a query with the beginning of the names of the migrator's schemas. It is no migration: what it cannot do ends the run.
func (m *migrator) ask(ctx context.Context, query string) ([][]string, error) {
	rows, err := m.s.rows(ctx, query, m.own)
	if err != nil && !ordinary(err) {
		return nil, fmt.Errorf("%w: %w", errWorkload, err)
	}
	return rows, err
}

// names lists things of a kind in the migrator's own schemas.
func (m *migrator) names(ctx context.Context, query string) ([]string, error) {
	rows, err := m.ask(ctx, query)
	var names []string
	for _, r := range rows {
		names = append(names, r[0])
	}
	return names, err
}

// value is an expression of a value for a column.
func (m *migrator) value(c ownColumn) string {
	d := m.dice
	if d.chance(12) {
		return "NULL"
	}
	switch {
	case c.kind == "e":
		return "enum_first(NULL::" + c.typ + ")"
	case c.kind == "c":
		return literal("(" + strings.Repeat(",", max(0, c.attributes-1)) + ")")
	case strings.HasPrefix(c.typ, "character varying(") || strings.HasPrefix(c.typ, m.own):
		return literal(pick(d, "", "ab", "1"))
	case c.typ == "text":
		if d.chance(10) {
			return literal(d.long(2200 + d.IntN(3000)))
		}
		return literal(d.word())
	case c.typ == "integer", c.typ == "bigint", strings.HasPrefix(c.typ, "numeric"):
		return d.number(1000)
	case c.typ == "boolean":
		return pick(d, "true", "false")
	case strings.HasPrefix(c.typ, "timestamp"):
		return "'2024-03-31 01:02:03." + d.number(1000) + "'"
	case c.typ == "jsonb":
		return literal(`{"a": ` + d.number(100) + "}")
	}
	return "NULL"
}

func literal(s string) string {
	return "E'" + strings.NewReplacer(`\`, `\\`, "'", `''`).Replace(s) + "'"
}

// write is a statement that changes rows of a table, or none of them if a constraint is against it.
func (m *migrator) write(t ownTable) string {
	d := m.dice
	var settable []ownColumn
	for _, c := range t.columns {
		if c.set {
			settable = append(settable, c)
		}
	}
	sql := "INSERT INTO " + t.String() + " DEFAULT VALUES"
	if n := d.IntN(10); len(settable) > 0 && n < 6 {
		var names, rows []string
		for _, c := range settable {
			names = append(names, c.name)
		}
		for range 1 + d.IntN(4) {
			var values []string
			for _, c := range settable {
				values = append(values, m.value(c))
			}
			rows = append(rows, "("+strings.Join(values, ", ")+")")
		}
		sql = "INSERT INTO " + t.String() + " (" + strings.Join(names, ", ") + ") VALUES " + strings.Join(rows, ", ")
	} else if len(settable) > 0 && n < 8 {
		c := pick(d, settable...)
		sql = fmt.Sprintf("UPDATE %s SET %s = %s WHERE random() < 0.4", t, c.name, m.value(c))
	} else if n < 9 {
		sql = fmt.Sprintf("DELETE FROM %s WHERE random() < 0.2", t)
	}
	return "DO $w$ BEGIN " + sql + "; EXCEPTION WHEN integrity_constraint_violation OR data_exception OR syntax_error_or_access_rule_violation OR program_limit_exceeded THEN NULL; END $w$"
}

// amid puts statements into one of the surroundings that migrations have.
func (m *migrator) amid(next migration, tables []ownTable) []string {
	d, sql := m.dice, next.sql
	switch n := d.IntN(100); {
	case n < 10:
		var body strings.Builder
		for _, s := range sql {
			body.WriteString(" EXECUTE $x$" + s + "$x$;")
		}
		sql = []string{"DO $mig$ BEGIN" + body.String() + " END $mig$"}
	case n < 20:
		var list []string
		for _, s := range sql {
			list = append(list, "$x$"+s+"$x$")
		}
		sql = []string{"SELECT " + m.own + ".run_all(VARIADIC ARRAY[" + strings.Join(list, ", ") + "])"}
	case n < 32: // done, taken back, done again
		sql = append(append([]string{"SAVEPOINT a"}, sql...), append([]string{"ROLLBACK TO a"}, sql...)...)
	case n < 38:
		sql = append([]string{"SET LOCAL session_replication_role = replica"}, sql...)
	case n < 50 && next.anyone:
		sql = append(append([]string{"SET LOCAL ROLE oracle_dev"}, sql...), "RESET ROLE")
	}
	for range d.IntN(3) {
		if len(tables) > 0 {
			sql = append([]string{m.write(pick(d, tables...))}, sql...)
		}
	}
	return sql
}
