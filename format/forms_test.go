package format

import "testing"

func TestOfTwoVisibilitiesTheLaterIncludesTheOther(t *testing.T) {
	for _, c := range []struct {
		later, earlier string
		both           bool // each includes the other: nothing ended in between
	}{
		{"100:100:", "100:100:", true},
		{"101:101:", "100:100:", false},
		{"105:110:105,107", "100:108:100,105,107", false},
		{"105:110:105,107", "105:109:105,107,108", false},
		{"105:110:105,107", "105:106:105", false},
		{"105:110:105,109", "105:109:105", true},
		{"100:112:100,110,111", "100:110:100", true},
	} {
		later, err := ParseVisibility(c.later)
		if err != nil {
			t.Fatal(err)
		}
		earlier, err := ParseVisibility(c.earlier)
		if err != nil {
			t.Fatal(err)
		}
		if !later.Includes(earlier) || earlier.Includes(later) != c.both {
			t.Errorf("%s and %s: includes %v, is included %v", c.later, c.earlier, later.Includes(earlier), earlier.Includes(later))
		}
	}
}
