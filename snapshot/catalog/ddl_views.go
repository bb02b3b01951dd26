package catalog

import (
	"strings"
)

// addViewParts adds the triggers and rules of views, and the rows and indexes of
// materialized views.
func (p *planner) addViewParts() {
	levels := map[uint32]int{}
	for i := range p.c.Views {
		v := &p.c.Views[i]
		name := Name{v.Schema, v.Name}
		for j := range v.Triggers {
			p.addTrigger(&v.Triggers[j], v.OID, name, "VIEW")
		}
		for j := range v.Rules {
			p.addRule(&v.Rules[j], v.OID, name)
		}
		if v.Kind == "m" {
			p.fillMaterialized(v, p.refreshLevel(v.OID, levels))
		}
	}
}

// refreshLevel is 1 more than the highest level of the materialized views that a
// relation's query reads, itself or through views and functions.
func (p *planner) refreshLevel(oid uint32, levels map[uint32]int) int {
	if level, known := levels[oid]; known {
		return level
	}
	levels[oid] = 0 // of a cycle; views cannot form one in their data
	level := 0
	seen := map[Ref]bool{}
	var follow func(refs []Ref)
	follow = func(refs []Ref) {
		for _, ref := range refs {
			if seen[ref] {
				continue
			}
			seen[ref] = true
			if v := p.views[ref.OID]; v != nil && ref.Class == ClassRelation && v.Kind == "m" {
				level = max(level, p.refreshLevel(v.OID, levels)+1)
			} else if n := p.dependsOf[ref]; n != nil {
				follow(n)
			}
		}
	}
	follow(p.views[oid].Depends)
	levels[oid] = level
	return level
}

func (p *planner) fillMaterialized(v *View, level int) {
	stage := StageRefresh + 3*level
	name := Name{v.Schema, v.Name}
	if v.Populated {
		s := Statement{Kind: "MATERIALIZED VIEW DATA", Name: name.String(), OID: v.OID, Table: v.OID, Bytes: v.Bytes,
			SQL: "REFRESH MATERIALIZED VIEW " + name.SQL(), Locks: []uint32{v.OID}, Reads: p.relations(v.Depends)}
		if p.readsForeign(v.Depends, map[Ref]bool{}) {
			s.Optional = "the materialized view is empty; refresh it once the servers of its foreign tables can be reached"
		}
		p.addAt(stage, s)
	}
	for i := range v.Indexes {
		x := &v.Indexes[i]
		index := Name{v.Schema, x.Name}
		if !x.Valid {
			p.leaveOut("index "+index.String(), "it is not valid on the source")
			continue
		}
		at := relationAddress("", index)
		at.kind = ""
		p.addAt(stage+1, Statement{Kind: "INDEX", Name: index.String(), OID: x.OID, Table: v.OID, Bytes: v.Bytes,
			SQL: p.indexSQL(x, index, name, x.Definition, x.Where), Reads: []uint32{v.OID}, at: at})
		p.addIndexMarks(x, index, stage+2, "MATERIALIZED VIEW", name, v.OID)
	}
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
		if !p.o.NoOwner {
			p.addAt(StagePublications, Statement{Kind: "PUBLICATION", Name: b.Name, OID: b.OID, Locks: []uint32{b.OID},
				SQL: "ALTER PUBLICATION " + QuoteIdent(b.Name) + " OWNER TO " + QuoteIdent(b.Owner)})
		}
		p.addComment(described{kind: "PUBLICATION", sql: QuoteIdent(b.Name), name: b.Name, oid: b.OID, comment: b.Comment,
			labels: b.SecurityLabels, stage: StageLast})
	}
}

func (p *planner) publicationSQL(b *Publication) string {
	sql := "CREATE PUBLICATION " + QuoteIdent(b.Name)
	var parts []string
	for _, t := range b.Tables {
		table := p.tables[t.Table]
		if table == nil {
			p.leaveOut("a table of publication "+b.Name, "it is not in the catalog")
			continue
		}
		part := "ONLY " + table.SQLName()
		if len(parts) == 0 {
			part = "TABLE " + part // said once: 14 knows no other way
		}
		if len(t.Columns) > 0 {
			part += " (" + quoteIdents(t.Columns) + ")"
		}
		if t.Where != "" {
			part += " WHERE (" + t.Where + ")"
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

func (p *planner) addEventTriggers() {
	for i := range p.c.EventTriggers {
		e := &p.c.EventTriggers[i]
		s := Statement{Kind: "EVENT TRIGGER", Name: e.Name, OID: e.OID, Locks: []uint32{e.OID},
			at: plainAddress("EVENT TRIGGER", "pg_event_trigger", "evtname", e.Name)}
		s.SQL = "CREATE EVENT TRIGGER " + QuoteIdent(e.Name) + " ON " + QuoteIdent(e.Event)
		if len(e.Tags) > 0 {
			tags := make([]string, len(e.Tags))
			for j, tag := range e.Tags {
				tags[j] = strings.TrimSpace(quoteLiteral(tag))
			}
			s.SQL += " WHEN TAG IN (" + strings.Join(tags, ", ") + ")"
		}
		s.SQL += " EXECUTE FUNCTION " + e.Function + "()"
		p.addAt(StageLast+1, s)
		s.at = address{}
		if !p.o.NoOwner {
			s.SQL = "ALTER EVENT TRIGGER " + QuoteIdent(e.Name) + " OWNER TO " + QuoteIdent(e.Owner)
			p.addAt(StageLast+2, s)
		}
		p.addComment(described{kind: "EVENT TRIGGER", sql: QuoteIdent(e.Name), name: e.Name, oid: e.OID, comment: e.Comment,
			labels: e.SecurityLabels, stage: StageLast + 2})
		verb := enabledSQL(e.Enabled)
		if verb != "" {
			s.SQL = "ALTER EVENT TRIGGER " + QuoteIdent(e.Name) + " " + verb
			p.addAt(StageLast+3, s)
		}
	}
}
