package catalog

import (
	"slices"
	"strings"
)

// addRowSecurity adds policies and turns row security on. A copy gets no policies
// and keeps row security on, so that its grants show nobody rows that policies hid.
func (p *planner) addRowSecurity(f *tableForm) {
	s := Statement{Kind: "ROW SECURITY", Name: f.name.String(), OID: f.t.OID, Table: f.t.OID, Locks: []uint32{f.t.OID}}
	if f.t.RowSecurity {
		s.SQL = "ALTER TABLE " + f.name.SQL() + " ENABLE ROW LEVEL SECURITY"
		p.addAt(StageTriggers, s)
	}
	if f.t.ForceRowSecurity && !p.o.Copy {
		s.SQL = "ALTER TABLE ONLY " + f.name.SQL() + " FORCE ROW LEVEL SECURITY"
		p.addAt(StageTriggers, s)
	}
	if p.o.Copy {
		return
	}
	for i := range f.t.Policies {
		y := &f.t.Policies[i]
		s.Kind, s.OID, s.SQL = "POLICY", y.OID, policySQL(y, f.name)
		s.undo = "DROP POLICY IF EXISTS " + QuoteIdent(y.Name) + " ON " + f.name.SQL()
		s.Name = y.Name + " on " + f.name.String()
		s.Reads = p.relations(y.Depends)
		p.addAt(StageTriggers, s)
		p.addComment(described{kind: "POLICY", sql: QuoteIdent(y.Name) + " ON " + f.name.SQL(), name: s.Name, oid: y.OID, table: f.t.OID,
			comment: y.Comment, stage: StageGrants})
	}
}

// relations are the tables and views among references.
func (p *planner) relations(refs []Ref) []uint32 {
	var oids []uint32
	for _, r := range refs {
		if r.Class == ClassRelation && (p.tables[r.OID] != nil || p.views[r.OID] != nil) {
			oids = append(oids, r.OID)
		}
	}
	return oids
}

func policySQL(y *Policy, table Name) string {
	sql := "CREATE POLICY " + QuoteIdent(y.Name) + " ON " + table.SQL()
	if !y.Permissive {
		sql += " AS RESTRICTIVE"
	}
	if command := map[string]string{"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}[y.Command]; command != "" {
		sql += " FOR " + command
	}
	if len(y.Roles) > 0 {
		sql += " TO " + quoteIdents(y.Roles)
	}
	if y.Using != "" {
		sql += " USING (" + y.Using + ")"
	}
	if y.Check != "" {
		sql += " WITH CHECK (" + y.Check + ")"
	}
	return sql
}

// addTrigger adds a trigger and its enabled state.
func (p *planner) addTrigger(g *Trigger, oid uint32, relation Name, kind string) {
	s := Statement{Kind: "TRIGGER", Name: g.Name + " on " + relation.String(), OID: g.OID, Table: oid, Locks: p.family(oid)}
	if g.References != 0 && !slices.Contains(s.Locks, g.References) {
		s.Reads = []uint32{g.References}
	}
	if !g.Cloned {
		s.SQL = g.Definition
		s.undo = "DROP TRIGGER IF EXISTS " + QuoteIdent(g.Name) + " ON " + relation.SQL()
		p.addAt(StageTriggers, s)
		s.undo = ""
	}
	p.addComment(described{kind: "TRIGGER", sql: QuoteIdent(g.Name) + " ON " + relation.SQL(), name: s.Name, oid: g.OID, table: oid,
		comment: g.Comment, stage: StageGrants})
	if enabled := enabledSQL(g.Enabled); enabled != "" {
		s.SQL = "ALTER TABLE " + relation.SQL() + " " + enabled + " TRIGGER " + QuoteIdent(g.Name)
		if kind == "TABLE" {
			s.SQL = "ALTER TABLE ONLY " + relation.SQL() + " " + enabled + " TRIGGER " + QuoteIdent(g.Name)
		}
		p.addAt(StageEnable, s)
	}
	p.dependOnExtensions(Statement{Kind: "TRIGGER", Name: s.Name, OID: g.OID, Table: oid, Locks: []uint32{oid}},
		"TRIGGER "+QuoteIdent(g.Name)+" ON "+relation.SQL(), g.OnExtension)
}

// clones says that a table will have a partitioned table's trigger of this name: one above it in the script has it.
func (p *planner) clones(t *Table, trigger string) bool {
	for t.Partition && len(t.Parents) > 0 && p.selected[t.Parents[0]] {
		t = p.tables[t.Parents[0]]
		if slices.ContainsFunc(t.Triggers, func(g Trigger) bool { return g.Name == trigger && !g.Cloned }) {
			return true
		}
	}
	return false
}

// enabledSQL is the verb of a trigger's or rule's state; empty for the usual one.
func enabledSQL(state string) string {
	return map[string]string{"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}[state]
}

func (p *planner) addRule(w *Rule, oid uint32, relation Name) {
	s := Statement{Kind: "RULE", Name: w.Name + " on " + relation.String(), OID: w.OID, Table: oid,
		SQL: strings.TrimSuffix(strings.TrimSpace(w.Definition), ";"), Locks: []uint32{oid}, Reads: p.relations(w.Depends),
		undo: "DROP RULE IF EXISTS " + QuoteIdent(w.Name) + " ON " + relation.SQL()}
	p.addAt(StageTriggers, s)
	s.undo = ""
	if enabled := enabledSQL(w.Enabled); enabled != "" {
		s.SQL = "ALTER TABLE " + relation.SQL() + " " + enabled + " RULE " + QuoteIdent(w.Name)
		p.addAt(StageEnable, s)
	}
	p.addComment(described{kind: "RULE", sql: QuoteIdent(w.Name) + " ON " + relation.SQL(), name: s.Name, oid: w.OID, table: oid,
		comment: w.Comment, stage: StageGrants})
}
