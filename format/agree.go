package format

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// CheckBody holds a body against its envelope: the same snapshot, groups and parts that
// exist, each part used once, and the envelope's sums. What differs is in the error; it is
// a sign of damage or of a faulty writer.
func (e *Envelope) CheckBody(b *Body) error {
	if e.ID != b.ID {
		return fmt.Errorf("the body is of snapshot %v and the envelope of %v", b.ID, e.ID)
	}
	used := make([]bool, len(e.Parts))
	var rows, raw int64
	for i := range b.Tables {
		t := &b.Tables[i]
		if t.Group < 0 || t.Group >= len(e.Groups) {
			return fmt.Errorf("table %d (%s.%s) is of group %d of %d", t.OID, t.Schema, t.Name, t.Group, len(e.Groups))
		}
		for _, p := range t.Parts {
			if p.Object < 0 || p.Object >= len(used) || used[p.Object] {
				return fmt.Errorf("table %d (%s.%s) has part %d, which is not there or another's", t.OID, t.Schema, t.Name, p.Object)
			}
			used[p.Object] = true
		}
		rows, raw = rows+t.Rows, raw+t.RawBytes
	}
	for i, u := range used {
		if !u {
			return fmt.Errorf("part %d (%s) belongs to no table", i, e.Parts[i].Name)
		}
	}
	if rows != e.Rows || raw != e.RawBytes {
		return fmt.Errorf("the tables have %d rows and %d bytes, the envelope tells %d and %d", rows, raw, e.Rows, e.RawBytes)
	}
	return nil
}

// Describe gives the name that a segment of these transactions must have. It has at least
// one transaction.
func Describe(from, to LSN, ts []Transaction) SegmentName {
	n := SegmentName{From: from, To: to}
	for i := range ts {
		t := &ts[i]
		if i == 0 {
			n.MinXID, n.MaxXID = t.XID, t.XID
		}
		n.MinXID, n.MaxXID = min(n.MinXID, t.XID), max(n.MaxXID, t.XID)
		if t.Origin {
			continue
		}
		at := t.Time.UTC().Truncate(time.Microsecond)
		if n.MinTime.IsZero() || at.Before(n.MinTime) {
			n.MinTime = at
		}
		if at.After(n.MaxTime) {
			n.MaxTime = at
		}
	}
	return n
}

// CheckName holds a segment's head and transactions against the name and the log it was
// listed under, so that a segment that lies in another's place is found. What differs is
// in the error.
func (h *SegmentHead) CheckName(n SegmentName, log uuid.UUID, ts []Transaction) error {
	if h.Log != log {
		return fmt.Errorf("it is of log %v, not %v", h.Log, log)
	}
	if len(ts) == 0 {
		return fmt.Errorf("it holds no transaction")
	}
	first, last := &ts[0], &ts[len(ts)-1]
	if first.CommitLSN < h.From || last.EndLSN != h.To {
		return fmt.Errorf("it goes from %v to %v and its transactions from %v to %v", h.From, h.To, first.CommitLSN, last.EndLSN)
	}
	if l := h.Last; l.XID != last.XID || l.CommitLSN != last.CommitLSN || l.EndLSN != last.EndLSN || !l.Time.Equal(last.Time) {
		return fmt.Errorf("its head tells of the last commit %d at %v, its transactions end with %d at %v", l.XID, l.CommitLSN, last.XID, last.CommitLSN)
	}
	if is := Describe(h.From, h.To, ts); is.String() != n.String() {
		return fmt.Errorf("it would be named %v, not %v", is, n)
	}
	return nil
}
