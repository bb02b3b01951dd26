package catalog

import (
	"slices"
	"strings"
)

// unsaid finds what expressions need although pg_depend does not say so: the casts that they use (of one by a function
// pg_depend has the function alone), and the default operator classes by which ORDER BY, DISTINCT and their like compare values.
// It rather finds too much: such a need is given up where it would make a circle.
type unsaid struct {
	p       *planner
	casts   map[Ref][]*Cast // by each type and function of theirs that the script makes
	system  []*Cast         // those that have none
	classes map[Ref][]Ref   // by type
	others  []Ref           // classes for types of the system or of extensions
}

func newUnsaid(p *planner) *unsaid {
	u := &unsaid{p: p, casts: map[Ref][]*Cast{}, classes: map[Ref][]Ref{}}
	for i := range p.c.Casts {
		k := &p.c.Casts[i]
		known := false
		for _, ref := range k.Depends {
			if ref.Class != ClassExtension {
				u.casts[ref], known = append(u.casts[ref], k), true
			}
		}
		if !known {
			u.system = append(u.system, k)
		}
	}
	for i := range p.c.OperatorClasses {
		c := &p.c.OperatorClasses[i]
		if !c.Default || c.Method != "btree" && c.Method != "hash" {
			continue
		}
		known := false
		for _, ref := range c.Depends {
			if ref.Class == ClassType || ref.Class == ClassRelation {
				u.classes[ref], known = append(u.classes[ref], c.ref()), true
			}
		}
		if !known {
			u.others = append(u.others, c.ref())
		}
	}
	return u
}

// of finds the unsaid needs of an expression with known needs. PostgreSQL prints implicit casts like others. Where
// types is not empty it has the types that the expression may begin with.
func (u *unsaid) of(needs []Ref, text, types string) []Ref {
	if len(u.casts)+len(u.system)+len(u.classes)+len(u.others) == 0 {
		return nil
	}
	var found []Ref
	compares := slices.ContainsFunc([]string{"ORDER BY", "GROUP BY", "DISTINCT", "GREATEST", "LEAST", "ROW(", "UNION", "INTERSECT", "EXCEPT"},
		func(word string) bool { return strings.Contains(text, word) })
	for _, k := range u.system {
		if strings.Contains(text, "::"+k.Target) && (types == "" || strings.Contains(types+text, k.Source)) {
			found = append(found, k.ref())
		}
	}
	if compares {
		found = append(found, u.others...)
	}
	for _, ref := range u.within(needs) {
		for _, k := range u.casts[ref] {
			if strings.Contains(text, "::"+k.Target) {
				found = append(found, k.ref())
			}
		}
		if compares {
			found = append(found, u.classes[ref]...)
		}
	}
	slices.SortFunc(found, compareRefs)
	return slices.Compact(found)
}

// with are the known needs of an expression and the unsaid ones, of which the object's own needs tell the types.
func (u *unsaid) with(needs, object []Ref, text, types string) []Ref {
	return append(slices.Clip(needs), u.of(append(slices.Clip(object), needs...), text, types)...)
}

// within are the needs themselves, and the types that types and rows among them are made of.
func (u *unsaid) within(needs []Ref) []Ref {
	all, seen := slices.Clone(needs), map[Ref]bool{}
	for i := 0; i < len(all); i++ {
		n := u.p.nodes[all[i]]
		if n == nil || seen[all[i]] || all[i].Class != ClassType && all[i].Class != ClassRelation {
			continue
		}
		seen[all[i]] = true
		for _, ref := range n.object.head().Depends {
			if ref.Class == ClassType || ref.Class == ClassRelation {
				all = append(all, ref)
			}
		}
	}
	return all
}

// types are the types of a table's columns, in one text.
func (u *unsaid) types(t *Table) string {
	if len(u.system) == 0 {
		return ""
	}
	var b strings.Builder
	for _, c := range t.Columns {
		b.WriteString(c.TypeName + " ")
	}
	return b.String()
}

// parsed is the part of a function's definition that the server looks into when the function is made: defaults of
// arguments, and a body that is not a string.
func (f *Function) parsed() string {
	header, _, _ := strings.Cut(f.Definition, "\nAS ")
	return header
}
