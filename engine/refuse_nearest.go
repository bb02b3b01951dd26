package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/format"
)

// mostProofs bounds how many points on one side of a target are tried for the nearest exact one.
const mostProofs = 8

// exactPoint is a point that may be restored exactly where the target cannot, and what is said of it beside its flag.
type exactPoint struct {
	Target
	said string
}

func (e exactPoint) String() string { return e.flag() + e.said }

// flag is the target as the command line names it.
func (t Target) flag() string {
	switch t.Kind {
	case TargetLSN:
		return fmt.Sprintf("--lsn %v", t.LSN)
	case TargetXID:
		return fmt.Sprintf("--xid %d", t.XID)
	case TargetBeforeXID:
		return fmt.Sprintf("--before-xid %d", t.XID)
	case TargetSnapshot:
		return "--snapshot " + t.Name
	}
	return t.String()
}

// nearestPoints are the points around a target, of whose catalog there is no version, that have one; nil: there is none.
type nearestPoints struct {
	before, after *exactPoint
	// catalog is that of the point before.
	catalog *plan.Base
}

// pointBefore is the last point before a transaction.
func (p *history) pointBefore(txn format.Transaction) exactPoint {
	base := p.choice.Base
	switch {
	case txn.CommitLSN >= base.From:
		return exactPoint{Target: Target{Kind: TargetBeforeXID, XID: txn.XID}}
	case base.Single():
		return exactPoint{Target: Target{Kind: TargetSnapshot, Name: base.Envelope.ID.String()}}
	}
	return exactPoint{Target: Target{Kind: TargetLSN, LSN: base.From}}
}

// nearest is the first of the points from which what was asked for can be restored.
func (c *crossing) nearest(ctx context.Context, points []exactPoint, none string) string {
	for i, p := range points {
		if i < mostProofs && (c.reaches == nil || c.reaches(ctx, p.Target)) {
			return p.String()
		}
	}
	return none
}

// before names the nearest exact point before a transaction.
func (c *crossing) before(ctx context.Context, txn format.Transaction) string {
	var points []exactPoint
	if n := c.past.nearest; n == nil {
		points = []exactPoint{c.past.pointBefore(txn)}
	} else if n.before != nil {
		points = []exactPoint{*n.before}
	}
	for _, s := range slices.Backward(c.past.statements) {
		if s.txn.CommitLSN < txn.CommitLSN {
			points = append(points, c.past.pointBefore(s.txn))
		}
	}
	if base := c.past.choice.Base; base.Single() {
		own := exactPoint{Target: Target{Kind: TargetSnapshot, Name: base.Envelope.ID.String()}}
		points = append(slices.Compact(points)[:min(len(slices.Compact(points)), mostProofs-1)], own)
	}
	return c.nearest(ctx, slices.Compact(points), "none of this snapshot")
}

// after names the nearest exact point after a position: one that has a version of its catalog, or that of a copy or a snapshot.
func (c *crossing) after(ctx context.Context, at format.LSN) string {
	var points []exactPoint
	none := "none yet: go on with the stream, which copies such tables anew, or take a snapshot"
	if n := c.past.nearest; n != nil {
		none = "none yet: go on with the stream, which takes a version of the catalog, or take a snapshot"
		if n.after != nil {
			points = append(points, *n.after)
		}
	}
	own := c.past.choice.Base
	bases := slices.DeleteFunc(slices.Concat(c.past.held.versions, c.past.held.bases), func(b plan.Base) bool {
		switch {
		case b.Envelope.CatalogVersion:
			return b.Envelope.CopiedTables == 0 || b.Chain == nil || b.Chain != own.Chain || b.From <= c.past.choice.Cut
		}
		return b.From < at || !b.Serves() || b.Envelope.Timeline != own.Envelope.Timeline
	})
	slices.SortStableFunc(bases, func(a, b plan.Base) int { return cmp.Compare(a.From, b.From) })
	for _, b := range bases {
		p := exactPoint{Target{Kind: TargetLSN, LSN: b.From}, fmt.Sprintf(" (%s, copy %v)", stamp(b.FromTime), b.Envelope.ID)}
		// The instant of a snapshot of some tables is one of these only; with the log it may be one of all.
		if partial := b.Envelope.Inexact != nil && b.Envelope.Inexact.SkippedTables > 0; !b.Envelope.CatalogVersion && (!partial || b.Chain != own.Chain) {
			p = exactPoint{Target{Kind: TargetSnapshot, Name: b.Envelope.ID.String()}, fmt.Sprintf(" (%s)", stamp(b.FromTime))}
		}
		points = append(points, p)
	}
	return c.nearest(ctx, points, none)
}

// reaches says whether what was asked for can be restored from another target.
func (r *restore) reaches(ctx context.Context, t Target) bool {
	o := r.o
	o.Target, o.Tracer = t, nil
	other := newRestore(o)
	other.proving = true
	return other.choose(ctx) == nil
}
