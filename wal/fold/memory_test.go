package fold

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/pgrecall/pgrecall/format"
)

// heap is the memory in use by what is reachable.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// perRow allows 64 bytes for each changed row, whatever their number, and a
// constant for buffers.
const (
	perRow   = 64
	constant = 12 << 20
)

// grow applies n records and returns the greatest memory per row on the way,
// the constant taken off.
func grow(t *testing.T, f *Fold, n int, record func(i int) format.Record) (peak float64) {
	before := heap()
	for i := 1; i <= n; i++ {
		if err := f.Apply(record(i)); err != nil {
			t.Fatal(err)
		}
		if i%(manyRows/20) == 0 {
			used := heap() - before
			if used > int64(i)*perRow+constant {
				t.Fatalf("%d changed rows take %d bytes of memory", i, used)
			}
			peak = max(peak, float64(used-constant)/float64(i))
		}
	}
	return peak
}

func TestMemoryOfAFoldIsAtMost64BytesForEachChangedRow(t *testing.T) {
	const n = manyRows
	var buf []byte
	text := func(format string, i int) []byte {
		buf = fmt.Appendf(buf[:0], format, i)
		return buf
	}
	for _, c := range []struct {
		name   string
		key    []int
		record func(i int) format.Record
	}{
		{"updates by key", first, func(i int) format.Record {
			return format.Record{Op: format.Update, New: text("%d\tsome value of the row", i)}
		}},
		{"inserts by key", first, func(i int) format.Record {
			return format.Record{Op: format.Insert, New: text("%d\tsome value of the row", i)}
		}},
		{"inserts by full row", nil, func(i int) format.Record {
			return format.Record{Op: format.Insert, New: text("%d\tsome value of the row", i)}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := heap()
			f, err := New(Options{Columns: 2, Key: c.key, Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			peak := grow(t, f, n, c.record)
			net, err := f.Seal()
			if err != nil {
				t.Fatal(err)
			}
			defer net.Close()
			if c.record(1).Op == format.Update {
				for i := 1; i <= n; i++ {
					if _, err := net.Match(text("%d\tbefore", i)); err != nil {
						t.Fatal(err)
					}
				}
			}
			added, err := net.Finish()
			if err != nil {
				t.Fatal(err)
			}
			used := heap() - before
			if used > n*perRow+constant {
				t.Errorf("%d changed rows take %d bytes of memory at the end", n, used)
			}
			s := net.Stats()
			t.Logf("%d rows: table %.1f bytes each, at most %.1f on the way beside the constant, %.1f at the end with the list of %d added rows; spill %d bytes",
				n, float64(s.TableBytes)/n, peak, float64(used)/n, added.Len(), s.SpillBytes)
			runtime.KeepAlive(f)
		})
	}
}

// The worst moment is just after all pages were split.
func TestMemoryOfATableIsBoundedAtEverySize(t *testing.T) {
	table := newTable()
	h := newHasher()
	worst := 0.0
	var key []byte
	for i := 1; i <= manyRows; i++ {
		key = strconv.AppendInt(key[:0], int64(i), 10)
		table.insert(h.sum(key))
		if i < manyRows/20 {
			continue
		}
		if each := float64(table.bytes()) / float64(i); each > worst {
			worst = each
		}
	}
	t.Logf("at most %.2f bytes per row", worst)
	if worst > 56 { // so that with 8 for the list of added rows it is 64
		t.Errorf("%.2f bytes per row", worst)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	for _, key := range [][]int{first, {1}, {2, 0}, nil} {
		f, err := New(Options{Columns: 3, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Apply(ins("7 8 9")); err != nil {
			t.Fatal(err)
		}
		n, err := f.Seal()
		if err != nil {
			t.Fatal(err)
		}
		base := row("1 2 3")
		if got := testing.AllocsPerRun(100, func() {
			if _, err := n.Match(base); err != nil {
				t.Fatal(err)
			}
		}); got != 0 {
			t.Errorf("key %v: %v allocations for each row", key, got)
		}
	}
}
