package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
)

// crafted is an object taken apart, to be put together again with something changed
// and every checksum right: what a faulty writer could have written.
type crafted struct {
	header []byte // with its checksum
	chunks []craftedChunk
	index  craftedChunk
}

// craftedChunk is a header without its checksum, and what follows it.
type craftedChunk struct {
	header []byte
	stored []byte
}

// takeApart splits a sound object.
func takeApart(object []byte) *crafted {
	c := &crafted{header: bytes.Clone(object[:headerSize])}
	b := object[headerSize : len(object)-trailerSize]
	for len(b) > 0 {
		n := chunkHeader + int(binary.LittleEndian.Uint32(b[20:]))
		chunk := craftedChunk{bytes.Clone(b[:chunkHeader-4]), bytes.Clone(b[chunkHeader:n])}
		if b[0] == byte(ChunkIndex) {
			c.index = chunk
		} else {
			c.chunks = append(c.chunks, chunk)
		}
		b = b[n:]
	}
	return c
}

// assemble puts the object together: checksums, lengths and the index are made anew,
// the index uncompressed.
func (c *crafted) assemble() []byte {
	return c.assembleWith(func(index, _ []byte) []byte { return index })
}

// assembleWith lets edit change the index before it is sealed; it is given the object
// so far.
func (c *crafted) assembleWith(edit func(index, object []byte) []byte) []byte {
	object := bytes.Clone(c.header)
	id := uuid.UUID(object[12:28])
	var index []byte
	for _, chunk := range c.chunks {
		header := chunk.seal(&id)
		index = append(index, header...)
		object = append(append(object, header...), chunk.stored...)
	}
	index = edit(index, object)
	n := len(index) / chunkHeader
	e := entry{Chunk: Chunk{Kind: ChunkIndex, Ordinal: n, Rows: n, Raw: len(index), Stored: len(index)}}
	return c.finish(object, craftedChunk{appendChunkHeader(nil, &e), index})
}

// finish appends an index and the trailer.
func (c *crafted) finish(object []byte, index craftedChunk) []byte {
	id := uuid.UUID(object[12:28])
	offset := len(object)
	object = append(append(object, index.seal(&id)...), index.stored...)
	return appendTrailer(object, object[:headerSize], int64(offset), int64(len(object)+trailerSize))
}

// seal gives the whole header, checksum included.
func (c craftedChunk) seal(id *uuid.UUID) []byte {
	header := append(bytes.Clone(c.header), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(header[chunkHeader-4:], chunkCRC(id, header, c.stored))
	return header
}

// craftID is the id of every crafted object.
var craftID = uuid.MustParse("0193f8a0-7c00-7000-8000-000000000001")

var craftTime = time.Date(2024, 12, 24, 14, 30, 0, 123456000, time.UTC)

// sample gives a small sound object of each kind.
func sample(t testing.TB, kind ObjectKind, c Compression) []byte {
	t.Helper()
	var buf bytes.Buffer
	var err error
	switch kind {
	case KindPart:
		err = writeSamplePart(&buf, c)
	case KindSegment:
		err = writeSampleSegment(&buf, c, sampleDocument(KindSegment))
	default:
		_, err = WriteDocument(&buf, kind, craftID, sampleDocument(kind))
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func writeSamplePart(buf *bytes.Buffer, c Compression) error {
	w, err := NewWriter(buf, KindPart, craftID, c)
	if err != nil {
		return err
	}
	for i := range 3 {
		var raw []byte
		for j := range 4 {
			raw = fmt.Appendf(raw, "%d\tthe quick brown fox\t\\N\tthe quick brown fox\n", i*4+j)
		}
		if err := w.WriteChunk(Chunk{Kind: ChunkRows, Table: 16384, Rows: 4}, raw); err != nil {
			return err
		}
	}
	_, err = w.Close()
	return err
}

func sampleRecords(table int) (lane []byte, records int) {
	for i := range 3 {
		row := fmt.Appendf(nil, "%d\tthe quick brown fox of table %d\tthe quick brown fox", i, table)
		lane = AppendRecord(lane, Record{Op: Insert, Txn: 0, Layout: uint32(table), New: row})
		lane = AppendRecord(lane, Record{Op: Update, Txn: 1, Layout: uint32(table), OldKind: OldKey, Old: []byte(`1	\N	\N`), New: []byte(`2	\u	new`)})
		lane = AppendRecord(lane, Record{Op: Update, Txn: 1, Layout: uint32(table), New: row})
		lane = AppendRecord(lane, Record{Op: Delete, Txn: 1, Layout: uint32(table), OldKind: OldFull, Old: row})
	}
	return AppendRecord(lane, Record{Op: Truncate, Txn: 300, Layout: uint32(table), RestartSequences: true}), 13
}

func sampleTransactions() []Transaction {
	return []Transaction{
		{XID: 742, CommitLSN: 0x16B374D8, EndLSN: 0x16B37500, Time: craftTime, Tables: []TableCount{{Layout: 0, Inserted: 3}, {Layout: 1, Inserted: 3}}},
		{XID: 5<<32 + 741, CommitLSN: 0x16B37600, EndLSN: 0x16B37630, Time: craftTime.Add(-time.Second), Origin: true,
			Tables: []TableCount{{Layout: 0, Updated: 6, Deleted: 3}, {Layout: 1, Updated: 6, Deleted: 300, Truncated: 1}}},
		{XID: 5<<32 + 750, CommitLSN: 0x16B37630, EndLSN: 0x16B37660, Time: craftTime.Add(time.Second)},
	}
}

func writeSampleSegment(buf *bytes.Buffer, c Compression, head any) error {
	w, err := NewWriter(buf, KindSegment, craftID, c)
	if err != nil {
		return err
	}
	var layouts []Layout
	for i := range 2 {
		layouts = append(layouts, Layout{Table: uint32(16384 + i), Schema: "public", Name: "users", ReplicaIdentity: "d",
			Columns: []LayoutColumn{{"id", 23, -1, true}, {"name", 25, -1, false}, {"note", 1043, 24, false}}})
		lane, n := sampleRecords(i)
		chunk := Chunk{Kind: ChunkLane, Table: layouts[i].Table, Rows: n, FirstLSN: 0x16B374D8, LastLSN: 0x16B37600}
		if err := w.WriteChunk(chunk, lane); err != nil {
			return err
		}
	}
	messages := []Message{{Txn: 2, LSN: 0x16B37620, Prefix: PrefixMark, Content: "before the release"}}
	a, err1 := EncodeDocument(layouts)
	b, err2 := EncodeDocument(messages)
	d, err3 := EncodeDocument(head)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	for _, chunk := range []struct {
		Chunk
		raw []byte
	}{
		{Chunk{Kind: ChunkLayouts, Rows: 2}, a},
		{Chunk{Kind: ChunkTransactions, Rows: 3}, AppendTransactions(nil, sampleTransactions())},
		{Chunk{Kind: ChunkMessages, Rows: 1}, b},
		{Chunk{Kind: ChunkDocument}, d},
	} {
		if err := w.WriteChunk(chunk.Chunk, chunk.raw); err != nil {
			return err
		}
	}
	_, err = w.Close()
	return err
}

// countingEnvelope is the sample envelope with all that is optional.
func countingEnvelope() *Envelope {
	e := sampleDocument(KindEnvelope).(*Envelope)
	e.Noted = 0x16B37520
	e.Inexact = &Inexact{UnloggedTables: 2, UnfollowedTables: 1, LargeObjects: 1200, SkippedTables: 3, SkippedLargeObjects: 6, MaterializedViews: 4, Unsupported: 5}
	return e
}

// versionEnvelope is that of a version of the catalog.
func versionEnvelope() *Envelope {
	e := countingEnvelope()
	e.Log, e.Groups, e.Parts = craftID, e.Groups[:1], nil
	e.Rows, e.RawBytes, e.StoredBytes, e.CatalogVersion = 0, 0, 0, true
	e.Globals = "0123456789abcdef0123456789abcdef"
	e.Objects = "fedcba9876543210fedcba9876543210"
	return e
}

// sampleForms gives the forms of a body, all complete, or of a segment's head.
func sampleForms(complete bool) *Forms {
	f := &Forms{LSN: 0x16B37650, Until: 0x16B37660, Visibility: Visibility{Xmin: 740, Xmax: 750, InProgress: []uint64{740, 745}}, Time: craftTime,
		Digest: "00112233445566778899aabbccddeeff", Roles: "0123456789abcdef", Names: "0123456789abcdee", Complete: complete,
		Tables: []Form{{Table: 16384, Schema: "public", Name: "users", Parents: []uint32{16380}, Content: "fedcba9876543210", Versions: "0f1e2d3c4b5a6978", Since: 741}}}
	if !complete {
		f.After = 0x16B37600
		f.Tables = append(f.Tables, Form{Table: 16385, Schema: "public", Name: "gone"})
	}
	return f
}

// watchedForms gives the forms of a segment's head, or of a body, of a log that no event trigger puts DDL into.
func watchedForms(complete bool) *Forms {
	f := sampleForms(complete)
	f.Objects, f.Next, f.Awaited = "fedcba9876543210fedcba9876543210", 751, true
	f.Tables[0].Unlisted = UnlistedPending
	return f
}

// sampleDocument gives a document of each kind that has one; every field is set that is not optional.
func sampleDocument(kind ObjectKind) any {
	id := uuid.MustParse("0193f8a0-7c00-7000-8000-000000000002")
	var hash ContentHash
	hash.AddRow([]byte("1\ta"))
	seen := Visibility{Xmin: 740, Xmax: 750, InProgress: []uint64{740, 745}}
	samples := []SequenceSample{{OID: 16390, Schema: "public", Name: "users_id_seq", Value: 33, Called: true}}
	ref := func(name string) ObjectRef {
		return ObjectRef{Name: name, ID: id, Size: 512, SHA256: Digest{1, 2, 3}}
	}
	switch kind {
	case KindConfig:
		return &Config{Version: 1, ID: id, Created: craftTime}
	case KindSource:
		return &Source{Name: "shop", SystemID: "7454000000000000001", DatabaseOID: 16000, Database: "shop", Encoding: "UTF8", Created: craftTime}
	case KindLogStart:
		return &LogStart{Log: id, SystemID: "7454000000000000001", Timeline: 1, DatabaseOID: 16000, Slot: "pgrecall_shop",
			Publication: "pgrecall", ConsistentPoint: 0x16B37400, Visibility: seen, Created: craftTime}
	case KindGap:
		return &Gap{Log: id, From: 0x16B37630, To: 0x16B38000, Reason: "the slot was lost", Noted: craftTime}
	case KindEnvelope:
		return &Envelope{ID: id, SystemID: "7454000000000000001", Timeline: 1, DatabaseOID: 16000, ServerVersion: 150020, Encoding: "UTF8",
			Started: craftTime, Finished: craftTime.Add(time.Minute), Groups: []Group{{Visibility: seen, LSN: 0x16B37500, Time: craftTime}},
			Log: id, Body: ref("snapshots/a.body"), Parts: []ObjectRef{ref("parts/a.part")}, Rows: 1, RawBytes: 4, StoredBytes: 512}
	case KindBody:
		return &Body{ID: id, Database: "shop", Catalog: []byte(`{"server_version":150020}`), Sequences: samples, SampledAt: 0x16B37500,
			Filter: &Filter{Tables: []string{"public.*"}},
			Tables: []TableData{{OID: 16384, Schema: "public", Name: "users", Columns: []Column{{1, "id", 23, -1, "integer"}},
				Identity: Identity{Kind: IdentityKey, Attnums: []int16{1}}, Rows: 1, RawBytes: 4, ContentHash: hash,
				Parts: []Part{{Rows: 1, RawBytes: 4, ContentHash: hash, FirstBlock: 0, EndBlock: 7}}}}}
	default:
		return &SegmentHead{Log: id, SystemID: "7454000000000000001", Timeline: 1, DatabaseOID: 16000, From: 0x16B37400, To: 0x16B37660, Resume: 0x16B37630,
			Last:        LastCommit{XID: 5<<32 + 750, CommitLSN: 0x16B37630, EndLSN: 0x16B37660, Time: craftTime, Hash: "00112233445566778899aabbccddeeff"},
			Publication: Publication{OID: 16400, Xmin: "739"}, Sequences: samples, SampledAt: 0x16B37640, Created: craftTime}
	}
}

// allKinds lists every kind of object.
var allKinds = []ObjectKind{KindConfig, KindSource, KindLogStart, KindPart, KindEnvelope, KindBody, KindSegment, KindGap}

// document gives a zero value of the document that a kind holds, nil if it holds none.
func document(kind ObjectKind) any {
	switch kind {
	case KindConfig:
		return new(Config)
	case KindSource:
		return new(Source)
	case KindLogStart:
		return new(LogStart)
	case KindGap:
		return new(Gap)
	case KindEnvelope:
		return new(Envelope)
	case KindBody:
		return new(Body)
	case KindSegment:
		return new(SegmentHead)
	}
	return nil
}
