// Package plan decides from names and envelopes alone what a recovery target needs: which snapshot, which
// segments, and where the log is cut. Everything here is a pure function.
//
// A log is a chain of segments from its consistent point on: a segment joins the chain where its From is not beyond
// the chain's end, and carries it on to its To. Where several fit the longest wins, so that segments merged from others
// supersede them. Where none fits the chain ends for good: what follows a hole is not usable, for a
// transaction lost in the hole may be one that a snapshot taken after the hole does not see.
package plan

import (
	"cmp"
	"slices"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/format"
)

// Segment is one segment as its name and the listing tell it.
type Segment struct {
	format.SegmentName
	// Object is the name in the repository, Size its stored bytes.
	Object string
	Size   int64
}

// Log is one log as its start and the listing tell it.
type Log struct {
	Start    format.LogStart
	Segments []Segment
	Gaps     []format.Gap
}

// Chain is the usable part of a log.
type Chain struct {
	Log format.LogStart
	// Segments cover (Log.ConsistentPoint, To] without a hole, in order. Neighbours may overlap: of each count only
	// the transactions that end after its predecessor's To.
	Segments []Segment
	To       format.LSN
}

// Hole is where a chain ends though segments follow.
type Hole struct {
	Log      uuid.UUID
	From, To format.LSN
	// Recorded is the gap object that explains it, nil where none does: then the repository has lost a segment.
	Recorded *format.Gap
}

// Follow returns the usable chain of l and its holes: those between segments, and the recorded gaps at or after the
// chain's end, which may have no segment behind them.
func Follow(l Log) (Chain, []Hole) {
	segments := slices.Clone(l.Segments)
	slices.SortFunc(segments, func(a, b Segment) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(b.To, a.To)) // the longest first
	})
	chain := Chain{Log: l.Start, To: l.Start.ConsistentPoint}
	var holes []Hole
	explained := make([]bool, len(l.Gaps))
	at := l.Start.ConsistentPoint
	usable := true
	for i := 0; i < len(segments); {
		// Of all that begin at or before the end reached, the one that leads furthest.
		best := -1
		for ; i < len(segments) && segments[i].From <= at; i++ {
			if segments[i].To > at && (best < 0 || segments[i].To > segments[best].To) {
				best = i
			}
		}
		if best >= 0 {
			at = segments[best].To
			if usable {
				chain.Segments = append(chain.Segments, segments[best])
				chain.To = at
			}
			continue
		}
		if i == len(segments) {
			break
		}
		hole := Hole{Log: l.Start.Log, From: at, To: segments[i].From}
		for g := range l.Gaps {
			gap := &l.Gaps[g]
			if gap.From <= hole.From && (gap.To == 0 || gap.To >= hole.To) {
				hole.Recorded, explained[g] = gap, true
			}
		}
		holes = append(holes, hole)
		usable, at = false, segments[i].From
	}
	for g := range l.Gaps {
		if !explained[g] {
			holes = append(holes, Hole{Log: l.Start.Log, From: l.Gaps[g].From, To: l.Gaps[g].To, Recorded: &l.Gaps[g]})
		}
	}
	return endAtGap(chain, l.Gaps), holes
}

// endAtGap ends the chain at the first recorded gap within it: changes may be missing though segments meet, for
// example those that a changed publication did not publish.
func endAtGap(c Chain, gaps []format.Gap) Chain {
	for _, gap := range gaps {
		if gap.From >= c.To {
			continue
		}
		n := 0
		for n < len(c.Segments) && c.Segments[n].To <= gap.From {
			n++
		}
		if n < len(c.Segments) && c.Segments[n].From < gap.From {
			n++ // the transactions before the gap in this one still count
		}
		c.Segments, c.To = c.Segments[:n], gap.From
	}
	return c
}
