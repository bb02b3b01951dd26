package format

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// Ranger reads a stored object by ranges.
type Ranger interface {
	// ReadRange fills p with the bytes from off on, or fails. It must be safe for
	// concurrent use if the Reader is used so.
	ReadRange(ctx context.Context, off int64, p []byte) error
}

// Memory is an object that is in memory already.
type Memory []byte

// ReadRange implements Ranger.
func (m Memory) ReadRange(_ context.Context, off int64, p []byte) error {
	if off < 0 || off > int64(len(m)) || int64(len(p)) > int64(len(m))-off {
		return fmt.Errorf("read %d bytes at %d of %d: %w", len(p), off, len(m), io.ErrUnexpectedEOF)
	}
	copy(p, m[off:])
	return nil
}

// Object says what a reader expects to find.
type Object struct {
	// Name is for errors.
	Name string
	// Size is the stored object's length in bytes, as the store tells it.
	Size int64
	// Kind must be the object's own.
	Kind ObjectKind
	// ID must be the object's own; the nil UUID is not checked.
	ID uuid.UUID
}

// Reader reads the chunks of one object. It is safe for concurrent use as far as
// its Ranger is.
type Reader struct {
	ranger  Ranger
	object  Object
	header  [headerSize]byte
	id      uuid.UUID
	entries []entry
	chunks  []Chunk
	decoder decoder
	buffers sync.Pool // of *[]byte

	tail       []byte // the object's last bytes
	tailOffset int64
}

// tailSize is how much of an object's end is read at once on opening. Of an object
// that holds rows it is the trailer alone, so that nobody who opens it for one
// table's sake reads a byte of another's; of others it is everything, mostly.
func tailSize(k ObjectKind) int64 {
	if k == KindPart || k == KindSegment {
		return trailerSize
	}
	return 64 << 10
}

// OpenObject reads an object's header, trailer and index, and checks them, and no
// chunk of a part or segment. It makes three range requests for these, for other
// objects one if they have up to 64 KiB. An error that is ErrCorrupt is about the
// object's bytes, any other about reading them.
func OpenObject(ctx context.Context, r Ranger, o Object) (*Reader, error) {
	d := &Reader{ranger: r, object: o}
	if o.Size < minObject {
		return nil, d.corrupt(FailTruncated, "%d bytes are too few for an object", o.Size)
	}
	d.tailOffset = max(0, o.Size-tailSize(o.Kind))
	d.tail = make([]byte, o.Size-d.tailOffset)
	if err := d.read(ctx, d.tailOffset, d.tail); err != nil {
		return nil, err
	}
	if err := d.readAt(ctx, 0, d.header[:]); err != nil {
		return nil, err
	}
	if err := d.checkHeader(); err != nil {
		return nil, err
	}
	indexOffset, err := d.checkTrailer()
	if err != nil {
		return nil, err
	}
	index, err := d.readIndex(ctx, indexOffset)
	if err != nil {
		return nil, err
	}
	if err := d.checkIndex(index, indexOffset); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Reader) checkHeader() error {
	h, le := d.header[:], binary.LittleEndian
	if string(h[:8]) != headerMagic {
		return d.corrupt(FailHeader, "it does not begin as an object of a pgrecall repository")
	}
	if le.Uint32(h[headerCRC:]) != crc32.Checksum(h[:headerCRC], castagnoli) {
		return d.corrupt(FailHeader, "its checksum is wrong")
	}
	if v := le.Uint16(h[8:]); v != Version {
		return d.corrupt(FailVersion, "it is of format version %d and this program reads version %d: use a newer pgrecall", v, Version)
	}
	kind := ObjectKind(le.Uint16(h[10:]))
	copy(d.id[:], h[12:28])
	if !kind.known() || kind != d.object.Kind {
		return d.corrupt(FailHeader, "it is a %v, not a %v", kind, d.object.Kind)
	}
	if d.id == uuid.Nil || d.object.ID != uuid.Nil && d.id != d.object.ID {
		return d.corrupt(FailHeader, "it is object %v, not %v", d.id, d.object.ID)
	}
	return nil
}

func (d *Reader) checkTrailer() (indexOffset int64, err error) {
	t, le := d.tail[len(d.tail)-trailerSize:], binary.LittleEndian
	if string(t[20:]) != trailerMagic {
		return 0, d.corrupt(FailTrailer, "it does not end as an object does: it is cut short or something follows it")
	}
	if le.Uint32(t[16:]) != trailerCRC(d.header[:], t) {
		return 0, d.corrupt(FailTrailer, "its checksum is wrong")
	}
	offset, size := le.Uint64(t), le.Uint64(t[8:])
	if size != uint64(d.object.Size) {
		return 0, d.corrupt(FailTrailer, "%d bytes were written and %d are there", size, d.object.Size)
	}
	if offset < headerSize || offset > size-trailerSize-chunkHeader {
		return 0, d.corrupt(FailTrailer, "it places the index at %d", offset)
	}
	return int64(offset), nil
}

// readIndex returns the index chunk decompressed.
func (d *Reader) readIndex(ctx context.Context, offset int64) ([]byte, error) {
	length := d.object.Size - trailerSize - offset
	if length > chunkHeader+MaxRaw {
		return nil, d.corrupt(FailIndex, "it is too long")
	}
	b := make([]byte, length)
	if err := d.readAt(ctx, offset, b); err != nil {
		return nil, err
	}
	e, err := parseChunkHeader(b)
	switch {
	case err != nil:
		return nil, d.corruptBy(FailIndex, err)
	case e.Kind != ChunkIndex || e.Rows != e.Ordinal || e.Raw != e.Rows*chunkHeader:
		return nil, d.corrupt(FailIndex, "its header is not that of an index")
	case int64(e.Stored) != length-chunkHeader:
		return nil, d.corrupt(FailIndex, "%d bytes where its header tells %d", length-chunkHeader, e.Stored)
	case e.crc != chunkCRC(&d.id, b, b[chunkHeader:]):
		return nil, d.corrupt(FailIndex, "its checksum is wrong")
	}
	raw := make([]byte, e.Raw)
	if err := d.decoder.decode(e.codec, raw, b[chunkHeader:]); err != nil {
		return nil, d.corruptBy(FailIndex, err)
	}
	return raw, nil
}

// checkIndex reads the entries of the index: in order, without a hole or an overlap
// from the header to the index itself.
func (d *Reader) checkIndex(index []byte, indexOffset int64) error {
	d.entries = make([]entry, 0, len(index)/chunkHeader)
	d.chunks = make([]Chunk, 0, len(index)/chunkHeader)
	shape := shape{kind: d.object.Kind}
	offset := int64(headerSize)
	for ; len(index) > 0; index = index[chunkHeader:] {
		e, err := parseChunkHeader(index)
		if err != nil {
			return d.corruptBy(FailIndex, fmt.Errorf("entry %d: %w", len(d.entries), err))
		}
		if e.Kind == ChunkIndex || e.Ordinal != len(d.entries) {
			return d.corrupt(FailIndex, "entry %d is %v %d", len(d.entries), e.Kind, e.Ordinal)
		}
		if err := shape.next(&e.Chunk); err != nil {
			return d.corruptBy(FailIndex, err)
		}
		e.offset = offset
		offset += chunkHeader + int64(e.Stored)
		d.entries = append(d.entries, e)
		d.chunks = append(d.chunks, e.Chunk)
	}
	if err := shape.complete(); err != nil {
		return d.corruptBy(FailIndex, err)
	}
	if offset != indexOffset {
		return d.corrupt(FailIndex, "the chunks end at %d and the index begins at %d", offset, indexOffset)
	}
	return nil
}

// ID is the object's id.
func (d *Reader) ID() uuid.UUID { return d.id }

// Object is what OpenObject was given.
func (d *Reader) Object() Object { return d.object }

// Chunks lists the object's chunks in their order. The caller must not change it.
func (d *Reader) Chunks() []Chunk { return d.chunks }

// ReadChunk reads chunk i whole, checks it, and returns its bytes before compression.
// It uses dst's memory, overwriting it, if its capacity suffices. It makes at most one
// range request.
func (d *Reader) ReadChunk(ctx context.Context, i int, dst []byte) ([]byte, error) {
	if i < 0 || i >= len(d.entries) {
		return nil, fmt.Errorf("read chunk %d of %s: it has %d", i, d.object.Name, len(d.entries))
	}
	e := &d.entries[i]
	buf := d.buffer(chunkHeader + e.Stored)
	defer d.release(buf)
	b := *buf
	if err := d.readAt(ctx, e.offset, b); err != nil {
		return nil, err
	}
	header, stored := b[:chunkHeader], b[chunkHeader:]
	got, err := parseChunkHeader(header)
	if err != nil {
		return nil, d.corruptChunk(e, FailChunk, "its header", err)
	}
	got.offset = e.offset
	if got != *e {
		return nil, d.corruptChunk(e, FailChunk, "its header is not the one in the index", nil)
	}
	if chunkCRC(&d.id, header, stored) != e.crc {
		return nil, d.corruptChunk(e, FailChecksum, "its bytes are not those that were written", nil)
	}
	dst = slices.Grow(dst[:0], e.Raw)[:e.Raw]
	if err := d.decoder.decode(e.codec, dst, stored); err != nil {
		return nil, d.corruptChunk(e, FailCompressed, "it does not decompress", err)
	}
	if e.Kind == ChunkRows {
		if err := checkRows(dst, e.Rows); err != nil {
			return nil, d.corruptChunk(e, FailRows, "", err)
		}
	}
	return dst, nil
}

// buffer gives a buffer of the length n from the pool or a new one.
func (d *Reader) buffer(n int) *[]byte {
	b, ok := d.buffers.Get().(*[]byte)
	if !ok {
		b = new([]byte)
	}
	if cap(*b) < n {
		*b = make([]byte, n)
	}
	*b = (*b)[:n]
	return b
}

func (d *Reader) release(b *[]byte) {
	if cap(*b) <= keepBuffer {
		d.buffers.Put(b)
	}
}

// readAt fills p from the bytes kept from opening if they hold them, else from the store.
func (d *Reader) readAt(ctx context.Context, off int64, p []byte) error {
	if off >= d.tailOffset {
		copy(p, d.tail[off-d.tailOffset:])
		return nil
	}
	return d.read(ctx, off, p)
}

func (d *Reader) read(ctx context.Context, off int64, p []byte) error {
	if err := d.ranger.ReadRange(ctx, off, p); err != nil {
		return fmt.Errorf("read %d bytes at %d of %s: %w", len(p), off, d.object.Name, err)
	}
	return nil
}

func (d *Reader) corrupt(f Failure, format string, args ...any) error {
	return &CorruptError{Object: d.object.Name, Chunk: -1, Failure: f, Reason: fmt.Sprintf(format, args...)}
}

func (d *Reader) corruptBy(f Failure, err error) error {
	return &CorruptError{Object: d.object.Name, Chunk: -1, Failure: f, Err: err}
}

func (d *Reader) corruptChunk(e *entry, f Failure, reason string, err error) error {
	return &CorruptError{Object: d.object.Name, Chunk: e.Ordinal, Table: e.Table, Failure: f, Reason: reason, Err: err}
}
