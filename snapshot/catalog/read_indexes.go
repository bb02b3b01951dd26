package catalog

import (
	"context"
	"strings"
)

// opclass is a built-in default operator class for B-trees: what it is the default for.
type opclass struct {
	OID, Type uint32
	Collation uint32 // the type's own
}

// The oids of two types (src/include/catalog/pg_type.dat), the latter of which has the former's operator class.
const (
	typeText    = 25
	typeVarchar = 1043
)

// defineIndexes finds out the definitions of indexes that no constraint makes. Most are plain: a B-tree of columns in their
// usual order by the default operator classes of their types; these it writes itself. For any other the server is asked,
// whose pg_get_indexdef opens each table: with very many of them that alone took more of its time and memory than all
// else that is read.
func (r *reader) defineIndexes(ctx context.Context) error {
	classes, err := collect[opclass](ctx, r, "reading operator classes", `
SELECT o.oid, o.opcintype AS type, t.typcollation AS collation FROM pg_opclass o JOIN pg_am a ON a.oid = o.opcmethod
  JOIN pg_type t ON t.oid = o.opcintype
WHERE a.amname = 'btree' AND o.opcdefault AND o.oid < 16384`)
	if err != nil {
		return err
	}
	defaults := map[uint32]opclass{}
	for _, c := range classes {
		defaults[c.OID] = c
	}
	var asked []uint32
	at := map[uint32]*indexRow{}
	for n := range r.indexes {
		i := &r.indexes[n]
		if i.Constraint != 0 {
			continue
		}
		if i.Definition = i.plain(r.columns[i.Relation], defaults); i.Definition == "" {
			asked, at[i.OID] = append(asked, i.OID), i
		}
	}
	return scan(ctx, r, "reading the definitions of indexes", `
SELECT i.oid, coalesce(pg_get_indexdef(i.oid), '') AS definition FROM unnest($1::oid[]) i (oid)`, func(row *struct {
		OID        uint32
		Definition string
	}) {
		at[row.OID].Full = row.Definition
	}, asked)
}

// plain is the definition of a plain index from USING on, as pg_get_indexdef writes it, or empty if it is not one.
func (i *indexRow) plain(columns []Column, defaults map[uint32]opclass) string {
	if !i.Simple {
		return ""
	}
	names := make([]string, len(i.Keys))
	for n, attnum := range i.Keys {
		c := columnOf(columns, attnum)
		d, ok := defaults[i.Opclasses[n]]
		if !ok || c == nil || c.Collation != "" || i.Orders[n] != 0 || i.Collations[n] != d.Collation ||
			c.Type != d.Type && !(c.Type == typeVarchar && d.Type == typeText) {
			return ""
		}
		names[n] = QuoteIdent(c.Name)
	}
	return "USING btree (" + strings.Join(names, ", ") + ")"
}
