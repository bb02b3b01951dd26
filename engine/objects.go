package engine

import (
	"fmt"
	"maps"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// ObjectOptions say what is left out of a restore, or of what Schema writes. The zero value leaves out nothing.
type ObjectOptions struct {
	// ExcludeTables are psql's patterns of tables that are left out, with their partitions and whatever needs them.
	ExcludeTables []string
	// NoComments leaves out the comments on objects, NoPublications and NoSubscriptions these.
	NoComments, NoPublications, NoSubscriptions bool
}

// reduce takes out of a catalog what is left out and tells of it. Of tables that were chosen by patterns those to be
// excluded are not among the chosen: there is nothing to take out then. denied are more objects, each with the reason.
func (o *ObjectOptions) reduce(c *catalog.Catalog, chosen bool, denied map[catalog.Ref]string) (*catalog.Catalog, []catalog.LeftOut, error) {
	gone := map[catalog.Ref]string{}
	maps.Copy(gone, denied)
	if len(o.ExcludeTables) > 0 && !chosen {
		stay, err := c.Select(catalog.Selection{ExcludeTables: o.ExcludeTables})
		if err != nil {
			return nil, nil, usagef("%w", err)
		}
		stays := map[uint32]bool{}
		for _, t := range stay {
			stays[t.OID] = true
		}
		for i := range c.Tables {
			if oid := c.Tables[i].OID; !stays[oid] {
				gone[catalog.Ref{Class: catalog.ClassRelation, OID: oid}] = "it is excluded"
			}
		}
	}
	if o.NoPublications {
		for i := range c.Publications {
			gone[catalog.Ref{Class: catalog.ClassPublication, OID: c.Publications[i].OID}] = "publications are left out"
		}
	}
	if o.NoSubscriptions {
		for i := range c.Subscriptions {
			gone[catalog.Ref{Class: catalog.ClassSubscription, OID: c.Subscriptions[i].OID}] = "subscriptions are left out"
		}
	}
	if len(gone) == 0 {
		return c, nil, nil
	}
	reduced, told, err := c.Without(gone)
	if err != nil {
		return nil, nil, usagef("%w", err)
	}
	return reduced, told, nil
}

// excludeRows are the tables that get no rows while others do: those that are left out by pattern, which is told, and those
// whose rows the snapshot does not have.
func (r *restore) excludeRows(body *format.Body, chosen map[uint32]bool) (map[uint32]bool, error) {
	if r.o.Scope == RestoreSchemaOnly {
		return nil, nil
	}
	empty := map[uint32]bool{}
	r.rowless = map[uint32]bool{}
	if len(r.o.ExcludeTableData) > 0 {
		filled, err := r.catalog.Select(catalog.Selection{ExcludeTables: r.o.ExcludeTableData})
		if err != nil {
			return nil, usagef("%w", err)
		}
		full := map[uint32]bool{}
		for _, t := range filled {
			full[t.OID] = true
		}
		for i := range r.catalog.Tables {
			t := &r.catalog.Tables[i]
			if t.HasRows() && !full[t.OID] && (chosen == nil || chosen[t.OID]) {
				empty[t.OID], r.rowless[t.OID] = true, true
				r.left = append(r.left, catalog.LeftOut{What: fmt.Sprintf("rows of table %s.%s", t.Schema, t.Name), Why: "they are excluded"})
			}
		}
	}
	for i := range r.catalog.Tables {
		if t := &r.catalog.Tables[i]; body.Filter != nil && t.HasRows() && t.Persistence == "p" && r.past.data(t.OID) == nil && !r.past.made(t.OID) {
			empty[t.OID] = true
		}
	}
	return empty, nil
}
