package engine

import (
	"errors"
	"testing"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// From 18 on the log has stored generated columns, which a snapshot's rows have not; before 18 it has none.
func TestStoredGeneratedColumnsOfTheLogAreLeftOut(t *testing.T) {
	objects := &catalog.Catalog{}
	objects.Tables = append(objects.Tables, catalog.Table{Columns: []catalog.Column{{Attnum: 1, Name: "id"}, {Attnum: 2, Name: "sum", Generated: "s"},
		{Attnum: 3, Name: "shown", Generated: "v"}, {Attnum: 4, Name: "note"}}})
	objects.Tables[0].OID = 7
	p := &history{stored: storedColumns(objects)}
	from18 := format.Layout{Table: 7, Columns: []format.LayoutColumn{{Name: "id"}, {Name: "sum"}, {Name: "note"}}}
	before := format.Layout{Table: 7, Columns: []format.LayoutColumn{{Name: "id"}, {Name: "note"}}}
	other := format.Layout{Table: 8, Columns: from18.Columns}
	for name, c := range map[string]struct {
		layout  format.Layout
		columns int
		row     string
		want    string
	}{
		"18":            {from18, 2, "1\t9\ttext", "1\ttext"},
		"an empty note": {from18, 2, "1\t\\N\t", "1\t"},
		"no old row":    {from18, 2, "", ""},
		"before 18":     {before, 2, "1\ttext", "1\ttext"},
		"another table": {other, 3, "1\t9\ttext", "1\t9\ttext"},
	} {
		kept, left := p.copied(&c.layout)
		if len(kept.Columns) != c.columns {
			t.Errorf("%s: %d columns are kept", name, len(kept.Columns))
		}
		row := []byte(c.row)
		if left != nil {
			var err error
			if row, err = without(row, left); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if string(row) != c.want {
			t.Errorf("%s: %q, want %q", name, row, c.want)
		}
	}
	_, left := p.copied(&from18)
	if _, err := without([]byte("1\t2"), left); !errors.Is(err, ErrIntegrity) {
		t.Errorf("a row of another width: %v", err)
	}
}
