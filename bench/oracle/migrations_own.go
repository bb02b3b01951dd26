package oracle

import (
	"context"
	"fmt"
	"strings"
)

// ownTablesMost is how many tables a migrator keeps about.
const ownTablesMost = 9

// fresh is a new name with this beginning.
func (m *migrator) fresh(what string) string {
	m.serial++
	return fmt.Sprintf("%s%d_%d", what, m.number, m.serial)
}

// ofOwn is a migration of the migrator's own schemas; empty if what was drawn is not there to be changed.
func (m *migrator) ofOwn(ctx context.Context, tables []ownTable) (migration, error) {
	d := m.dice
	var plain []ownTable
	for _, t := range tables {
		if !t.partition {
			plain = append(plain, t)
		}
	}
	switch n := d.IntN(100); {
	case len(plain) < 3 || n < 12 && len(tables) < ownTablesMost:
		return m.makeTable(ctx, plain)
	case n < 16 || len(tables) >= 2*ownTablesMost:
		t := pick(d, plain...)
		return migration{kind: "drop table", sql: []string{"DROP TABLE " + t.String() + " CASCADE"}}, nil
	case n < 48:
		return m.changeColumns(pick(d, plain...)), nil
	case n < 58:
		return m.changeConstraints(pick(d, plain...), plain), nil
	case n < 60:
		return m.outsideOf(pick(d, plain...).String()), nil
	case n < 66:
		return m.changeTable(ctx, pick(d, plain...))
	case n < 73:
		return m.changePartitions(tables), nil
	case n < 82:
		return m.changeTypes(ctx, pick(d, plain...))
	case n < 93:
		return m.changeCode(ctx, pick(d, plain...))
	}
	return m.changeAccess(ctx, pick(d, plain...))
}

func one(kind, sql string) migration { return migration{kind: kind, sql: []string{sql}} }

// makeTable makes a table, in one of many ways.
func (m *migrator) makeTable(ctx context.Context, plain []ownTable) (migration, error) {
	d := m.dice
	name := m.own + "." + m.fresh("t")
	columns := pick(d, "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text, b integer DEFAULT 7",
		"id serial PRIMARY KEY, a text NOT NULL DEFAULT '', n numeric(12,2)",
		"a text, b integer, c boolean", "k integer PRIMARY KEY DEFERRABLE, a text, j jsonb", "a character varying(10), at timestamp, twice integer GENERATED ALWAYS AS (b * 2) STORED, b integer",
		"x text COLLATE \"C\" UNIQUE, y bigint CHECK (y > -5), z timestamp with time zone DEFAULT now()", "")
	switch n := d.IntN(100); {
	case len(plain) == 0 || n < 40:
		return migration{kind: "create table", sql: []string{"CREATE TABLE " + name + " (" + columns + ")"}, anyone: true}, nil
	case n < 52: // the rows are in the log before the statement
		return migration{kind: "create table as", sql: []string{"CREATE TABLE " + name + " AS SELECT * FROM " + pick(d, plain...).String()}}, nil
	case n < 60:
		return one("select into", "SELECT * INTO "+name+" FROM "+pick(d, plain...).String()), nil
	case n < 68:
		return one("create table like", "CREATE TABLE "+name+" (LIKE "+pick(d, plain...).String()+" INCLUDING ALL)"), nil
	case n < 76:
		if t := pick(d, plain...); !t.partitioned && t.parent == "" {
			return one("create table inherits", "CREATE TABLE "+name+" (own"+d.number(99)+" text) INHERITS ("+t.String()+")"), nil
		}
	case n < 80:
		return migration{kind: "temporary table", sql: []string{"CREATE TEMPORARY TABLE " + m.fresh("tmp") + " (a int) ON COMMIT DROP"}, anyone: true}, nil
	case n < 86:
		typ := m.own + "." + m.fresh("e")
		return migration{kind: "create enum", sql: []string{"CREATE TYPE " + typ + " AS ENUM ('one', 'two', 'three')",
			"CREATE TABLE " + name + " (id serial PRIMARY KEY, e " + typ + " DEFAULT 'two', es " + typ + "[])"}, anyone: true}, nil
	case n < 90:
		typ := m.own + "." + m.fresh("c")
		return migration{kind: "create composite", sql: []string{"CREATE TYPE " + typ + " AS (n integer, t text)",
			"CREATE TABLE " + name + " (id serial PRIMARY KEY, c " + typ + ")"}, anyone: true}, nil
	case n < 94:
		typ := m.own + "." + m.fresh("d")
		return migration{kind: "create domain", sql: []string{"CREATE DOMAIN " + typ + " AS text CHECK (length(VALUE) < 40)",
			"CREATE TABLE " + name + " (id serial PRIMARY KEY, v " + typ + ")"}, anyone: true}, nil
	}
	return migration{kind: "create partitioned", sql: []string{"CREATE TABLE " + name + " (id integer NOT NULL, a text" + pick(d, "",
		", PRIMARY KEY (id)") + ") PARTITION BY RANGE (id)",
		"CREATE TABLE " + name + "_low PARTITION OF " + name + " FOR VALUES FROM (MINVALUE) TO (300)", "CREATE TABLE " + name + "_rest PARTITION OF " + name + " DEFAULT"}, anyone: true}, nil
}

// changeColumns adds, drops, renames and retypes columns.
func (m *migrator) changeColumns(t ownTable) migration {
	d := m.dice
	alter := "ALTER TABLE " + t.String() + " "
	added := m.fresh("col")
	if len(t.columns) == 0 || d.chance(35) && len(t.columns) < 12 {
		definition := pick(d, "text", "text DEFAULT E'd\\t''e'", "integer NOT NULL DEFAULT 5", "boolean DEFAULT true", "numeric(10,3)",
			"timestamp with time zone DEFAULT now()", "text NOT NULL DEFAULT ''",
			"character varying(8)", "jsonb", "bigint DEFAULT 1", "text COLLATE \"C\"")
		if d.chance(m.rewrites) {
			definition = pick(d, "double precision DEFAULT random()", "text GENERATED ALWAYS AS ('x') STORED", "serial",
				"integer GENERATED BY DEFAULT AS IDENTITY")
			return one("add column, rewriting", alter+"ADD COLUMN "+added+" "+definition)
		}
		return one("add column", alter+"ADD COLUMN "+added+" "+definition)
	}
	c := pick(d, t.columns...)
	switch n := d.IntN(100); {
	case n < 18:
		return one("drop column", alter+"DROP COLUMN "+c.name+" CASCADE")
	case n < 30:
		return migration{kind: "column dropped and added anew", sql: []string{alter + "DROP COLUMN " + c.name + " CASCADE",
			alter + "ADD COLUMN " + c.name + " " + pick(d, "text", "integer", "text DEFAULT 'anew'")}}
	case n < 46:
		return one("rename column", alter+"RENAME COLUMN "+c.name+" TO "+added)
	case n < 54:
		return one("default", alter+"ALTER "+c.name+" "+pick(d, "DROP DEFAULT", "SET DEFAULT NULL"))
	case n < 62:
		return one("not null", alter+"ALTER "+c.name+" "+pick(d, "SET", "DROP", "DROP")+" NOT NULL")
	case n < 67:
		return one("column settings", alter+"ALTER "+c.name+" "+pick(d, "SET STORAGE EXTERNAL", "SET STATISTICS 50", "SET (n_distinct = 5)"))
	case n < 80 && strings.HasPrefix(c.typ, "character varying"):
		return one("column type", alter+"ALTER "+c.name+" TYPE "+pick(d, "text", "character varying(40)"))
	case n < 80 && c.typ == "numeric(10,3)":
		return one("column type", alter+"ALTER "+c.name+" TYPE "+pick(d, "numeric(20,3)", "numeric"))
	case d.chance(m.rewrites) && c.typ == "integer":
		return one("column type, rewriting", alter+"ALTER "+c.name+" TYPE bigint")
	case d.chance(m.rewrites) && c.typ == "text":
		return one("column type, rewriting", alter+"ALTER "+c.name+" DROP DEFAULT, ALTER "+c.name+" TYPE integer USING length("+c.name+")")
	}
	return one("columns, several", alter+"ADD COLUMN "+added+" text, ADD COLUMN "+added+"x integer DEFAULT 3, DROP COLUMN "+c.name+" CASCADE")
}

// changeConstraints makes and drops constraints and indexes.
func (m *migrator) changeConstraints(t ownTable, plain []ownTable) migration {
	d := m.dice
	alter := "ALTER TABLE " + t.String() + " "
	if len(t.constraints) > 0 && d.chance(35) {
		kind, name, _ := strings.Cut(pick(d, t.constraints...), ":")
		switch {
		case kind == "p" && d.chance(60) && len(t.columns) > 0: // away and made anew
			return migration{kind: "key made anew", sql: []string{alter + "DROP CONSTRAINT " + name + " CASCADE",
				alter + "ADD PRIMARY KEY (" + t.columns[0].name + ")"}}
		case d.chance(30):
			return one("rename constraint", alter+"RENAME CONSTRAINT "+name+" TO "+m.fresh("con"))
		}
		return one("drop constraint", alter+"DROP CONSTRAINT "+name+" CASCADE")
	}
	if len(t.columns) == 0 {
		return migration{}
	}
	c := pick(d, t.columns...)
	switch n := d.IntN(100); {
	case n < 20:
		name := m.fresh("valid")
		return migration{kind: "check, validated later",
			sql:  []string{alter + "ADD CONSTRAINT " + name + " CHECK (" + c.name + " IS NOT NULL OR true) NOT VALID"},
			undo: []string{alter + "VALIDATE CONSTRAINT " + name}}
	case n < 30:
		return one("check", alter+"ADD CONSTRAINT "+m.fresh("check")+" CHECK ("+c.name+" IS NULL OR "+c.name+" IS NOT NULL)")
	case n < 40 && !t.partitioned:
		return one("unique", alter+"ADD CONSTRAINT "+m.fresh("uni")+" UNIQUE ("+c.name+")"+pick(d, "", " DEFERRABLE"))
	case n < 50:
		for _, o := range plain {
			for _, k := range o.constraints {
				if strings.HasPrefix(k, "p:") && len(o.columns) > 0 && o.columns[0].typ == "integer" {
					return one("foreign key", alter+"ADD COLUMN "+m.fresh("fk")+" integer REFERENCES "+o.String()+pick(d, "", " ON DELETE SET NULL DEFERRABLE"))
				}
			}
		}
	case n < 60:
		return one("replica identity", alter+"REPLICA IDENTITY "+pick(d, "FULL", "DEFAULT", "NOTHING"))
	}
	return one("index", "CREATE INDEX "+m.fresh("ix")+" ON "+t.String()+" ("+pick(d, c.name, "("+c.name+" IS NULL)")+")"+pick(d, "",
		" WHERE "+c.name+" IS NOT NULL"))
}

// changeTable renames and moves a table, drops it and makes it anew, empties it.
func (m *migrator) changeTable(ctx context.Context, t ownTable) (migration, error) {
	d := m.dice
	schemas, err := m.names(ctx, "SELECT quote_ident(nspname) FROM pg_catalog.pg_namespace WHERE starts_with(nspname, $1) ORDER BY 1")
	if err != nil {
		return migration{}, err
	}
	alter := "ALTER TABLE " + t.String() + " "
	switch n := d.IntN(100); {
	case n < 20:
		return one("rename table", alter+"RENAME TO "+m.fresh("t")), nil
	case n < 34:
		return migration{kind: "table dropped and made anew", sql: []string{"DROP TABLE " + t.String() + " CASCADE",
			"CREATE TABLE " + t.String() + " (id serial PRIMARY KEY, a text, b integer)",
			"INSERT INTO " + t.String() + " (a) VALUES ('anew'), ('again')"}}, nil
	case n < 48:
		return one("truncate", "TRUNCATE "+t.String()+pick(d, " CASCADE", " RESTART IDENTITY CASCADE")), nil
	case n < 60 && len(schemas) < 4:
		s := m.own + m.fresh("_s")
		return migration{kind: "create schema", sql: []string{"CREATE SCHEMA " + s, alter + "SET SCHEMA " + s}}, nil
	case n < 74 && len(schemas) > 1:
		return one("set schema", alter+"SET SCHEMA "+pick(d, schemas...)), nil
	case n < 84 && len(schemas) > 1:
		return one("rename schema", "ALTER SCHEMA "+schemas[1+d.IntN(len(schemas)-1)]+" RENAME TO "+m.own+m.fresh("_s")), nil
	case n < 90 && len(schemas) > 2:
		return one("drop schema", "DROP SCHEMA "+schemas[1+d.IntN(len(schemas)-1)]+" CASCADE"), nil
	}
	return one("table settings", alter+pick(d, "SET (fillfactor = 70)", "RESET (fillfactor)", "ENABLE ROW LEVEL SECURITY",
		"DISABLE ROW LEVEL SECURITY", "SET (autovacuum_enabled = false)")), nil
}
