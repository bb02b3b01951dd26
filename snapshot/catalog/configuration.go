package catalog

import "slices"

// An extension can mark tables of its own as configuration (pg_extension_config_dump): what users put there belongs to
// them, and pg_dump dumps it, while CREATE EXTENSION makes the table and the rows that come with it. The model holds
// such a table like any other, so that its rows are copied and followed, but DDL does not make it: it only says that
// the rows have a place. Copies beside the live tables are made of it as of any table.

// Configuration says which extension a relation is the configuration of.
type Configuration struct {
	// Extension is its name; empty: the relation belongs to no extension.
	Extension string `json:",omitzero"`
	// Condition is what chooses the users' rows of a table: SQL to follow its name in a FROM clause, as "WHERE NOT
	// builtin"; empty: all are theirs.
	Condition string `json:",omitzero"`
}

// configures reports whether the relation is of an extension.
func (c *Configuration) configures() bool { return c.Extension != "" }

// withoutConfiguration is the catalog without the relations that extensions make.
func (c *Catalog) withoutConfiguration() *Catalog {
	own := *c
	own.Tables = slices.DeleteFunc(slices.Clone(c.Tables), func(t Table) bool { return t.configures() })
	own.Sequences = slices.DeleteFunc(slices.Clone(c.Sequences), func(q Sequence) bool { return q.configures() })
	return &own
}

// placeConfiguration names the chosen configuration tables, and the sequences that are set with them, in the script. They
// keep their names, which are their extension's.
func (p *planner) placeConfiguration(c *Catalog) {
	for i := range c.Tables {
		if t := &c.Tables[i]; t.configures() && (p.o.Tables == nil || p.o.Tables[t.OID]) {
			p.s.Tables[t.OID] = Name{t.Schema, t.Name}
			p.extensions[t.Extension] = true
		}
	}
	for i := range c.Sequences {
		q := &c.Sequences[i]
		if _, chosen := p.s.Tables[q.OwnerTable]; q.configures() && (chosen || p.o.Tables == nil) {
			p.s.Sequences[q.OID] = Name{q.Schema, q.Name}
		}
	}
}

// neededExtensions are those whose configuration is in the script.
func (p *planner) neededExtensions() []Ref {
	var refs []Ref
	for i := range p.c.Extensions {
		if e := &p.c.Extensions[i]; p.extensions[e.Name] {
			refs = append(refs, e.ref())
		}
	}
	return refs
}
