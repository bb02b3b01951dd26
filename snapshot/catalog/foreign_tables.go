package catalog

import "slices"

// A foreign table is a Table without rows of its own: they are on another server, and neither a snapshot nor the log has
// them. Its definition is restored, and takes part in inheritance and partitioning as any other.

// foreign says that the table's rows are elsewhere.
func (t *Table) foreign() bool { return t.Kind == "f" }

// sqlKind is the table's kind as COMMENT and DROP name it; ALTER TABLE and GRANT take either.
func (t *Table) sqlKind() string {
	if t.foreign() {
		return "FOREIGN TABLE"
	}
	return "TABLE"
}

// leaveForeignTables takes foreign tables out of a copy: one would be no copy but the same rows under a second name.
func (p *planner) leaveForeignTables() {
	for i := range p.c.Tables {
		if t := &p.c.Tables[i]; t.foreign() && p.selected[t.OID] {
			delete(p.selected, t.OID)
			p.leaveOut("foreign table "+t.Schema+"."+t.Name, "its rows are on server %s, and no copy of them is made", t.Server)
		}
	}
}

// attachPartition makes a table a partition. A foreign one comes once the partitioned table's indexes are complete: it has
// none, and an index that is made before it waits for one for ever (validatePartitionedIndex() in
// src/backend/commands/tablecmds.c).
func (p *planner) attachPartition(f *tableForm) {
	parent := f.t.Parents[0]
	s := Statement{Kind: "TABLE ATTACH", Name: f.name.String(), OID: f.t.OID, Table: f.t.OID,
		SQL: "ALTER TABLE ONLY " + p.table(parent).SQL() + " ATTACH PARTITION " + f.name.SQL() + " " + f.t.Bound}
	if !f.t.foreign() {
		p.add(s)
		return
	}
	s.Locks = p.family(parent)
	p.addAt(StageForeignPartitions, s)
}

// readsForeign says that a query reads rows of other servers, itself or through what it reads.
func (p *planner) readsForeign(refs []Ref, seen map[Ref]bool) bool {
	for _, ref := range refs {
		if seen[ref] {
			continue
		}
		seen[ref] = true
		if ref.Class == ClassRelation && p.tables[ref.OID] != nil &&
			slices.ContainsFunc(p.family(ref.OID), func(oid uint32) bool { return p.tables[oid].foreign() }) {
			return true
		}
		if p.readsForeign(p.dependsOf[ref], seen) {
			return true
		}
	}
	return false
}
