package catalog

import (
	"cmp"
	"slices"
)

// Constraints that a table inherits are not written: they come with the parents', when the table is made, when a parent
// gets a column later, or after the rows with a parent's that is NOT VALID. Of a CHECK the name is what is inherited. Of a
// NOT NULL it is the column, and the name is that of the first parent which has it (AddRelationNotNullConstraints in
// src/backend/catalog/heap.c) or got it first.

// says says that a CHECK or NOT NULL is written with its table, whatever the parents have.
func (f *tableForm) says(k *Constraint) bool { return k.Local || f.t.Partition || f.alone }

// comesLate says that a valid CHECK or NOT NULL comes to the table with a parent's that is NOT VALID.
func (p *planner) comesLate(f *tableForm, k *Constraint) bool {
	if f.says(k) || !k.Validated {
		return false
	}
	switch k.Kind {
	case "c":
		return slices.ContainsFunc(f.parents, func(parent *Table) bool {
			i := slices.IndexFunc(parent.Constraints, func(o Constraint) bool { return o.Kind == "c" && o.Name == k.Name })
			if i < 0 {
				return false
			}
			o, of := &parent.Constraints[i], p.form(parent)
			return !o.Validated && o.Enforced || p.comesLate(&of, o)
		})
	case "n":
		_, late := p.inheritedNotNull(f, k)
		return late
	}
	return false
}

// nameOf is the name that a constraint has in the copy. That of an inherited NOT NULL is not ours to choose: the source's may come from
// a parent that got it when another had it already, and cannot be changed in the child alone (rename_constraint_internal in
// src/backend/commands/tablecmds.c).
func (p *planner) nameOf(f *tableForm, k *Constraint) string {
	switch {
	case p.constraints[k.OID] != nil:
		return p.indexName[k.Index].Name
	case k.Kind == "n" && !f.says(k):
		name, _ := p.inheritedNotNull(f, k)
		return name
	}
	return k.Name
}

// inheritedNotNull is the name of the NOT NULL that the parents give to the table for the column of its own, and whether
// they do so after the rows.
func (p *planner) inheritedNotNull(f *tableForm, k *Constraint) (name string, late bool) {
	column := f.t.column(k.Columns[0])
	added, unsure := "", "" // with a column that a parent gets later, with one that is NOT VALID
	for _, parent := range f.parents {
		i := slices.IndexFunc(parent.Columns, func(c Column) bool { return column != nil && c.Name == column.Name })
		if i < 0 {
			continue
		}
		o, of := parent.notNullConstraint(&parent.Columns[i]), p.form(parent)
		switch {
		case o == nil || o.NoInherit:
		case !o.Validated || p.comesLate(&of, o):
			unsure = cmp.Or(unsure, p.nameOf(&of, o))
		case f.late(parent, i):
			added = cmp.Or(added, p.nameOf(&of, o))
		default:
			return p.nameOf(&of, o), false
		}
	}
	return cmp.Or(added, unsure, k.Name), added == "" && unsure != ""
}
