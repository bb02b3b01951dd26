package catalog

import (
	"context"
	"slices"
	"strings"
)

// dependencyRow is a row of pg_depend: an object and what it needs.
type dependencyRow struct {
	Class    string
	Object   uint32
	RefClass string
	Ref      uint32
	Type     string
}

// readDependencies reads the normal dependencies ('n') among user objects, and
// those on extensions that ALTER … DEPENDS ON EXTENSION makes ('x'). Internal and automatic ones tie an object to its own
// parts, which the model does by itself; only operator families, their classes and members, and up to PostgreSQL 14
// generated columns, have automatic ones on what they are made of. That a function uses a transform is noted
// only where one of its arguments has the type (ProcedureCreate in src/backend/catalog/pg_proc.c).
func (r *reader) readDependencies(ctx context.Context) error {
	var err error
	r.dependencies, err = collect[dependencyRow](ctx, r, "reading dependencies", `
SELECT d.classid::regclass::text AS class, d.objid AS object, d.refclassid::regclass::text AS ref_class, d.refobjid AS ref,
       d.deptype::text AS type
FROM pg_depend d
WHERE (d.deptype IN ('n', 'x') OR d.deptype = 'a' AND (d.classid IN ('pg_opfamily'::regclass, 'pg_opclass'::regclass, 'pg_amop'::regclass,
  'pg_amproc'::regclass)
       `+r.since(15, ``, `OR d.classid = 'pg_class'::regclass AND d.objsubid > 0`)+`))
  AND d.refobjid >= 16384 AND d.objid >= 16384 AND d.refclassid <> 'pg_namespace'::regclass
UNION ALL
SELECT 'pg_proc', p.oid, 'pg_transform', t.oid, 'n'
FROM pg_proc p JOIN pg_transform t ON t.trflang = p.prolang AND t.trftype = ANY (p.protrftypes::oid[])
WHERE p.protrftypes IS NOT NULL AND p.oid >= 16384 AND t.oid >= 16384`)
	return err
}

// assembly ties rows to the objects they belong to.
type assembly struct {
	*reader
	tables      map[uint32]*Table
	views       map[uint32]*View
	composites  map[uint32]*Type // by pg_class oid
	types       map[uint32]*Type
	typeRows    map[uint32]typeRow
	needs       map[Ref]*[]Ref    // where an object's dependencies go
	onExtension map[Ref]*[]string // where its DEPENDS ON EXTENSION go
	configured  map[*[]Ref]bool   // the dependencies of defaults in an extension's configuration
}

func (r *reader) assemble() {
	a := &assembly{
		reader: r, tables: map[uint32]*Table{}, views: map[uint32]*View{}, composites: map[uint32]*Type{},
		types: map[uint32]*Type{}, typeRows: map[uint32]typeRow{}, needs: map[Ref]*[]Ref{}, onExtension: map[Ref]*[]string{},
		configured: map[*[]Ref]bool{},
	}
	for i := range r.c.Tables {
		a.tables[r.c.Tables[i].OID] = &r.c.Tables[i]
	}
	for i := range r.c.Views {
		a.views[r.c.Views[i].OID] = &r.c.Views[i]
	}
	for i := range r.c.Types {
		t := &r.c.Types[i]
		a.types[t.OID] = t
		if t.Kind == TypeComposite {
			a.composites[t.Relation] = t
		}
	}
	for i := range r.baseTypes {
		if t := a.types[r.baseTypes[i].OID]; t != nil {
			t.BaseType = &r.baseTypes[i].BaseType
		}
	}
	for _, t := range r.typeRows {
		a.typeRows[t.OID] = t
	}
	a.attachColumns()
	a.attachParts()
	a.attachMembers()
	for _, p := range r.parents {
		if t := a.tables[p.Child]; t != nil {
			t.Parents = append(t.Parents, p.Parent)
		}
	}
	for i := range r.c.Tables {
		r.c.Tables[i].settleIdentity(r.identities)
	}
	a.attachLabels()
	a.attachDependencies()
	a.attachImplicit()
	a.forgetDroppedRoles()
}

func (a *assembly) attachColumns() {
	for oid, t := range a.tables {
		t.Columns = a.columns[oid]
	}
	for oid, v := range a.views {
		v.Columns = a.columns[oid]
	}
	for oid, t := range a.composites {
		t.Columns = a.columns[oid]
	}
}

// ownOptions leaves out the option in which the minor releases since November 2026 keep the version of a column
// (ATTRIBUTE_VERSION_ATTOPTION in src/include/catalog/pg_attribute.h). It is the server's, and SET ignores it.
func ownOptions(options []string) []string {
	options = slices.DeleteFunc(options, func(o string) bool { return strings.HasPrefix(o, "pg_attver=") })
	if len(options) == 0 {
		return nil
	}
	return options
}

func (a *assembly) attachParts() {
	for _, k := range a.constraints {
		if t := a.tables[k.Relation]; t != nil {
			t.Constraints = append(t.Constraints, k.Constraint)
		} else if d := a.types[k.Domain]; d != nil {
			d.Constraints = append(d.Constraints, k.Constraint)
		}
	}
	for _, i := range a.indexes {
		if t := a.tables[i.Relation]; t != nil {
			t.Indexes = append(t.Indexes, i.Index)
		} else if v := a.views[i.Relation]; v != nil {
			v.Indexes = append(v.Indexes, i.Index)
		}
	}
	for _, g := range a.triggers {
		if t := a.tables[g.Relation]; t != nil {
			t.Triggers = append(t.Triggers, g.Trigger)
		} else if v := a.views[g.Relation]; v != nil {
			v.Triggers = append(v.Triggers, g.Trigger)
		}
	}
	for _, w := range a.rules {
		if t := a.tables[w.Relation]; t != nil {
			t.Rules = append(t.Rules, w.Rule)
		} else if v := a.views[w.Relation]; v != nil && !w.Return {
			v.Rules = append(v.Rules, w.Rule)
		}
	}
	for _, p := range a.policies {
		if t := a.tables[p.Relation]; t != nil {
			t.Policies = append(t.Policies, p.Policy)
		}
	}
}

// settleIdentity finds the columns that identify a row in the log, and the
// replica identity that is the user's own.
func (t *Table) settleIdentity(recorded map[uint32]string) {
	if t.foreign() {
		return
	}
	t.ReplicaIdentity = t.LiveIdentity
	// What was given is FULL, or DEFAULT in the place of NOTHING (keep_identity, package wal).
	if original, ok := recorded[t.OID]; ok && (t.LiveIdentity == "f" || t.LiveIdentity == "d" && original == "n") {
		t.ReplicaIdentity = original
	}
	if t.LiveIdentity == "n" {
		return
	}
	for _, i := range t.Indexes {
		if !i.Immediate || !i.Valid || (t.LiveIdentity == "i") != i.Identity || (t.LiveIdentity != "i" && !i.Primary) {
			continue
		}
		usable := func(attnum int16) bool {
			c := t.column(attnum)
			return c != nil && c.Generated == ""
		}
		if !slices.ContainsFunc(i.Keys, func(k int16) bool { return !usable(k) }) {
			t.IdentityAttnums = slices.Clone(i.Keys)
		}
	}
}

// attachDependencies puts every dependency where its object is, naming what it
// needs by the object that DDL makes.
func (a *assembly) attachDependencies() {
	a.openSlots()
	extensions := map[uint32]string{}
	for _, e := range a.c.Extensions {
		extensions[e.OID] = e.Name
	}
	indexed := map[Ref]Ref{} // the table of each index
	for _, i := range a.indexes {
		indexed[Ref{ClassRelation, i.OID}] = Ref{ClassRelation, i.Relation}
	}
	for _, d := range a.dependencies {
		from := Ref{Class(d.Class), d.Object}
		if d.Type == "x" {
			if slot := a.onExtension[from]; slot != nil && extensions[d.Ref] != "" {
				*slot = append(*slot, extensions[d.Ref])
			}
			continue
		}
		slot := a.needs[from]
		if slot == nil {
			continue
		}
		to, ok := Ref{Class(d.RefClass), d.Ref}, true
		if !a.configured[slot] || a.needs[to] == nil { // a copy of the table has a copy of its sequence
			to, ok = a.resolve(to)
		}
		if ok && a.needs[to] != slot {
			*slot = append(*slot, to)
		}
		// What names an index needs its table too.
		if of, isIndex := indexed[to]; isIndex && d.Type == "n" && a.needs[of] != nil && a.needs[of] != slot {
			*slot = append(*slot, of)
		}
	}
	for _, slot := range a.needs {
		slices.SortFunc(*slot, compareRefs)
		*slot = slices.Compact(*slot)
	}
	for _, slot := range a.onExtension {
		slices.Sort(*slot)
	}
}

// openSlots makes the places for dependencies: of objects, and of their parts.
func (a *assembly) openSlots() {
	for o := range a.c.objects() {
		a.needs[o.ref()] = &o.head().Depends
		a.onExtension[o.ref()] = &o.head().DependsOnExtensions
		switch o := o.(type) {
		case *Type:
			if o.Kind == TypeComposite {
				a.needs[Ref{ClassRelation, o.Relation}] = &o.Depends
			}
			a.openConstraints(o.Constraints)
		case *OperatorClass:
			for _, m := range o.Members {
				a.needs[Ref{m.Class, m.OID}] = &o.Depends
			}
		case *OperatorFamily:
			for i := range o.Members {
				a.needs[Ref{o.Members[i].Class, o.Members[i].OID}] = &o.Members[i].Depends
			}
		case *View:
			a.openRelationParts(o.Columns, o.Indexes, o.Triggers, o.Rules)
		case *Table:
			a.openConstraints(o.Constraints)
			a.openRelationParts(o.Columns, o.Indexes, o.Triggers, o.Rules)
			for i := range o.Columns {
				if o.configures() {
					a.configured[&o.Columns[i].DefaultDepends] = true
				}
			}
			for i := range o.Policies {
				a.needs[Ref{ClassPolicy, o.Policies[i].OID}] = &o.Policies[i].Depends
			}
		}
	}
	for _, w := range a.rules {
		if v := a.views[w.Relation]; v != nil && w.Return {
			a.needs[Ref{ClassRule, w.OID}] = &v.Depends
		}
	}
}

func (a *assembly) openConstraints(constraints []Constraint) {
	for i := range constraints {
		a.needs[Ref{ClassConstraint, constraints[i].OID}] = &constraints[i].Depends
	}
}

func (a *assembly) openRelationParts(columns []Column, indexes []Index, triggers []Trigger, rules []Rule) {
	for i := range columns {
		if columns[i].DefaultOID != 0 {
			a.needs[Ref{ClassDefault, columns[i].DefaultOID}] = &columns[i].DefaultDepends
		}
	}
	for i := range indexes {
		a.needs[Ref{ClassRelation, indexes[i].OID}] = &indexes[i].Depends
		a.onExtension[Ref{ClassRelation, indexes[i].OID}] = &indexes[i].OnExtension
	}
	for i := range triggers {
		a.needs[Ref{ClassTrigger, triggers[i].OID}] = &triggers[i].Depends
		a.onExtension[Ref{ClassTrigger, triggers[i].OID}] = &triggers[i].OnExtension
	}
	for i := range rules {
		a.needs[Ref{ClassRule, rules[i].OID}] = &rules[i].Depends
	}
}

// resolve names the object whose CREATE makes the one given: the extension of a
// member, the table of a row type, the element of an array. It is false
// for what the model does not hold.
func (a *assembly) resolve(ref Ref) (Ref, bool) {
	for range 4 { // array → row type → table is the longest way
		if extension, ok := a.members[ref]; ok {
			ref = Ref{ClassExtension, extension}
		}
		if ref.Class == ClassRelation && a.composites[ref.OID] != nil {
			ref = Ref{ClassType, a.composites[ref.OID].OID}
		}
		row, ok := a.typeRows[ref.OID]
		if ref.Class != ClassType || !ok || a.types[ref.OID] != nil {
			break
		}
		switch {
		case row.Element != 0:
			ref.OID = row.Element
		case row.Range != 0:
			ref.OID = row.Range
		case row.Relation != 0:
			ref = Ref{ClassRelation, row.Relation}
		}
	}
	return ref, a.needs[ref] != nil
}
