package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal"
)

// barrier is what the rows of a table cannot be brought across on their way to the target.
type barrier struct {
	txn format.Transaction
	why string
	// unannounced: nobody announced it, and why says what was done.
	unannounced *unannounced
	// anything: the message does not tell what it concerns.
	anything bool
	// reworded: values are written otherwise since, also those of transactions under way.
	reworded bool
}

// judgeAcross returns an ErrWindow that names the first thing between their beginning and the target which the rows of a wanted
// table cannot be brought across, where they begin anew with a copy if the snapshot's cannot. The catalog is the target's own, so
// that objects without rows are of no concern.
func (c *crossing) judgeAcross(ctx context.Context) error {
	if c.rowless {
		return c.judgeUnannounced(ctx)
	}
	all, barred, err := c.barred(ctx)
	if err != nil {
		return err
	}
	if len(barred) > 0 {
		found, err := c.past.beginAnew(ctx, sortedKeys(barred))
		if err != nil {
			return err
		}
		if found {
			for _, t := range c.past.tablesAt(c.catalog) {
				if c.wanted[t.OID] != nil {
					c.wanted[t.OID] = t
				}
			}
			if all, barred, err = c.barred(ctx); err != nil {
				return err
			}
		}
	}
	c.barriers, c.barrier = barred, all
	if all == nil {
		all = firstOf(barred)
	}
	switch {
	case all == nil:
		return nil
	case all.unannounced != nil:
		return c.refuseUnannounced(ctx, all.unannounced, all.why)
	case c.past.watched():
		return c.refuseRows(ctx, all.why)
	}
	return c.refuse(ctx, all.txn, all.why, false)
}

// firstOf is the first barrier in the log; nil: there is none.
func firstOf(barred map[uint32]*barrier) *barrier {
	if len(barred) == 0 {
		return nil
	}
	ordered := make([]*barrier, 0, len(barred))
	for _, oid := range sortedKeys(barred) {
		ordered = append(ordered, barred[oid])
	}
	return slices.MinFunc(ordered, func(a, b *barrier) int {
		if (a.unannounced == nil) != (b.unannounced == nil) {
			if a.unannounced == nil {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.txn.EndLSN, b.txn.EndLSN)
	})
}

// barred returns the first barrier of each wanted table that has one, and, if there is any, one of all tables whatever their rows begin
// with.
func (c *crossing) barred(ctx context.Context) (all *barrier, barred map[uint32]*barrier, err error) {
	barred = map[uint32]*barrier{}
	bar := func(oid uint32, b *barrier) {
		if barred[oid] == nil {
			barred[oid] = b
		}
	}
	c.barredUnlisted(bar)
	holding, forms := holders(c.catalog, c.wanted), c.past.typeForms()
	var last format.Transaction
	for i := range c.past.statements {
		s := &c.past.statements[i]
		if s.broken == nil && !s.ChangesCatalog() {
			continue
		}
		last = s.txn
		if why := c.barsAll(s); why != "" && all == nil {
			all = &barrier{txn: s.txn, why: why, anything: true}
		}
		c.bars(s, holding, forms.take(s), bar)
	}
	within := typesWithin(c.catalog)
	for base, f := range forms {
		names := f.changed(c.catalog)
		for oid, t := range c.wanted {
			if c.past.copies[oid] == base && len(names) > 0 && holdsAny(within, t, names) {
				bar(oid, &barrier{txn: last, why: fmt.Sprintf("table %s holds values of types that are others than the log tells: %s", nameOf(t), fewOf(names, 4)), reworded: true})
			}
		}
	}
	for oid, t := range c.wanted {
		found := c.past.across.conflicts[oid]
		if found == nil {
			if what := c.past.across.trail(c.past, oid).End(c.past.across.target[oid].Columns); what != "" {
				found = &conflict{last, what}
			}
		}
		if found != nil {
			bar(oid, &barrier{txn: found.txn, why: fmt.Sprintf("table %s: %s", nameOf(t), found.what)})
		}
	}
	return c.barredUnannounced(all, bar), barred, c.straddled(ctx, bar)
}

// barredUnannounced adds what nobody announced.
func (c *crossing) barredUnannounced(all *barrier, bar func(uint32, *barrier)) *barrier {
	for _, u := range c.unannounced() {
		what := c.hindered(&u)
		if what == "" {
			continue
		}
		b := &barrier{why: what, unannounced: &u}
		switch types := namesOf(u.kind); {
		case types != nil:
			for oid, t := range c.wanted {
				if !c.past.began(oid, &u) && holds(c.catalog, t, types) {
					bar(oid, b)
				}
			}
		case c.past.began(u.Table, &u):
		case c.wanted[u.Table] != nil:
			bar(u.Table, b)
		case all == nil:
			all = b
		}
	}
	return all
}

// barsAll says why no rows can be brought across a statement, nor follow it; empty: they can.
func (c *crossing) barsAll(s *statement) string {
	switch {
	case s.broken != nil:
		return ""
	case tampers(&s.DDL):
		return "the publication pgrecall was changed, so that changes may be missing from there on: " + c.describe(s, nil)
	case slices.ContainsFunc(s.Tables, func(t wal.DDLTable) bool { return t.Schema == wal.Schema }):
		return c.describe(s, nil) + " (it moved a table into the schema of pgrecall, which is no part of a backup, or out of it)"
	}
	return ""
}

// bars tells which tables' rows cannot be brought across a statement, and why. Altered are the beginnings of rows for which it
// altered how values of a type are written.
func (c *crossing) bars(s *statement, holding []uint32, altered map[*rowBase]bool, bar func(uint32, *barrier)) {
	why, described := "", ""
	switch {
	case s.broken != nil:
		why = fmt.Sprintf("an unreadable DDL message (%v)", s.broken)
	case s.Incomplete:
		why = c.describe(s, nil) + " (its message is incomplete: it may have touched any object)"
	default:
		described = c.describe(s, nil)
	}
	if why != "" {
		for oid := range c.wanted {
			if c.future(oid, s) {
				bar(oid, &barrier{txn: s.txn, why: why, anything: true})
			}
		}
		return
	}
	if strings.HasPrefix(s.Tag, "ALTER ") || strings.HasPrefix(s.Tag, "DROP ") {
		for _, oid := range holding {
			if c.future(oid, s) {
				bar(oid, &barrier{txn: s.txn, why: fmt.Sprintf("%s (table %s holds names of objects)", described, nameOf(c.wanted[oid])), reworded: true})
			}
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
			why = fmt.Sprintf("%s (it rewrote table %s, and what the rows are since is not in the log)", described, name)
		case t.ByType && (altered[c.past.copies[t.OID]] || len(s.Types) == 0):
			why = fmt.Sprintf("%s (it altered a type that columns of table %s are made of)", described, name)
		case slices.Contains(s.Kept.Unpublished, t.OID), slices.Contains(s.Kept.Published, t.OID) && !c.makes(s, t):
			why = fmt.Sprintf("%s (table %s left the publication or joined it)", described, name)
		default:
			continue
		}
		bar(t.OID, &barrier{txn: s.txn, why: why, reworded: t.ByType})
	}
}

// accessMethodRewrite is the reason of a rewrite that stores the same rows in another way (AT_REWRITE_ACCESS_METHOD in
// src/include/commands/event_trigger.h).
const accessMethodRewrite = 8

// baseForms are the forms of the types in the catalogs that rows begin with; nil is the snapshot's.
type baseForms map[*rowBase]typeForms

func (p *history) typeForms() baseForms {
	forms := baseForms{nil: newTypeForms(p.across.objects)}
	for c := range maps.Values(p.copies) {
		if forms[c] == nil {
			forms[c] = newTypeForms(c.objects)
		}
	}
	return forms
}

// take takes in a statement, and says in which of the catalogs it altered how values of a type are written.
func (f baseForms) take(s *statement) map[*rowBase]bool {
	altered := map[*rowBase]bool{}
	for base, forms := range f {
		if base != nil && base.Envelope.Groups[0].Visibility.Sees(s.txn.XID) {
			continue
		}
		for i := range s.Types {
			altered[base] = !forms.take(&s.Types[i]) || altered[base]
		}
	}
	return altered
}

// future says whether the beginning of a wanted table's rows is before a statement.
func (c *crossing) future(oid uint32, s *statement) bool {
	data := c.past.data(oid)
	return data == nil || !c.past.sees(data, s.txn.XID)
}

// makes says whether a statement made a table, empty.
func (c *crossing) makes(s *statement, t *wal.DDLTable) bool {
	return s.Tag == "CREATE TABLE" && c.past.made(t.OID) &&
		slices.ContainsFunc(s.Objects, func(o wal.DDLObject) bool { return o.OID == t.OID && o.Tag == "CREATE TABLE" })
}
