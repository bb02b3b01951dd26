package oracle

import (
	"context"
	"fmt"
	"strings"
)

// changePartitions makes, attaches, detaches and drops partitions.
func (m *migrator) changePartitions(tables []ownTable) migration {
	d := m.dice
	var parents, parts []ownTable
	for _, t := range tables {
		switch {
		case t.partitioned:
			parents = append(parents, t)
		case t.partition:
			parts = append(parts, t)
		}
	}
	if len(parents) == 0 {
		return migration{}
	}
	parent := pick(d, parents...)
	bound := func() string {
		from := 300 + 50*d.IntN(20)
		return fmt.Sprintf(" FOR VALUES FROM (%d) TO (%d)", from, from+50)
	}
	name := parent.schema + "." + m.fresh("part")
	switch n := d.IntN(100); {
	case n < 35:
		return one("create partition", "CREATE TABLE "+name+" PARTITION OF "+parent.String()+bound())
	case n < 60:
		return migration{kind: "attach partition", sql: []string{"CREATE TABLE " + name + " (LIKE " + parent.String() + pick(d, "",
			" INCLUDING DEFAULTS") + ")",
			"ALTER TABLE " + parent.String() + " ATTACH PARTITION " + name + bound()}}
	case len(parts) == 0:
		return migration{}
	case n < 80:
		part := pick(d, parts...)
		return one("detach partition", "ALTER TABLE "+part.parent+" DETACH PARTITION "+part.String())
	}
	return one("drop partition", "DROP TABLE "+pick(d, parts...).String())
}

// changeTypes changes enums, composite types and domains.
func (m *migrator) changeTypes(ctx context.Context, t ownTable) (migration, error) {
	d := m.dice
	types, err := m.names(ctx, `SELECT t.typtype::text || ':' || format_type(t.oid,
		NULL) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
		WHERE starts_with(n.nspname, $1) AND (t.typtype IN ('e', 'd') OR c.relkind = 'c') ORDER BY 1`)
	if err != nil || len(types) == 0 {
		return migration{}, err
	}
	kind, name, _ := strings.Cut(pick(d, types...), ":")
	alter := "ALTER TYPE " + name + " "
	switch kind {
	case "e":
		if d.chance(65) {
			return one("add enum value", alter+"ADD VALUE '"+m.fresh("v")+"'"+pick(d, "", " BEFORE 'two'", " AFTER 'one'")), nil
		}
		if !d.chance(m.rewrites) {
			return migration{}, nil
		}
		label, err := m.s.rows(ctx, "SELECT quote_literal(enumlabel) FROM pg_catalog.pg_enum WHERE enumtypid = $1::regtype ORDER BY enumsortorder", name)
		if err != nil || len(label) == 0 {
			return migration{}, err
		}
		return one("rename enum value", alter+"RENAME VALUE "+label[d.IntN(len(label))][0]+" TO '"+m.fresh("v")+"'"), nil
	case "c":
		if !d.chance(m.rewrites) {
			return one("rename type", alter+"RENAME TO "+m.fresh("c")), nil
		}
		return one("composite attribute", alter+pick(d, "ADD ATTRIBUTE "+m.fresh("at")+" integer CASCADE",
			"DROP ATTRIBUTE IF EXISTS n CASCADE", "RENAME ATTRIBUTE t TO "+m.fresh("at")+" CASCADE")), nil
	}
	alter = "ALTER DOMAIN " + name + " "
	return one("domain", alter+pick(d, "SET DEFAULT 'd'", "DROP DEFAULT", "ADD CONSTRAINT "+m.fresh("dc")+" CHECK (VALUE <> 'never')",
		"ADD CHECK (length(VALUE) < 50) NOT VALID", "RENAME TO "+m.fresh("d"))), nil
}

// changeCode changes views, materialized views, functions, triggers, rules, sequences.
func (m *migrator) changeCode(ctx context.Context, t ownTable) (migration, error) {
	d := m.dice
	views, err := m.names(ctx,
		`SELECT c.relkind::text || ':' || quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE starts_with(n.nspname, $1) AND (c.relkind IN ('v', 'm') OR c.relkind = 'S' AND c.relname LIKE 'seq%') ORDER BY 1`)
	if err != nil {
		return migration{}, err
	}
	routine := m.own + "." + m.fresh("f")
	if len(views) > 0 && d.chance(45) {
		kind, name, _ := strings.Cut(pick(d, views...), ":")
		switch kind {
		case "v":
			return one("view", pick(d, "DROP VIEW "+name+" CASCADE", "ALTER VIEW "+name+" RENAME TO "+m.fresh("view"),
				"CREATE OR REPLACE VIEW "+name+" AS SELECT 1 AS one", "COMMENT ON VIEW "+name+" IS 'seen'")), nil
		case "m":
			return one("materialized view", pick(d, "REFRESH MATERIALIZED VIEW "+name, "REFRESH MATERIALIZED VIEW "+name,
				"DROP MATERIALIZED VIEW "+name+" CASCADE", "ALTER MATERIALIZED VIEW "+name+" RENAME TO "+m.fresh("mat"))), nil
		}
		return one("sequence", pick(d, "ALTER SEQUENCE "+name+" INCREMENT 5 CACHE 3", "SELECT nextval('"+name+"')",
			"DROP SEQUENCE "+name+" CASCADE", "ALTER SEQUENCE "+name+" RENAME TO "+m.fresh("seq"))), nil
	}
	switch n := d.IntN(100); {
	case n < 25:
		return one("create view", "CREATE VIEW "+m.own+"."+m.fresh("view")+" AS SELECT * FROM "+t.String()), nil
	case n < 38:
		return one("create materialized view", "CREATE MATERIALIZED VIEW "+m.own+"."+m.fresh("mat")+" AS SELECT * FROM "+t.String()+pick(d,
			"", " WITH NO DATA")), nil
	case n < 55:
		return migration{kind: "function",
			sql: []string{"CREATE FUNCTION " + routine + "(a integer DEFAULT 1) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM " + t.String() + "'",
				"CREATE OR REPLACE FUNCTION " + routine + "(a integer DEFAULT 2) RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT 5::bigint'"}, anyone: true}, nil
	case n < 75:
		name := m.fresh("trg")
		return migration{kind: "trigger",
			sql: []string{"CREATE FUNCTION " + routine + "() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN coalesce(NEW, OLD); END'",
				"CREATE TRIGGER " + name + " AFTER INSERT OR UPDATE ON " + t.String() + " FOR EACH ROW EXECUTE FUNCTION " + routine + "()"},
			undo: []string{"ALTER TABLE " + t.String() + " " + pick(d, "DISABLE", "ENABLE ALWAYS", "ENABLE REPLICA") + " TRIGGER " + name}}, nil
	case n < 85:
		return one("rule", "CREATE RULE "+m.fresh("rule")+" AS ON DELETE TO "+t.String()+" WHERE false DO INSTEAD NOTHING"), nil
	case n < 93:
		return migration{kind: "create sequence", sql: []string{"CREATE SEQUENCE " + m.own + "." + m.fresh("seq") + pick(d, "",
			" INCREMENT -2", " START 100 CYCLE MAXVALUE 1000")}, anyone: true}, nil
	}
	if len(t.columns) < 2 {
		return migration{}, nil
	}
	return one("statistics", "CREATE STATISTICS "+m.own+"."+m.fresh("stat")+" ON "+t.columns[0].name+", "+t.columns[1].name+" FROM "+t.String()), nil
}

// changeAccess changes owners, privileges, policies and comments.
func (m *migrator) changeAccess(ctx context.Context, t ownTable) (migration, error) {
	d := m.dice
	name := t.String()
	column := "a"
	if len(t.columns) > 0 {
		column = pick(d, t.columns...).name
	}
	return one("owners, grants, comments", pick(d, "ALTER TABLE "+name+" OWNER TO "+pick(d, "oracle_dev", "CURRENT_USER"),
		"GRANT SELECT, UPDATE ON "+name+" TO oracle_reader", "GRANT SELECT ("+column+") ON "+name+" TO oracle_reader",
		"REVOKE ALL ON "+name+" FROM oracle_reader", "COMMENT ON TABLE "+name+" IS 'it''s table "+d.number(99)+"'", "COMMENT ON COLUMN "+name+"."+column+" IS "+pick(d,
			"'c'", "NULL"),
		"CREATE POLICY "+m.fresh("pol")+" ON "+name+" FOR SELECT TO oracle_reader USING (true)", "COMMENT ON SCHEMA "+t.schema+" IS 'schema "+d.number(99)+"'",
		"GRANT SELECT ON ALL TABLES IN SCHEMA "+t.schema+" TO oracle_reader", "ALTER DEFAULT PRIVILEGES IN SCHEMA "+m.own+pick(d,
			" GRANT SELECT ON TABLES TO oracle_reader", " REVOKE SELECT ON TABLES FROM oracle_reader"))), nil
}

// outsideOf is a migration that cannot be done in a transaction.
func (m *migrator) outsideOf(table string) migration {
	index := m.fresh("cix")
	schema, _, _ := strings.Cut(table, ".")
	of := func(kind string, sql ...string) migration { return migration{kind: kind, sql: sql, outside: true} }
	if m.dice.chance(m.rewrites) {
		return of("vacuum full", "VACUUM FULL "+table)
	}
	return pick(m.dice, of("reindex", "REINDEX TABLE "+table),
		of("index, concurrently", "CREATE INDEX CONCURRENTLY "+index+" ON "+table+" ((1))", "DROP INDEX IF EXISTS "+schema+"."+index))
}
