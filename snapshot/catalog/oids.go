package catalog

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// OIDs is a set of oids, kept as ranges that ascend and do not touch: objects that were made together have oids in a
// row. Its text form, also in JSON, is "16400-16499,16510".
type OIDs []OIDRange

// OIDRange is the oids from First to Last, both included.
type OIDRange struct{ First, Last uint32 }

// add takes in an oid beyond all that are in the set.
func (s *OIDs) add(oid uint32) {
	if last := len(*s) - 1; last >= 0 && (*s)[last].Last+1 == oid {
		(*s)[last].Last = oid
		return
	}
	*s = append(*s, OIDRange{oid, oid})
}

// Len is the number of oids.
func (s OIDs) Len() int {
	n := 0
	for _, r := range s {
		n += int(r.Last-r.First) + 1
	}
	return n
}

// All are the oids in ascending order.
func (s OIDs) All() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for _, r := range s {
			for oid := uint64(r.First); oid <= uint64(r.Last); oid++ {
				if !yield(uint32(oid)) {
					return
				}
			}
		}
	}
}

// Has reports whether an oid is in the set.
func (s OIDs) Has(oid uint32) bool {
	_, found := slices.BinarySearchFunc(s, oid, func(r OIDRange, oid uint32) int {
		if r.First <= oid && oid <= r.Last {
			return 0
		}
		return cmp.Compare(r.First, oid)
	})
	return found
}

// And are the oids that are in both sets.
func (s OIDs) And(other OIDs) OIDs {
	var both OIDs
	for i, j := 0, 0; i < len(s) && j < len(other); {
		first, last := max(s[i].First, other[j].First), min(s[i].Last, other[j].Last)
		if first <= last {
			both = append(both, OIDRange{first, last})
		}
		if s[i].Last < other[j].Last {
			i++
		} else {
			j++
		}
	}
	return both
}

// Or are the oids that are in either set.
func (s OIDs) Or(other OIDs) OIDs {
	all := slices.Concat(s, other)
	slices.SortFunc(all, func(a, b OIDRange) int { return cmp.Compare(a.First, b.First) })
	var either OIDs
	for _, r := range all {
		last := len(either) - 1
		if last >= 0 && uint64(r.First) <= uint64(either[last].Last)+1 {
			either[last].Last = max(either[last].Last, r.Last)
		} else {
			either = append(either, r)
		}
	}
	return either
}

// Batches cuts the set into sets of at most n oids, in ascending order.
func (s OIDs) Batches(n int) iter.Seq[OIDs] {
	return func(yield func(OIDs) bool) {
		var batch OIDs
		left := n
		for _, r := range s {
			for {
				size := int(r.Last-r.First) + 1
				if size < left {
					batch, left = append(batch, r), left-size
					break
				}
				if !yield(append(batch, OIDRange{r.First, r.First + uint32(left-1)})) {
					return
				}
				batch, r.First = nil, r.First+uint32(left)
				full := size == left
				left = n
				if full {
					break
				}
			}
		}
		if len(batch) > 0 {
			yield(batch)
		}
	}
}

// String gives the text form.
func (s OIDs) String() string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(r.String())
	}
	return b.String()
}

// String gives "16400-16499", or "16510" where it is one.
func (r OIDRange) String() string {
	if r.First == r.Last {
		return strconv.FormatUint(uint64(r.First), 10)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// Few names at most n ranges, for people.
func (s OIDs) Few(n int) string {
	if len(s) <= n {
		return strings.ReplaceAll(s.String(), ",", ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.ReplaceAll(s[:n].String(), ",", ", "), s[n:].Len())
}

// MarshalText implements encoding.TextMarshaler.
func (s OIDs) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. It refuses what is not in the one form.
func (s *OIDs) UnmarshalText(text []byte) error {
	*s = nil
	if len(text) == 0 {
		return nil
	}
	for piece := range strings.SplitSeq(string(text), ",") {
		first, last, ranged := strings.Cut(piece, "-")
		a, err := strconv.ParseUint(first, 10, 32)
		b := a
		if err == nil && ranged {
			b, err = strconv.ParseUint(last, 10, 32)
		}
		if err != nil || b < a {
			return fmt.Errorf("%q is not a range of oids", piece)
		}
		if n := len(*s); n > 0 && a <= uint64((*s)[n-1].Last)+1 {
			return fmt.Errorf("the range of oids %q does not follow the one before it", piece)
		}
		*s = append(*s, OIDRange{uint32(a), uint32(b)})
	}
	return nil
}

// array is the set as the text of an SQL array.
func (s OIDs) array() string {
	var b strings.Builder
	b.WriteByte('{')
	for oid := range s.All() {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(uint64(oid), 10))
	}
	b.WriteByte('}')
	return b.String()
}
