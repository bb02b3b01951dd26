package format

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Envelope is the document that makes a snapshot exist. It names every object of the
// snapshot and no table, so that it can stay readable where the rest is not.
type Envelope struct {
	// ID is the snapshot's.
	ID uuid.UUID `json:"id"`
	// SystemID, Timeline and DatabaseOID are the source's identity.
	SystemID    string `json:"system_id"`
	Timeline    int32  `json:"timeline"`
	DatabaseOID uint32 `json:"database_oid"`
	// ServerVersion is server_version_num: 150020 is 15.20.
	ServerVersion int `json:"server_version"`
	// Encoding is the database's: that of the rows' bytes.
	Encoding string `json:"encoding"`
	// Started and Finished are this program's clock, UTC.
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// Groups are the database snapshots the tables were read in; there is at least one.
	Groups []Group `json:"groups"`
	// Log is the log this snapshot joins; the nil UUID: none.
	Log uuid.UUID `json:"log"`
	// Noted is where in that log it is noted that this snapshot was taken: the message PrefixSnapshot with its ID is
	// in a transaction that ends after every group's LSN and at or before Noted. 0: it is not noted.
	Noted LSN `json:"noted,omitzero"`
	// Body is the snapshot's body.
	Body ObjectRef `json:"body"`
	// Parts are the objects with the rows.
	Parts []ObjectRef `json:"parts"`
	// Rows counts all rows; RawBytes their bytes as COPY text, StoredBytes the parts'.
	Rows        int64 `json:"rows"`
	RawBytes    int64 `json:"raw_bytes"`
	StoredBytes int64 `json:"stored_bytes"`
	// Inexact counts what a restore does not bring back as it was; nil: it was not counted.
	Inexact *Inexact `json:"inexact,omitempty"`
	// CatalogVersion says that it is a version of the catalog, taken because DDL came: no snapshot to begin a restore from, though
	// its body has the sequences and forms of one.
	CatalogVersion bool `json:"catalog_version,omitempty"`
	// Globals is a fingerprint of the roles, tablespaces and the like that the catalog has, 32 hex digits; empty: not taken.
	Globals string `json:"globals,omitempty"`
	// CopiedTables is the number of tables whose rows a version of the catalog holds, because the log cannot bring them there
	// from the snapshots before it: then it is a copy of these tables. 0: it holds the catalog alone.
	CopiedTables int `json:"copied_tables,omitempty"`
	// Objects is a fingerprint of the objects that the catalog has, 32 hex digits, comparable with Forms.Objects of the log; empty: not taken.
	Objects string `json:"objects,omitempty"`
}

func (e Envelope) check() error {
	if e.ID == uuid.Nil || e.Body.ID == uuid.Nil || len(e.Groups) == 0 {
		return errors.New("an envelope needs an id, a body and a group")
	}
	if n := e.Inexact; n != nil && min(n.UnloggedTables, n.UnfollowedTables, n.LargeObjects, n.SkippedTables,
		n.SkippedLargeObjects, n.MaterializedViews, n.Unsupported) < 0 {
		return errors.New("a count is negative")
	}
	switch {
	case e.CatalogVersion && e.Log == uuid.Nil:
		return errors.New("a version of the catalog joins a log")
	case e.CatalogVersion && e.CopiedTables == 0 && (len(e.Parts) > 0 || len(e.Groups) > 1):
		return errors.New("a version of the catalog alone has no parts and one group")
	case e.CopiedTables < 0 || e.CopiedTables > 0 && !e.CatalogVersion:
		return errors.New("copied tables are those of a version of the catalog")
	}
	if e.Globals != "" && !isFingerprint(e.Globals) {
		return errors.New("globals is no fingerprint of 32 hex digits")
	}
	if e.Objects != "" && !isFingerprint(e.Objects) {
		return errors.New("objects is no fingerprint of 32 hex digits")
	}
	for i, g := range e.Groups {
		if g.Visibility.IsZero() {
			return fmt.Errorf("group %d has no visibility", i)
		}
	}
	return nil
}

// isFingerprint says whether s is 32 lower-case hex digits.
func isFingerprint(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// Inexact counts what of the source a restore from a snapshot does not bring back as it was at the restored point. The
// body tells which objects they are.
type Inexact struct {
	// UnloggedTables, UnfollowedTables and LargeObjects are in the snapshot, and exact at its own instant only: unlogged
	// tables, others whose changes no log holds, and large objects, whose changes none holds either.
	UnloggedTables   int64 `json:"unlogged_tables"`
	UnfollowedTables int64 `json:"unfollowed_tables"`
	LargeObjects     int64 `json:"large_objects"`
	// SkippedTables and SkippedLargeObjects are those whose rows, or bytes, are not in the snapshot, because they were not
	// chosen or could not be read.
	SkippedTables       int64 `json:"skipped_tables"`
	SkippedLargeObjects int64 `json:"skipped_large_objects"`
	// MaterializedViews are filled by a refresh, not with the rows that they had.
	MaterializedViews int64 `json:"materialized_views"`
	// Unsupported are objects of kinds that the program which took the snapshot did not handle. They are not in it.
	Unsupported int64 `json:"unsupported"`
}

// Group is one database snapshot.
type Group struct {
	// Visibility says which transactions it sees.
	Visibility Visibility `json:"visibility"`
	// LSN is pg_current_wal_insert_lsn() read after it.
	LSN LSN `json:"lsn"`
	// Time is the source's clock_timestamp() read after it.
	Time time.Time `json:"time"`
}

// ObjectRef names an object and pins its content.
type ObjectRef struct {
	// Name is relative to the source's folder.
	Name string `json:"name"`
	// ID is the object's own, in its header.
	ID uuid.UUID `json:"id"`
	// Size in bytes, and SHA256 over them, as they are stored.
	Size   int64  `json:"size"`
	SHA256 Digest `json:"sha256"`
}

// Body is the document with what a snapshot holds.
type Body struct {
	// ID is the snapshot's.
	ID uuid.UUID `json:"id"`
	// Database is the database's name.
	Database string `json:"database"`
	// Catalog is the model of everything but rows.
	Catalog json.RawMessage `json:"catalog"`
	// Tables are the tables whose rows the snapshot holds, also those with none.
	Tables []TableData `json:"tables"`
	// Sequences are the sequences' states; none is older than SampledAt, the insert LSN
	// read before.
	Sequences []SequenceSample `json:"sequences"`
	SampledAt LSN              `json:"sampled_at"`
	// Forms are those of all tables as of the first group; nil: the snapshot joins no log, or nobody looked.
	Forms *Forms `json:"forms,omitempty"`
	// Filter is what the snapshot was restricted to; nil: nothing was left out.
	Filter *Filter `json:"filter,omitempty"`
}

func (b Body) check() error {
	if b.ID == uuid.Nil {
		return errors.New("a body needs an id")
	}
	for i := range b.Tables {
		if err := b.Tables[i].check(); err != nil {
			return fmt.Errorf("table %d (%s.%s): %w", b.Tables[i].OID, b.Tables[i].Schema, b.Tables[i].Name, err)
		}
	}
	if b.Forms != nil && !b.Forms.Complete {
		return errors.New("the forms of a body must be those of all tables")
	}
	return b.Forms.check()
}

// CheckBody holds a body against its envelope: the same snapshot, groups and parts that
// exist, each part used once, and the envelope's sums. What differs is in the error; it is
// a sign of damage or of a faulty writer.
func (e *Envelope) CheckBody(b *Body) error {
	if e.ID != b.ID {
		return fmt.Errorf("the body is of snapshot %v and the envelope of %v", b.ID, e.ID)
	}
	used := make([]bool, len(e.Parts))
	var rows, raw int64
	for i := range b.Tables {
		t := &b.Tables[i]
		if t.Group < 0 || t.Group >= len(e.Groups) {
			return fmt.Errorf("table %d (%s.%s) is of group %d of %d", t.OID, t.Schema, t.Name, t.Group, len(e.Groups))
		}
		for _, p := range t.Parts {
			if p.Object < 0 || p.Object >= len(used) || used[p.Object] {
				return fmt.Errorf("table %d (%s.%s) has part %d, which is not there or another's", t.OID, t.Schema, t.Name, p.Object)
			}
			used[p.Object] = true
		}
		rows, raw = rows+t.Rows, raw+t.RawBytes
	}
	for i, u := range used {
		if !u {
			return fmt.Errorf("part %d (%s) belongs to no table", i, e.Parts[i].Name)
		}
	}
	if e.CatalogVersion && len(b.Tables) != e.CopiedTables {
		return fmt.Errorf("the body of the version of the catalog has %d tables, the envelope tells %d", len(b.Tables), e.CopiedTables)
	}
	if rows != e.Rows || raw != e.RawBytes {
		return fmt.Errorf("the tables have %d rows and %d bytes, the envelope tells %d and %d", rows, raw, e.Rows, e.RawBytes)
	}
	return nil
}

// TableData is one table of a snapshot.
type TableData struct {
	OID    uint32 `json:"oid"`
	Schema string `json:"schema"`
	Name   string `json:"name"`
	// Group is the index in Envelope.Groups.
	Group int `json:"group"`
	// Columns are the copied columns, in the order of the fields of a row.
	Columns []Column `json:"columns"`
	// Identity tells a row of the table.
	Identity Identity `json:"identity"`
	// Parts hold the rows, in any order.
	Parts []Part `json:"parts"`
	// Rows, RawBytes and ContentHash are the sums over the parts.
	Rows        int64       `json:"rows"`
	RawBytes    int64       `json:"raw_bytes"`
	ContentHash ContentHash `json:"content_hash"`
}

// LargeObjectTable is the OID of the table whose rows are the pages of large objects, pg_catalog.pg_largeobject
// (LargeObjectRelationId in src/include/catalog/pg_largeobject.h).
const LargeObjectTable = 2613

// LargeObjects is the table with the pages of large objects, or nil where the snapshot has none.
func (b *Body) LargeObjects() *TableData {
	for i := range b.Tables {
		if b.Tables[i].OID == LargeObjectTable {
			return &b.Tables[i]
		}
	}
	return nil
}

// check holds the table's sums against its parts.
func (t *TableData) check() error {
	var rows, raw int64
	var hash ContentHash
	for i := range t.Parts {
		rows += t.Parts[i].Rows
		raw += t.Parts[i].RawBytes
		hash.Add(t.Parts[i].ContentHash)
	}
	if rows != t.Rows || raw != t.RawBytes || hash != t.ContentHash {
		return fmt.Errorf("%d rows, %d bytes and content hash %v are not the sums of its parts (%d, %d, %v)",
			t.Rows, t.RawBytes, t.ContentHash, rows, raw, hash)
	}
	return nil
}

// Column is a copied column: one that is neither dropped nor generated. In the order of
// Attnum they are the fields of a row, in COPY as in logical replication.
type Column struct {
	Attnum int16  `json:"attnum"`
	Name   string `json:"name"`
	// Type is pg_type.oid on the source, Typmod pg_attribute.atttypmod.
	Type   uint32 `json:"type"`
	Typmod int32  `json:"typmod"`
	// TypeName is format_type(Type, Typmod).
	TypeName string `json:"type_name"`
}

// The kinds of identities.
const (
	IdentityKey  = "key"  // the columns Attnums tell a row
	IdentityFull = "full" // only the whole row does, and equal rows may be several
	IdentityNone = "none" // the log cannot tell rows of the table
)

// Identity is the columns that tell a row of a table.
type Identity struct {
	Kind    string  `json:"kind"`
	Attnums []int16 `json:"attnums"`
}

// Part is one object with rows of a table.
type Part struct {
	// Object is the index in Envelope.Parts.
	Object int `json:"object"`
	// Rows, RawBytes and ContentHash are of the rows as COPY text; RawBytes counts
	// newlines, ContentHash does not.
	Rows        int64       `json:"rows"`
	RawBytes    int64       `json:"raw_bytes"`
	ContentHash ContentHash `json:"content_hash"`
	// FirstBlock and EndBlock are the ctid range [FirstBlock, EndBlock) it was read
	// from; EndBlock 0: to the table's end.
	FirstBlock uint32 `json:"first_block"`
	EndBlock   uint32 `json:"end_block"`
}
