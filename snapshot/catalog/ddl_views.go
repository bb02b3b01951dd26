package catalog

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
