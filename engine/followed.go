package engine

import (
	"fmt"
	"slices"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot"
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
		if why := unfollowed(t, r.past.unlisted(t.OID)); why != "" {
			from := "the snapshot"
			if c := r.past.copies[t.OID]; c != nil {
				from = "its copy of " + stamp(c.FromTime)
			}
			said = append(said, fmt.Sprintf("changes of table %s.%s after %s: %s", t.Schema, t.Name, from, why))
		}
	}
	return said
}

// unfollowed says why no log holds changes of a table, which was unlisted (format.Form) when its rows were read; empty: it does.
func unfollowed(t *catalog.Table, unlisted string) string {
	virtual := func(c catalog.Column) bool { return c.Generated == "v" }
	switch {
	case t.Persistence == "u":
		return "unlogged tables are not in the log"
	case t.HasRows() && len(t.IdentityAttnums) == 0 && slices.ContainsFunc(t.Columns, virtual):
		// Its UPDATE and DELETE would fail if it were published (CheckCmdReplicaIdentity in
		// src/backend/executor/execReplication.c).
		return "it has virtual generated columns and no key, and PostgreSQL cannot publish such a table"
	case t.HasRows() && unlisted != "":
		return whyUnlisted(unlisted)
	}
	return ""
}

// copiedTables are the oids of the tables whose rows are in a snapshot.
func copiedTables(b *format.Body) map[uint32]bool {
	copied := make(map[uint32]bool, len(b.Tables))
	for i := range b.Tables {
		copied[b.Tables[i].OID] = true
	}
	return copied
}

// unreadSequences names the sequences whose values are not in a snapshot, as the role that took it might not read them; of those that
// belong to tables whose rows are in it.
func unreadSequences(c *catalog.Catalog, b *format.Body) []string {
	copied, sampled := copiedTables(b), map[uint32]bool{}
	for _, s := range b.Sequences {
		sampled[s.OID] = true
	}
	var unread []string
	for i := range c.Sequences {
		if s := &c.Sequences[i]; !sampled[s.OID] && (s.OwnerTable == 0 || copied[s.OwnerTable]) {
			why := "the role that took the snapshot may not read it"
			if s.Persistence == "u" {
				why += ", or it is unlogged and the source a standby"
			}
			unread = append(unread, fmt.Sprintf("value of sequence %s.%s: %s", s.Schema, s.Name, why))
		}
	}
	return unread
}

// unfollowedTables returns the tables of a snapshot that are exact at its own instant only.
func unfollowedTables(c *catalog.Catalog, b *format.Body) []*catalog.Table {
	var tables []*catalog.Table
	copied, unlisted := copiedTables(b), unlistedTables(b)
	for i := range c.Tables {
		if t := &c.Tables[i]; copied[t.OID] && unfollowed(t, unlisted[t.OID]) != "" {
			tables = append(tables, t)
		}
	}
	return tables
}

// refreshed returns the materialized views that a restore fills anew.
func refreshed(c *catalog.Catalog) []*catalog.View {
	var views []*catalog.View
	for i := range c.Views {
		if v := &c.Views[i]; v.Kind == "m" && v.Populated {
			views = append(views, v)
		}
	}
	return views
}

// inexact counts what a restore from a snapshot will not bring back as it was, so that list can tell it without
// the body.
func inexact(taken *snapshot.Taken) *format.Inexact {
	n := &format.Inexact{MaterializedViews: int64(len(refreshed(taken.Catalog)))}
	copied := copiedTables(&taken.Body)
	for i := range taken.Catalog.Tables {
		if t := &taken.Catalog.Tables[i]; t.HasRows() && !copied[t.OID] {
			n.SkippedTables++
		}
	}
	for _, t := range unfollowedTables(taken.Catalog, &taken.Body) {
		if t.Persistence == "u" {
			n.UnloggedTables++
		} else {
			n.UnfollowedTables++
		}
	}
	all, in := largeObjectsIn(taken.Catalog, &taken.Body)
	n.LargeObjects, n.SkippedLargeObjects = int64(in.Len()), int64(all.Len()-in.Len())
	for _, u := range taken.Catalog.Unsupported {
		if u.Table != 0 {
			n.SkippedTables++
		} else {
			n.Unsupported++
		}
	}
	n.Unsupported += int64(len(unreadSequences(taken.Catalog, &taken.Body)))
	return n
}
