package fold

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/pgrecall/pgrecall/format"
)

// BenchmarkApply folds a million records per round; the rate is of changed rows.
func BenchmarkApply(b *testing.B) {
	const n = 1_000_000
	filler := "\t2026-11-22 10:00:00+00\tsome text of ordinary length\t3.14\t\\N\tt"
	old := func(i int) []byte { return fmt.Appendf(nil, "%d\told value%s", i, filler) }
	updates, keys, full := make([]format.Record, n), make([]format.Record, n), make([]format.Record, n)
	for at, i := range rand.New(rand.NewPCG(1, 1)).Perm(n) {
		row := fmt.Appendf(nil, "%d\tnew value%s", i, filler)
		updates[at] = format.Record{Op: format.Update, New: row}
		full[at] = format.Record{Op: format.Update, OldKind: format.OldFull, Old: old(i), New: row}
		keys[at] = format.Record{Op: format.Update, OldKind: format.OldKey, Old: fmt.Appendf(nil, `%d%s`, i, "\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N"), New: fmt.Appendf(nil, "%d\t\\u%s", i+n, filler)}
	}
	for _, c := range []struct {
		name    string
		key     []int
		records []format.Record
	}{{"key", first, updates}, {"changed key", first, keys}, {"full row", nil, full}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				f, err := New(Options{Columns: 7, Key: c.key, Dir: b.TempDir()})
				if err != nil {
					b.Fatal(err)
				}
				for _, r := range c.records {
					if err := f.Apply(r); err != nil {
						b.Fatal(err)
					}
				}
				net, err := f.Seal()
				if err != nil {
					b.Fatal(err)
				}
				if err := net.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
