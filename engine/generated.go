package engine

import (
	"bytes"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// From PostgreSQL 18 on the publication sends stored generated columns too, for otherwise FULL would make UPDATE fail. A
// snapshot's rows, which COPY writes and reads, do not have them, and the target computes them again. So a log's
// rows are taken without them.

// storedColumns returns the names of each table's stored generated columns.
func storedColumns(c *catalog.Catalog) map[uint32]map[string]bool {
	stored := map[uint32]map[string]bool{}
	for i := range c.Tables {
		t := &c.Tables[i]
		for _, column := range t.Columns {
			if column.Generated != "s" {
				continue
			}
			if stored[t.OID] == nil {
				stored[t.OID] = map[string]bool{}
			}
			stored[t.OID][column.Name] = true
		}
	}
	return stored
}

// copied returns the layout without stored generated columns, and which of its columns they are; nil if there are none.
func (p *history) copied(l *format.Layout) (format.Layout, []bool) {
	stored := p.stored[l.Table]
	if len(stored) == 0 {
		return *l, nil
	}
	kept := *l
	kept.Columns = nil
	left := make([]bool, len(l.Columns))
	sent := false
	for i, c := range l.Columns {
		if stored[c.Name] {
			left[i], sent = true, true
		} else {
			kept.Columns = append(kept.Columns, c)
		}
	}
	if !sent {
		return *l, nil // servers before 18 do not send them
	}
	return kept, left
}

// without leaves fields out of a row, which may be absent. The row itself stays as it is.
func without(row []byte, left []bool) ([]byte, error) {
	if len(row) == 0 {
		return row, nil
	}
	all := format.SplitRow(nil, row)
	if len(all) != len(left) {
		return nil, integrityf("a row of the log has %d fields where its layout has %d", len(all), len(left))
	}
	var fields [][]byte
	for i, field := range all {
		if !left[i] {
			fields = append(fields, field)
		}
	}
	return bytes.Join(fields, []byte("\t")), nil
}
