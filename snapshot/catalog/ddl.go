package catalog

import (
	"fmt"
	"slices"
)

// DDLOptions say what DDL makes. The zero value restores everything under its own name.
type DDLOptions struct {
	// Tables, if not nil, restricts the script to these tables, by oid, with the partitions of
	// each, and what belongs to them: indexes, constraints, owned sequences, defaults, triggers,
	// policies, comments, grants; foreign keys only where both ends are in. What else
	// they need (schema, types, functions of defaults, …) comes with IfMissing.
	Tables map[uint32]bool
	// TablesOnly, with Tables, makes nothing that these need: it is in Script.Required.
	TablesOnly bool
	// Empty are tables that get no rows while others do. Foreign keys of rows to such tables are made NOT VALID.
	Empty map[uint32]bool
	// IntoSchema and Rename put tables under other names; both imply Copy.
	IntoSchema string
	Rename     map[uint32]Name
	// Copy makes tables that share nothing with the originals beside them: sequences of
	// their own, no triggers, no rules, no policies. Only tables are made, with IfMissing what they need.
	Copy bool

	NoOwner       bool
	NoPrivileges  bool
	NoTablespaces bool // all goes where the target database puts it
	// NoSecurityLabels leaves out security labels, for a target without their providers.
	NoSecurityLabels bool
	NoComments       bool
}

// planner makes one script.
type planner struct {
	c     *Catalog
	o     DDLOptions
	s     *Script
	at    place
	nodes map[Ref]*node
	names *namer

	columns columnOrder
	unsaid  *unsaid

	schemas      map[string]uint32
	tables       map[uint32]*Table
	views        map[uint32]*View
	sequences    map[uint32]*Sequence
	owned        map[uint32][]*Sequence // by owning table
	constraints  map[uint32]*Constraint // those with an index
	indexes      map[uint32]bool        // those of tables
	indexName    map[uint32]Name
	selected     map[uint32]bool // tables in the script
	extensions   map[string]bool // those whose configuration is in the script
	childrenOf   map[uint32][]uint32
	notNulls     map[uint32]bool // tables whose NOT NULLs that are NOT VALID are added
	statisticsOf map[uint32][]*Statistics
	dependsOf    map[Ref][]Ref // of views and functions
	// constraintNames counts them by schema and name.
	constraintNames map[Name]int
	tail            []func() // pre-data that follows all nodes
	late            []*node  // made in post-data
	err             error
}

// place is where statements go at the moment.
type place struct {
	section   Section
	stage     int
	ifMissing string // the Exists of the needed object being made
}

// DDL makes the statements that recreate the catalog or a part of it. Equal
// catalogs and options give equal text.
//
// Errors: two tables would get one name; the model is not consistent.
func (c *Catalog) DDL(o DDLOptions) (Script, error) {
	o.Copy = o.Copy || o.IntoSchema != "" || len(o.Rename) > 0
	own := c
	if !o.Copy {
		own = c.withoutConfiguration()
	}
	p := newPlanner(own, o)
	if err := p.names.chooseTables(p); err != nil {
		return Script{}, err
	}
	p.names.chooseOthers(p)
	if !o.Copy {
		p.placeConfiguration(c)
	}
	p.orderColumns()
	p.makeNodes()
	p.restrict()
	p.preData()
	p.postData()
	if p.err != nil {
		return Script{}, p.err
	}
	p.noteLeftOut()
	slices.SortStableFunc(p.s.Statements, func(a, b Statement) int {
		if a.Section != b.Section {
			return int(a.Section - b.Section)
		}
		return a.Stage - b.Stage
	})
	p.gatherNeeds()
	return *p.s, nil
}

func newPlanner(c *Catalog, o DDLOptions) *planner {
	p := &planner{
		c: c, o: o,
		s:     &Script{of: c, Tables: map[uint32]Name{}, Sequences: map[uint32]Name{}, Needed: map[uint32]Name{}},
		nodes: map[Ref]*node{}, names: newNamer(), dependsOf: map[Ref][]Ref{},
		schemas: map[string]uint32{}, tables: map[uint32]*Table{}, views: map[uint32]*View{},
		sequences: map[uint32]*Sequence{}, owned: map[uint32][]*Sequence{}, constraints: map[uint32]*Constraint{},
		indexes: map[uint32]bool{}, indexName: map[uint32]Name{}, selected: map[uint32]bool{}, extensions: map[string]bool{},
	}
	for _, n := range c.Schemas {
		p.schemas[n.Name] = n.OID
	}
	for i := range c.Tables {
		t := &c.Tables[i]
		p.tables[t.OID] = t
		p.selected[t.OID] = o.Tables == nil || o.Tables[t.OID]
		for j := range t.Constraints {
			if k := &t.Constraints[j]; k.Kind == "p" || k.Kind == "u" || k.Kind == "x" {
				p.constraints[k.OID] = k
			}
		}
		for j := range t.Indexes {
			p.indexes[t.Indexes[j].OID] = true
		}
	}
	for oid, in := range p.selected {
		if !in {
			delete(p.selected, oid)
		}
	}
	c.addPartitions(p.selected)
	if o.Copy {
		p.leaveForeignTables()
	}
	for i := range c.Views {
		p.views[c.Views[i].OID] = &c.Views[i]
	}
	for i := range c.Sequences {
		q := &c.Sequences[i]
		p.sequences[q.OID] = q
		if q.OwnerTable != 0 {
			p.owned[q.OwnerTable] = append(p.owned[q.OwnerTable], q)
		}
	}
	for _, v := range c.Views {
		p.dependsOf[Ref{ClassRelation, v.OID}] = v.Depends
	}
	for _, f := range c.Functions {
		p.dependsOf[Ref{ClassFunction, f.OID}] = f.Depends
	}
	return p
}

// whole says that everything is restored, under its own name.
func (p *planner) whole() bool { return p.o.Tables == nil && !p.o.Copy }

func (p *planner) table(oid uint32) Name { return p.s.Tables[oid] }

// add appends a statement at the place where the planner is.
func (p *planner) add(s Statement) {
	s.Section, s.Stage = p.at.section, p.at.stage
	if s.at.oid != "" {
		s.Exists = s.at.exists()
	}
	if p.at.section == PostData && p.at.stage >= StageLate && p.at.stage < StageForeignKeys {
		s.Locks = []uint32{s.OID} // the object's owner and comment follow it
	}
	if p.at.ifMissing != "" {
		s.IfMissing, s.Exists = true, p.at.ifMissing
	}
	p.s.Statements = append(p.s.Statements, s)
}

// addAt appends a statement to a stage of post-data.
func (p *planner) addAt(stage int, s Statement) {
	was := p.at
	p.at.section, p.at.stage = PostData, stage
	p.add(s)
	p.at = was
}

func (p *planner) leaveOut(what, format string, a ...any) {
	p.s.LeftOut = append(p.s.LeftOut, LeftOut{what, fmt.Sprintf(format, a...)})
}

// noteLeftOut lists what a copy does not take along.
func (p *planner) noteLeftOut() {
	if !p.o.Copy {
		return
	}
	for i := range p.c.Tables {
		t := &p.c.Tables[i]
		if !p.selected[t.OID] {
			continue
		}
		for _, g := range t.Triggers {
			p.leaveOut(fmt.Sprintf("trigger %s on %s.%s", g.Name, t.Schema, t.Name), "a copy has no triggers")
		}
		for _, w := range t.Rules {
			p.leaveOut(fmt.Sprintf("rule %s on %s.%s", w.Name, t.Schema, t.Name), "a copy has no rules")
		}
		for _, y := range t.Policies {
			p.leaveOut(fmt.Sprintf("policy %s on %s.%s", y.Name, t.Schema, t.Name),
				"a copy has no policies; row security stays on, so that only its owner sees rows")
		}
	}
	if p.o.Tables == nil {
		for i := range p.c.Views {
			p.leaveOut("view "+p.c.Views[i].Schema+"."+p.c.Views[i].Name, "only tables are copied")
		}
	}
}
