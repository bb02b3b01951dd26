package engine

import (
	"context"
	"slices"

	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/format"
)

// sequences are the samples of sequences around a cut. Sequences are not decoded (PostgreSQL documentation, "Logical Replication
// Restrictions"): each segment tells what was read of them when it was stored, those that had changed since the segment before.
type sequences struct {
	cut format.LSN
	// before are the last samples that may be older than the cut, after the first that are not.
	before, after map[uint32]format.SequenceSample
	seen          bool            // the first segment sampled after the cut was seen
	missing       map[uint32]bool // those that it could not read, and none after it so far
}

func newSequences(snapshot []format.SequenceSample, cut format.LSN) sequences {
	q := sequences{cut: cut, before: map[uint32]format.SequenceSample{}, after: map[uint32]format.SequenceSample{}, missing: map[uint32]bool{}}
	for _, s := range snapshot {
		q.before[s.OID] = s
	}
	return q
}

// settled says whether nothing that follows can tell more.
func (q *sequences) settled() bool { return q.seen && len(q.missing) == 0 }

// take takes in what the next segment tells.
func (q *sequences) take(head format.SegmentHead) {
	switch {
	case q.settled() || head.SampledAt == 0:
	case head.SampledAt < q.cut:
		for _, s := range head.Sequences {
			q.before[s.OID] = s
		}
	case !q.seen: // what it does not tell is as before, or could not be read
		q.seen = true
		for _, s := range head.Sequences {
			q.after[s.OID] = s
		}
		for _, oid := range head.Unsampled {
			q.missing[oid] = true
		}
	default:
		for _, s := range head.Sequences {
			if q.missing[s.OID] {
				q.after[s.OID] = s
			}
		}
		for oid := range q.missing {
			if !slices.Contains(head.Unsampled, oid) {
				delete(q.missing, oid)
			}
		}
	}
}

// know takes in what the body of a version of the catalog tells of sequences that the segments do not: those made after the snapshot.
func (q *sequences) know(b *format.Body) {
	into := q.before
	if b.SampledAt >= q.cut {
		into = q.after
	}
	for _, s := range b.Sequences {
		if _, known := into[s.OID]; !known {
			into[s.OID] = s
		}
	}
}

// value returns the value that a sequence gets: the farther of the samples around the cut, so that it is never below what was
// given out.
func (q *sequences) value(oid uint32, descending bool) (format.SequenceSample, bool) {
	b, okB := q.before[oid]
	a, okA := q.after[oid]
	switch {
	case !okA:
		return b, okB
	case !okB:
		return a, true
	}
	farther := a.Value > b.Value || a.Value == b.Value && a.Called
	if descending {
		farther = a.Value < b.Value || a.Value == b.Value && a.Called
	}
	if farther {
		return a, true
	}
	return b, true
}

// sampleSequences reads the samples from those that may be later than the snapshot's on, to the first after the cut. A log that
// lags behind has some with segments of before the snapshot.
func (p *history) sampleSequences(ctx context.Context) error {
	if p.choice.Instant || p.choice.Base.Chain == nil {
		return nil
	}
	chain, oldest := p.choice.Base.Chain.Segments, min(p.body.SampledAt, p.choice.Base.Envelope.Groups[0].LSN)
	first := slices.IndexFunc(chain, func(s plan.Segment) bool { return s.To > oldest })
	if first < 0 {
		first = len(chain)
	}
	var earlier []format.SegmentHead
	for later := true; later && first > 0; {
		first--
		head, err := p.samples(ctx, chain[first])
		if err != nil {
			return err
		}
		// The last of them was begun before the snapshot, and may have been read after it.
		later = head.SampledAt == 0 || head.SampledAt >= oldest
		earlier = append(earlier, head)
	}
	for _, head := range slices.Backward(earlier) {
		p.sequences.take(head)
	}
	for _, s := range chain[first+len(earlier):] {
		if p.sequences.settled() {
			return nil
		}
		head, err := p.samples(ctx, s)
		if err != nil {
			return err
		}
		p.sequences.take(head)
	}
	return nil
}

// noteSamples keeps of a segment what it tells of sequences.
func (p *history) noteSamples(head format.SegmentHead) {
	p.sampled[head.To] = format.SegmentHead{To: head.To, Sequences: head.Sequences, SampledAt: head.SampledAt, Unsampled: head.Unsampled}
}

// samples are what a segment tells of sequences. One that was read already is not read again.
func (p *history) samples(ctx context.Context, s plan.Segment) (format.SegmentHead, error) {
	if _, read := p.sampled[s.To]; !read {
		seg, err := p.held.openSegment(ctx, s)
		if err != nil {
			return format.SegmentHead{}, err
		}
		p.noteSamples(seg.Head())
	}
	return p.sampled[s.To], nil
}
