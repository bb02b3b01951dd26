package catalog

import (
	"slices"
	"strings"
)

// needSchemas makes every node need its schema, or the extension that made it. A
// copy may be in a schema that the catalog does not have.
func (p *planner) needSchemas() {
	schemas := map[string]Ref{}
	for _, s := range p.c.Schemas {
		schemas[s.Name] = Ref{ClassSchema, s.OID}
	}
	for _, e := range p.c.Extensions {
		for _, name := range e.Schemas {
			schemas[name] = Ref{ClassExtension, e.OID}
		}
	}
	for _, name := range p.newSchemas() {
		if _, known := schemas[name]; !known {
			s := &Schema{Object{OID: ^uint32(len(schemas)), Name: name}} // an oid that no object has
			n := p.addNode(s)
			n.emit = func() {
				s.create(p, n)
				p.letOwnersIn(s)
			}
			schemas[name] = n.ref
		}
	}
	for _, n := range p.nodes {
		for _, name := range append(n.schemas, p.schemaOf(n)) {
			if ref, ok := schemas[name]; ok && n.ref != ref {
				n.needs = append(n.needs, ref)
			}
		}
	}
}

// letOwnersIn grants USAGE on a schema made for copies to the tables' owners: as
// them the server checks foreign keys.
func (p *planner) letOwnersIn(s *Schema) {
	if p.o.NoOwner || p.o.NoPrivileges {
		return
	}
	var owners []string
	for oid, name := range p.s.Tables {
		if name.Schema == s.Name {
			owners = append(owners, p.tables[oid].Owner)
		}
	}
	slices.Sort(owners)
	was := p.at.ifMissing
	p.at.ifMissing = plainAddress("", "pg_namespace", "nspname", s.Name).exists()
	p.addAt(StageSchemaGrants, Statement{Kind: "ACL", Name: s.Name, OID: s.OID, Locks: []uint32{s.OID},
		SQL: "GRANT USAGE ON SCHEMA " + QuoteIdent(s.Name) + " TO " + quoteIdents(slices.Compact(owners))})
	p.at.ifMissing = was
}

// newSchemas are the schemas of the script's tables and sequences, sorted.
func (p *planner) newSchemas() []string {
	var names []string
	for _, n := range p.s.Tables {
		names = append(names, n.Schema)
	}
	for _, n := range p.s.Sequences {
		names = append(names, n.Schema)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// schemaOf is the schema that a node's object will be in.
func (p *planner) schemaOf(n *node) string {
	if n.ref.Class == ClassRelation {
		if name, ok := p.s.Tables[n.ref.OID]; ok {
			return name.Schema
		}
		if name, ok := p.s.Sequences[n.ref.OID]; ok {
			return name.Schema
		}
	}
	return n.key[0]
}

// prepare makes CHECK constraints of domains parts that can wait, and the shell that functions of the type take.
func (t *Type) prepare(p *planner, n *node) {
	for i := range t.Constraints {
		k := &t.Constraints[i]
		if k.Kind == "c" && k.Validated {
			n.parts = append(n.parts, &part{ref: Ref{ClassConstraint, k.OID}, needs: p.unsaid.with(k.Depends, t.Depends, k.Definition, ""),
				emit: func() { p.addDomainConstraint(t, k) }})
		} else {
			n.along = append(n.along, p.unsaid.with(k.Depends, t.Depends, k.Definition, "")...)
		}
	}
	n.unsaid = p.unsaid.of(t.Depends, t.Default, t.Base)
	if t.MultirangeIn != "" {
		n.schemas = append(n.schemas, t.MultirangeIn)
	}
	t.prepareShell(p, n)
}

// prepare makes defaults and CHECK constraints parts that can wait, and the table need its parents.
func (t *Table) prepare(p *planner, n *node) {
	for _, parent := range t.Parents {
		if !t.Partition {
			n.needs = append(n.needs, Ref{ClassRelation, parent})
		}
	}
	types := p.unsaid.types(t)
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.DefaultOID == 0 {
			continue
		}
		if c.Generated != "" {
			n.needs = append(n.needs, c.DefaultDepends...)
			n.unsaid = append(n.unsaid, p.unsaid.of(append(slices.Clip(c.DefaultDepends), t.Depends...), c.Default, types)...)
			continue
		}
		n.parts = append(n.parts, &part{ref: Ref{ClassDefault, c.DefaultOID}, needs: p.unsaid.with(c.DefaultDepends, t.Depends, c.Default, types),
			emit: func() { p.setDefault(t, c) }})
	}
	for i := range t.Constraints {
		k := &t.Constraints[i]
		if k.Kind == "c" && k.Validated {
			n.parts = append(n.parts, &part{ref: Ref{ClassConstraint, k.OID}, needs: p.unsaid.with(k.Depends, t.Depends, k.Definition, types),
				emit: func() { p.addCheck(t, k) }})
		}
	}
}

// prepare lets a function that the server looks into follow what it needs there.
func (f *Function) prepare(p *planner, n *node) {
	n.unsaid = p.unsaid.of(f.Depends, f.parsed(), "")
}

// prepare makes defaults parts that can wait, and lets a view be made in two steps.
func (v *View) prepare(p *planner, n *node) {
	for i := range v.Columns {
		if c := &v.Columns[i]; c.DefaultOID != 0 {
			n.parts = append(n.parts, &part{ref: Ref{ClassDefault, c.DefaultOID}, needs: c.DefaultDepends,
				emit: func() { p.setViewDefault(v, c) }})
		}
	}
	n.unsaid = p.unsaid.of(v.Depends, v.Definition, "")
	if v.Kind != "v" {
		return
	}
	n.split = func() func() {
		n.emit = func() { p.createDummyView(v) }
		return func() { p.replaceView(v, n) }
	}
}

// preData orders the nodes and makes their statements.
func (p *planner) preData() {
	var nodes []*node
	for _, n := range p.nodes {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, compareNodes)
	nodes = p.findLate(nodes)
	for _, n := range p.order(nodes) {
		p.at = place{section: PreData, ifMissing: n.exists}
		n.emit()
	}
	p.at = place{section: PreData}
	for _, emit := range p.tail {
		emit()
	}
	p.attachPartitions()
	p.ownSequences()
	for i, n := range p.order(p.late) {
		p.at = place{section: PostData, stage: StageLate + i, ifMissing: n.exists}
		n.emit()
	}
	p.at = place{section: PostData}
}

// restrict leaves only the nodes of a subset's tables, and what they need.
func (p *planner) restrict() {
	if p.whole() {
		return
	}
	keep := map[Ref]*node{}
	queue := p.neededExtensions()
	want := func(n *node, needed bool) {
		if keep[n.ref] != nil {
			return
		}
		if needed {
			n.exists = n.object.address().exists()
		}
		keep[n.ref] = n
		queue = append(queue, n.allNeeds()...)
		queue = append(queue, n.along...)
		if n.ref.Class == ClassType {
			if shell := p.nodes[Ref{classShell, n.ref.OID}]; shell != nil {
				shell.exists = n.exists
			}
		}
	}
	for ref, n := range p.nodes {
		if ref.Class == classColumns {
			want(n, false)
		}
		if ref.Class == ClassRelation && p.selected[ref.OID] {
			want(n, false)
			queue = append(queue, p.partNeeds(p.tables[ref.OID])...)
		}
		if _, ok := p.s.Sequences[ref.OID]; ok && ref.Class == ClassRelation && p.sequences[ref.OID] != nil {
			want(n, false)
		}
	}
	for len(queue) > 0 {
		ref := queue[0]
		queue = queue[1:]
		n := p.nodes[ref]
		if n == nil || keep[ref] != nil || p.tables[ref.OID] != nil && ref.Class == ClassRelation || p.views[ref.OID] != nil && ref.Class == ClassRelation {
			continue
		}
		want(n, true)
		if q := p.sequences[ref.OID]; q != nil && ref.Class == ClassRelation {
			p.s.Needed[q.OID] = Name{q.Schema, q.Name}
		}
	}
	p.noteMissing(keep)
	p.nodes = keep
	if p.o.TablesOnly {
		p.requireNeeded()
	}
}

// requireNeeded leaves out what the tables of a subset need.
func (p *planner) requireNeeded() {
	var nodes []*node
	for ref, n := range p.nodes {
		if n.exists != "" {
			nodes = append(nodes, n)
			delete(p.nodes, ref)
		}
	}
	slices.SortFunc(nodes, compareNodes)
	for _, n := range nodes {
		if n.ref.Class == classShell {
			continue // with its type
		}
		what := nameOf(n.object)
		p.s.Required = append(p.s.Required, Required{What: what, Exists: n.exists})
		p.leaveOut(what, "the tables need it, and it has to be on the target")
	}
	clear(p.s.Needed)
}

// statistics are the extended statistics of each relation.
func (p *planner) statistics() map[uint32][]*Statistics {
	if p.statisticsOf == nil {
		p.statisticsOf = map[uint32][]*Statistics{}
		for i := range p.c.Statistics {
			s := &p.c.Statistics[i]
			p.statisticsOf[s.Table] = append(p.statisticsOf[s.Table], s)
		}
	}
	return p.statisticsOf
}

// partNeeds are what a table's indexes, statistics, triggers and policies need, and constraints made after the rows.
func (p *planner) partNeeds(t *Table) []Ref {
	var needs []Ref
	types := p.unsaid.types(t)
	need := func(depends []Ref, text string) {
		needs = append(needs, p.unsaid.with(depends, t.Depends, text, types)...)
	}
	for i := range t.Constraints {
		k := &t.Constraints[i]
		if k.Kind == "c" && !k.Validated || k.Kind == "f" && p.restoresKey(t, k) {
			// The other table is there, and its key is no object of its own.
			need(slices.DeleteFunc(slices.Clone(k.Depends), func(r Ref) bool { return r.Class == ClassRelation }), k.Definition)
		}
	}
	for _, i := range t.Indexes {
		need(i.Depends, i.Definition+i.Where)
	}
	for _, s := range p.statistics()[t.OID] {
		need(s.Depends, s.Definition)
	}
	if p.o.Copy {
		return needs
	}
	for _, g := range t.Triggers {
		need(g.Depends, g.Definition)
	}
	for _, y := range t.Policies {
		need(y.Depends, y.Using+y.Check)
	}
	for _, w := range t.Rules {
		need(w.Depends, w.Definition)
	}
	return needs
}

// noteMissing says which kept objects need a table or view that is not restored, and requires that it is on the target.
func (p *planner) noteMissing(keep map[Ref]*node) {
	var nodes []*node
	for _, n := range keep {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, compareNodes)
	for _, n := range nodes {
		needs, t := n.allNeeds(), p.tables[n.ref.OID]
		if n.ref.Class == ClassRelation && t != nil {
			needs = append(slices.Clip(needs), p.partNeeds(t)...)
		}
		for _, need := range needs {
			other := p.nodes[need]
			if other == nil || keep[need] != nil || need.Class != ClassRelation ||
				(n.ref.Class == ClassRelation && t != nil && slices.Contains(t.Parents, need.OID)) {
				continue
			}
			by, exists := strings.Join(n.key, "."), other.object.address().exists()
			p.leaveOut(strings.Join(other.key, "."), "it is not among the tables chosen; %s needs it on the target", by)
			if n.exists != "" {
				exists = n.exists + " OR " + exists // what is there already has all that it needs
			}
			p.s.Required = append(p.s.Required, Required{What: nameOf(other.object), Exists: exists, By: by})
		}
	}
}
