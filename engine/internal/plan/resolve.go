package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/format"
)

// ErrUnreachable: no base serves the target; the error's text says what is served instead.
var ErrUnreachable = errors.New("recovery target not reachable")

// ErrAmbiguous: the target names more than one point.
var ErrAmbiguous = errors.New("recovery target is ambiguous")

// Choice is one way to reach a target.
type Choice struct {
	Base *Base
	// Cut: every transaction of the log that ends at or before it counts. With Instant the log is not needed and Cut is Base.From.
	Cut     format.LSN
	Instant bool
}

// Segments returns the segments to read.
func (c *Choice) Segments() []Segment {
	if c.Instant {
		return nil
	}
	return c.Base.Segments(c.Cut)
}

// Transactions reads the transactions of a segment.
type Transactions func(Segment) ([]format.Transaction, error)

// Latest returns the choices for the last point of each base, best first.
func Latest(bases []Base) ([]Choice, error) {
	var choices []Choice
	for i := range bases {
		if bases[i].Serves() {
			choices = append(choices, choice(&bases[i], bases[i].To))
		}
	}
	if len(choices) == 0 {
		return nil, unreachable(bases, "nothing can be restored yet")
	}
	slices.SortStableFunc(choices, func(a, b Choice) int { return cmp.Compare(b.Cut, a.Cut) })
	return choices, nil
}

// choice is an instant where the log does not reach the base.
func choice(b *Base, cut format.LSN) Choice {
	return Choice{Base: b, Cut: cut, Instant: b.Chain == nil || b.Chain.To < b.From}
}

// AtLSN returns the choices for every commit whose record ends at or before lsn.
func AtLSN(bases []Base, lsn format.LSN) ([]Choice, error) {
	var choices []Choice
	for i := range bases {
		if b := &bases[i]; b.Serves() && b.From <= lsn && lsn <= b.To {
			choices = append(choices, choice(b, lsn))
		}
	}
	if len(choices) == 0 {
		return nil, unreachable(bases, fmt.Sprintf("LSN %v is in no recovery window", lsn))
	}
	return choices, nil
}

// AtTime returns the choices for everything, in commit order, before the first local commit later than t. Without
// such a commit a point in time is not proven: an earlier commit may be still to come.
func AtTime(bases []Base, t time.Time, read Transactions) ([]Choice, error) {
	var choices []Choice
	for i := range bases {
		b := &bases[i]
		if !b.Serves() || b.Chain == nil || b.Chain.To < b.From || t.Before(b.FromTime) {
			continue
		}
		cut, found, err := firstLater(b, t, read)
		if err != nil {
			return nil, err
		}
		if found {
			choices = append(choices, choice(b, cut))
		}
	}
	if len(choices) > 0 {
		return choices, nil
	}
	return nil, unreachable(bases, fmt.Sprintf("no recovery window holds %s", stamp(t)))
}

// firstLater returns where the first local commit later than t begins, of those after the base. Where a commit that
// the base holds is already later than t (the source's clock was set back), the base does not serve t.
func firstLater(b *Base, t time.Time, read Transactions) (format.LSN, bool, error) {
	for _, s := range b.Segments(b.Chain.To) {
		if !s.MaxTime.After(t) {
			continue // its name says that no local commit in it is later
		}
		txns, err := read(s)
		if err != nil {
			return 0, false, err
		}
		for _, txn := range txns {
			if !txn.Origin && txn.Time.After(t) {
				return txn.CommitLSN, txn.CommitLSN >= b.From, nil
			}
		}
	}
	return 0, false, nil
}

// Found is a transaction of the log.
type Found struct {
	Chain *Chain
	Txn   format.Transaction
}

// FindXID looks for a transaction by its id of 64 bits, or of 32 bits where xid < 2^32. The newest log that has it wins;
// two in one log are an ErrAmbiguous.
func FindXID(chains []Chain, xid uint64, read Transactions) (*Found, error) {
	for i := range slices.Backward(chains) {
		var found *Found
		for _, s := range chains[i].Segments {
			if !mayHold(s, xid) {
				continue
			}
			txns, err := read(s)
			if err != nil {
				return nil, err
			}
			for _, txn := range txns {
				if txn.XID != xid && (xid>>32 != 0 || uint64(uint32(txn.XID)) != xid) {
					continue
				}
				if found != nil && found.Txn.XID != txn.XID {
					return nil, fmt.Errorf("%w: %d stands for the transactions %d and %d; give all 64 bits", ErrAmbiguous, xid, found.Txn.XID, txn.XID)
				}
				found = &Found{&chains[i], txn}
			}
		}
		if found != nil {
			return found, nil
		}
	}
	return nil, fmt.Errorf("%w: nothing matches: no log holds the commit of a transaction %d", ErrUnreachable, xid)
}

// mayHold says whether the ids of a segment include xid, modulo 2^32 where xid has no more bits.
func mayHold(s Segment, xid uint64) bool {
	if xid>>32 != 0 {
		return s.MinXID <= xid && xid <= s.MaxXID
	}
	for epoch := s.MinXID >> 32; epoch <= s.MaxXID>>32; epoch++ {
		if full := epoch<<32 | xid; s.MinXID <= full && full <= s.MaxXID {
			return true
		}
	}
	return false
}

// AtTransaction returns the choices that cut the log just after a transaction, or just before it.
func AtTransaction(bases []Base, f *Found, before bool) ([]Choice, error) {
	cut := f.Txn.EndLSN
	if before {
		cut = f.Txn.CommitLSN
	}
	var choices []Choice
	for i := range bases {
		b := &bases[i]
		// Every transaction that the base holds ends at or before b.From.
		if b.Serves() && b.Chain == f.Chain && b.From <= cut && f.Txn.EndLSN <= b.Chain.To {
			choices = append(choices, choice(b, cut))
		}
	}
	if len(choices) == 0 {
		return nil, unreachable(bases, fmt.Sprintf("transaction %d, which committed at %v (%s), has no snapshot before it",
			f.Txn.XID, f.Txn.CommitLSN, stamp(f.Txn.Time)))
	}
	return choices, nil
}

// OfSnapshot returns the choice for the own instant of the one snapshot whose id begins with prefix. Where its tables
// were read at several instants it is the latest of them, and needs the log.
func OfSnapshot(bases []Base, prefix string) ([]Choice, error) {
	b, err := Named(bases, prefix)
	if err != nil {
		return nil, err
	}
	if b.Single() {
		return []Choice{{Base: b, Cut: b.From, Instant: true}}, nil
	}
	if !b.Serves() {
		return nil, fmt.Errorf("%w: the tables of snapshot %v were read at several instants, and the log does not reach the last of them (%v) yet; run stream",
			ErrUnreachable, b.Envelope.ID, b.From)
	}
	return []Choice{{Base: b, Cut: b.From}}, nil
}

// Named returns the one base whose snapshot's id begins with prefix.
func Named(bases []Base, prefix string) (*Base, error) {
	var found []*Base
	for i := range bases {
		if strings.HasPrefix(bases[i].Envelope.ID.String(), strings.ToLower(prefix)) {
			found = append(found, &bases[i])
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%w: nothing matches: no snapshot has an id that begins with %q", ErrUnreachable, prefix)
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("%w: the ids of %d snapshots begin with %q; give more of it", ErrAmbiguous, len(found), prefix)
}

// unreachable says what the windows are.
func unreachable(bases []Base, what string) error {
	windows := Windows(bases)
	if len(windows) == 0 {
		return fmt.Errorf("%w: %s; there is no recovery window: take a snapshot", ErrUnreachable, what)
	}
	var text []string
	for _, w := range windows {
		if w.Log == uuid.Nil {
			text = append(text, fmt.Sprintf("the instant of snapshot %v (%v, %s)", w.Snapshot, w.From, stamp(w.FromTime)))
			continue
		}
		text = append(text, fmt.Sprintf("%s to %s (LSN %v to %v, the log's durable end)", stamp(w.FromTime), stamp(w.ToTime), w.From, w.To))
	}
	return fmt.Errorf("%w: %s; recovery windows: %s", ErrUnreachable, what, strings.Join(text, "; "))
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999Z") }
