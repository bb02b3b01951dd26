package catalog

import (
	"slices"
	"strings"
)

// The order of columns under inheritance tells how the tables came about. CREATE TABLE … INHERITS puts the parents'
// columns first, so that a column which a parent got later, behind a child's own, has to come later in the copy too:
// first the tables are made with the columns they began with, then the rest is added to the parents and goes on to the
// children, as it once did. It matters where rows are taken whole: in values of the tables' row types, in SELECT *
// and in INSERT without a list of columns.

// classColumns stands for the columns that are added to the tables of one family of INHERITS.
const classColumns Class = "columns"

// columnOrder says which columns come later.
type columnOrder struct {
	// begins is the number of columns that CREATE TABLE makes, of tables that get others later.
	begins map[uint32]int
	// families are the tables that are tied by inheritance, where any of them gets columns later.
	families [][]*Table
	// added are the columns of each family in the order in which they are added.
	added [][]addedColumn
}

// addedColumn is a column that is added to a table, and with it to the table's children.
type addedColumn struct {
	table  uint32
	column int // index in Table.Columns
}

// lateConstraint says whether a constraint of the table names a column that comes later.
func (f *tableForm) lateConstraint(k *Constraint) bool {
	return slices.ContainsFunc(k.Columns, func(attnum int16) bool {
		return f.late(f.t, slices.IndexFunc(f.t.Columns, func(c Column) bool { return c.Attnum == attnum }))
	})
}

// orderColumns finds what has to come later, family by family. A family whose order no history explains is made
// as CREATE TABLE makes it.
func (p *planner) orderColumns() {
	p.columns.begins = map[uint32]int{}
	for _, family := range p.inheritanceFamilies() {
		begins := p.beginnings(family)
		if begins == nil {
			continue
		}
		added, ok := p.sortAdded(family, begins)
		if !ok {
			p.giveUpOrder(family)
			continue
		}
		for oid, n := range begins {
			p.columns.begins[oid] = n
		}
		p.columns.families = append(p.columns.families, family)
		p.columns.added = append(p.columns.added, added)
	}
}

// giveUpOrder leaves a family as CREATE TABLE makes it, told, unless there are values whose text has the columns in order.
func (p *planner) giveUpOrder(family []*Table) {
	first := p.table(family[0].OID).String()
	p.leaveOut("order of the columns of "+first+" and of the tables tied to it by inheritance",
		"no order of adding them leads to it; they are found by name")
	rows, names := map[Ref]bool{}, map[string]bool{}
	for _, t := range family {
		rows[t.ref()], names[t.SQLName()] = true, true
	}
	ofRows := func(r Ref) bool { return rows[r] }
	for grown := true; grown; {
		grown = false
		for i := range p.c.Types {
			if t := &p.c.Types[i]; !rows[t.ref()] && slices.ContainsFunc(t.Depends, ofRows) {
				rows[t.ref()], grown = true, true
			}
		}
	}
	for i := range p.c.Tables {
		t := &p.c.Tables[i]
		holds := slices.ContainsFunc(t.Depends, func(r Ref) bool { return rows[r] && !slices.Contains(t.Parents, r.OID) }) ||
			slices.ContainsFunc(t.Columns, func(c Column) bool { return names[strings.TrimRight(c.TypeName, "[]")] })
		if p.selected[t.OID] && holds {
			p.fail("table %s.%s holds rows of %s or of a table tied to it by inheritance, whose columns cannot be made in their order: "+
				"restore without one of them",
				t.Schema, t.Name, first)
		}
	}
}

// inheritanceFamilies are the script's tables with INHERITS, and their parents, by what ties them.
func (p *planner) inheritanceFamilies() [][]*Table {
	tied := map[uint32][]uint32{}
	for i := range p.c.Tables {
		t := &p.c.Tables[i]
		if f := p.form(t); p.selected[t.OID] && !f.alone && !t.Partition {
			for _, parent := range f.parents {
				tied[t.OID] = append(tied[t.OID], parent.OID)
				tied[parent.OID] = append(tied[parent.OID], t.OID)
			}
		}
	}
	var families [][]*Table
	seen := map[uint32]bool{}
	for i := range p.c.Tables {
		queue := []uint32{p.c.Tables[i].OID}
		if seen[queue[0]] || tied[queue[0]] == nil {
			continue
		}
		var family []*Table
		for ; len(queue) > 0; queue = queue[1:] {
			if !seen[queue[0]] {
				seen[queue[0]] = true
				family = append(family, p.tables[queue[0]])
				queue = append(queue, tied[queue[0]]...)
			}
		}
		families = append(families, family)
	}
	return families
}

// beginnings gives, for each table of a family, how many of its columns are there from the beginning, or nil if all
// are of all. Whatever CREATE TABLE would put too far to the front is taken away where it comes from, until nothing is.
func (p *planner) beginnings(family []*Table) map[uint32]int {
	begins := map[uint32]int{}
	for _, t := range family {
		begins[t.OID] = len(t.Columns)
	}
	delayed := false
	for changed := true; changed; {
		changed = false
		for _, t := range family {
			f := p.form(t)
			f.begins = begins
			if f.shorten() {
				changed, delayed = true, true
			}
		}
	}
	if !delayed {
		return nil
	}
	return begins
}

// shorten takes away the first column that CREATE TABLE would put to the wrong place, or could not inherit. It is
// false if there is none.
func (f *tableForm) shorten() bool {
	made := f.columnsMade()
	n := f.begins[f.t.OID]
	for i, name := range made {
		if i < n && f.t.Columns[i].Name == name && f.accepted(&f.t.Columns[i]) {
			continue
		}
		if !f.delay(name) {
			f.begins[f.t.OID] = i
		}
		return true
	}
	for i := range made {
		if c := &f.t.Columns[i]; f.own(c) && c.generatedFrom(f.t.Columns[len(made):]) {
			f.begins[f.t.OID] = i
			return true
		}
	}
	f.begins[f.t.OID] = len(made)
	return len(made) < n
}

// generatedFrom says whether the column's generation expression may name one of the others.
func (c *Column) generatedFrom(others []Column) bool {
	return c.Generated != "" && slices.ContainsFunc(others, func(o Column) bool { return strings.Contains(c.Default, QuoteIdent(o.Name)) })
}

// own says that a column is the table's own, or counts as that as a parent is missing.
func (f *tableForm) own(c *Column) bool { return c.Local || f.alone }

// accepted says that CREATE TABLE takes a column as it is. Before 16 it takes no generation expression of a child's own.
func (f *tableForm) accepted(c *Column) bool {
	if f.own(c) {
		return c.Generated == "" || f.ownGeneration || len(f.parentColumns(c.Name)) == 0
	}
	return !f.inheritedDefaultsConflict(c)
}

// columnsMade are the names of the columns, in order, that CREATE TABLE gives the table.
func (f *tableForm) columnsMade() []string {
	var made []string
	add := func(name string) {
		if !slices.Contains(made, name) {
			made = append(made, name)
		}
	}
	for _, parent := range f.parents {
		for _, c := range parent.Columns[:f.begins[parent.OID]] {
			add(c.Name)
		}
	}
	for i := range f.t.Columns[:f.begins[f.t.OID]] {
		if c := &f.t.Columns[i]; f.own(c) {
			add(c.Name)
		}
	}
	return made
}

// delay takes a column, and with it those behind it, away from the parents that would hand it on.
func (f *tableForm) delay(name string) bool {
	delayed := false
	for _, parent := range f.parents {
		i := slices.IndexFunc(parent.Columns, func(c Column) bool { return c.Name == name })
		if i >= 0 && !f.late(parent, i) {
			f.begins[parent.OID], delayed = i, true
		}
	}
	return delayed
}

// sortAdded puts the columns that come later into an order that gives each table its own. It is false if there is none.
func (p *planner) sortAdded(family []*Table, begins map[uint32]int) ([]addedColumn, bool) {
	var all []addedColumn
	after := map[addedColumn][]addedColumn{}
	waiting := map[addedColumn]int{}
	follow := func(a, b addedColumn) {
		if a != b && !slices.Contains(after[a], b) {
			after[a] = append(after[a], b)
			waiting[b]++
		}
	}
	for _, t := range family {
		f := p.form(t)
		var last []addedColumn
		for i := begins[t.OID]; i < len(t.Columns); i++ {
			origins := p.origins(t, i, begins)
			if f.own(&t.Columns[i]) {
				all = append(all, addedColumn{t.OID, i})
				for j := begins[t.OID]; j < len(t.Columns); j++ {
					if t.Columns[i].generatedFrom(t.Columns[j:j+1]) && j != i {
						follow(p.origins(t, j, begins)[0], addedColumn{t.OID, i})
					}
				}
			}
			for j, o := range origins {
				if j > 0 {
					follow(origins[0], o) // the first makes it, the others find it there
				}
			}
			if len(last) > 0 && len(origins) > 0 {
				follow(last[0], origins[0])
			}
			last = origins
		}
	}
	var sorted []addedColumn
	for len(sorted) < len(all) {
		i := slices.IndexFunc(all, func(c addedColumn) bool { return waiting[c] == 0 })
		if i < 0 {
			return nil, false
		}
		free := all[i]
		waiting[free] = -1
		sorted = append(sorted, free)
		for _, next := range after[free] {
			waiting[next]--
		}
	}
	return sorted, true
}

// origins are the additions that give a table one of its later columns: its own, or else those of its parents.
func (p *planner) origins(t *Table, column int, begins map[uint32]int) []addedColumn {
	f := p.form(t)
	var origins []addedColumn
	if f.own(&t.Columns[column]) {
		origins = append(origins, addedColumn{t.OID, column})
	}
	for _, parent := range f.parents {
		i := slices.IndexFunc(parent.Columns, func(c Column) bool { return c.Name == t.Columns[column].Name })
		if i >= begins[parent.OID] {
			origins = append(origins, p.origins(parent, i, begins)...)
		}
	}
	return origins
}

// addColumnNodes makes a node for the later columns of each family. It needs all its tables, and whatever
// needs any of these needs it.
func (p *planner) addColumnNodes() {
	for i, family := range p.columns.families {
		n := &node{ref: Ref{classColumns, family[0].OID}, rank: rankTable, key: []string{family[0].Schema, family[0].Name, "columns"}}
		n.emit = func() { p.addColumns(family, p.columns.added[i]) }
		members := map[Ref]bool{}
		for _, t := range family {
			n.needs = append(n.needs, t.ref())
			members[t.ref()] = true
		}
		wait := func(needs []Ref) []Ref {
			if slices.ContainsFunc(needs, func(r Ref) bool { return members[r] }) {
				return append(slices.Clip(needs), n.ref)
			}
			return needs
		}
		for _, other := range p.nodes {
			if members[other.ref] {
				continue
			}
			other.needs = wait(other.needs)
			for _, part := range other.parts {
				part.needs = wait(part.needs)
			}
		}
		p.nodes[n.ref] = n
	}
}

// addColumns adds the later columns of a family and what is said of them.
func (p *planner) addColumns(family []*Table, added []addedColumn) {
	for _, a := range added {
		t := p.tables[a.table]
		f := p.form(t)
		c := &t.Columns[a.column]
		line := strings.TrimSpace(p.columnSQL(&f, c, p.nodes[t.ref()]))
		p.add(Statement{Kind: "COLUMN", Name: f.name.String() + "." + c.Name, OID: t.OID, Table: t.OID,
			SQL: "ALTER TABLE " + f.name.SQL() + " ADD COLUMN " + line})
	}
	for _, t := range family {
		f, n := p.form(t), p.nodes[t.ref()]
		p.alterColumns(&f, n, true)
		p.addColumnComments(&f, true)
		p.addIdentitySequences(&f, true)
		for i := range t.Constraints {
			k := &t.Constraints[i]
			if !f.lateConstraint(k) || !k.Validated || n.detached(Ref{ClassConstraint, k.OID}) {
				continue
			}
			c := t.column(k.Columns[0])
			if k.Kind == "c" || k.Kind == "n" && c != nil && !f.printed(c) {
				p.addCheck(t, k)
			}
		}
	}
	for _, t := range family { // after NOT NULLs that went on to children
		f := p.form(t)
		for i := range t.Columns {
			c := &t.Columns[i]
			var parents []*Column
			for _, parent := range f.parents {
				for j := range parent.Columns {
					if parent.Columns[j].Name == c.Name && (f.late(t, i) || f.late(parent, j)) {
						parents = append(parents, &parent.Columns[j])
					}
				}
			}
			p.dropInheritedNotNull(&f, c, parents)
		}
	}
}
