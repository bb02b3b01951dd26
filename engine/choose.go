package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal"
)

// choose returns the ways to reach a target, best first.
func (h *holding) choose(ctx context.Context, t Target) ([]plan.Choice, error) {
	choices, err := h.resolve(ctx, t)
	switch {
	case errors.Is(err, plan.ErrUnreachable):
		return nil, windowf("%w", err)
	case errors.Is(err, plan.ErrAmbiguous):
		return nil, usagef("%w", err)
	}
	return choices, err
}

func (h *holding) resolve(ctx context.Context, t Target) ([]plan.Choice, error) {
	read := func(s plan.Segment) ([]format.Transaction, error) {
		seg, err := h.openSegment(ctx, s)
		if err != nil {
			return nil, err
		}
		return seg.Transactions(), nil
	}
	switch t.Kind {
	case TargetLatest:
		return plan.Latest(h.bases)
	case TargetTime:
		return plan.AtTime(h.bases, t.Time, read)
	case TargetLSN:
		return plan.AtLSN(h.bases, t.LSN)
	case TargetXID, TargetBeforeXID:
		found, err := plan.FindXID(h.chains, t.XID, read)
		if err != nil {
			return nil, err
		}
		return plan.AtTransaction(h.bases, found, t.Kind == TargetBeforeXID)
	case TargetMark:
		found, err := h.findMark(ctx, t.Name)
		if err != nil {
			return nil, err
		}
		return plan.AtTransaction(h.bases, found, false)
	case TargetSnapshot:
		return plan.OfSnapshot(h.bases, t.Name)
	}
	return nil, fmt.Errorf("unknown kind of target %d", t.Kind)
}

// findMark looks for the transaction that set a mark. A name is given once, so that two transactions with it mean
// that somebody else wrote one of them (any role may write messages into the log), or that the source was set back:
// then the person must say which.
func (h *holding) findMark(ctx context.Context, name string) (found *plan.Found, err error) {
	var all []string
	for i := range h.chains {
		for _, s := range h.chains[i].Segments {
			seg, err := h.openSegment(ctx, s)
			if err != nil {
				return nil, err
			}
			for _, m := range seg.Messages() {
				if m.Prefix != format.PrefixMark || m.Content != name {
					continue
				}
				if txn := seg.Transactions()[m.Txn]; found == nil || found.Txn.EndLSN != txn.EndLSN {
					found = &plan.Found{Chain: &h.chains[i], Txn: txn}
					all = append(all, fmt.Sprintf("--xid %d (%s)", txn.XID, stamp(txn.Time)))
				}
			}
		}
	}
	switch len(all) {
	case 0:
		return nil, fmt.Errorf("%w: nothing matches: no log holds a mark %q", plan.ErrUnreachable, name)
	case 1:
		return found, nil
	}
	return nil, usagef("mark %q is in the log more than once: give one of %s instead", name, fewOf(all, 12))
}

// openSegment opens a segment and makes sure that it is the one its name and place say. What is small is kept for the next
// to open it, as for each of many tables.
func (h *holding) openSegment(ctx context.Context, s plan.Segment) (*wal.Segment, error) {
	if seg := h.opened.get(s.Object); seg != nil {
		return seg, nil
	}
	r, err := h.source.OpenSegment(ctx, s)
	if err != nil {
		return nil, err
	}
	seg, err := wal.OpenSegment(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := seg.CheckName(s.SegmentName); err != nil {
		return nil, err
	}
	head := seg.Head()
	if head.SystemID != h.source.SystemID || head.DatabaseOID != h.source.DatabaseOID || !inLog(s, head) {
		return nil, integrityf("segment %s is of log %v of system %s, and does not belong there", h.source.Path(s.Object), head.Log, head.SystemID)
	}
	h.opened.keep(s.Object, seg)
	return seg, nil
}

// openSegments keeps open segments, the first that fit. It is safe for concurrent use.
type openSegments struct {
	mu     sync.Mutex
	byName map[string]*wal.Segment
	kept   int // entries, as in mostKept
}

// mostKept bounds the transactions, their counts of tables, the layouts and the messages that are kept, of some 100 bytes each.
const mostKept = 200_000

func (o *openSegments) get(object string) *wal.Segment {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.byName[object]
}

func (o *openSegments) keep(object string, seg *wal.Segment) {
	n := len(seg.Transactions()) + len(seg.Layouts())
	for i := range seg.Transactions() {
		n += len(seg.Transactions()[i].Tables)
	}
	for _, m := range seg.Messages() {
		n += 1 + len(m.Content)/100
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.kept+n > mostKept {
		return
	}
	if o.byName == nil {
		o.byName = map[string]*wal.Segment{}
	}
	if o.byName[object] == nil {
		o.byName[object] = seg
		o.kept += n
	}
}

// point says what a choice reached: the last transaction included, or the snapshot's position.
func point(lsn format.LSN, xid uint64, t time.Time) Point {
	return Point{LSN: lsn, XID: xid, Time: t.UTC(), LocalTime: t.Local().Format("2006-01-02 15:04:05.999999 -07:00")}
}
