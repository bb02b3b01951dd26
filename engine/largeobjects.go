package engine

import (
	"fmt"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// Large objects are no rows of a table to the log: logical decoding does not show them (PostgreSQL documentation,
// "Logical Replication Restrictions"). A restore has them as of the snapshot, whatever its target, and says so.

// largeObjectsIn returns the large objects that a snapshot tells of, and those whose bytes are in it.
func largeObjectsIn(c *catalog.Catalog, b *format.Body) (all, copied catalog.OIDs) {
	copied = c.LargeObjects.Readable()
	all = copied.Or(c.LargeObjects.Unreadable())
	if b.LargeObjects() == nil {
		copied = nil
	}
	return all, copied
}

// lacksLargeObjects says whether a snapshot was taken without the bytes of the large objects that there were.
func lacksLargeObjects(c *catalog.Catalog, b *format.Body) bool {
	return len(c.LargeObjects.Groups) > 0 && b.LargeObjects() == nil
}

// missingLargeObjects names the large objects whose bytes are not in a snapshot, and says why.
func missingLargeObjects(c *catalog.Catalog, b *format.Body) []string {
	if lacksLargeObjects(c, b) {
		all, _ := largeObjectsIn(c, b)
		return []string{fmt.Sprintf("all %d large objects: the snapshot was taken without them", all.Len())}
	}
	var missing []string
	for _, g := range c.LargeObjects.Groups {
		if g.Unreadable {
			missing = append(missing, fmt.Sprintf("%d large objects of role %s, %s: the role that took the snapshot may not read them (pg_read_all_data may)",
				g.OIDs.Len(), g.Owner, g.OIDs.Few(12)))
		}
	}
	return missing
}
