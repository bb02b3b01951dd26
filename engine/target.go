package engine

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pgrecall/pgrecall/format"
)

// TargetKind says by what a Target names its point.
type TargetKind int

// The kinds of recovery target.
const (
	// TargetLatest is the last point of the log, or of the newest snapshot where no log joins it.
	TargetLatest TargetKind = iota
	// TargetTime is everything, in commit order, before the first local commit later than Time.
	TargetTime
	// TargetLSN is every commit whose record ends at or before LSN.
	TargetLSN
	// TargetXID is transaction XID and all before it in commit order.
	TargetXID
	// TargetBeforeXID is all before transaction XID in commit order.
	TargetBeforeXID
	// TargetMark is the transaction that set the mark Name, and all before it.
	TargetMark
	// TargetSnapshot is the own instant of the snapshot whose id begins with Name.
	TargetSnapshot
)

// Target names a recovery point; its zero value is the latest one.
type Target struct {
	Kind TargetKind
	Time time.Time
	LSN  format.LSN
	// XID is a transaction id of 64 bits, or of 32 bits as the server's log prints it.
	XID uint64
	// Name is the mark's, or the beginning of the snapshot's id.
	Name string
}

// String returns the target as the command line would name it.
func (t Target) String() string {
	switch t.Kind {
	case TargetTime:
		return "time " + stamp(t.Time)
	case TargetLSN:
		return "LSN " + t.LSN.String()
	case TargetXID:
		return fmt.Sprintf("transaction %d", t.XID)
	case TargetBeforeXID:
		return fmt.Sprintf("just before transaction %d", t.XID)
	case TargetMark:
		return fmt.Sprintf("mark %q", t.Name)
	case TargetSnapshot:
		return "snapshot " + t.Name
	}
	return "the latest point"
}

// stamp writes a time as every message does: UTC, to the microsecond.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999Z") }

// TargetFlags are the target options of a command as they were written; empty ones were not given.
type TargetFlags struct {
	At, LSN, XID, BeforeXID, Mark, Snapshot string
}

// ParseTarget reads the one target among the flags; none is the latest point, two are an ErrUsage. Times
// without a zone are in local; now is what "10m ago" counts from.
func ParseTarget(f TargetFlags, now time.Time, local *time.Location) (Target, error) {
	var given []string
	note := func(flag, value string) bool {
		if value == "" {
			return false
		}
		given = append(given, "--"+flag)
		return true
	}
	var t Target
	var err error
	if note("at", f.At) {
		t.Kind = TargetTime
		t.Time, err = ParseTime(f.At, now, local)
	}
	if note("lsn", f.LSN) {
		t.Kind = TargetLSN
		if t.LSN, err = format.ParseLSN(f.LSN); err != nil {
			err = usagef("--lsn %q: %w", f.LSN, err)
		}
	}
	if note("xid", f.XID) {
		t.Kind = TargetXID
		t.XID, err = parseXID(f.XID)
	}
	if note("before-xid", f.BeforeXID) {
		t.Kind = TargetBeforeXID
		t.XID, err = parseXID(f.BeforeXID)
	}
	if note("mark", f.Mark) {
		t.Kind, t.Name = TargetMark, f.Mark
	}
	if note("snapshot", f.Snapshot) {
		t.Kind, t.Name = TargetSnapshot, f.Snapshot
	}
	if len(given) > 1 {
		return Target{}, usagef("%s: give one recovery target, not %d", strings.Join(given, " and "), len(given))
	}
	if err != nil {
		return Target{}, err
	}
	return t, nil
}

func parseXID(s string) (uint64, error) {
	x, err := strconv.ParseUint(s, 10, 64)
	if err != nil || x < 3 {
		// Transaction ids 0 to 2 are reserved (src/include/access/transam.h).
		return 0, usagef("transaction id %q: a number from 3 on, as pgrecall log prints it", s)
	}
	return x, nil
}
