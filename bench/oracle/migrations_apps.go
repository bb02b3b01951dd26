package oracle

// ofApps is a migration of the tables that the writers write. What the writers cannot live with for long has an undo.
func (m *migrator) ofApps() migration {
	d := m.dice
	added := m.fresh("added")
	if d.chance(m.rewrites) {
		return m.rewriteApps()
	}
	column := func(t string) migration {
		return migration{kind: "add column (apps)", sql: []string{"ALTER TABLE " + t + " ADD COLUMN " + added + " " + pick(d, "text",
			"integer DEFAULT 5", "text NOT NULL DEFAULT E'\\t'", "timestamp with time zone DEFAULT now()")},
			undo: []string{"ALTER TABLE " + t + " DROP COLUMN " + added}}
	}
	there := func(kind, away, back string) migration {
		return migration{kind: kind, sql: []string{away}, undo: []string{back}}
	}
	const odd = `public."Odd ""name"", größer"`
	if d.chance(5) {
		return m.outsideOf(pick(d, "app.ledger", "app.documents", "app.audit", "app.items", odd))
	}
	switch n := d.IntN(100); {
	case n < 26:
		return column(pick(d, "app.accounts", "app.ledger", "app.audit", "app.documents", "app.events", "app.seats", "app.coded",
			"app.bulk", "app.items", "app.nothing", "app.vehicles", "app.measures", odd))
	case n < 40:
		return pick(d, there("rename column (apps)", "ALTER TABLE app.accounts RENAME note TO remark", "ALTER TABLE app.accounts RENAME remark TO note"),
			there("rename column (apps)", "ALTER TABLE app.documents RENAME body TO content", "ALTER TABLE app.documents RENAME content TO body"),
			there("rename column (apps)", "ALTER TABLE app.events RENAME kind TO sort", "ALTER TABLE app.events RENAME sort TO kind"),
			there("rename column (apps)", "ALTER TABLE app.measures RENAME value TO amount", "ALTER TABLE app.measures RENAME amount TO value"),
			there("rename column (apps)", "ALTER TABLE app.coded RENAME n TO number", "ALTER TABLE app.coded RENAME number TO n"))
	case n < 50:
		return pick(d, there("rename table (apps)", "ALTER TABLE app.audit RENAME TO audit_old", "ALTER TABLE app.audit_old RENAME TO audit"),
			there("rename table (apps)", "ALTER TABLE app.measures_west RENAME TO measures_wild", "ALTER TABLE app.measures_wild RENAME TO measures_west"),
			there("set schema (apps)", "ALTER TABLE app.seats SET SCHEMA public", "ALTER TABLE public.seats SET SCHEMA app"),
			there("set schema (apps)", "ALTER TABLE app.trucks SET SCHEMA public", "ALTER TABLE public.trucks SET SCHEMA app"))
	case n < 56:
		return pick(d, there("drop column (apps)", "ALTER TABLE app.audit DROP COLUMN j", "ALTER TABLE app.audit ADD COLUMN j jsonb"),
			migration{kind: "column dropped and added anew (apps)", sql: []string{"ALTER TABLE app.documents DROP COLUMN extra",
				"ALTER TABLE app.documents ADD COLUMN extra text DEFAULT 'anew'"}},
			migration{kind: "column dropped and added anew (apps)", sql: []string{"ALTER TABLE app.readings DROP COLUMN value",
				"ALTER TABLE app.readings ADD COLUMN value text"}})
	case n < 64:
		return pick(d, migration{kind: "detach partition (apps)", sql: []string{"ALTER TABLE app.measures DETACH PARTITION app.measures_west"},
			undo: []string{"LOCK TABLE app.measures", "DELETE FROM app.measures WHERE region = 'west'",
				"ALTER TABLE app.measures ATTACH PARTITION app.measures_west FOR VALUES IN ('west')"}},
			there("detach partition (apps)", "ALTER TABLE app.measures_south DETACH PARTITION app.measures_south_low",
				"ALTER TABLE app.measures_south ATTACH PARTITION app.measures_south_low FOR VALUES FROM (MINVALUE) TO (300)"),
			migration{kind: "partition moved out of the default (apps)", sql: []string{"DELETE FROM app.measures WHERE region = 'east'",
				"CREATE TABLE app.measures_east PARTITION OF app.measures FOR VALUES IN ('east')"},
				undo: []string{"DROP TABLE app.measures_east"}})
	case n < 74:
		return pick(d, migration{kind: "key made anew (apps)", sql: []string{"ALTER TABLE app.audit DROP CONSTRAINT audit_pkey",
			"ALTER TABLE app.audit ADD PRIMARY KEY (id)"}},
			there("key away (apps)", "ALTER TABLE app.bulk DROP CONSTRAINT bulk_pkey", "ALTER TABLE app.bulk ADD PRIMARY KEY (id)"),
			migration{kind: "key away (apps)", sql: []string{"ALTER TABLE app.coded DROP CONSTRAINT coded_pkey"},
				undo: []string{"DELETE FROM app.coded a USING app.coded b WHERE a.code = b.code AND a.ctid > b.ctid",
					"ALTER TABLE app.coded ADD PRIMARY KEY (code)"}},
			there("foreign key (apps)", "ALTER TABLE app.ledger DROP CONSTRAINT ledger_account_fkey",
				"ALTER TABLE app.ledger ADD CONSTRAINT ledger_account_fkey FOREIGN KEY (account) REFERENCES app.accounts ON DELETE CASCADE NOT VALID"),
			there("check (apps)", "ALTER TABLE app.ledger ADD CONSTRAINT "+added+" CHECK (ticket > 0) NOT VALID",
				"ALTER TABLE app.ledger VALIDATE CONSTRAINT "+added))
	case n < 80:
		return pick(d, there("index (apps)", "CREATE INDEX "+added+" ON app.documents (version)", "DROP INDEX app."+added),
			there("index (apps)", "CREATE INDEX "+added+" ON app.measures (value)", "DROP INDEX app."+added), there("index (apps)",
				"ALTER INDEX app.settings_key RENAME TO settings_index", "ALTER INDEX app.settings_index RENAME TO settings_key"))
	case n < 86:
		return pick(d, one("enum value (apps)", "ALTER TYPE app.mood ADD VALUE '"+added+"' BEFORE 'ok'"), one("column type (apps)",
			"ALTER TABLE app.audit ALTER what TYPE "+pick(d, "text", "character varying")),
			there("domain (apps)", "ALTER DOMAIN app.zip ADD CONSTRAINT "+added+" CHECK (VALUE <> 'never')", "ALTER DOMAIN app.zip DROP CONSTRAINT "+added))
	case n < 92:
		return pick(d, migration{kind: "table dropped and made anew (apps)", sql: []string{"DROP TABLE app.scratch",
			"CREATE TABLE app.scratch (id int GENERATED ALWAYS AS IDENTITY, v text)"}},
			migration{kind: "table dropped and made anew (apps)", sql: []string{"CREATE TABLE app.copied AS SELECT * FROM app.audit",
				"DROP TABLE app.audit", "ALTER TABLE app.copied RENAME TO audit",
				"ALTER TABLE app.audit ADD CONSTRAINT audit_pkey PRIMARY KEY (id)"}},
			migration{kind: "swap of tables (apps)", sql: []string{"ALTER TABLE app.nothing RENAME TO nothing_old",
				"CREATE TABLE app.nothing ()", "INSERT INTO app.nothing DEFAULT VALUES"}, undo: []string{"DROP TABLE app.nothing_old"}})
	}
	return pick(d, one("view (apps)",
		"CREATE OR REPLACE VIEW app.rich AS SELECT id, email FROM app.accounts WHERE balance > "+d.number(100)), one("grants (apps)",
		"GRANT SELECT ON app.ledger TO oracle_reader"),
		one("grants (apps)", "REVOKE ALL ON app.ledger FROM oracle_reader"), one("comments (apps)",
			"COMMENT ON TABLE app.items IS '"+added+"'"), there("not null (apps)", "ALTER TABLE app.documents ALTER version DROP NOT NULL",
			"ALTER TABLE app.documents ALTER version SET NOT NULL"),
		one("default (apps)", "ALTER TABLE app.vehicles ALTER wheels SET DEFAULT "+d.number(9)))
}

// rewriteApps is a migration after which the rows stand in other words than the log told.
func (m *migrator) rewriteApps() migration {
	d := m.dice
	return pick(d, migration{kind: "column type, rewriting (apps)", sql: []string{"ALTER TABLE app.ledger ALTER amount TYPE " + pick(d,
		"numeric(40,20)", "numeric")}},
		migration{kind: "column type, rewriting (apps)", sql: []string{"ALTER TABLE app.vehicles ALTER wheels TYPE bigint"},
			undo: []string{"ALTER TABLE app.vehicles ALTER wheels TYPE integer"}},
		migration{kind: "column type, rewriting (apps)", sql: []string{"ALTER TABLE app.scratch ALTER v TYPE text USING upper(v)"}},
		migration{kind: "volatile default (apps)",
			sql:  []string{"ALTER TABLE app.seats ADD COLUMN chance double precision DEFAULT random()"},
			undo: []string{"ALTER TABLE app.seats DROP COLUMN chance"}},
		migration{kind: "enum value renamed (apps)", sql: []string{"ALTER TYPE app.mood RENAME VALUE 'sad' TO 'bad'"},
			undo: []string{"ALTER TYPE app.mood RENAME VALUE 'bad' TO 'sad'"}},
		migration{kind: "attribute (apps)", sql: []string{"ALTER TYPE app.address ADD ATTRIBUTE since date CASCADE"},
			undo: []string{"ALTER TYPE app.address DROP ATTRIBUTE since CASCADE"}})
}
