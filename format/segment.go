package format

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// A segment is: lanes, grouped by table, then one chunk each of layouts, transactions,
// messages, and the SegmentHead as document.

// Layout is the form of the rows of one table while it did not change: its columns are
// the fields of a row.
type Layout struct {
	// Table is the table's oid on the source.
	Table  uint32 `json:"table"`
	Schema string `json:"schema"`
	Name   string `json:"name"`
	// ReplicaIdentity is pg_class.relreplident: d, n, f or i.
	ReplicaIdentity string         `json:"replica_identity"`
	Columns         []LayoutColumn `json:"columns"`
}

// LayoutColumn is one column as logical replication tells it.
type LayoutColumn struct {
	Name string `json:"name"`
	// Type is pg_type.oid on the source, Typmod pg_attribute.atttypmod.
	Type   uint32 `json:"type"`
	Typmod int32  `json:"typmod"`
	// Key is true for a column of the identity.
	Key bool `json:"key"`
}

// The prefixes of messages.
const (
	PrefixDDL       = "pgrecall.ddl"       // content: JSON, what a DDL command did
	PrefixMark      = "pgrecall.mark"      // content: the mark's name
	PrefixHeartbeat = "pgrecall.heartbeat" // content: empty
	PrefixSnapshot  = "pgrecall.snapshot"  // content: the id of a snapshot that was taken before
)

// Message is a logical message of a transaction (pg_logical_emit_message).
type Message struct {
	// Txn is the ordinal of the transaction in the segment.
	Txn uint32 `json:"txn"`
	// LSN is the message's own position.
	LSN     LSN    `json:"lsn"`
	Prefix  string `json:"prefix"`
	Content string `json:"content"`
}

// SegmentHead says where a segment stands in its log.
type SegmentHead struct {
	Log uuid.UUID `json:"log"`
	// SystemID, Timeline and DatabaseOID are the source's identity.
	SystemID    string `json:"system_id"`
	Timeline    int32  `json:"timeline"`
	DatabaseOID uint32 `json:"database_oid"`
	// From is the predecessor's To, or the log's consistent point: the segment holds every
	// commit whose record begins at or after From and ends at or before To.
	From LSN `json:"from"`
	// To is the end of the last commit.
	To LSN `json:"to"`
	// Resume is the end of the commit before the last: what is acknowledged to the source,
	// and where a receiver starts so that the last commit is sent again.
	Resume LSN `json:"resume"`
	// Last is the last commit, to hold it against the one sent again.
	Last LastCommit `json:"last"`
	// Publication is its state while the segment was cut.
	Publication Publication `json:"publication"`
	// Sequences are those that changed since the last segment that told of them. They were sampled after SampledAt was read, the
	// flush LSN, which no crash takes back. 0: none were.
	Sequences []SequenceSample `json:"sequences"`
	SampledAt LSN              `json:"sampled_at"`
	// Unsampled are the oids of those that could not be read, as somebody held a lock; what they gave is told by a later segment.
	Unsampled []uint32 `json:"unsampled,omitempty"`
	// Forms is a look at the source's tables, taken when the segment was cut or, where looking costs much, not long
	// before; it is relative to that of the last segment before this one that has one. nil: nobody looked.
	Forms *Forms `json:"forms,omitempty"`
	// Created is when the segment was cut, UTC.
	Created time.Time `json:"created"`
}

func (h SegmentHead) check() error {
	if h.Log == uuid.Nil {
		return errors.New("a segment needs the id of its log")
	}
	if h.From >= h.To || h.Resume >= h.To {
		return fmt.Errorf("a segment from %v to %v, resumed at %v", h.From, h.To, h.Resume)
	}
	if h.Last.EndLSN != h.To || h.Last.CommitLSN >= h.To || h.Last.CommitLSN < h.Resume {
		return fmt.Errorf("a segment to %v, resumed at %v, whose last commit is at %v to %v",
			h.To, h.Resume, h.Last.CommitLSN, h.Last.EndLSN)
	}
	return h.Forms.check()
}

// LastCommit is how a commit is known again.
type LastCommit struct {
	XID       uint64    `json:"xid"`
	CommitLSN LSN       `json:"commit_lsn"`
	EndLSN    LSN       `json:"end_lsn"`
	Time      time.Time `json:"time"`
	// Hash is over the transaction's messages as the server sent them: the first 16 bytes
	// of their SHA-256, hexadecimal.
	Hash string `json:"hash"`
}

// Publication tells whether what the source puts into the log is still what it was.
type Publication struct {
	// OID and Xmin are pg_publication's: any ALTER changes Xmin, a new one both.
	OID  uint32 `json:"oid"`
	Xmin string `json:"xmin"`
	// Capture stands for the event triggers and functions that put DDL into the log: another text, and DDL may
	// be missing. Empty: there are none.
	Capture string `json:"capture,omitempty"`
	// Watched: no event trigger puts DDL into the log; it is noticed by looking alone (Forms.Objects).
	Watched bool `json:"watched,omitempty"`
}
