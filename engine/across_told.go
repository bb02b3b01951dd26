package engine

import (
	"fmt"
	"slices"

	"github.com/pgrecall/pgrecall/format"
)

// followedTables tells of each restored table what the log did to it, where that is to be known: the name or the columns that it
// had in the snapshot, or that it was made later.
func (r *restore) followedTables() []string {
	if r.past.across == nil {
		return nil
	}
	var said []string
	for _, t := range r.wanted {
		was, from := r.past.data(t.OID), "snapshot"
		if c := r.past.copies[t.OID]; c != nil {
			from = "copy"
			said = append(said, fmt.Sprintf("the rows of table %s begin with copy %v, taken %s, for the log does not hold what they became since the snapshot",
				nameOf(t), c.Envelope.ID, stamp(c.FromTime)))
		}
		switch {
		case was == nil:
			said = append(said, fmt.Sprintf("table %s was made after the snapshot: all its rows are from the log", nameOf(t)))
			continue
		case nameOf(was) != nameOf(t):
			said = append(said, fmt.Sprintf("table %s was %s in the %s", nameOf(t), nameOf(was), from))
		}
		said = append(said, followedColumns(was, t, from)...)
	}
	return said
}

func followedColumns(was, now *format.TableData, from string) (said []string) {
	for _, c := range now.Columns {
		i := slices.IndexFunc(was.Columns, func(o format.Column) bool { return o.Attnum == c.Attnum })
		switch {
		case i < 0:
			said = append(said, fmt.Sprintf("column %q of table %s was added after the %s", c.Name, nameOf(now), from))
		case was.Columns[i].Name != c.Name:
			said = append(said, fmt.Sprintf("column %q of table %s was %q in the %s", c.Name, nameOf(now), was.Columns[i].Name, from))
		}
	}
	for _, c := range was.Columns {
		if !slices.ContainsFunc(now.Columns, func(o format.Column) bool { return o.Attnum == c.Attnum }) {
			said = append(said, fmt.Sprintf("column %q of the %s's table %s was dropped since", c.Name, from, nameOf(was)))
		}
	}
	return said
}
