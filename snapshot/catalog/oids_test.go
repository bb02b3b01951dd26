package catalog

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// sets draws a set of oids, from a few numbers so that they meet and touch, the last possible one included.
func sets(t *rapid.T, name string) (OIDs, []uint32) {
	numbers := rapid.SliceOfN(rapid.Uint32Range(0, 60), 0, 60).Draw(t, name)
	for i := range numbers {
		numbers[i] = ^uint32(0) - numbers[i]
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	var s OIDs
	for _, n := range numbers {
		s.add(n)
	}
	return s, numbers
}

func TestASetOfOIDsIsTheOIDsThatWereAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, numbers := sets(t, "oids")
		if got := slices.Collect(s.All()); !slices.Equal(got, numbers) || s.Len() != len(numbers) {
			t.Fatalf("%v holds %v (%d), want %v", s, got, s.Len(), numbers)
		}
		for n := ^uint32(0) - 70; ; n++ {
			if s.Has(n) != slices.Contains(numbers, n) {
				t.Fatalf("%v has %d: %v", s, n, s.Has(n))
			}
			if n == ^uint32(0) {
				break
			}
		}
		text, _ := s.MarshalText()
		var again OIDs
		if err := again.UnmarshalText(text); err != nil || !slices.Equal(again, s) {
			t.Fatalf("%s reads as %v (%v)", text, again, err)
		}
		other, others := sets(t, "others")
		var both, either []uint32
		for _, n := range numbers {
			if slices.Contains(others, n) {
				both = append(both, n)
			}
		}
		either = slices.Concat(numbers, others)
		slices.Sort(either)
		either = slices.Compact(either)
		if got := slices.Collect(s.And(other).All()); !slices.Equal(got, both) {
			t.Fatalf("%v and %v: %v", s, other, got)
		}
		got := s.Or(other)
		if !slices.Equal(slices.Collect(got.All()), either) {
			t.Fatalf("%v or %v: %v", s, other, got)
		}
		if err := again.UnmarshalText([]byte(got.String())); err != nil {
			t.Fatalf("%v or %v is not in the one form: %v", s, other, err)
		}
		size := rapid.IntRange(1, 7).Draw(t, "size")
		var batched []uint32
		for batch := range s.Batches(size) {
			n := slices.Collect(batch.All())
			if len(n) == 0 || len(n) > size || len(batched)+len(n) < len(numbers) && len(n) != size {
				t.Fatalf("%v in batches of %d: one is %v", s, size, batch)
			}
			batched = append(batched, n...)
		}
		if !slices.Equal(batched, numbers) {
			t.Fatalf("%v in batches of %d: %v", s, size, batched)
		}
	})
}

func TestATextThatIsNoSetOfOIDsIsRefused(t *testing.T) {
	for _, text := range []string{"x", "1-", "2-1", "1,1", "1,2", "3,1", "1-4294967296", "1, 3", "-", ","} {
		var s OIDs
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q reads as %v", text, s)
		}
	}
}
