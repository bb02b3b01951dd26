package catalog

import (
	"context"
	"strings"
)

// Publication is a user's publication.
type Publication struct {
	Object
	AllTables  bool               `json:",omitzero"`
	Publish    []string           `json:",omitzero"` // insert, update, delete, truncate
	ViaRoot    bool               `json:",omitzero"`
	Generated  string             `json:",omitzero"` // 18: "n" or "s"; else empty
	Tables     []PublicationTable `json:",omitzero"`
	Schemas    []string           `json:",omitzero"`
	OwnerSuper bool               `json:",omitzero"` // its owner is a superuser, as one of all tables or of schemas wants it
}

// PublicationTable is one table of a publication. It may be an extension's.
type PublicationTable struct {
	Table   uint32   `json:",omitzero"`
	Name    string   `json:",omitzero"` // schema-qualified and quoted
	Columns []string `json:",omitzero"` // nil: all
	Where   string   `json:",omitzero"`
}

func (b *Publication) ref() Ref { return Ref{ClassPublication, b.OID} }

func (r *reader) readPublications(ctx context.Context) error {
	type row struct {
		Publication
		PubInsert, PubUpdate, PubDelete, PubTruncate bool
	}
	rows, err := collect[row](ctx, r, "reading publications", `
SELECT p.oid, p.pubname::text AS name, pg_get_userbyid(p.pubowner)::text AS owner, coalesce(note.description, '') AS comment,
       p.puballtables AS all_tables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot AS via_root,
       `+r.since(18, `p.pubgencols::text`, `''`)+` AS generated,
       `+r.since(15, `ARRAY(SELECT s.nspname::text FROM pg_publication_namespace pn JOIN pg_namespace s ON s.oid = pn.pnnspid
             WHERE pn.pnpubid = p.oid ORDER BY 1)`, `NULL::text[]`)+` AS schemas,
       coalesce((SELECT rolsuper FROM pg_roles WHERE oid = p.pubowner), false) AS owner_super
FROM pg_publication p {note pg_publication p}
WHERE p.pubname !~ '^pgrecall' AND {own pg_publication p} ORDER BY p.pubname`)
	if err != nil {
		return err
	}
	tables, err := collect[struct {
		PublicationTable
		Publication uint32
	}](ctx, r, "reading the tables of publications", `
SELECT pr.prpubid AS publication, pr.prrelid AS "table", quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
       `+r.since(15, `CASE WHEN pr.prattrs IS NOT NULL THEN ARRAY(SELECT a.attname::text FROM unnest(pr.prattrs::int2[]) WITH ORDINALITY u (n, o)
             JOIN pg_attribute a ON a.attrelid = pr.prrelid AND a.attnum = u.n ORDER BY u.o) END`, `NULL::text[]`)+` AS columns,
       `+r.since(15, `coalesce(pg_get_expr(pr.prqual, pr.prrelid), '')`, `''`)+` AS "where"
FROM pg_publication_rel pr JOIN pg_class c ON c.oid = pr.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY n.nspname, c.relname`)
	if err != nil {
		return err
	}
	for _, p := range rows {
		for i, on := range []bool{p.PubInsert, p.PubUpdate, p.PubDelete, p.PubTruncate} {
			if on {
				p.Publish = append(p.Publish, []string{"insert", "update", "delete", "truncate"}[i])
			}
		}
		for _, t := range tables {
			if t.Publication == p.OID {
				p.Publication.Tables = append(p.Publication.Tables, t.PublicationTable)
			}
		}
		r.c.Publications = append(r.c.Publications, p.Publication)
	}
	return nil
}

// addPublications adds the user's publications.
func (p *planner) addPublications() {
	for i := range p.c.Publications {
		b := &p.c.Publications[i]
		s := Statement{Kind: "PUBLICATION", Name: b.Name, OID: b.OID, SQL: p.publicationSQL(b),
			at: plainAddress("PUBLICATION", "pg_publication", "pubname", b.Name), Locks: []uint32{b.OID}}
		for _, t := range b.Tables {
			s.Locks = append(s.Locks, t.Table)
		}
		p.addAt(StagePublications, s)
		for _, t := range b.Tables {
			if p.tables[t.Table] == nil {
				p.addAt(StagePublications, Statement{Kind: "PUBLICATION", Name: b.Name, OID: b.OID, Locks: s.Locks,
					SQL:      "ALTER PUBLICATION " + QuoteIdent(b.Name) + " ADD TABLE " + t.sql(),
					Optional: "the publication is without the table, which an extension makes on the source"})
			}
		}
		stays := (b.AllTables || len(b.Schemas) > 0) && p.ownerStays("publication "+b.Name, b.Owner, b.OwnerSuper)
		if !p.o.NoOwner && !stays {
			p.addAt(StagePublications, Statement{Kind: "PUBLICATION", Name: b.Name, OID: b.OID, Locks: []uint32{b.OID},
				SQL: "ALTER PUBLICATION " + QuoteIdent(b.Name) + " OWNER TO " + QuoteIdent(b.Owner)})
		}
		p.addComment(described{kind: "PUBLICATION", sql: QuoteIdent(b.Name), name: b.Name, oid: b.OID, comment: b.Comment,
			labels: b.SecurityLabels, stage: StageLast})
	}
}

// publicationSQL leaves out tables that an extension has made: another version of it may not have them.
func (p *planner) publicationSQL(b *Publication) string {
	sql := "CREATE PUBLICATION " + QuoteIdent(b.Name)
	var parts []string
	for _, t := range b.Tables {
		if p.tables[t.Table] == nil {
			continue
		}
		part := t.sql()
		if len(parts) == 0 {
			part = "TABLE " + part // said once: 14 knows no other way
		}
		parts = append(parts, part)
	}
	for _, schema := range b.Schemas {
		parts = append(parts, "TABLES IN SCHEMA "+QuoteIdent(schema))
	}
	if b.AllTables {
		sql += " FOR ALL TABLES"
	} else if len(parts) > 0 {
		sql += " FOR " + strings.Join(parts, ", ")
	}
	options := []string{"publish = " + strings.TrimSpace(quoteLiteral(strings.Join(b.Publish, ", ")))}
	if b.ViaRoot {
		options = append(options, "publish_via_partition_root = true")
	}
	if b.Generated == "s" {
		options = append(options, "publish_generated_columns = stored")
	}
	return sql + " WITH (" + strings.Join(options, ", ") + ")"
}

// sql is the table with its columns and filter, as FOR TABLE takes it.
func (t *PublicationTable) sql() string {
	sql := "ONLY " + t.Name
	if len(t.Columns) > 0 {
		sql += " (" + quoteIdents(t.Columns) + ")"
	}
	if t.Where != "" {
		sql += " WHERE (" + t.Where + ")"
	}
	return sql
}
