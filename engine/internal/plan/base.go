package plan

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/format"
)

// Base is a snapshot together with the chain it joins, and the interval of points both serve.
type Base struct {
	Envelope *format.Envelope
	// Chain is nil where the snapshot joins no usable log: then only its own instant can be restored.
	Chain *Chain
	// From is the position of its latest group: every transaction that any group sees ends before it.
	From format.LSN
	// FromTime is the source's clock at From.
	FromTime time.Time
	// To is the last position served; below From where the log has not come that far.
	To format.LSN
	// ToTime is the greatest local commit time of the log, zero where there is none. A point in time is served only where a commit
	// later than it proves that nothing earlier is still to come.
	ToTime time.Time
}

// Bases joins each snapshot to its log, newest first.
func Bases(envelopes []*format.Envelope, chains []Chain) []Base {
	var bases []Base
	for _, e := range envelopes {
		if len(e.Groups) == 0 {
			continue
		}
		b := Base{Envelope: e}
		for _, g := range e.Groups {
			if g.LSN >= b.From {
				b.From, b.FromTime = g.LSN, g.Time
			}
		}
		b.To = b.From
		if len(e.Groups) > 1 {
			b.To = 0 // without the log there is no single instant
		}
		for i := range chains {
			// Up to where the log notes the snapshot it may be of another history than the snapshot.
			if joins(e, &chains[i].Log) && chains[i].To >= e.Noted {
				b.Chain = &chains[i]
				b.ToTime = latestTime(&chains[i])
				b.To = max(b.To, b.Chain.To)
			}
		}
		bases = append(bases, b)
	}
	slices.SortStableFunc(bases, func(a, b Base) int {
		return cmp.Or(b.FromTime.Compare(a.FromTime), cmp.Compare(b.From, a.From))
	})
	return bases
}

// joins says whether every transaction that some group of e does not see is in the log: it is if it was still to
// begin when S1 was taken, and S1 was taken when the slot existed.
func joins(e *format.Envelope, l *format.LogStart) bool {
	if e.Log == uuid.Nil || e.Log != l.Log || e.SystemID != l.SystemID || e.DatabaseOID != l.DatabaseOID || e.Timeline != l.Timeline {
		return false
	}
	for _, g := range e.Groups {
		if g.Visibility.Xmin < l.Visibility.Xmax {
			return false
		}
	}
	return true
}

func latestTime(c *Chain) time.Time {
	var latest time.Time
	for _, s := range c.Segments {
		if s.MaxTime.After(latest) {
			latest = s.MaxTime
		}
	}
	return latest
}

// Serves says whether the base can be restored at all.
func (b *Base) Serves() bool { return b.To >= b.From }

// Single says whether the snapshot's own instant is one instant.
func (b *Base) Single() bool { return len(b.Envelope.Groups) == 1 }

// Xmin is the lowest of its groups: the first segment to read is the first with a transaction not below it.
func (b *Base) Xmin() uint64 {
	xmin := b.Envelope.Groups[0].Visibility.Xmin
	for _, g := range b.Envelope.Groups[1:] {
		xmin = min(xmin, g.Visibility.Xmin)
	}
	return xmin
}

// Segments returns those to read for the point cut: beginning with the first whose highest transaction id is ≥ the lowest
// xmin (what precedes it holds only transactions that every group sees), up to the one that holds cut.
func (b *Base) Segments(cut format.LSN) []Segment {
	if b.Chain == nil {
		return nil
	}
	all := b.Chain.Segments
	first := slices.IndexFunc(all, func(s Segment) bool { return s.MaxXID >= b.Xmin() })
	if first < 0 {
		return nil
	}
	end := first
	for end < len(all) && all[end].From < cut {
		end++
	}
	return all[first:end]
}

// Window is an interval in which every point can be restored.
type Window struct {
	// Log is Nil where the window is one snapshot's instant.
	Log              uuid.UUID
	Snapshot         uuid.UUID
	From, To         format.LSN
	FromTime, ToTime time.Time
}

// Windows returns the recovery windows, oldest first: per log one that begins at its earliest snapshot, and one per
// snapshot that joins none.
func Windows(bases []Base) []Window {
	var windows []Window
	byLog := map[uuid.UUID]int{}
	for _, b := range slices.Backward(bases) {
		if !b.Serves() {
			continue
		}
		w := Window{Snapshot: b.Envelope.ID, From: b.From, To: b.From, FromTime: b.FromTime, ToTime: b.FromTime}
		if b.Chain != nil && b.Chain.To >= b.From {
			w.Log, w.To = b.Chain.Log.Log, b.Chain.To
			if b.ToTime.After(w.ToTime) {
				w.ToTime = b.ToTime
			}
			if i, ok := byLog[w.Log]; ok {
				if w.From < windows[i].From {
					windows[i].From, windows[i].FromTime, windows[i].Snapshot = w.From, w.FromTime, w.Snapshot
				}
				continue
			}
			byLog[w.Log] = len(windows)
		}
		windows = append(windows, w)
	}
	return windows
}
