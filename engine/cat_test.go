package engine

import (
	"slices"
	"testing"

	"github.com/pgrecall/pgrecall/format"
)

func TestAPartitionsColumnsAreBroughtIntoTheTablesOrder(t *testing.T) {
	table := func(columns ...string) *format.TableData {
		d := &format.TableData{Schema: "public", Name: "t"}
		for _, c := range columns {
			d.Columns = append(d.Columns, format.Column{Name: c})
		}
		return d
	}
	for _, c := range []struct {
		own   *format.TableData
		order []int // nil: as they are
		fails bool
	}{
		{own: table("a", "b", "c")},
		{own: table("c", "a", "b"), order: []int{1, 2, 0}},
		{own: table("a", "b"), fails: true}, // c is generated in the partition alone
		{own: table("a", "b", "c", "d"), fails: true},
		{own: table("a", "b", "d"), fails: true},
	} {
		order, err := orderOf(table("a", "b", "c"), c.own)
		if !slices.Equal(order, c.order) || (ExitCode(err) == 2) != c.fails || (err != nil) != c.fails {
			t.Errorf("%+v: %v, %v", c.own.Columns, order, err)
		}
	}
}
