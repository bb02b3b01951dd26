package engine

import (
	"slices"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
	"github.com/pgrecall/pgrecall/wal"
)

// typeForms are what the text of values of a type depends on, as far as the log has been read: an enum's labels, and the numbers and
// types of a composite type's attributes: one dropped and another added for it are not the same.
type typeForms map[uint32]typeForm

type typeForm struct {
	kind   string
	labels []string
	parts  []typePart
	// altered: some statement changed how values are written.
	altered bool
}

type typePart struct {
	attnum int16
	typ    uint32
	typmod int32
}

func newTypeForms(c *catalog.Catalog) typeForms {
	forms := typeForms{}
	for i := range c.Types {
		t := &c.Types[i]
		f := typeForm{kind: t.Kind, labels: t.Labels}
		for _, column := range t.Columns {
			f.parts = append(f.parts, typePart{column.Attnum, column.Type, column.Typmod})
		}
		forms[t.OID] = f
	}
	return forms
}

// changed are the types, by their names, that the catalog of the target has otherwise than the statements tell, and those of which some
// statement changed how values are written, whatever tables it names: any role can write a message.
func (f typeForms) changed(target *catalog.Catalog) (names []string) {
	for oid, now := range newTypeForms(target) {
		if known, ok := f[oid]; ok && (known.altered || !slices.Equal(known.labels, now.labels) || !slices.Equal(known.parts, now.parts)) {
			i := slices.IndexFunc(target.Types, func(t catalog.Type) bool { return t.OID == oid })
			names = append(names, typeName(target.Types[i].Schema, target.Types[i].Name))
		}
	}
	slices.Sort(names)
	return names
}

// take takes in a type as a statement left it, and says whether values are written as they were before it: an enum may have
// got labels, no other was renamed; a composite type has the same attributes in the same order.
func (f typeForms) take(t *wal.DDLType) (same bool) {
	was, known := f[t.OID]
	now := typeForm{kind: t.Type}
	for _, l := range t.Labels {
		now.labels = append(now.labels, l.Label)
	}
	for _, a := range t.Attributes {
		if !a.Dropped {
			now.parts = append(now.parts, typePart{a.Attnum, a.Type, a.Typmod})
		}
	}
	same = true
	switch t.Type {
	case "e":
		same = !slices.ContainsFunc(was.labels, func(label string) bool { return !slices.Contains(now.labels, label) })
	case "c":
		same = slices.Equal(was.parts, now.parts)
	}
	now.altered = known && (was.altered || !same)
	f[t.OID] = now
	return known && same || t.Type != "e" && t.Type != "c"
}
