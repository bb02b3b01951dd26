package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/format"
)

// In a log that no event trigger puts DDL into, looks at the source alone tell what was changed (format/SPEC.md, "Watched logs"): the
// objects at a target are known where the looks around it saw the same.

// watched says whether the log of the target is such a one, and is needed.
func (p *history) watched() bool { return !p.choice.Instant && watchedLog(p.choice.Base.Chain) }

func watchedLog(c *plan.Chain) bool { return c != nil && c.Log.Published.Watched }

// enclosure is what the looks around a position tell.
type enclosure struct {
	// before and after are the indices of the looks that enclose it; after is -1 where the log has none yet.
	before, after int
	// first is the first look after it; strong: all that ended before the position is seen by after.
	first  int
	strong bool
}

// enclose finds the looks around a position.
func (f *formTrail) enclose(at format.LSN) enclosure {
	e := enclosure{before: -1, after: -1, first: -1}
	for i, l := range f.looks {
		own := i > 0 || !f.snapshot // the snapshot's look is before every position
		if l.Until <= at {
			e.before = i
		}
		if own && e.first < 0 && l.LSN >= at {
			e.first = i
		}
		if e.first >= 0 && own && !e.strong {
			e.after, e.strong = i, l.Visibility.Xmin >= f.looks[e.first].Next
		}
	}
	return e
}

// settledAt says whether no look to come can tell more of the objects at a position.
func (f *formTrail) settledAt(at format.LSN) bool { return f.enclose(at).strong }

// objectsOf are those that a look saw; empty: not known.
func (p *history) objectsOf(look int) string {
	if look == 0 && p.forms.snapshot {
		return p.choice.Base.Envelope.Objects
	}
	return p.forms.looks[look].Objects
}

// objectsAt returns the fingerprint of the objects at a position; where they are not known, why.
func (p *history) objectsAt(at format.LSN) (objects, why string) {
	e := p.forms.enclose(at)
	switch {
	case e.before < 0:
		return "", "nobody looked at the source's objects before"
	case e.after < 0:
		return "", "nobody has looked at the source's objects since; if it is a moment ago, try again in a while"
	}
	objects = p.objectsOf(e.before)
	if objects == "" {
		return "", "the objects were not looked at"
	}
	between := func(from, to int) string {
		l, m := p.forms.looks[from], p.forms.looks[to]
		return fmt.Sprintf("between the looks before --lsn %v (%s) and before --lsn %v (%s)", l.Until, stamp(l.Time), m.Until, stamp(m.Time))
	}
	for i := e.before + 1; i <= e.after; i++ {
		switch l := p.forms.looks[i]; {
		case p.objectsOf(i) != objects:
			return "", "objects of the source were changed " + between(i-1, i)
		case !e.strong && l.Awaited && i >= e.first:
			return "", "a transaction that was committed by then may have waited for a standby when the objects were last looked at; try again in a while"
		}
	}
	return objects, ""
}

// unseenAt says whether the last of the looks around a position does not see all transactions that end before it.
func (p *history) unseenAt(ctx context.Context, at format.LSN) (bool, error) {
	e := p.forms.enclose(at)
	if e.strong || e.after < 0 {
		return false, nil
	}
	last := p.forms.looks[e.after].Visibility
	for _, s := range p.segments {
		if s.MaxXID < last.Xmin {
			continue
		}
		seg, err := p.held.openSegment(ctx, s.Segment)
		if err != nil {
			return false, err
		}
		for _, t := range seg.Transactions() {
			if t.EndLSN <= at && !last.Sees(t.XID) {
				return true, nil
			}
		}
	}
	return false, nil
}

// catalogWatched returns the base whose catalog is that of the target: the snapshot's own if it is and newest does not ask for the latest
// at or before the target. Otherwise it is an ErrWindow with the nearest points.
func (p *history) catalogWatched(ctx context.Context, newest bool) (*plan.Base, error) {
	objects, why := p.objectsAt(p.choice.Cut)
	if why == "" {
		unseen, err := p.unseenAt(ctx, p.choice.Cut)
		if err != nil {
			return nil, err
		}
		if unseen {
			why = "a transaction that was committed by then was not to be seen yet when the objects were last looked at; try again in a while"
		}
	}
	if why != "" {
		return nil, p.refuseWatched(ctx, why)
	}
	version, err := p.catalogOf(ctx, objects, newest)
	if version == nil && err == nil {
		err = p.refuseWatched(ctx, "no snapshot and no version of the catalog has them")
	}
	return version, err
}

// catalogOf returns a base whose catalog has the objects; nil: there is none.
func (p *history) catalogOf(ctx context.Context, objects string, newest bool) (found *plan.Base, err error) {
	own := p.choice.Base
	if own.Envelope.Objects == objects && !newest {
		return own, nil
	}
	for _, b := range p.catalogs() {
		if b.Envelope.Objects != objects || found != nil && position(b) > p.choice.Cut {
			continue
		}
		ok, err := p.held.noted(ctx, &plan.Choice{Base: b})
		if err != nil {
			return nil, err
		}
		if ok {
			found = b
		}
	}
	return found, nil
}

// refuseWatched is the error for a target at which the objects are not known.
func (p *history) refuseWatched(ctx context.Context, why string) error {
	base := p.choice.Base
	before, after := "none of this snapshot", "none yet: go on with the stream, or take a snapshot"
	if base.Single() {
		before = fmt.Sprintf("--snapshot %v", base.Envelope.ID)
	}
	exact := func(at format.LSN) (bool, error) {
		if at < base.From || at > base.Chain.To {
			return false, nil
		}
		objects, why := p.objectsAt(at)
		if why != "" {
			return false, nil
		}
		version, err := p.catalogOf(ctx, objects, false)
		return version != nil, err
	}
	for _, l := range p.forms.looks {
		point := fmt.Sprintf("--lsn %v (%s)", l.LSN, stamp(l.Time))
		ok, err := exact(l.LSN)
		switch {
		case err != nil:
			return err
		case ok && l.LSN < p.choice.Cut:
			before = point
		case ok && l.LSN > p.choice.Cut:
			return p.watchedError(why, before, point)
		}
	}
	return p.watchedError(why, before, after)
}

func (p *history) watchedError(why, before, after string) error {
	return windowf("the source is followed without event triggers, and what its objects were at the target is not known: %s; nearest point before at which they are: %s; after: %s; --catalog-of-snapshot takes the snapshot's where no layout changed",
		why, before, after)
}

// dateWatched finds the catalog of the target.
func (r *restore) dateWatched(ctx context.Context, c plan.Choice) error {
	if r.past.forms == nil {
		return windowf("snapshot %v does not tell the forms of its tables, without which nothing after it can be restored where DDL is not announced; take a new snapshot", c.Base.Envelope.ID)
	}
	if r.o.CatalogOfSnapshot {
		return nil
	}
	version, err := r.past.catalogWatched(ctx, r.o.wanted() || r.o.Create)
	if err != nil || version == c.Base && !r.past.stirred() {
		return err
	}
	return r.crossTo(ctx, version)
}

// stirred says whether the rows of some table may have to begin with a copy: one changed since the snapshot, or was not published then.
func (p *history) stirred() bool {
	return len(p.forms.before(p.lookedTo())) > 0 || slices.Contains(slices.Collect(maps.Values(unlistedTables(p.body))), format.UnlistedPending)
}

// certain says whether the catalog is known to be the target's without any statement: then changes of tables that it does not have, or that
// are not restored, are of no concern.
func (c *crossing) certain() bool { return c.past.watched() && !c.lenient }

// barredUnlisted bars the tables of which the log lacks rows that were written before they were published.
func (c *crossing) barredUnlisted(bar func(uint32, *barrier)) {
	if !c.past.watched() {
		return
	}
	for _, oid := range sortedKeys(c.wanted) {
		switch data := c.past.data(oid); {
		case c.empty[oid]:
		case data == nil:
			bar(oid, &barrier{why: fmt.Sprintf("table %s was made after the snapshot, and what it held before it was published is not in the log", nameOf(c.wanted[oid]))})
		case c.past.unlisted(oid) == format.UnlistedPending && data.Identity.Kind != format.IdentityNone:
			bar(oid, &barrier{why: fmt.Sprintf("table %s was not published yet when its rows were copied, and what was written to it before it was is not in the log", nameOf(c.wanted[oid]))})
		}
	}
}

// refuseRows is the error for a table whose rows cannot be brought to the target, for a reason that has no place in the log.
func (c *crossing) refuseRows(ctx context.Context, why string) error {
	return windowf("the source is followed without event triggers, and rows cannot be brought to the target: %s; nearest exact point after: %s",
		why, c.after(ctx, c.past.choice.Cut))
}

// unlisted says whether and why a table was in no list of a publication when its rows were copied (format.Form).
func (p *history) unlisted(oid uint32) string {
	if c := p.copies[oid]; c != nil {
		return c.unlisted[oid]
	}
	return unlistedTables(p.body)[oid]
}

// sameSince says whether looks prove that no object was changed between a time before a transaction got its id and the copy of a table's rows.
func (p *history) sameSince(ctx context.Context, oid uint32, xid uint64) (bool, error) {
	data, base := p.data(oid), p.baseOf(oid)
	group := &base.Envelope.Groups[data.Group]
	if base.Chain == nil || base.Envelope.Objects == "" || data.Group > 0 {
		return false, nil // the objects are as of the first group
	}
	for _, s := range slices.Backward(base.Chain.Segments) {
		if s.From >= group.LSN {
			continue
		}
		seg, err := p.held.openSegment(ctx, s)
		if err != nil {
			return false, err
		}
		look := seg.Head().Forms
		switch {
		case look == nil || !group.Visibility.Includes(look.Visibility): // nobody looked, or later
		case look.Objects != base.Envelope.Objects:
			return false, nil
		case look.Visibility.Xmax <= xid:
			return true, nil
		}
	}
	return false, nil
}

// beyond says whether a change was found by a look later than the one which sees all that ended before the target, so that it came after.
func (c *crossing) beyond(u unannounced) bool {
	e := c.past.forms.enclose(c.past.choice.Cut)
	return c.certain() && e.strong && u.look > e.after
}

// unlistedTables are the tables that were in no list of a publication when a snapshot was taken, and why (format.Form).
func unlistedTables(b *format.Body) map[uint32]string {
	unlisted := map[uint32]string{}
	if b.Forms != nil {
		for _, t := range b.Forms.Tables {
			if t.Unlisted != "" {
				unlisted[t.Table] = t.Unlisted
			}
		}
	}
	return unlisted
}

// whyUnlisted is for people.
func whyUnlisted(how string) string {
	if how == format.UnlistedPending {
		return "it was not published yet"
	}
	return "the role that keeps the publication may not publish it, or the server cannot"
}
