package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal"
)

// Where DDL lies between a snapshot and a target, the rows are the snapshot's, and the catalog that of a version, or of another
// snapshot: one that has seen exactly the DDL which ends at or before the target. Whether it has is judged by its
// visibility, never by positions.

// altering are the statements that made the catalog another, of those that not all of the snapshot sees, in order.
func (p *history) altering() []statement {
	return slices.DeleteFunc(slices.Clone(p.statements), func(s statement) bool { return s.broken == nil && !s.ChangesCatalog() })
}

// dated says whether the snapshot's own catalog is the target's.
func (p *history) dated() bool {
	seen := p.choice.Base.Envelope.Groups[0].Visibility
	return p.choice.Instant || !slices.ContainsFunc(p.altering(), func(s statement) bool { return !seen.Sees(s.txn.XID) })
}

// catalogs are the bases whose catalogs may be those of points of the log after the snapshot, the snapshot's own among them, by
// position.
func (p *history) catalogs() []*plan.Base {
	own := p.choice.Base
	all := []*plan.Base{own}
	for _, bases := range [][]plan.Base{p.held.versions, p.held.bases} {
		for i := range bases {
			b := &bases[i]
			if b.Envelope.ID != own.Envelope.ID && b.Chain == own.Chain && position(b) <= b.Chain.To &&
				b.Envelope.Groups[0].Visibility.Includes(own.Envelope.Groups[0].Visibility) {
				all = append(all, b)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *plan.Base) int { return cmp.Compare(position(a), position(b)) })
	return all
}

// catalogTime is when the catalog of the target was read, by the source's clock.
func (p *history) catalogTime() time.Time {
	if p.across != nil {
		return p.across.version.Envelope.Groups[0].Time
	}
	return p.choice.Base.Envelope.Groups[0].Time
}

// latestCatalog returns the base with the newest catalog at or before the cut of a choice, on the same log, whatever DDL it sees.
func (h *holding) latestCatalog(ctx context.Context, c *plan.Choice) (*plan.Base, error) {
	latest := c.Base
	if c.Instant {
		return latest, nil
	}
	for _, bases := range [][]plan.Base{h.versions, h.bases} {
		for i := range bases {
			b := &bases[i]
			if b.Chain != c.Base.Chain || position(b) > c.Cut || position(b) <= position(latest) {
				continue
			}
			if noted, err := h.noted(ctx, &plan.Choice{Base: b}); err != nil {
				return nil, err
			} else if noted {
				latest = b
			}
		}
	}
	return latest, nil
}

// position is a catalog's: every transaction that it sees ended before.
func position(b *plan.Base) format.LSN { return b.Envelope.Groups[0].LSN }

// sight is how much of the DDL a catalog sees.
type sight struct {
	base *plan.Base
	// seen of the DDL in the order of the log, if it is the first so many: the catalog is that of the points from the last of them up to
	// the next.
	seen int
	one  bool
}

func sightOf(b *plan.Base, altering []statement) sight {
	s := sight{base: b, one: true}
	for i := range altering {
		if b.Envelope.Groups[0].Visibility.Sees(altering[i].txn.XID) {
			s.one = s.one && s.seen == i
			s.seen = i + 1
		}
	}
	return s
}

// catalogAt returns the base whose catalog is that of the target; nil: there is none, and p.nearest tells what is nearest to it.
// For tables alone the nearest before may do: that is judged with the statements which it does not see.
func (p *history) catalogAt(ctx context.Context) (*plan.Base, error) {
	altering := p.altering()
	n := len(altering)
	fits := func(s sight) bool { return s.one && s.seen == n }
	all := p.catalogs()
	later := slices.IndexFunc(all, func(b *plan.Base) bool { return position(b) > p.choice.Cut })
	if later < 0 {
		later = len(all)
	}
	before := sight{seen: -1}
	for _, b := range slices.Backward(all[:later]) {
		s := sightOf(b, altering)
		if fits(s) {
			if ok, err := p.held.noted(ctx, &plan.Choice{Base: b}); ok || err != nil {
				return b, err
			}
			continue
		}
		if s.one && s.seen > before.seen {
			before = s
		}
	}
	var after *exactPoint
	for _, b := range all[later:] {
		behind, err := p.alteringAfter(ctx, position(b))
		if err != nil {
			return nil, err
		}
		s := sightOf(b, slices.Concat(altering, behind))
		if !fits(s) && !(s.one && s.seen > n) {
			if s.one && s.seen > before.seen {
				before = s
			}
			continue
		}
		ok, err := p.held.noted(ctx, &plan.Choice{Base: b})
		if err != nil {
			return nil, err
		}
		if ok && fits(s) {
			return b, nil
		}
		if ok {
			last := slices.Concat(altering, behind)[s.seen-1].txn
			after = &exactPoint{Target{Kind: TargetXID, XID: last.XID}, fmt.Sprintf(" (%s)", stamp(last.Time))}
			break
		}
	}
	p.nearest = &nearestPoints{after: after}
	if before.seen >= 0 && before.seen < n {
		point := p.pointBefore(altering[before.seen].txn)
		p.nearest.before, p.nearest.catalog = &point, before.base
	}
	return nil, nil
}

// alteringAfter returns the DDL behind the cut up to a position.
func (p *history) alteringAfter(ctx context.Context, to format.LSN) ([]statement, error) {
	var found []statement
	past := p.choice.Cut
	for _, s := range p.choice.Base.Chain.Segments {
		if s.To <= p.choice.Cut || s.From >= to {
			continue
		}
		seg, err := p.held.openSegment(ctx, s)
		if err != nil {
			return nil, err
		}
		txns := seg.Transactions()
		for _, m := range seg.Messages() {
			if t := txns[m.Txn]; m.Prefix == format.PrefixDDL && t.EndLSN > past && t.EndLSN <= to {
				s := statement{txn: t}
				if s.DDL, s.broken = wal.ParseDDL(m.Content); s.broken != nil || s.ChangesCatalog() {
					found = append(found, s)
				}
			}
		}
		past = max(past, s.To)
	}
	return found, nil
}
