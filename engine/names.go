package engine

import (
	"slices"
	"strings"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// nameTypes are the types whose values are kept as oids and written as names: a rename of the object changes the text
// of values that nobody touched (documentation, "Object Identifier Types").
var nameTypes = []string{"regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator",
	"regproc", "regprocedure", "regrole", "regtype", "aclitem"}

// holdsNames says whether a column of the table holds names of objects, by itself or within a domain, an array, a
// range or a composite type.
func holdsNames(c *catalog.Catalog, t *format.TableData) bool {
	within := map[string][]string{}
	name := func(schema, name string) string { return catalog.QuoteIdent(schema) + "." + catalog.QuoteIdent(name) }
	for i := range c.Types {
		k := &c.Types[i]
		parts := []string{k.Base, k.Subtype}
		for _, column := range k.Columns {
			parts = append(parts, column.TypeName)
		}
		within[name(k.Schema, k.Name)] = parts
	}
	for i := range c.Tables { // a row of it may be a value
		for _, column := range c.Tables[i].Columns {
			key := name(c.Tables[i].Schema, c.Tables[i].Name)
			within[key] = append(within[key], column.TypeName)
		}
	}
	seen := map[string]bool{}
	var holds func(string) bool
	holds = func(typ string) bool {
		typ = strings.TrimSuffix(typ, "[]")
		if seen[typ] {
			return false
		}
		seen[typ] = true
		return slices.Contains(nameTypes, typ) || slices.ContainsFunc(within[typ], holds)
	}
	return slices.ContainsFunc(t.Columns, func(column format.Column) bool { return holds(column.TypeName) })
}
