package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// Section is a part of a restore, as pg_restore's --section.
type Section int

// The sections, in the order in which they are restored. DDL makes no statement of Data.
const (
	PreData Section = iota
	Data
	PostData
)

// String gives the name that pg_restore uses.
func (s Section) String() string {
	return [...]string{"pre-data", "data", "post-data"}[s]
}

// Stages of post-data. What is made in StageLate takes one stage for each object;
// materialized views take three from StageRefresh on for each level of dependency.
const (
	StageIndexes = 1 // indexes, and constraints that have one
	StageMarks   = 2 // index attach, cluster and identity marks, statistics
	// StageForeignPartitions is where foreign tables become partitions.
	StageForeignPartitions = 3
	StageLate              = 10        // views and functions that need a primary key, views of a cycle
	StageForeignKeys       = 1_000_000 // foreign keys, and checks that are NOT VALID or NOT ENFORCED
	StageTriggers          = 1_000_001 // triggers, rules, policies, row security
	StageEnable            = 1_000_002 // their enabled states
	StageSchemaGrants      = 1_000_003 // grants on schemas, which others may need to grant in turn
	StageGrants            = 1_000_004 // grants, comments on what post-data makes
	StageRefresh           = 2_000_000 // materialized views' rows, indexes and marks
	StagePublications      = 3_000_000 // publications, default privileges
	StageLast              = 3_000_001 // comments on these
	StageEventTriggers     = 3_000_002 // event triggers, and in the two after it what they have
)

// Statement is one SQL statement, without a semicolon. It is run by itself.
type Statement struct {
	Section Section
	Stage   int    // 0 in pre-data
	Kind    string // "TABLE", "INDEX", "FK CONSTRAINT", …
	Name    string // the object's new name for people: public.users
	OID     uint32 // of the source's object
	Table   uint32 // source's oid of the table it belongs to, or 0
	SQL     string

	// Of statements of one stage, two may run at once if neither's Locks has an oid of the
	// other's Locks or Reads. Where they may not, they run in slice order.
	Locks []uint32
	Reads []uint32
	Bytes int64 // of the table or materialized view worked on, for scheduling

	// Secret marks SQL that holds passwords: it belongs into no log and no message. People and errors are given Shown.
	Secret bool
	// Optional, if not empty, says what it means for the restored database if the statement fails: a restore goes on.
	Optional string
	// Until, if not 0, is the version, as in server_version_num, from which servers have no such thing: there the statement does
	// nothing, and Optional says what that means.
	Until int

	// IfMissing marks something that a subset of tables needs and that the target
	// may have already: it is run only if Exists is false on the target. All Exists
	// are asked before the first statement runs.
	IfMissing bool
	// Exists is an SQL expression that is true if the target has an object of this
	// name. It is set on every statement that creates an object.
	Exists string

	at     address // of the object made
	drop   string  // what drops it, where that is not DROP of its address
	undo   string  // what has to precede the drops of a script, and when
	undoIf string
}

// Shown is the statement as it may be printed.
func (s *Statement) Shown() string {
	if s.Secret {
		return strings.ToLower(s.Kind) + " " + s.Name + " (it holds a secret and is not shown)"
	}
	return s.SQL
}

// LeftOut is something of the source that a script does not restore.
type LeftOut struct{ What, Why string }

// Script is what DDL makes.
type Script struct {
	Statements []Statement
	LeftOut    []LeftOut
	// Needs are what has to be on the target already.
	Needs []Need
	// Required are objects that have to be there too, where TablesOnly leaves them out.
	Required []Required
	// Tables and Sequences give the new name of every restored table and of every
	// sequence whose value is to be set, by the source's oid. Those of an extension's configuration are among them.
	Tables    map[uint32]Name
	Sequences map[uint32]Name
	// Needed are sequences whose CREATE has IfMissing: their value is to be set only if
	// that statement ran.
	Needed map[uint32]Name

	of *Catalog
}

// Required is an object that a script takes for granted.
type Required struct {
	What   string // "type app.mood", for people
	Exists string // an SQL expression that is true if it is on the target
}

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
		c: c, o: o, nodes: map[Ref]*node{}, names: newNamer(), dependsOf: map[Ref][]Ref{}, schemas: map[string]uint32{}, tables: map[uint32]*Table{}, views: map[uint32]*View{},
		s:         &Script{of: c, Tables: map[uint32]Name{}, Sequences: map[uint32]Name{}, Needed: map[uint32]Name{}},
		sequences: map[uint32]*Sequence{}, owned: map[uint32][]*Sequence{}, constraints: map[uint32]*Constraint{},
		indexName: map[uint32]Name{}, selected: map[uint32]bool{}, extensions: map[string]bool{},
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

// make adds the statement that creates an object under its own name, and what every object may have.
func (p *planner) make(m creatable, sql string) {
	p.makeToDrop(m, sql, "")
}

// makeToDrop is make for an object that goes by a statement of its own.
func (p *planner) makeToDrop(m creatable, sql, drop string) {
	at, o := m.address(), m.head()
	p.add(Statement{Kind: at.kind, Name: at.name, OID: o.OID, SQL: sql, at: at, drop: drop})
	p.addProperties(p.described(m))
	p.dependOnExtensions(Statement{Kind: at.kind, Name: at.name, OID: o.OID}, at.kind+" "+at.name, o.DependsOnExtensions)
}

// described tells an object under its own name.
func (p *planner) described(m creatable) described {
	at, o := m.address(), m.head()
	d := described{kind: at.kind, schema: o.Schema, sql: at.name, name: at.name, oid: o.OID, owner: o.Owner, comment: o.Comment, labels: o.SecurityLabels, acl: o.ACL}
	switch at.kind {
	case "DOMAIN":
		d.onACL = "TYPE"
	case "SERVER":
		d.onACL = "FOREIGN SERVER"
	}
	return d
}

// described is an object as COMMENT, GRANT and ALTER … OWNER name it.
type described struct {
	kind    string // "FUNCTION"
	schema  string // that it is in, or empty
	sql     string // "public.f(integer)"
	name    string // for people
	oid     uint32
	table   uint32
	owner   string
	comment string
	labels  []SecurityLabel
	acl     ACL
	onACL   string // kind in GRANT, where it differs
	stage   int    // of comments and labels; 0: at once
	grants  int    // stage of grants; 0: StageGrants

	keepOwner bool   // it stays its maker's
	optional  string // of grants and comments: Statement.Optional
}

// addProperties adds what every object may have: owner, comment, security labels, grants.
func (p *planner) addProperties(d described) {
	p.addOwner(d)
	p.addComment(d)
	p.addGrants(d, "")
}

// dangling reports whether an owner is a role that was dropped all the same, which has no name (pg_get_userbyid() in
// src/backend/utils/adt/ruleutils.c).
func dangling(owner string) bool { return strings.HasPrefix(owner, "unknown (OID=") }

// addOwner gives an object to its owner.
func (p *planner) addOwner(d described) {
	if dangling(d.owner) {
		p.leaveOut("owner of "+strings.ToLower(d.kind)+" "+d.name, "the role does not exist on the source: %s", d.owner)
		return
	}
	if d.owner != "" && !d.keepOwner && !p.o.NoOwner {
		p.add(Statement{Kind: d.kind, Name: d.name, OID: d.oid, Table: d.table,
			SQL: "ALTER " + d.kind + " " + d.sql + " OWNER TO " + QuoteIdent(d.owner)})
	}
}

// addComment adds an object's comment and security labels.
func (p *planner) addComment(d described) {
	if d.comment != "" && !p.o.NoComments {
		p.addNote(d, "COMMENT", "COMMENT ON "+d.kind+" "+d.sql+" IS "+strings.TrimSpace(quoteLiteral(d.comment)))
	}
	if p.o.NoSecurityLabels {
		return
	}
	for _, l := range d.labels {
		p.addNote(d, "SECURITY LABEL", "SECURITY LABEL FOR "+QuoteIdent(l.Provider)+" ON "+d.kind+" "+d.sql+" IS "+strings.TrimSpace(quoteLiteral(l.Label)))
	}
}

func (p *planner) addNote(d described, kind, sql string) {
	s := Statement{Kind: kind, Name: d.name, OID: d.oid, Table: d.table, SQL: sql, Optional: d.optional}
	if d.stage == 0 {
		p.add(s)
		return
	}
	if d.table != 0 {
		s.Locks = []uint32{d.table}
	}
	p.addAt(d.stage, s)
}

// addGrants adds the grants on an object or, if column is set, on its column.
// They come late: an owner without INSERT of their own can still load the rows, and
// materialized views are refreshed with all rights in place.
func (p *planner) addGrants(d described, column string) {
	if p.o.NoPrivileges {
		return
	}
	kind := d.onACL
	if kind == "" {
		kind = d.kind
	}
	acl := d.acl
	if p.o.Copy {
		// Who granted may have no rights in the copy's schema: there the owner grants all.
		acl.Items = grantedBy(acl.Items, d.owner)
	}
	sql, err := acl.grants(privileged{kind: kind, name: d.sql, column: column, schema: d.schema, owner: d.owner})
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("grants on %s: %w", d.name, err)
	}
	if d.grants == 0 {
		d.grants = StageGrants
	}
	for _, text := range sql {
		s := Statement{Kind: "ACL", Name: d.name, OID: d.oid, Table: d.table, SQL: text, Locks: []uint32{d.oid}, Optional: d.optional}
		if strings.HasPrefix(text, "DO ") {
			s.Locks = append(s.Locks, p.schemas[d.schema]) // whose list it may change
		}
		p.addAt(d.grants, s)
	}
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
