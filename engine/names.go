package engine

import (
	"cmp"
	"slices"
	"strings"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// objectTypes and roleTypes are the types whose values are kept as oids and written as names: a rename of the object
// changes the text of values that nobody touched (documentation, "Object Identifier Types").
var (
	objectTypes = []string{"regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator",
		"regproc", "regprocedure", "regtype"}
	roleTypes = []string{"regrole", "aclitem"}
)

// holdsNames says whether a column of the table holds names of objects or roles.
func holdsNames(c *catalog.Catalog, t *format.TableData) bool {
	return holds(c, t, objectTypes) || holds(c, t, roleTypes)
}

// holds says whether a column of the table holds values of one of the types, by itself or within a domain, an array, a
// range or a composite type.
func holds(c *catalog.Catalog, t *format.TableData, types []string) bool {
	return holdsAny(typesWithin(c), t, types)
}

func holdsAny(within map[string][]string, t *format.TableData, types []string) bool {
	reached := reachedTypes{within: within, seen: map[string]bool{}}
	for _, column := range t.Columns {
		reached.add(column.TypeName)
	}
	return slices.ContainsFunc(types, func(name string) bool { return reached.seen[name] })
}

// holders are those of the tables with a column that holds names of objects or roles, by oid.
func holders(c *catalog.Catalog, tables map[uint32]*format.TableData) (oids []uint32) {
	within, types := typesWithin(c), slices.Concat(objectTypes, roleTypes)
	for _, oid := range sortedKeys(tables) {
		if holdsAny(within, tables[oid], types) {
			oids = append(oids, oid)
		}
	}
	return oids
}

// typesWithin returns the types that values of each type of the user's are made of, by their names as format_type
// writes them.
func typesWithin(c *catalog.Catalog) map[string][]string {
	within := map[string][]string{}
	for i := range c.Types {
		k := &c.Types[i]
		parts := []string{k.Base, k.Subtype}
		for _, column := range k.Columns {
			parts = append(parts, column.TypeName)
		}
		if k.BaseType != nil {
			parts = append(parts, k.BaseType.Element)
			for _, name := range slices.Concat(objectTypes, roleTypes) {
				if strings.Contains(inputFunction(c, k), "$function$"+name+"in$function$") {
					parts = append(parts, name)
				}
			}
		}
		within[typeName(k.Schema, k.Name)] = parts
		if k.Multirange != "" {
			within[typeName(cmp.Or(k.MultirangeIn, k.Schema), k.Multirange)] = []string{typeName(k.Schema, k.Name)}
		}
	}
	for i := range c.Tables { // a row of it may be a value
		for _, column := range c.Tables[i].Columns {
			key := typeName(c.Tables[i].Schema, c.Tables[i].Name)
			within[key] = append(within[key], column.TypeName)
		}
	}
	return within
}

// typeName is the name of a type of the user's as format_type writes it.
func typeName(schema, name string) string {
	return catalog.QuoteIdent(schema) + "." + catalog.QuoteIdent(name)
}

// reachedTypes are the types that values are made of, without modifiers, arrays left out for their elements.
type reachedTypes struct {
	within map[string][]string
	seen   map[string]bool
}

func (r *reachedTypes) add(typ string) {
	typ = strings.TrimSuffix(typ, "[]")
	if strings.HasSuffix(typ, ")") {
		typ = typ[:strings.LastIndex(typ, "(")]
	}
	if typ == "" || r.seen[typ] {
		return
	}
	r.seen[typ] = true
	for _, part := range r.within[typ] {
		r.add(part)
	}
}
