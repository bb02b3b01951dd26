package merge_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/pgrecall/pgrecall/engine/internal/merge"
	"github.com/pgrecall/pgrecall/format"
)

// BenchmarkChunk merges 1 MiB chunks of a table of a million rows, of which one in so
// many changed, in any order.
func BenchmarkChunk(b *testing.B) {
	const rows = 1_000_000
	filler := "\t2026-11-22 10:00:00+00\tsome text of ordinary length\t3.14\t\\N\tt"
	var chunks [][]byte
	var chunk []byte
	for i := range rows {
		chunk = fmt.Appendf(chunk, "%d\told value%s\n", i, filler)
		if len(chunk) > 1<<20 || i == rows-1 {
			chunks = append(chunks, chunk)
			chunk = nil
		}
	}
	for _, every := range []int{0, 1000, 10, 1} {
		b.Run(fmt.Sprintf("one in %d changed", every), func(b *testing.B) {
			var size int64
			for b.Loop() {
				b.StopTimer()
				var records []format.Record
				for i := 0; every > 0 && i < rows; i += every {
					records = append(records, update(fmt.Sprintf("%d\tnew value%s", i, filler)))
				}
				rand.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
				var changes merge.Changes
				if every > 0 {
					changes = net(b, 7, records...)
				}
				b.StartTimer()
				m := merge.New(changes, 7, merge.Options{})
				for _, chunk := range chunks {
					if err := m.Chunk(chunk, func([]byte) error { return nil }); err != nil {
						b.Fatal(err)
					}
				}
				size += m.Counts().BaseBytes
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(size)/1e6/b.Elapsed().Seconds(), "MB/s")
		})
	}
}
