package pgoutput

import (
	"encoding/binary"
	"time"

	"github.com/pgrecall/pgrecall/format"
)

// The first byte of each message about a transaction that is sent while it is under way.
const (
	KindStreamStart  = 'S'
	KindStreamStop   = 'E'
	KindStreamCommit = 'c'
	KindStreamAbort  = 'A'
)

// StreamStart opens a block of messages of a transaction that has not ended. The messages of a block are
// taken apart by [Streamed], but for an Origin, which is as everywhere.
type StreamStart struct {
	XID   uint32 // low half of the top transaction's id
	First bool   // the transaction's first block in this connection
}

// StreamStop closes the block that the last StreamStart opened.
type StreamStop struct{}

// StreamCommit says that a transaction sent in blocks has committed.
type StreamCommit struct {
	XID       uint32
	CommitLSN format.LSN // start of the commit record
	EndLSN    format.LSN // end of the commit record
	Time      time.Time  // commit time in microseconds, UTC; the origin's for a transaction replicated from elsewhere
}

// StreamAbort says that a transaction sent in blocks, or a subtransaction of it, has been rolled back.
type StreamAbort struct {
	XID    uint32 // the top transaction's
	SubXID uint32 // XID: the whole transaction; otherwise the subtransaction's, without those within it
}

// Kind returns KindStreamStart.
func (*StreamStart) Kind() byte { return KindStreamStart }

// Kind returns KindStreamStop.
func (*StreamStop) Kind() byte { return KindStreamStop }

// Kind returns KindStreamCommit.
func (*StreamCommit) Kind() byte { return KindStreamCommit }

// Kind returns KindStreamAbort.
func (*StreamAbort) Kind() byte { return KindStreamAbort }

// Streamed takes apart a Relation, Type, Insert, Update, Delete, Truncate or LogicalMessage within a block. There
// the id of the transaction stands behind the kind: of the subtransaction that made the change; but in a
// LogicalMessage always the top transaction's (ReorderBufferProcessTXN in
// src/backend/replication/logical/reorderbuffer.c passes it on so). The kind followed by rest, which aliases b, is the message as Decode
// knows it. The error is an *Error; rest is not looked at.
func Streamed(b []byte) (xid uint32, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, &Error{Reason: "empty"}
	}
	r := reader{b: b, off: 1}
	switch b[0] {
	case KindRelation, KindType, KindInsert, KindUpdate, KindDelete, KindTruncate, KindLogicalMessage:
		if xid = r.uint32("xid"); r.err == nil && xid == 0 {
			r.fail(1, "xid", "0 is of no transaction")
		}
	default:
		r.fail(0, "kind", "not a kind of message within a block")
	}
	if r.err != nil {
		return 0, nil, r.err
	}
	return xid, b[r.off:], nil
}

// Whole returns the Begin and the Commit that the server sends of the same transaction when it sends it whole.
func (m *StreamCommit) Whole() (begin, commit []byte) {
	at := uint64(m.Time.UnixMicro() - microsecondsTo2000)
	begin = binary.BigEndian.AppendUint64([]byte{KindBegin}, uint64(m.CommitLSN))
	begin = binary.BigEndian.AppendUint64(begin, at)
	begin = binary.BigEndian.AppendUint32(begin, m.XID)
	commit = binary.BigEndian.AppendUint64([]byte{KindCommit, 0}, uint64(m.CommitLSN))
	commit = binary.BigEndian.AppendUint64(commit, uint64(m.EndLSN))
	commit = binary.BigEndian.AppendUint64(commit, at)
	return begin, commit
}

func decodeStream(r *reader) Message {
	switch r.b[0] {
	case KindStreamStart:
		return &StreamStart{XID: r.uint32("xid"), First: r.flags("first segment", 1) != 0}
	case KindStreamStop:
		return &StreamStop{}
	case KindStreamCommit:
		m := &StreamCommit{XID: r.uint32("xid")}
		r.flags("flags", 0)
		m.CommitLSN, m.EndLSN, m.Time = r.lsn("commit lsn"), r.lsn("end lsn"), r.time("commit time")
		return m
	case KindStreamAbort:
		return &StreamAbort{XID: r.uint32("xid"), SubXID: r.uint32("subtransaction's xid")}
	}
	r.fail(0, "kind", "unknown kind of message")
	return nil
}
