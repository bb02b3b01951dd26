package format

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"strings"

	"github.com/google/uuid"
)

// Version is the version of the archive's format that this package writes, and
// the only one it reads.
const Version = 1

const (
	headerMagic  = "pgrecall"
	trailerMagic = "llacergp"

	headerSize  = 32 // magic 8, version 2, kind 2, id 16, crc 4
	headerCRC   = 28 // where the header's checksum is
	chunkHeader = 44
	trailerSize = 28 // index offset 8, object size 8, crc 4, magic 8
	minObject   = headerSize + chunkHeader + trailerSize
)

// MaxRaw is the greatest length in bytes of a chunk before compression, and of
// what is stored of it. It admits the largest row: PostgreSQL builds every row and message
// in a buffer of less than 1 GiB (MaxAllocSize), and escaping at most doubles it.
const MaxRaw = math.MaxInt32

// ObjectKind says what an object holds; it is part of the object's header.
type ObjectKind uint16

// The kinds of objects. Their numbers are part of the format.
const (
	KindConfig   ObjectKind = 1 // a document: Config
	KindSource   ObjectKind = 2 // a document: Source
	KindLogStart ObjectKind = 3 // a document: LogStart
	KindPart     ObjectKind = 4 // rows of one table
	KindEnvelope ObjectKind = 5 // a document: Envelope
	KindBody     ObjectKind = 6 // a document: Body
	KindSegment  ObjectKind = 7 // lanes, layouts, transactions, messages, SegmentHead
	KindGap      ObjectKind = 8 // a document: Gap
)

var objectKinds = [...]string{
	KindConfig: "config", KindSource: "source", KindLogStart: "log start", KindPart: "part",
	KindEnvelope: "snapshot envelope", KindBody: "snapshot body", KindSegment: "segment", KindGap: "gap",
}

func (k ObjectKind) known() bool { return k > 0 && int(k) < len(objectKinds) }

// String names the kind for people.
func (k ObjectKind) String() string {
	if k.known() {
		return objectKinds[k]
	}
	return fmt.Sprintf("unknown kind %d", uint16(k))
}

// ChunkKind says what a chunk holds; it is part of the chunk's header.
type ChunkKind uint8

// The kinds of chunks. Their numbers are part of the format.
const (
	ChunkIndex        ChunkKind = 1 // the headers of all other chunks; written by Writer.Close
	ChunkDocument     ChunkKind = 2 // one JSON document
	ChunkRows         ChunkKind = 3 // rows of one table, each ended by a newline
	ChunkLane         ChunkKind = 4 // records of one table, see AppendRecord
	ChunkTransactions ChunkKind = 5 // see AppendTransactions
	ChunkLayouts      ChunkKind = 6 // JSON: []Layout
	ChunkMessages     ChunkKind = 7 // JSON: []Message
)

var chunkKinds = [...]string{
	ChunkIndex: "index", ChunkDocument: "document", ChunkRows: "rows", ChunkLane: "lane",
	ChunkTransactions: "transactions", ChunkLayouts: "layouts", ChunkMessages: "messages",
}

func (k ChunkKind) known() bool { return k > 0 && int(k) < len(chunkKinds) }

// String names the kind for people.
func (k ChunkKind) String() string {
	if k.known() {
		return chunkKinds[k]
	}
	return fmt.Sprintf("unknown chunk kind %d", uint8(k))
}

// Compression is how the bytes of a chunk are stored.
type Compression uint8

// The codecs. Their numbers are part of the format.
const (
	None Compression = 0 // as they are
	LZ4  Compression = 1 // one LZ4 block
	Zstd Compression = 2 // Zstandard frames
)

var codecs = [...]string{None: "none", LZ4: "lz4", Zstd: "zstd"}

func (c Compression) known() bool { return int(c) < len(codecs) }

// String gives the name that ParseCompression reads.
func (c Compression) String() string {
	if c.known() {
		return codecs[c]
	}
	return fmt.Sprintf("unknown compression %d", uint8(c))
}

// ParseCompression reads "none", "lz4" or "zstd".
func ParseCompression(s string) (Compression, error) {
	for c, name := range codecs {
		if s == name {
			return Compression(c), nil
		}
	}
	return 0, fmt.Errorf("unknown compression %q: it is one of %s", s, strings.Join(codecs[:], ", "))
}

// Chunk describes one chunk of an object.
type Chunk struct {
	Kind ChunkKind
	// Ordinal counts the chunks of an object from 0; the writer sets it.
	Ordinal int
	// Table is the table's oid on the source, for rows and lanes; else 0.
	Table uint32
	// Rows counts the rows of a rows chunk, the records of a lane, the entries of
	// transactions, layouts and messages; it is 0 for a document.
	Rows int
	// Raw and Stored are lengths in bytes, before and after compression, without
	// the chunk's header; the writer sets them.
	Raw, Stored int
	// FirstLSN and LastLSN are, for a lane, the commit LSNs of its first and last
	// record's transactions; else 0.
	FirstLSN, LastLSN LSN
}

// entry is a chunk with everything its header says, and its place.
type entry struct {
	Chunk
	codec  Compression
	crc    uint32
	offset int64 // of the header within the object
}

// castagnoli is the polynomial of every checksum here: CRC-32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendHeader(dst []byte, kind ObjectKind, id uuid.UUID) []byte {
	start := len(dst)
	dst = append(dst, headerMagic...)
	dst = binary.LittleEndian.AppendUint16(dst, Version)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(kind))
	dst = append(dst, id[:]...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// appendTrailer closes an object of the given header whose index chunk begins at
// indexOffset and which will be size bytes long, this trailer included.
func appendTrailer(dst, header []byte, indexOffset, size int64) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(indexOffset))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(size))
	dst = binary.LittleEndian.AppendUint32(dst, trailerCRC(header, dst[start:]))
	return append(dst, trailerMagic...)
}

// trailerCRC is over the header before its checksum and the trailer before its own.
// With the header's checksum in it every header would give the same: a CRC over data
// and its own CRC is a constant.
func trailerCRC(header, trailer []byte) uint32 {
	return crc32.Update(crc32.Checksum(header[:headerCRC], castagnoli), castagnoli, trailer[:16])
}

// appendChunkHeader writes all of a chunk's header but its checksum, the last four bytes.
func appendChunkHeader(dst []byte, e *entry) []byte {
	dst = append(dst, byte(e.Kind), byte(e.codec), 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(e.Ordinal))
	dst = binary.LittleEndian.AppendUint32(dst, e.Table)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(e.Rows))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(e.Raw))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(e.Stored))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.FirstLSN))
	return binary.LittleEndian.AppendUint64(dst, uint64(e.LastLSN))
}

// chunkCRC is over the object's id, the header before the checksum and the stored bytes.
func chunkCRC(id *uuid.UUID, header, stored []byte) uint32 {
	crc := crc32.Checksum(id[:], castagnoli)
	crc = crc32.Update(crc, castagnoli, header[:chunkHeader-4])
	return crc32.Update(crc, castagnoli, stored)
}

// parseChunkHeader reads the 44 bytes of a chunk's header. It checks what a header
// can say of itself; not its checksum, which needs the stored bytes.
func parseChunkHeader(b []byte) (entry, error) {
	le := binary.LittleEndian
	raw, stored, rows := le.Uint32(b[16:]), le.Uint32(b[20:]), le.Uint32(b[12:])
	e := entry{
		Chunk: Chunk{
			Kind: ChunkKind(b[0]), Ordinal: int(le.Uint32(b[4:])), Table: le.Uint32(b[8:]), Rows: int(rows),
			Raw: int(raw), Stored: int(stored),
			FirstLSN: LSN(le.Uint64(b[24:])), LastLSN: LSN(le.Uint64(b[32:])),
		},
		codec: Compression(b[1]),
		crc:   le.Uint32(b[40:]),
	}
	if b[2] != 0 || b[3] != 0 {
		return e, fmt.Errorf("the reserved bytes are not zero")
	}
	if raw > MaxRaw || stored > MaxRaw || rows > MaxRaw {
		return e, fmt.Errorf("a length is beyond %d", MaxRaw)
	}
	return e, e.validate()
}

// validate checks what holds for the header of every chunk.
func (e *entry) validate() error {
	switch {
	case !e.Kind.known():
		return fmt.Errorf("%v", e.Kind)
	case !e.codec.known():
		return fmt.Errorf("%v", e.codec)
	case e.codec == None && e.Stored != e.Raw:
		return fmt.Errorf("%d bytes stored for %d that are not compressed", e.Stored, e.Raw)
	case e.codec != None && e.Stored >= e.Raw:
		return fmt.Errorf("%d bytes stored for %d that are compressed", e.Stored, e.Raw)
	case e.codec.least(e.Raw) > e.Stored:
		return fmt.Errorf("%d bytes of %v cannot hold %d", e.Stored, e.codec, e.Raw)
	case e.Rows < 0 || e.Ordinal < 0:
		return fmt.Errorf("a count is negative")
	}
	if e.Kind == ChunkRows || e.Kind == ChunkLane {
		switch {
		case e.Table == 0:
			return fmt.Errorf("%v without a table", e.Kind)
		case e.Rows == 0 || e.Rows > e.Raw:
			return fmt.Errorf("%d rows in %d bytes", e.Rows, e.Raw)
		}
	} else if e.Table != 0 || e.Kind == ChunkDocument && e.Rows != 0 {
		return fmt.Errorf("%v of table %d with %d rows", e.Kind, e.Table, e.Rows)
	}
	if e.FirstLSN > e.LastLSN || e.Kind != ChunkLane && e.LastLSN != 0 {
		return fmt.Errorf("the LSNs %v to %v make no sense for %v", e.FirstLSN, e.LastLSN, e.Kind)
	}
	return nil
}
