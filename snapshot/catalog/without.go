package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Without gives the catalog without some objects, for each of which there is a reason, and without what needs them: views,
// functions and their like go along, and of tables that stay the defaults, constraints, indexes, triggers, rules and policies.
// All of it is told. The partitions of a table do not go with it; give them too.
//
// A table that cannot be made without one of the objects, as its column is of such a type, is an error, but for foreign tables. The
// catalog itself stays as it is, and shares what is the same with the new one.
func (c *Catalog) Without(objects map[Ref]string) (*Catalog, []LeftOut, error) {
	w := &reduction{c: c, gone: maps.Clone(objects), names: map[Ref]string{}}
	for o := range c.objects() {
		w.names[o.ref()] = nameOf(o)
	}
	if err := w.follow(); err != nil {
		return nil, nil, err
	}
	return w.reduce(), w.told, nil
}

// nameOf names an object for people.
func nameOf(o object) string {
	if m, ok := o.(creatable); ok {
		at := m.address()
		if at.kind != "" {
			return strings.ToLower(at.kind) + " " + at.name
		}
	}
	kind := strings.TrimPrefix(fmt.Sprintf("%T", o), "*catalog.")
	switch o.(type) {
	case *EventTrigger:
		kind = "event trigger"
	case *Publication:
		kind = "publication"
	case *Subscription:
		kind = "subscription"
	case *Statistics:
		kind = "statistics"
	}
	return kind + " " + o.head().SQLName()
}

// reduction takes objects out of a catalog.
type reduction struct {
	c     *Catalog
	gone  map[Ref]string // and why
	names map[Ref]string
	told  []LeftOut
}

// lacks says which of the references is to something that is gone.
func (w *reduction) lacks(refs []Ref) (Ref, bool) {
	for _, r := range refs {
		if _, gone := w.gone[r]; gone {
			return r, true
		}
	}
	return Ref{}, false
}

// follow adds what needs what is gone, until nothing more does.
func (w *reduction) follow() error {
	for grown := true; grown; {
		grown = false
		for o := range w.c.objects() {
			if _, gone := w.gone[o.ref()]; gone {
				continue
			}
			lost, lacks := w.lacks(needsOf(o))
			if op, ok := o.(*Operator); ok && !lacks && op.Function == "" && !w.named(op) {
				lost, lacks = op.ref(), true
			}
			if !lacks {
				continue
			}
			if t, ok := o.(*Table); ok && t.Kind != "f" { // a foreign table has no rows to lose
				return fmt.Errorf("table %s.%s cannot be made without %s (%s): leave it out too", t.Schema, t.Name, w.names[lost], w.gone[lost])
			}
			why := "it needs " + w.names[lost]
			if lost == o.ref() {
				why = "the operators that it is a partner of are left out"
			}
			w.gone[o.ref()], grown = why, true
		}
	}
	for o := range w.c.objects() {
		if why, gone := w.gone[o.ref()]; gone {
			w.told = append(w.told, LeftOut{w.names[o.ref()], why})
		}
	}
	return nil
}

// named says that an operator which only others name still is named by one.
func (w *reduction) named(o *Operator) bool {
	return slices.ContainsFunc(w.c.Operators, func(p Operator) bool {
		_, gone := w.gone[p.ref()]
		return !gone && p.Function != "" && slices.Contains(p.Partners, o.ref())
	})
}

// needsOf are the needs that an object cannot be made without.
func needsOf(o object) []Ref {
	needs := o.head().Depends
	switch o := o.(type) {
	case *Table:
		needs = slices.DeleteFunc(slices.Clone(needs), func(r Ref) bool { return r.Class == ClassRelation && slices.Contains(o.Parents, r.OID) })
		for _, c := range o.Columns {
			if c.Generated != "" {
				needs = append(needs, c.DefaultDepends...)
			}
		}
	case *Sequence:
		if o.OwnerTable != 0 {
			needs = append(slices.Clip(needs), Ref{ClassRelation, o.OwnerTable})
		}
	case *Statistics:
		needs = append(slices.Clip(needs), Ref{ClassRelation, o.Table})
	case *OperatorClass:
		for _, m := range o.Members {
			needs = append(slices.Clip(needs), m.Depends...)
		}
	}
	return needs
}

// reduce makes the catalog that is left.
func (w *reduction) reduce() *Catalog {
	c := *w.c
	c.Schemas = left(w, c.Schemas)
	c.Extensions = left(w, c.Extensions)
	c.Collations = left(w, c.Collations)
	c.Languages = left(w, c.Languages)
	c.Types = left(w, c.Types)
	c.Functions = left(w, c.Functions)
	c.Aggregates = left(w, c.Aggregates)
	c.AccessMethods = left(w, c.AccessMethods)
	c.Operators = left(w, c.Operators)
	c.OperatorFamilies = left(w, c.OperatorFamilies)
	c.OperatorClasses = left(w, c.OperatorClasses)
	c.Sequences = left(w, c.Sequences)
	c.ForeignDataWrappers = left(w, c.ForeignDataWrappers)
	c.ForeignServers = left(w, c.ForeignServers)
	c.UserMappings = left(w, c.UserMappings)
	c.TextSearchParsers = left(w, c.TextSearchParsers)
	c.TextSearchTemplates = left(w, c.TextSearchTemplates)
	c.TextSearchDictionaries = left(w, c.TextSearchDictionaries)
	c.TextSearchConfigurations = left(w, c.TextSearchConfigurations)
	c.Tables = left(w, c.Tables)
	c.Views = left(w, c.Views)
	c.Casts = left(w, c.Casts)
	c.Conversions = left(w, c.Conversions)
	c.Transforms = left(w, c.Transforms)
	c.Statistics = left(w, c.Statistics)
	c.EventTriggers = left(w, c.EventTriggers)
	c.Publications = left(w, c.Publications)
	c.Subscriptions = left(w, c.Subscriptions)
	for i := range c.Types {
		t := &c.Types[i]
		t.Constraints = kept(w, t.Constraints, func(k *Constraint) (string, []Ref) {
			return "constraint " + k.Name + " of " + t.Schema + "." + t.Name, k.Depends
		})
	}
	for i := range c.OperatorFamilies {
		f := &c.OperatorFamilies[i]
		f.Members = kept(w, f.Members, func(m *FamilyMember) (string, []Ref) { return m.Name + " of " + w.names[f.ref()], m.Depends })
	}
	c.OperatorFamilies = slices.DeleteFunc(c.OperatorFamilies, func(f OperatorFamily) bool { return f.Foreign && len(f.Members) == 0 })
	for i := range c.Operators {
		w.reduceOperator(&c.Operators[i])
	}
	for i := range c.Tables {
		w.reduceTable(&c.Tables[i])
	}
	for i := range c.Views {
		v := &c.Views[i]
		w.reduceParts(v.Schema+"."+v.Name, &v.Columns, &v.Indexes, &v.Triggers, &v.Rules)
	}
	for i := range c.Publications {
		b := &c.Publications[i]
		b.Tables = slices.DeleteFunc(slices.Clone(b.Tables), func(t PublicationTable) bool {
			why, gone := w.gone[Ref{ClassRelation, t.Table}]
			if gone {
				w.told = append(w.told, LeftOut{w.names[Ref{ClassRelation, t.Table}] + " in publication " + b.Name, why})
			}
			return gone
		})
	}
	return &c
}

// reduceOperator lets an operator not name partners that are gone, for that would make shells of them.
func (w *reduction) reduceOperator(o *Operator) {
	for _, partner := range w.c.Operators {
		if _, gone := w.gone[partner.ref()]; !gone || !slices.Contains(o.Partners, partner.ref()) {
			continue
		}
		name := QuoteIdent(partner.Schema) + "." + partner.Name
		if o.Commutator == name {
			o.Commutator = ""
		}
		if o.Negator == name {
			o.Negator = ""
		}
		o.Partners = slices.DeleteFunc(slices.Clone(o.Partners), func(r Ref) bool { return r == partner.ref() })
	}
}

func (w *reduction) reduceTable(t *Table) {
	name, indexes := t.Schema+"."+t.Name, t.Indexes
	w.reduceParts(name, &t.Columns, &t.Indexes, &t.Triggers, &t.Rules)
	t.Constraints = kept(w, t.Constraints, func(k *Constraint) (string, []Ref) {
		if k.Kind == "f" {
			return "", nil // the planner tells of those whose other table is not there
		}
		needs := k.Depends
		if i := slices.IndexFunc(indexes, func(x Index) bool { return x.Constraint == k.OID }); i >= 0 {
			needs = append(slices.Clip(needs), indexes[i].Depends...)
		}
		return "constraint " + k.Name + " of " + name, needs
	})
	t.Indexes = slices.DeleteFunc(slices.Clone(t.Indexes), func(x Index) bool {
		return x.Constraint != 0 && !slices.ContainsFunc(t.Constraints, func(k Constraint) bool { return k.OID == x.Constraint })
	})
	t.Policies = kept(w, t.Policies, func(y *Policy) (string, []Ref) { return "policy " + y.Name + " on " + name, y.Depends })
}

// reduceParts takes out of a relation what needs something that is gone.
func (w *reduction) reduceParts(name string, columns *[]Column, indexes *[]Index, triggers *[]Trigger, rules *[]Rule) {
	cloned := false
	for i := range *columns {
		c := &(*columns)[i]
		lost, lacks := w.lacks(c.DefaultDepends)
		if !lacks || c.Generated != "" {
			continue
		}
		if !cloned {
			*columns, cloned = slices.Clone(*columns), true
			c = &(*columns)[i]
		}
		w.told = append(w.told, LeftOut{"default of " + name + "." + c.Name, "it needs " + w.names[lost]})
		c.Default, c.DefaultOID, c.DefaultDepends = "", 0, nil
	}
	*indexes = kept(w, *indexes, func(x *Index) (string, []Ref) {
		if x.Constraint != 0 {
			return "", nil // told with its constraint
		}
		return "index " + x.Name + " of " + name, x.Depends
	})
	*triggers = kept(w, *triggers, func(g *Trigger) (string, []Ref) {
		needs := append(slices.Clip(g.Depends), Ref{ClassFunction, g.Function})
		if g.References != 0 {
			needs = append(needs, Ref{ClassRelation, g.References})
		}
		return "trigger " + g.Name + " on " + name, needs
	})
	*rules = kept(w, *rules, func(u *Rule) (string, []Ref) { return "rule " + u.Name + " on " + name, u.Depends })
}

// left are the objects of a kind that are not gone.
func left[T any, P interface {
	*T
	object
}](w *reduction, objects []T) []T {
	if len(objects) == 0 {
		return objects
	}
	out := make([]T, 0, len(objects))
	for i := range objects {
		if _, gone := w.gone[P(&objects[i]).ref()]; !gone {
			out = append(out, objects[i])
		}
	}
	return out
}

// kept are the parts of an object that need nothing that is gone. It tells of the others, by the name that of gives.
func kept[T any](w *reduction, parts []T, of func(*T) (name string, needs []Ref)) []T {
	var out []T
	for i := range parts {
		name, needs := of(&parts[i])
		if lost, lacks := w.lacks(needs); lacks {
			w.told = append(w.told, LeftOut{name, "it needs " + w.names[lost]})
			continue
		}
		out = append(out, parts[i])
	}
	return out
}
