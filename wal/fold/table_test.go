package fold

import (
	"math/rand/v2"
	"testing"
)

// drawHash mimics a hash; skew puts many keys on the same page and the same home.
func drawHash(r *rand.Rand, skew bool) hash {
	h := hash{r.Uint64(), max(1, r.Uint64())}
	if skew {
		h.hi &= 1<<62 - 1
		switch r.IntN(4) {
		case 0:
			h.lo |= 0xfff << 52 // beyond the last home slot
		case 1:
			h.lo = 1 << 60 // the same one, told apart by hi alone
		}
	}
	return h
}

func TestTableFindsWhatWasInserted(t *testing.T) {
	for _, skew := range []bool{false, true} {
		r := rand.New(rand.NewPCG(1, 2))
		table := newTable()
		want := map[hash]uint64{}
		var keys []hash
		n := 200_000
		if skew {
			n = 3_000
		}
		for i := range n {
			h := drawHash(r, skew)
			if len(keys) > 0 && r.IntN(4) == 0 {
				h = keys[r.IntN(len(keys))]
			}
			e, added := table.insert(h)
			if _, have := want[h]; have == added || e.key != h || e.val != want[h] {
				t.Fatalf("skew %v, %d: added %v, entry %+v, want %d", skew, i, added, e, want[h])
			}
			if added {
				keys = append(keys, h)
			}
			want[h] = uint64(i + 1)
			e.val = want[h]
		}
		for h, val := range want {
			if e := table.find(h); e == nil || e.val != val {
				t.Fatalf("skew %v: lost %v", skew, h)
			}
		}
		for range 10_000 {
			h := drawHash(r, false)
			if _, have := want[h]; !have && table.find(h) != nil {
				t.Fatalf("found %v, which is not there", h)
			}
		}
		seen := 0
		table.each(func(e *entry) {
			seen++
			if want[e.key] != e.val {
				t.Fatalf("each gave %+v", e)
			}
		})
		if seen != len(want) || table.n != len(want) {
			t.Fatalf("each gave %d of %d entries, n is %d", seen, len(want), table.n)
		}
	}
}

func TestHashesDifferFromFoldToFold(t *testing.T) {
	a, b := newHasher(), newHasher()
	x, y := a.sum([]byte("key")), b.sum([]byte("key"))
	if x.hi == y.hi || x.lo == y.lo {
		t.Fatal("two folds have the same seed")
	}
	if a.sum([]byte("key")) != x || a.sum(nil).lo == 0 {
		t.Fatal("a hash is not stable")
	}
}
