package format

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Visibility says which transactions a snapshot sees. It is PostgreSQL's type
// pg_snapshot: everything below Xmin is finished, nothing from Xmax on had
// begun, and InProgress lists what was running in between, ascending. All are
// full 64-bit transaction ids.
//
// "Sees" means finished: whether such a transaction committed is told by the
// log, which holds committed transactions only.
type Visibility struct {
	Xmin, Xmax uint64
	InProgress []uint64
}

// ParseVisibility reads pg_snapshot's text form "xmin:xmax:xip,xip". It demands
// what PostgreSQL writes: 0 < xmin <= xmax, and ids in progress strictly ascending
// within [xmin, xmax).
func ParseVisibility(s string) (Visibility, error) {
	v, err := parseVisibility(s)
	if err != nil {
		return Visibility{}, fmt.Errorf("not a pg_snapshot (xmin:xmax:xip,...): %q: %w", s, err)
	}
	return v, nil
}

func parseVisibility(s string) (v Visibility, err error) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return v, fmt.Errorf("want 3 fields, not %d", len(parts))
	}
	if v.Xmin, err = parseDecimal(parts[0]); err != nil {
		return v, fmt.Errorf("xmin: %w", err)
	}
	if v.Xmax, err = parseDecimal(parts[1]); err != nil {
		return v, fmt.Errorf("xmax: %w", err)
	}
	if parts[2] != "" {
		for text := range strings.SplitSeq(parts[2], ",") {
			xid, err := parseDecimal(text)
			if err != nil {
				return v, fmt.Errorf("id in progress: %w", err)
			}
			v.InProgress = append(v.InProgress, xid)
		}
	}
	return v, v.validate()
}

func (v Visibility) validate() error {
	if v.Xmin == 0 || v.Xmax < v.Xmin {
		return fmt.Errorf("want 0 < xmin <= xmax")
	}
	last := v.Xmin - 1
	for _, xid := range v.InProgress {
		if xid <= last || xid >= v.Xmax {
			return fmt.Errorf("ids in progress must ascend within [xmin, xmax)")
		}
		last = xid
	}
	return nil
}

// parseDecimal reads an unsigned number written the one canonical way: digits
// only and no leading zero.
func parseDecimal(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number of 64 bits", s)
	}
	if strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%q is not written the shortest way", s)
	}
	return n, nil
}

// Sees reports whether the transaction had finished when the snapshot was taken.
func (v Visibility) Sees(xid uint64) bool {
	switch {
	case xid < v.Xmin:
		return true
	case xid >= v.Xmax:
		return false
	}
	_, running := slices.BinarySearch(v.InProgress, xid)
	return !running
}

// Includes reports whether v sees every transaction that o sees: on one server, that it is not the older of the two.
func (v Visibility) Includes(o Visibility) bool {
	if slices.ContainsFunc(v.InProgress, o.Sees) {
		return false
	}
	if o.Xmax <= v.Xmax {
		return true
	}
	later, _ := slices.BinarySearch(o.InProgress, v.Xmax)
	return uint64(len(o.InProgress)-later) == o.Xmax-v.Xmax // all that v cannot know of were running
}

// IsZero reports whether v is no snapshot at all.
func (v Visibility) IsZero() bool { return v.Xmin == 0 && v.Xmax == 0 && len(v.InProgress) == 0 }

// String gives pg_snapshot's text form, and "" for the zero value.
func (v Visibility) String() string {
	if v.IsZero() {
		return ""
	}
	b := strconv.AppendUint(nil, v.Xmin, 10)
	b = append(b, ':')
	b = strconv.AppendUint(b, v.Xmax, 10)
	b = append(b, ':')
	for i, xid := range v.InProgress {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, xid, 10)
	}
	return string(b)
}

// MarshalText gives the same form as String; it is the form in JSON. A value
// PostgreSQL could not have given is refused.
func (v Visibility) MarshalText() ([]byte, error) {
	if v.IsZero() {
		return []byte{}, nil
	}
	if err := v.validate(); err != nil {
		return nil, fmt.Errorf("write the visibility %s: %w", v, err)
	}
	return []byte(v.String()), nil
}

// UnmarshalText reads what ParseVisibility reads, and "" as the zero value.
func (v *Visibility) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*v = Visibility{}
		return nil
	}
	parsed, err := ParseVisibility(string(text))
	if err != nil {
		return err
	}
	*v = parsed
	return nil
}
