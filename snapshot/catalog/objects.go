package catalog

import (
	"iter"
	"slices"
)

// object is anything of the model that has an oid in a catalog of its own kind.
type object interface {
	head() *Object
	ref() Ref
}

// creatable is an object that pre-data makes in its place among what it needs and what needs it. What such an object
// must have is here; a kind that also has parts which may have to wait is a prepared one.
type creatable interface {
	object
	// rank orders objects that are free to go.
	rank() int
	// address finds the object on a target, under the name it has on the source.
	address() address
	// create adds the statements that make the object.
	create(p *planner, n *node)
}

// prepared is a creatable whose node wants more than its dependencies. prepare is called when every node is there.
type prepared interface {
	prepare(p *planner, n *node)
}

func (o *Object) head() *Object { return o }

// variant tells an object from others of its schema and name: a function's types. Most kinds have none.
func (o *Object) variant() string { return "" }

// variable is an object whose kind may have a variant.
type variable interface{ variant() string }

// objects are all objects of the model, kind by kind, each in the order in which it was read.
func (c *Catalog) objects() iter.Seq[object] {
	return func(yield func(object) bool) {
		_ = each(c.Schemas, yield) &&
			each(c.Extensions, yield) &&
			each(c.Collations, yield) &&
			each(c.Languages, yield) &&
			each(c.Types, yield) &&
			each(c.Functions, yield) &&
			each(c.Aggregates, yield) &&
			each(c.AccessMethods, yield) &&
			each(c.Operators, yield) &&
			each(c.OperatorFamilies, yield) &&
			each(c.OperatorClasses, yield) &&
			each(c.Sequences, yield) &&
			each(c.ForeignDataWrappers, yield) &&
			each(c.ForeignServers, yield) &&
			each(c.UserMappings, yield) &&
			each(c.TextSearchParsers, yield) &&
			each(c.TextSearchTemplates, yield) &&
			each(c.TextSearchDictionaries, yield) &&
			each(c.TextSearchConfigurations, yield) &&
			each(c.Tables, yield) &&
			each(c.Views, yield) &&
			each(c.Casts, yield) &&
			each(c.Conversions, yield) &&
			each(c.Transforms, yield) &&
			each(c.Statistics, yield) &&
			each(c.EventTriggers, yield) &&
			each(c.Publications, yield) &&
			each(c.Subscriptions, yield)
	}
}

// each yields the objects of one kind; it is false once yield was.
func each[T any, P interface {
	*T
	object
}](objects []T, yield func(object) bool) bool {
	for i := range objects {
		if !yield(P(&objects[i])) {
			return false
		}
	}
	return true
}

func (s *Schema) ref() Ref     { return Ref{ClassSchema, s.OID} }
func (l *Collation) ref() Ref  { return Ref{ClassCollation, l.OID} }
func (t *Type) ref() Ref       { return Ref{ClassType, t.OID} }
func (f *Function) ref() Ref   { return Ref{ClassFunction, f.OID} }
func (q *Sequence) ref() Ref   { return Ref{ClassRelation, q.OID} }
func (t *Table) ref() Ref      { return Ref{ClassRelation, t.OID} }
func (v *View) ref() Ref       { return Ref{ClassRelation, v.OID} }
func (x *Statistics) ref() Ref { return Ref{ClassStatistics, x.OID} }

// Ranks order objects that are free to go: kinds that others are usually made of come first. Expressions use casts and
// default operator classes (ORDER BY, DISTINCT) without a dependency that says so.
const (
	rankSchema = iota
	rankExtension
	rankLanguage
	rankCollation
	rankType
	rankSequence
	rankFunction
	rankAggregate
	rankAccessMethod
	rankOperator
	rankOperatorFamily
	rankOperatorClass
	rankCast
	rankConversion
	rankTransform
	rankForeignDataWrapper
	rankForeignServer
	rankUserMapping
	rankTextSearchParser
	rankTextSearchTemplate
	rankTextSearchDictionary
	rankTextSearchConfiguration
	rankTable
	rankView
)

func (s *Schema) rank() int    { return rankSchema }
func (l *Collation) rank() int { return rankCollation }
func (t *Type) rank() int      { return rankType }
func (f *Function) rank() int  { return rankFunction }
func (q *Sequence) rank() int  { return rankSequence }
func (t *Table) rank() int     { return rankTable }
func (v *View) rank() int      { return rankView }

func (f *Function) variant() string { return f.Types }

// makeNodes makes a node for each object that pre-data can make.
func (p *planner) makeNodes() {
	for o := range p.c.objects() {
		if q, ok := o.(*Sequence); ok && q.Identity {
			continue // comes with its table
		}
		if m, ok := o.(creatable); ok {
			p.addNode(m)
		}
	}
	p.unsaid = newUnsaid(p)
	for o := range p.c.objects() {
		if m, ok := o.(prepared); ok && p.nodes[o.ref()] != nil {
			m.prepare(p, p.nodes[o.ref()])
		}
	}
	p.needSchemas()
	p.addColumnNodes()
}

func (p *planner) addNode(m creatable) *node {
	o := m.head()
	n := &node{ref: m.ref(), rank: m.rank(), object: m, key: []string{o.Schema, o.Name}, needs: slices.Clone(o.Depends)}
	if v, ok := m.(variable); ok && v.variant() != "" {
		n.key = append(n.key, v.variant())
	}
	n.emit = func() { m.create(p, n) }
	p.nodes[n.ref] = n
	return n
}
