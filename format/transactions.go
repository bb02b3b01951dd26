package format

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Transaction is one committed transaction of a segment. Its ordinal is its place in
// the list, from 0, in commit order.
type Transaction struct {
	// XID is the full 64-bit transaction id.
	XID uint64
	// CommitLSN is where the commit record begins, EndLSN where it ends.
	CommitLSN, EndLSN LSN
	// Time is the commit time, in microseconds, UTC.
	Time time.Time
	// Origin is true for a transaction replicated from elsewhere: its Time is that of
	// the other server, and never decides where a target cuts the log.
	Origin bool
	// Tables counts the changes per layout.
	Tables []TableCount
}

// TableCount counts the changes of one transaction to one table.
type TableCount struct {
	// Layout is the ordinal in the segment's layouts.
	Layout uint32
	// Rows inserted, updated and deleted, and how often the table was truncated.
	Inserted, Updated, Deleted, Truncated uint64
}

// AppendTransactions appends the transactions' bytes to dst, back to back. Each is:
// XID, CommitLSN and the length of the commit record (EndLSN - CommitLSN) as varints;
// Time as a zigzag varint of microseconds since 1970-01-01 UTC; one byte, 1 for Origin;
// the number of tables as varint and for each its five numbers as varints.
func AppendTransactions(dst []byte, ts []Transaction) []byte {
	for i := range ts {
		t := &ts[i]
		dst = binary.AppendUvarint(dst, t.XID)
		dst = binary.AppendUvarint(dst, uint64(t.CommitLSN))
		dst = binary.AppendUvarint(dst, uint64(t.EndLSN-t.CommitLSN))
		dst = binary.AppendVarint(dst, t.Time.UnixMicro())
		if t.Origin {
			dst = append(dst, 1)
		} else {
			dst = append(dst, 0)
		}
		dst = binary.AppendUvarint(dst, uint64(len(t.Tables)))
		for _, n := range t.Tables {
			dst = binary.AppendUvarint(dst, uint64(n.Layout))
			dst = binary.AppendUvarint(dst, n.Inserted)
			dst = binary.AppendUvarint(dst, n.Updated)
			dst = binary.AppendUvarint(dst, n.Deleted)
			dst = binary.AppendUvarint(dst, n.Truncated)
		}
	}
	return dst
}

// ParseTransactions reads what AppendTransactions wrote. It demands that the commit
// records follow each other in the log without touching, as commit order is.
func ParseTransactions(b []byte) ([]Transaction, error) {
	var ts []Transaction
	in := input{b: b}
	var last LSN
	for len(in.b) > 0 {
		t := in.transaction()
		if in.err == nil && (t.CommitLSN < last || t.EndLSN <= t.CommitLSN) {
			in.fail(fmt.Errorf("commit %v to %v after %v", t.CommitLSN, t.EndLSN, last))
		}
		if in.err != nil {
			return nil, fmt.Errorf("read transaction %d: %w", len(ts), in.err)
		}
		last = t.EndLSN
		ts = append(ts, t)
	}
	return ts, nil
}

func (in *input) transaction() (t Transaction) {
	t.XID = in.uint64()
	t.CommitLSN = LSN(in.uint64())
	t.EndLSN = t.CommitLSN + LSN(in.uint64())
	t.Time = time.UnixMicro(in.int64()).UTC()
	switch in.byte() {
	case 0:
	case 1:
		t.Origin = true
	default:
		in.fail(errors.New("unknown flags"))
	}
	n := in.uint64()
	if n > uint64(len(in.b))/5 {
		in.fail(errShort)
		return t
	}
	if n > 0 {
		t.Tables = make([]TableCount, n)
	}
	for i := range t.Tables {
		c := &t.Tables[i]
		c.Layout = in.uint32()
		c.Inserted, c.Updated, c.Deleted, c.Truncated = in.uint64(), in.uint64(), in.uint64(), in.uint64()
	}
	return t
}

func (in *input) int64() int64 {
	u := in.uint64()
	v := int64(u >> 1)
	if u&1 != 0 {
		v = ^v
	}
	return v
}
