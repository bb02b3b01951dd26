package wal

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgrecall/pgrecall/format"
)

func TestABigTransactionIsNotHeldInMemory(t *testing.T) {
	s := numbers(t, sharedServer(t), "big")
	const n = 300_000
	s.insert(1, n)
	sink := newSink(t)
	s.once(sink)
	all := sink.all()
	chunks, rows := 0, 0
	err := all[0].open.Records(t.Context(), all[0].open.Tables()[0], func(format.Record) error { rows++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	r, err := format.OpenObject(t.Context(), format.Memory(all[0].raw), format.Object{Size: int64(len(all[0].raw)), Kind: format.KindSegment})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Chunks() {
		if c.Kind == format.ChunkLane {
			chunks++
			if c.Raw > chunkRaw+1000 {
				t.Errorf("a chunk holds %d bytes", c.Raw)
			}
		}
	}
	if rows != n || chunks < 30 {
		t.Errorf("%d rows in %d chunks", rows, chunks)
	}
}

func TestThousandsOfTablesShareOneBudget(t *testing.T) {
	b, err := newSegmentBuilder(t.TempDir(), format.LZ4, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	row := []byte(strings.Repeat("x", 100))
	relations := make([]*relation, 5000)
	for i := range relations {
		relations[i] = &relation{layout: format.Layout{Table: uint32(i + 1), Columns: []format.LayoutColumn{{Name: "a"}}}}
	}
	b.begin(format.Transaction{XID: 1, CommitLSN: 2})
	most := 0
	for range 100 {
		for _, rel := range relations {
			b.new = append(b.new[:0], row...)
			if err := b.add(rel, format.Record{Op: format.Insert, New: b.new}); err != nil {
				t.Fatal(err)
			}
			most = max(most, b.buffered)
		}
	}
	sum := 0
	for _, l := range b.lanes {
		sum += len(l.buf)
	}
	if most > laneBudget+chunkRaw || sum != b.buffered {
		t.Errorf("up to %d bytes were held; %d now, %d counted", most, sum, b.buffered)
	}
	b.rollback()
	if !slices.ContainsFunc(relations, func(r *relation) bool { return b.states[r.ordinal].lane.rows == 0 }) || b.buffered != 0 {
		t.Errorf("%d bytes remain of the transaction rolled back", b.buffered)
	}
}
