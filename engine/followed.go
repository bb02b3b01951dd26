package engine

import (
	"fmt"
	"slices"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// notFollowed says of each restored table whose changes are in no log that its rows are those of the snapshot.
func (r *restore) notFollowed() []string {
	if r.past.choice.Instant {
		return nil
	}
	var said []string
	for i := range r.catalog.Tables {
		t := &r.catalog.Tables[i]
		if r.script.Tables[t.OID] == (catalog.Name{}) {
			continue
		}
		if why := unfollowed(t); why != "" {
			said = append(said, fmt.Sprintf("changes of table %s.%s after the snapshot: %s", t.Schema, t.Name, why))
		}
	}
	return said
}

// unfollowed says why no log holds changes of a table; empty: it does.
func unfollowed(t *catalog.Table) string {
	virtual := func(c catalog.Column) bool { return c.Generated == "v" }
	switch {
	case t.Persistence == "u":
		return "unlogged tables are not in the log"
	case t.HasRows() && len(t.IdentityAttnums) == 0 && slices.ContainsFunc(t.Columns, virtual):
		// Its UPDATE and DELETE would fail if it were published (CheckCmdReplicaIdentity in
		// src/backend/executor/execReplication.c).
		return "it has virtual generated columns and no key, and PostgreSQL can not publish such a table"
	}
	return ""
}
