package format

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"
)

// makeVectors makes every vector of this version, by file name.
func makeVectors(t *testing.T) map[string]*vector {
	vs := vectorSet{t, map[string]*vector{}}
	vs.soundObjects()
	vs.damagedObjects()
	vs.faultyChunks()
	vs.faultyIndexes()
	vs.faultyShapes()
	vs.faultyDocuments()
	vs.records()
	vs.transactions()
	vs.rows()
	vs.texts()
	return vs.made
}

type vectorSet struct {
	t    *testing.T
	made map[string]*vector
}

func (vs *vectorSet) put(name string, v *vector) {
	if vs.made[name] != nil {
		vs.t.Fatalf("two vectors named %s", name)
	}
	vs.made[name] = v
}

// object adds an object that fails, chunk < 0: not in a chunk.
func (vs *vectorSet) object(name string, kind ObjectKind, data []byte, f Failure, chunk int, comment string) {
	v := &vector{data: data}
	v.add("type", "object")
	v.add("comment", "%s", comment)
	v.add("kind", "%v", kind)
	v.add("id", "%v", craftID)
	v.add("expect", "%s", f)
	if chunk >= 0 {
		v.add("chunk", "%d", chunk)
	}
	vs.put(name, v)
}

func (vs *vectorSet) sound(name string, kind ObjectKind, data []byte, comment string) {
	v := &vector{data: data}
	v.add("type", "object")
	v.add("comment", "%s", comment)
	v.add("kind", "%v", kind)
	v.add("id", "%v", craftID)
	v.add("expect", "ok")
	o, err := vectorObject(v)
	if err != nil {
		vs.t.Fatal(err)
	}
	content, err := objectContent(data, o)
	if err != nil {
		vs.t.Fatalf("%s: %v", name, err)
	}
	for _, c := range content {
		v.add("content", "%s", c)
	}
	vs.put(name, v)
}

func (vs *vectorSet) soundObjects() {
	for _, kind := range allKinds {
		name := strings.ReplaceAll(kind.String(), " ", "-")
		if kind == KindPart || kind == KindSegment {
			for _, c := range []Compression{None, LZ4, Zstd} {
				vs.sound(fmt.Sprintf("%s-%v", name, c), kind, sample(vs.t, kind, c), fmt.Sprintf("a %v with compression %v", kind, c))
			}
			continue
		}
		vs.sound(name, kind, sample(vs.t, kind, None), fmt.Sprintf("a %v", kind))
	}
	vs.soundForms()
	empty := (&crafted{header: appendHeader(nil, KindPart, craftID)}).assemble()
	vs.sound("part-empty", KindPart, empty, "a part without rows")
	var counting bytes.Buffer
	if _, err := WriteDocument(&counting, KindEnvelope, craftID, countingEnvelope()); err != nil {
		vs.t.Fatal(err)
	}
	vs.sound("snapshot-envelope-optional", KindEnvelope, counting.Bytes(), "a snapshot envelope with all that is optional")
	var version bytes.Buffer
	if _, err := WriteDocument(&version, KindEnvelope, craftID, versionEnvelope()); err != nil {
		vs.t.Fatal(err)
	}
	vs.sound("snapshot-envelope-version", KindEnvelope, version.Bytes(), "the envelope of a version of the catalog")
}

// soundForms are the objects that tell the forms of tables, which is optional.
func (vs *vectorSet) soundForms() {
	body, head := sampleDocument(KindBody).(*Body), sampleDocument(KindSegment).(*SegmentHead)
	body.Forms, head.Forms = sampleForms(true), sampleForms(false)
	var b, s bytes.Buffer
	if _, err := WriteDocument(&b, KindBody, craftID, body); err != nil {
		vs.t.Fatal(err)
	}
	if err := writeSampleSegment(&s, None, head); err != nil {
		vs.t.Fatal(err)
	}
	vs.sound("snapshot-body-forms", KindBody, b.Bytes(), "a snapshot body with the forms of its tables")
	vs.sound("segment-forms", KindSegment, s.Bytes(), "a segment with a look at the forms of the tables")
	head.Publication.Watched, head.Forms = true, watchedForms(false)
	var w bytes.Buffer
	if err := writeSampleSegment(&w, None, head); err != nil {
		vs.t.Fatal(err)
	}
	vs.sound("segment-watched", KindSegment, w.Bytes(), "a segment of a log that no event trigger puts DDL into")
	body.Forms = watchedForms(true)
	for name, change := range map[string]func(s string) string{
		"objects-short": func(s string) string {
			return strings.Replace(s, `"objects":"fedcba9876543210fedc`, `"objects":"fedcba9876543210fed`, 1)
		},
		"objects-without-next": func(s string) string { return strings.Replace(s, `"next":751,`, "", 1) },
		"unlisted":             func(s string) string { return strings.Replace(s, `"unlisted":"pending"`, `"unlisted":"soon"`, 1) },
		"not-complete":         func(s string) string { return strings.Replace(s, `"complete":true,`, "", 1) },
		"unseen":               func(s string) string { return strings.Replace(s, `"740:750:740,745","time"`, `"","time"`, 1) },
		"gone":                 func(s string) string { return strings.Replace(s, `"content":"fedcba9876543210"`, `"content":""`, 1) },
	} {
		sound, err := EncodeDocument(body)
		if err != nil {
			vs.t.Fatal(err)
		}
		changed := change(string(sound))
		if changed == string(sound) {
			vs.t.Fatalf("forms-%s changes nothing", name)
		}
		e := entry{Chunk: Chunk{Kind: ChunkDocument, Raw: len(changed), Stored: len(changed)}}
		c := crafted{header: appendHeader(nil, KindBody, craftID), chunks: []craftedChunk{{appendChunkHeader(nil, &e), []byte(changed)}}}
		vs.object("forms-"+name, KindBody, c.assemble(), FailDocument, -1, "a body's forms: "+strings.ReplaceAll(name, "-", " "))
	}
}

// damagedObjects are what accidents leave of a sound one.
func (vs *vectorSet) damagedObjects() {
	part := func() []byte { return sample(vs.t, KindPart, LZ4) }
	n := len(part())
	flip := func(at int) []byte {
		b := part()
		b[(at+n)%n] ^= 0x10
		return b
	}
	vs.object("empty", KindPart, nil, FailTruncated, -1, "no byte")
	vs.object("truncated-short", KindPart, part()[:100], FailTruncated, -1, "cut within the first chunk")
	vs.object("truncated-chunk", KindPart, part()[:n/2], FailTrailer, -1, "cut in half")
	vs.object("truncated-byte", KindPart, part()[:n-1], FailTrailer, -1, "its last byte is missing")
	vs.object("trailing-byte", KindPart, append(part(), 0), FailTrailer, -1, "a byte follows")
	vs.object("trailing-object", KindPart, append(part(), part()...), FailTrailer, -1, "itself follows: the trailer's length is not the object's")
	vs.object("header-magic", KindPart, flip(0), FailHeader, -1, "a bit of the magic is flipped")
	vs.object("header-version", KindPart, flip(8), FailHeader, -1, "a bit of the version is flipped, so the checksum is wrong")
	vs.object("header-kind", KindPart, flip(10), FailHeader, -1, "a bit of the kind is flipped")
	vs.object("header-id", KindPart, flip(12), FailHeader, -1, "a bit of the id is flipped")
	vs.object("header-checksum", KindPart, flip(28), FailHeader, -1, "a bit of the header's checksum is flipped")
	vs.object("header-other-kind", KindBody, part(), FailHeader, -1, "a sound part where a body is expected")
	vs.object("chunk-header", KindPart, flip(headerSize+12), FailChunk, 0, "a bit of the number of rows in the chunk's own header is flipped")
	vs.object("chunk-reserved", KindPart, flip(headerSize+2), FailChunk, 0, "a bit of the chunk header's zero bytes is flipped")
	vs.object("chunk-checksum", KindPart, flip(headerSize+chunkHeader), FailChecksum, 0, "a bit of a row is flipped")
	vs.object("index-header", KindPart, flip(-trailerSize-100), FailIndex, -1, "a bit of the index is flipped")
	vs.object("trailer-offset", KindPart, flip(-trailerSize), FailTrailer, -1, "a bit of the index offset is flipped")
	vs.object("trailer-size", KindPart, flip(-trailerSize+8), FailTrailer, -1, "a bit of the length is flipped")
	vs.object("trailer-checksum", KindPart, flip(-trailerSize+16), FailTrailer, -1, "a bit of the trailer's checksum is flipped")
	vs.object("trailer-magic", KindPart, flip(-1), FailTrailer, -1, "a bit of the last byte is flipped")

	// The other's pieces: the same chunks under another id.
	apart := takeApart(sample(vs.t, KindPart, None))
	mine := apart.assemble()
	apart.header = appendHeader(nil, KindPart, uuid.MustParse("0193f8a0-7c00-7000-8000-0000000000ff"))
	other := apart.assemble()
	vs.object("header-other-id", KindPart, other, FailHeader, -1, "a sound part of another id")
	first := headerSize + chunkHeader + len(apart.chunks[0].stored)
	vs.object("chunk-other-object", KindPart, append(append(bytes.Clone(mine[:headerSize]), other[headerSize:first]...), mine[first:]...),
		FailChunk, 0, "the first chunk is that of another object with the same rows")
	vs.object("index-other-object", KindPart, append(bytes.Clone(mine[:headerSize]), other[headerSize:]...), FailTrailer, -1, "all but the header is another object's")
	end := len(mine) - trailerSize
	vs.object("trailer-other-object", KindPart, append(bytes.Clone(mine[:end]), other[end:]...), FailTrailer, -1, "the trailer is another object's")
	second := first + chunkHeader + len(apart.chunks[1].stored)
	swapped := bytes.Join([][]byte{mine[:headerSize], mine[first:second], mine[headerSize:first], mine[second:]}, nil)
	vs.object("chunk-swapped", KindPart, swapped, FailChunk, 0, "the first two chunks have changed places")
	replayed := bytes.Join([][]byte{mine[:first], mine[headerSize:first], mine[second:]}, nil)
	if len(replayed) != len(mine) {
		vs.t.Fatal("the chunks must be of one length")
	}
	vs.object("chunk-replayed", KindPart, replayed, FailChunk, 1, "the first chunk lies in the second one's place too")
}

// faultyChunks are of a faulty writer: all checksums are right.
func (vs *vectorSet) faultyChunks() {
	edit := func(name string, f Failure, chunk int, comment string, change func(c *craftedChunk)) {
		apart := takeApart(sample(vs.t, KindPart, None))
		change(&apart.chunks[1])
		vs.object(name, KindPart, apart.assemble(), f, chunk, comment)
	}
	le := binary.LittleEndian
	edit("entry-kind", FailIndex, -1, "a chunk of kind 8", func(c *craftedChunk) { c.header[0] = 8 })
	edit("entry-kind-zero", FailIndex, -1, "a chunk of kind 0", func(c *craftedChunk) { c.header[0] = 0 })
	edit("entry-index", FailIndex, -1, "an index within the index", func(c *craftedChunk) { c.header[0] = byte(ChunkIndex) })
	edit("entry-codec", FailIndex, -1, "codec 3", func(c *craftedChunk) { c.header[1] = 3 })
	edit("entry-reserved", FailIndex, -1, "a reserved byte is 1", func(c *craftedChunk) { c.header[3] = 1 })
	edit("entry-ordinal", FailIndex, -1, "the ordinal 0 twice", func(c *craftedChunk) { le.PutUint32(c.header[4:], 0) })
	edit("entry-table", FailIndex, -1, "rows of no table", func(c *craftedChunk) { le.PutUint32(c.header[8:], 0) })
	edit("entry-rows-zero", FailIndex, -1, "no rows", func(c *craftedChunk) { le.PutUint32(c.header[12:], 0) })
	edit("entry-raw-none", FailIndex, -1, "not compressed, and raw is not stored", func(c *craftedChunk) { le.PutUint32(c.header[16:], 1<<20) })
	edit("entry-raw-limit", FailIndex, -1, "raw is 2^31", func(c *craftedChunk) { c.header[1] = 1; le.PutUint32(c.header[16:], 1<<31) })
	edit("entry-lsn", FailIndex, -1, "rows with an LSN", func(c *craftedChunk) { c.header[32] = 1 })
	edit("rows-fewer", FailRows, 1, "one row fewer than told", func(c *craftedChunk) { le.PutUint32(c.header[12:], 5) })
	edit("rows-unended", FailRows, 1, "the last row has no newline", func(c *craftedChunk) { c.stored[len(c.stored)-1] = 'x' })

	lz := func(name, comment string, f Failure, chunk int, change func(c *craftedChunk)) {
		apart := takeApart(sample(vs.t, KindPart, LZ4))
		change(&apart.chunks[1])
		vs.object(name, KindPart, apart.assemble(), f, chunk, comment)
	}
	raw := func(n int) func(c *craftedChunk) {
		return func(c *craftedChunk) { le.PutUint32(c.header[16:], le.Uint32(c.header[16:])+uint32(n)) }
	}
	lz("lz4-raw-more", "raw is one byte more than the block holds", FailCompressed, 1, raw(1))
	lz("lz4-raw-less", "raw is one byte less than the block holds", FailCompressed, 1, raw(-1))
	lz("lz4-block", "not an LZ4 block", FailCompressed, 1, func(c *craftedChunk) {
		for i := range c.stored {
			c.stored[i] = 0xff
		}
	})
	lz("lz4-ratio", "raw is 2^31-1 for some hundred stored bytes", FailIndex, -1, func(c *craftedChunk) { le.PutUint32(c.header[16:], MaxRaw) })
	vs.zstdChunks()
}

func (vs *vectorSet) zstdChunks() {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		vs.t.Fatal(err)
	}
	rows := bytes.Repeat([]byte("the quick brown fox\n"), 40)
	build := func(stored []byte, raw int) []byte {
		e := entry{Chunk: Chunk{Kind: ChunkRows, Table: 16384, Rows: 40, Raw: raw, Stored: len(stored)}, codec: Zstd}
		c := crafted{header: appendHeader(nil, KindPart, craftID), chunks: []craftedChunk{{appendChunkHeader(nil, &e), stored}}}
		return c.assemble()
	}
	frame := z.EncodeAll(rows, nil)
	half := z.EncodeAll(rows[:400], nil)
	two := append(half, z.EncodeAll(rows[400:], nil)...)
	vs.sound("zstd-checksum", KindPart, build(frame, len(rows)), "a Zstandard frame with a checksum of its own")
	vs.sound("zstd-two-frames", KindPart, build(two, len(rows)), "two Zstandard frames")
	vs.object("zstd-raw-more", KindPart, build(frame, len(rows)+1), FailCompressed, 0, "raw is one byte more than the frame holds")
	vs.object("zstd-raw-less", KindPart, build(frame, len(rows)-1), FailCompressed, 0, "raw is one byte less than the frame holds")
	vs.object("zstd-cut", KindPart, build(frame[:len(frame)-1], len(rows)), FailCompressed, 0, "the frame is cut short")
	vs.object("zstd-ratio", KindPart, build(frame, MaxRaw), FailIndex, -1, "raw is 2^31-1 for some stored bytes")
}

// faultyIndexes have an index that is not of their chunks.
func (vs *vectorSet) faultyIndexes() {
	edit := func(name, comment string, f Failure, chunk int, change func(index, object []byte) []byte) {
		vs.object(name, KindPart, takeApart(sample(vs.t, KindPart, None)).assembleWith(change), f, chunk, comment)
	}
	edit("index-fewer", "the index leaves out the last chunk", FailIndex, -1, func(index, _ []byte) []byte { return index[:len(index)-chunkHeader] })
	edit("index-more", "the index tells the last chunk twice", FailIndex, -1, func(index, _ []byte) []byte {
		again := bytes.Clone(index[len(index)-chunkHeader:])
		again[4]++
		return append(index, again...)
	})
	edit("index-empty", "the index tells of no chunk", FailIndex, -1, func(index, _ []byte) []byte { return nil })
	edit("index-entry-cut", "the index ends within an entry", FailIndex, -1, func(index, _ []byte) []byte { return index[:len(index)-1] })
	edit("index-overlap", "an entry's stored length is one less, the next one's one more", FailChunk, 1, func(index, _ []byte) []byte {
		for i, d := range []int{-1, 1} {
			at := index[(i+1)*chunkHeader:]
			binary.LittleEndian.PutUint32(at[16:], uint32(int(binary.LittleEndian.Uint32(at[16:]))+d))
			binary.LittleEndian.PutUint32(at[20:], uint32(int(binary.LittleEndian.Uint32(at[20:]))+d))
		}
		return index
	})
	edit("index-other-checksum", "an entry's checksum is another than the chunk's own", FailChunk, 1, func(index, _ []byte) []byte {
		index[2*chunkHeader-1] ^= 1
		return index
	})

	c := takeApart(sample(vs.t, KindPart, None))
	c.header = appendHeader(nil, KindPart, craftID)
	binary.LittleEndian.PutUint16(c.header[8:], 2)
	newer := resealHeader(c)
	vs.object("version-newer", KindPart, newer, FailVersion, -1, "version 2, all checksums right")
	binary.LittleEndian.PutUint16(c.header[8:], Version)
	binary.LittleEndian.PutUint16(c.header[10:], 9)
	vs.object("header-unknown-kind", KindPart, resealHeader(c), FailHeader, -1, "kind 9, all checksums right")

	sound := sample(vs.t, KindPart, None)
	moved := bytes.Clone(sound[:len(sound)-trailerSize])
	offset := int64(binary.LittleEndian.Uint64(sound[len(sound)-trailerSize:]))
	for name, off := range map[string]int64{"trailer-offset-low": 31, "trailer-offset-high": int64(len(sound)) - trailerSize - chunkHeader + 1} {
		vs.object(name, KindPart, appendTrailer(bytes.Clone(moved), moved[:headerSize], off, int64(len(sound))), FailTrailer, -1,
			"an index offset where no index can be")
	}
	vs.object("trailer-offset-shifted", KindPart, appendTrailer(moved, moved[:headerSize], offset-chunkHeader, int64(len(sound))), FailIndex, -1,
		"an index offset within the last chunk")
}

// resealHeader assembles an object whose header was changed.
func resealHeader(c *crafted) []byte {
	sealed := appendHeader(nil, KindPart, craftID)
	copy(sealed, c.header[:headerCRC])
	binary.LittleEndian.PutUint32(sealed[headerCRC:], crcOf(sealed[:headerCRC]))
	c.header = sealed
	return c.assemble()
}

// faultyShapes have sound chunks that their kind of object does not allow so.
func (vs *vectorSet) faultyShapes() {
	build := func(name string, kind ObjectKind, comment string, chunks ...Chunk) {
		c := crafted{header: appendHeader(nil, kind, craftID)}
		for i, chunk := range chunks {
			chunk.Ordinal, chunk.Raw, chunk.Stored = i, 2, 2
			e := entry{Chunk: chunk}
			c.chunks = append(c.chunks, craftedChunk{appendChunkHeader(nil, &e), []byte("[]")})
		}
		vs.object(name, kind, c.assemble(), FailIndex, -1, comment)
	}
	rows := func(table uint32) Chunk { return Chunk{Kind: ChunkRows, Table: table, Rows: 1} }
	lane := func(first, last LSN) Chunk {
		return Chunk{Kind: ChunkLane, Table: 16384, Rows: 1, FirstLSN: first, LastLSN: last}
	}
	layouts, transactions, messages, document := Chunk{Kind: ChunkLayouts}, Chunk{Kind: ChunkTransactions}, Chunk{Kind: ChunkMessages}, Chunk{Kind: ChunkDocument}
	build("shape-part-lane", KindPart, "a lane in a part", rows(1), lane(1, 2))
	build("shape-part-tables", KindPart, "two tables in a part", rows(1), rows(2))
	build("shape-document-none", KindGap, "no document")
	build("shape-document-two", KindGap, "two documents", document, document)
	build("shape-document-rows", KindGap, "rows where a document should be", rows(1))
	build("shape-segment-none", KindSegment, "a segment without chunks")
	build("shape-segment-unended", KindSegment, "no document at the end", lane(1, 2), layouts, transactions, messages)
	build("shape-segment-order", KindSegment, "transactions before layouts", lane(1, 2), transactions, layouts, messages, document)
	build("shape-segment-left-out", KindSegment, "no messages", lane(1, 2), layouts, transactions, document)
	build("shape-segment-late-lane", KindSegment, "a lane after the layouts", layouts, lane(1, 2), transactions, messages, document)
	build("shape-segment-twice", KindSegment, "two heads", layouts, transactions, messages, document, document)
	build("shape-segment-back", KindSegment, "a lane goes back", lane(5, 7), lane(6, 8), layouts, transactions, messages, document)
	build("shape-segment-lane-lsn", KindSegment, "a lane ends before it begins", lane(5, 4), layouts, transactions, messages, document)
}

func (vs *vectorSet) faultyDocuments() {
	sound, err := EncodeDocument(sampleDocument(KindGap))
	if err != nil {
		vs.t.Fatal(err)
	}
	for name, change := range map[string]func(s string) string{
		"unknown-field":  func(s string) string { return strings.Replace(s, "{", `{"more":1,`, 1) },
		"missing-field":  func(s string) string { return strings.Replace(s, `,"reason":"the slot was lost"`, "", 1) },
		"repeated-field": func(s string) string { return strings.Replace(s, `"reason":`, `"reason":"x","reason":`, 1) },
		"field-case":     func(s string) string { return strings.Replace(s, `"reason"`, `"Reason"`, 1) },
		"space":          func(s string) string { return strings.Replace(s, ":", ": ", 1) },
		"trailing":       func(s string) string { return s + "\n" },
		"two":            func(s string) string { return s + s },
		"cut":            func(s string) string { return s[:len(s)-1] },
		"invalid-utf8":   func(s string) string { return strings.Replace(s, "slot", "sl\xfft", 1) },
		"lsn":            func(s string) string { return strings.Replace(s, "0/16B37630", "0/016B37630", 1) },
		"gap-backwards":  func(s string) string { return strings.Replace(s, "0/16B38000", "0/16B30000", 1) },
		"type":           func(s string) string { return strings.Replace(s, `"the slot was lost"`, "1", 1) },
		"null":           func(s string) string { return "null" },
	} {
		vs.faultyDocument(name, KindGap, string(sound), change)
	}
	counting, err := EncodeDocument(countingEnvelope())
	if err != nil {
		vs.t.Fatal(err)
	}
	for name, change := range map[string]func(s string) string{
		"negative-count": func(s string) string { return strings.Replace(s, `"large_objects":1200`, `"large_objects":-1`, 1) },
		"missing-count":  func(s string) string { return strings.Replace(s, `"skipped_tables":3,`, "", 1) },
		"null-optional":  func(s string) string { return s[:strings.Index(s, `{"unlogged_tables"`)] + "null}" },
	} {
		vs.faultyDocument(name, KindEnvelope, string(counting), change)
	}
	version, err := EncodeDocument(versionEnvelope())
	if err != nil {
		vs.t.Fatal(err)
	}
	vs.faultyDocument("version-without-log", KindEnvelope, string(version), func(s string) string {
		return strings.Replace(s, `"log":"`+craftID.String(), `"log":"`+uuid.Nil.String(), 1)
	})
	vs.faultyDocument("version-false", KindEnvelope, string(version), func(s string) string {
		return strings.Replace(s, `"catalog_version":true`, `"catalog_version":false`, 1)
	})
	vs.faultyDocument("globals-short", KindEnvelope, string(version), func(s string) string {
		return strings.Replace(s, `"globals":"0123`, `"globals":"123`, 1)
	})
	vs.faultyDocument("objects-no-hex", KindEnvelope, string(version), func(s string) string {
		return strings.Replace(s, `"objects":"fedc`, `"objects":"Fedc`, 1)
	})
	vs.faultyDocument("globals-no-hex", KindEnvelope, string(version), func(s string) string {
		return strings.Replace(s, `"globals":"0123`, `"globals":"G123`, 1)
	})
}

// faultyDocument puts a sound document with a change that makes it none.
func (vs *vectorSet) faultyDocument(name string, kind ObjectKind, sound string, change func(s string) string) {
	changed := change(sound)
	if changed == sound {
		vs.t.Fatalf("document-%s changes nothing", name)
	}
	e := entry{Chunk: Chunk{Kind: ChunkDocument, Raw: len(changed), Stored: len(changed)}}
	c := crafted{header: appendHeader(nil, kind, craftID), chunks: []craftedChunk{{appendChunkHeader(nil, &e), []byte(changed)}}}
	vs.object("document-"+name, kind, c.assemble(), FailDocument, -1, "a document: "+strings.ReplaceAll(name, "-", " "))
}
