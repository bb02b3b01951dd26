package pgoutput

import (
	"time"

	"github.com/pgrecall/pgrecall/format"
)

// Message is one decoded message: *Begin, *Commit, *Origin, *Relation, *Type,
// *Insert, *Update, *Delete, *Truncate, *LogicalMessage, *StreamStart, *StreamStop,
// *StreamCommit or *StreamAbort.
type Message interface {
	// Kind is the message's first byte in the protocol.
	Kind() byte
}

// The first byte of each message.
const (
	KindBegin          = 'B'
	KindCommit         = 'C'
	KindOrigin         = 'O'
	KindRelation       = 'R'
	KindType           = 'Y'
	KindInsert         = 'I'
	KindUpdate         = 'U'
	KindDelete         = 'D'
	KindTruncate       = 'T'
	KindLogicalMessage = 'M'
)

// Begin opens a transaction. It carries the commit's position and time: without
// streaming the server sends a transaction only once it has committed.
type Begin struct {
	CommitLSN format.LSN // start of the commit record
	Time      time.Time  // commit time in microseconds, UTC; the origin's for a transaction replicated from elsewhere
	XID       uint32     // low half of the transaction id
}

// Commit closes the transaction that the last Begin opened.
type Commit struct {
	CommitLSN format.LSN // start of the commit record
	EndLSN    format.LSN // end of the commit record
	Time      time.Time  // commit time in microseconds, UTC
}

// Origin follows Begin when the transaction was replicated from another server.
type Origin struct {
	CommitLSN format.LSN // position of the commit on the origin
	Name      string     // in the client encoding
}

// Relation describes a table. It precedes the first change of that table in a
// connection, and again the first change after the table was altered.
type Relation struct {
	OID             uint32
	Schema          string // in the client encoding; "" stands for pg_catalog
	Name            string // in the client encoding
	ReplicaIdentity byte   // pg_class.relreplident: d, n, f or i
	Columns         []RelationColumn
}

// RelationColumn is one published column, in attribute order.
type RelationColumn struct {
	Key    bool   // part of the replica identity
	Name   string // in the client encoding
	Type   uint32 // pg_type.oid
	Typmod int32  // -1: none
}

// Type names a data type that is not built in.
type Type struct {
	OID    uint32
	Schema string
	Name   string
}

// Insert is a new row.
type Insert struct {
	Relation uint32
	New      Tuple
}

// Update is a changed row.
type Update struct {
	Relation uint32
	OldKind  byte  // 0: no old tuple; 'K': the old key, other columns NULL; 'O': the whole old row
	Old      Tuple // empty if OldKind is 0
	New      Tuple
}

// Delete is a deleted row.
type Delete struct {
	Relation uint32
	OldKind  byte // 'K' or 'O', as in Update
	Old      Tuple
}

// Truncate empties tables.
type Truncate struct {
	Relations       []uint32
	Cascade         bool
	RestartIdentity bool
}

// LogicalMessage is what pg_logical_emit_message wrote.
type LogicalMessage struct {
	Transactional bool       // false: sent at once, outside of any transaction
	LSN           format.LSN // of the message itself
	Prefix        string     // in the client encoding
	Content       []byte     // aliases the decoded bytes
}

// Tuple is the columns of one row, in the order of its Relation.
type Tuple []Column

// The kinds of a Column.
const (
	Null      = 'n' // NULL
	Unchanged = 'u' // a TOAST value the statement did not touch; it is not sent
	Text      = 't' // the type's text form
)

// Column is one value of a row.
type Column struct {
	Kind byte   // Null, Unchanged or Text
	Text []byte // the value if Kind is Text, aliasing the decoded bytes; not nil then
}

// Kind returns KindBegin.
func (*Begin) Kind() byte { return KindBegin }

// Kind returns KindCommit.
func (*Commit) Kind() byte { return KindCommit }

// Kind returns KindOrigin.
func (*Origin) Kind() byte { return KindOrigin }

// Kind returns KindRelation.
func (*Relation) Kind() byte { return KindRelation }

// Kind returns KindType.
func (*Type) Kind() byte { return KindType }

// Kind returns KindInsert.
func (*Insert) Kind() byte { return KindInsert }

// Kind returns KindUpdate.
func (*Update) Kind() byte { return KindUpdate }

// Kind returns KindDelete.
func (*Delete) Kind() byte { return KindDelete }

// Kind returns KindTruncate.
func (*Truncate) Kind() byte { return KindTruncate }

// Kind returns KindLogicalMessage.
func (*LogicalMessage) Kind() byte { return KindLogicalMessage }
