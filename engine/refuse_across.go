package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgrecall/pgrecall/wal"
)

// judgeAcross returns an ErrWindow that names the first thing between the snapshot and the target which the rows of a wanted
// table can not be brought across. The catalog is the target's own, so that objects without rows are of no concern.
func (c *crossing) judgeAcross() error {
	if c.rowless {
		return c.judgeUnannounced()
	}
	holding := holders(c.catalog, c.wanted)
	for i := range c.past.statements {
		s := &c.past.statements[i]
		if s.broken == nil && !s.ChangesCatalog() {
			continue
		}
		if why := c.bars(s, holding); why != "" {
			return c.refuse(s.txn, why, false)
		}
	}
	if names := c.past.across.types.changed(c.catalog); len(names) > 0 {
		within := typesWithin(c.catalog)
		for _, oid := range sortedKeys(c.wanted) {
			if t := c.wanted[oid]; holdsAny(within, t, names) {
				return c.refuse(c.past.statements[len(c.past.statements)-1].txn,
					fmt.Sprintf("table %s holds values of types that are others than the statements in the log tell: %s", nameOf(t), fewOf(names, 4)), false)
			}
		}
	}
	for _, oid := range sortedKeys(c.wanted) {
		found := c.past.across.conflicts[oid]
		if found == nil {
			if what := c.past.across.trail(c.past, oid).End(c.past.across.target[oid].Columns); what != "" {
				found = &conflict{c.past.statements[len(c.past.statements)-1].txn, what}
			}
		}
		if found != nil {
			return c.refuse(found.txn, fmt.Sprintf("table %s: %s", nameOf(c.wanted[oid]), found.what), false)
		}
	}
	return c.judgeUnannounced()
}

// bars says why rows can not be brought across a statement; empty: they can.
func (c *crossing) bars(s *statement, holding []uint32) string {
	if s.broken != nil {
		return fmt.Sprintf("an unreadable DDL message (%v)", s.broken)
	}
	described := c.describe(s, nil)
	altered := false
	for i := range s.Types {
		altered = !c.past.across.types.take(&s.Types[i]) || altered
	}
	switch {
	case tampers(&s.DDL):
		return "the publication pgrecall was changed, so that changes may be missing from there on: " + described
	case slices.ContainsFunc(s.Tables, func(t wal.DDLTable) bool { return t.Schema == wal.Schema }):
		return described + " (it moved a table into the schema of pgrecall, which is no part of a backup, or out of it)"
	case s.Incomplete:
		return described + " (its message is incomplete: it may have touched any object)"
	}
	alters := strings.HasPrefix(s.Tag, "ALTER ") || strings.HasPrefix(s.Tag, "DROP ")
	for _, oid := range holding {
		if alters && c.future(oid, s) {
			return fmt.Sprintf("%s (table %s holds names of objects)", described, nameOf(c.wanted[oid]))
		}
	}
	for i := range s.Tables {
		t := &s.Tables[i]
		if c.wanted[t.OID] == nil || !c.future(t.OID, s) {
			continue
		}
		name := nameOf(c.wanted[t.OID])
		switch {
		case s.Rewrite && s.Reason != accessMethodRewrite:
			return fmt.Sprintf("%s (it rewrote table %s, and what the rows are since is not in the log)", described, name)
		case t.ByType && (altered || len(s.Types) == 0):
			return fmt.Sprintf("%s (it altered a type that columns of table %s are made of)", described, name)
		case slices.Contains(s.Kept.Unpublished, t.OID), slices.Contains(s.Kept.Published, t.OID) && !c.makes(s, t):
			return fmt.Sprintf("%s (table %s left the publication or joined it)", described, name)
		}
	}
	return ""
}

// accessMethodRewrite is the reason of a rewrite that stores the same rows in another way (AT_REWRITE_ACCESS_METHOD in
// src/include/commands/event_trigger.h).
const accessMethodRewrite = 8

// future says whether a wanted table's rows in the snapshot are before a statement.
func (c *crossing) future(oid uint32, s *statement) bool {
	data := c.past.data(oid)
	return data == nil || !c.past.sees(data, s.txn.XID)
}

// makes says whether a statement made a table, empty.
func (c *crossing) makes(s *statement, t *wal.DDLTable) bool {
	return s.Tag == "CREATE TABLE" && c.past.made(t.OID) &&
		slices.ContainsFunc(s.Objects, func(o wal.DDLObject) bool { return o.OID == t.OID && o.Tag == "CREATE TABLE" })
}
