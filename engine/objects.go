package engine

import (
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
// excluded are not among the chosen: there is nothing to take out then.
func (o *ObjectOptions) reduce(c *catalog.Catalog, chosen bool) (*catalog.Catalog, []catalog.LeftOut, error) {
	gone := map[catalog.Ref]string{}
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
