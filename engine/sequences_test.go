package engine

import (
	"testing"

	"github.com/pgrecall/pgrecall/format"
)

func TestASequenceGetsTheFartherOfTheSamplesAroundTheCut(t *testing.T) {
	up := func(value int64) []format.SequenceSample {
		return []format.SequenceSample{{OID: 1, Value: value, Called: true}}
	}
	for _, c := range []struct {
		name    string
		heads   []format.SegmentHead
		want    int64
		settled bool
	}{
		{"nothing was read", nil, 10, false},
		{"of before the cut", []format.SegmentHead{{SampledAt: 50, Sequences: up(20)}, {SampledAt: 60}}, 20, false},
		{"of after it", []format.SegmentHead{{SampledAt: 50, Sequences: up(20)}, {SampledAt: 150, Sequences: up(30)}, {SampledAt: 160, Sequences: up(40)}}, 30, true},
		{"unchanged after it", []format.SegmentHead{{SampledAt: 50, Sequences: up(20)}, {SampledAt: 150}, {SampledAt: 160, Sequences: up(40)}}, 20, true},
		{"nobody read when the first was stored", []format.SegmentHead{{SampledAt: 50, Sequences: up(20)}, {}, {SampledAt: 160, Sequences: up(40)}}, 40, true},
		{"locked at first", []format.SegmentHead{{SampledAt: 150, Unsampled: []uint32{1, 2}}, {SampledAt: 160, Unsampled: []uint32{1}}, {SampledAt: 170, Sequences: up(40)}}, 40, true},
		{"locked, then unchanged", []format.SegmentHead{{SampledAt: 50, Sequences: up(20)}, {SampledAt: 150, Unsampled: []uint32{1}}, {SampledAt: 160}, {SampledAt: 170, Sequences: up(40)}}, 20, true},
		{"locked to the end", []format.SegmentHead{{SampledAt: 150, Unsampled: []uint32{1}}}, 10, false},
		{"set back", []format.SegmentHead{{SampledAt: 50, Sequences: up(20)}, {SampledAt: 150, Sequences: up(1)}}, 20, true},
	} {
		q := newSequences(up(10), 100)
		for _, head := range c.heads {
			q.take(head)
		}
		if got, ok := q.value(1, false); !ok || got.Value != c.want || q.settled() != c.settled {
			t.Errorf("%s: %d, settled %v", c.name, got.Value, q.settled())
		}
	}
}
