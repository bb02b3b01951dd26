package format

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SegmentName is what the name of a segment's object tells, so that a listing alone
// gives the recovery window and its gaps. Names sort by From.
type SegmentName struct {
	// From and To are the SegmentHead's: the next segment's From equals To where there is
	// no gap.
	From, To LSN
	// MinTime and MaxTime are the least and the greatest commit time of the source's own
	// transactions (Origin false), in microseconds, UTC; both zero if there is none.
	MinTime, MaxTime time.Time
	// MinXID and MaxXID are the least and the greatest transaction id.
	MinXID, MaxXID uint64
}

// nameTime sorts as text and holds no character that a file system or URL minds.
const (
	nameTime = "20060102T150405.000000Z"
	noTime   = "none"
)

// String gives FROM-TO-MINTIME-MAXTIME-MINXID-MAXXID: the LSNs as 16 upper-case
// hexadecimal digits, the times as 20241224T143000.123456Z or none, the ids decimal.
func (n SegmentName) String() string {
	return fmt.Sprintf("%016X-%016X-%s-%s-%d-%d", uint64(n.From), uint64(n.To),
		formatNameTime(n.MinTime), formatNameTime(n.MaxTime), n.MinXID, n.MaxXID)
}

func formatNameTime(t time.Time) string {
	if t.IsZero() {
		return noTime
	}
	return t.UTC().Format(nameTime)
}

// ParseSegmentName reads what String gives, and nothing else.
func ParseSegmentName(s string) (SegmentName, error) {
	n, err := parseSegmentName(s)
	if err == nil && n.String() != s {
		err = fmt.Errorf("it would be written %s", n)
	}
	if err != nil {
		return SegmentName{}, fmt.Errorf("not the name of a segment: %q: %w", s, err)
	}
	return n, nil
}

func parseSegmentName(s string) (n SegmentName, err error) {
	f := strings.Split(s, "-")
	if len(f) != 6 {
		return n, fmt.Errorf("want 6 fields, not %d", len(f))
	}
	from, err := strconv.ParseUint(f[0], 16, 64)
	if err != nil {
		return n, fmt.Errorf("first LSN: %w", err)
	}
	to, err := strconv.ParseUint(f[1], 16, 64)
	if err != nil {
		return n, fmt.Errorf("last LSN: %w", err)
	}
	n.From, n.To = LSN(from), LSN(to)
	if n.MinTime, err = parseNameTime(f[2]); err != nil {
		return n, err
	}
	if n.MaxTime, err = parseNameTime(f[3]); err != nil {
		return n, err
	}
	if n.MinXID, err = parseDecimal(f[4]); err != nil {
		return n, err
	}
	if n.MaxXID, err = parseDecimal(f[5]); err != nil {
		return n, err
	}
	return n, n.check()
}

func parseNameTime(s string) (time.Time, error) {
	if s == noTime {
		return time.Time{}, nil
	}
	t, err := time.Parse(nameTime, s)
	if err == nil && t.IsZero() {
		err = fmt.Errorf("the time %s is written %s", s, noTime)
	}
	return t, err
}

// check finds a name that no segment can have.
func (n SegmentName) check() error {
	switch {
	case n.From >= n.To:
		return fmt.Errorf("it goes from %v to %v", n.From, n.To)
	case n.MinTime.After(n.MaxTime) || n.MinTime.IsZero() != n.MaxTime.IsZero():
		return fmt.Errorf("its times are out of order")
	case n.MinXID > n.MaxXID:
		return fmt.Errorf("its transaction ids are out of order")
	}
	return nil
}
