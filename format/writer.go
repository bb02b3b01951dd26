package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/google/uuid"
)

// Writer writes one object to a stream in one pass. It is for one goroutine. After
// an error it is of no further use: every later call returns that error.
type Writer struct {
	w       io.Writer
	sum     hash.Hash
	id      uuid.UUID
	header  []byte
	size    int64
	index   []byte
	buf     []byte
	encoder *encoder
	shape   shape
	err     error
}

var errClosed = errors.New("the object is closed")

// NewWriter begins an object of a kind with an id that no other object has ever
// had, and writes its header. The chunks are stored with the given compression
// wherever that makes them smaller.
func NewWriter(w io.Writer, kind ObjectKind, id uuid.UUID, c Compression) (*Writer, error) {
	if !kind.known() || !c.known() || id == uuid.Nil {
		return nil, fmt.Errorf("begin an object: %v, %v, id %v: not a kind, compression and id of this version", kind, c, id)
	}
	e, err := newEncoder(c)
	if err != nil {
		return nil, err
	}
	o := &Writer{
		w: w, sum: sha256.New(), id: id, header: appendHeader(nil, kind, id),
		encoder: e, shape: shape{kind: kind},
	}
	if err := o.write(o.header); err != nil {
		return nil, err
	}
	return o, nil
}

// WriteChunk compresses and writes one chunk. Of c it uses Kind, Table, Rows,
// FirstLSN and LastLSN. It does not keep raw. A chunk of rows must hold exactly
// c.Rows rows, each ended by a newline; the chunks of an object must come in the
// order that its kind demands. An error means that the object cannot be finished.
func (o *Writer) WriteChunk(c Chunk, raw []byte) error {
	if o.err != nil {
		return o.err
	}
	if err := o.writeChunk(c, raw); err != nil {
		o.err = fmt.Errorf("write chunk %d of %v %v: %w", o.shape.count, o.shape.kind, o.id, err)
		return o.err
	}
	return nil
}

func (o *Writer) writeChunk(c Chunk, raw []byte) error {
	if len(raw) > MaxRaw {
		return fmt.Errorf("%d bytes are more than the %d that a chunk holds", len(raw), MaxRaw)
	}
	if o.shape.count == MaxRaw/chunkHeader {
		return fmt.Errorf("the index holds %d chunks and no more", o.shape.count)
	}
	if c.Kind == ChunkIndex {
		return errors.New("the index is written by Close")
	}
	if c.Kind == ChunkRows {
		if err := checkRows(raw, c.Rows); err != nil {
			return err
		}
	}
	c.Ordinal = o.shape.count
	if err := o.shape.next(&c); err != nil {
		return err
	}
	header, err := o.store(c, raw)
	o.index = append(o.index, header...)
	return err
}

// store compresses raw, writes header and stored bytes, and returns the header,
// valid until the next call.
func (o *Writer) store(c Chunk, raw []byte) (header []byte, err error) {
	buf := append(o.buf[:0], make([]byte, chunkHeader)...)
	buf, codec, err := o.encoder.append(buf, raw)
	if err != nil {
		return nil, err
	}
	if cap(buf) <= keepBuffer {
		o.buf = buf
	}
	e := entry{Chunk: c, codec: codec}
	e.Raw, e.Stored = len(raw), len(buf)-chunkHeader
	if err := e.validate(); err != nil {
		return nil, err
	}
	header = buf[:chunkHeader]
	appendChunkHeader(header[:0], &e)
	binary.LittleEndian.PutUint32(header[chunkHeader-4:], chunkCRC(&o.id, header, buf[chunkHeader:]))
	return header, o.write(buf)
}

// checkRows checks that raw is so many whole rows.
func checkRows(raw []byte, rows int) error {
	if len(raw) == 0 || raw[len(raw)-1] != '\n' {
		return errors.New("the rows do not end with a newline")
	}
	if n := bytes.Count(raw, []byte{'\n'}); n != rows {
		return fmt.Errorf("%d rows where %d are said to be", n, rows)
	}
	return nil
}

// Size is the number of bytes written so far.
func (o *Writer) Size() int64 { return o.size }

// Close writes the index and the trailer, without which the object is none. It
// does not close the stream.
func (o *Writer) Close() (Sum, error) {
	if o.err != nil {
		return Sum{}, o.err
	}
	if err := o.close(); err != nil {
		o.err = fmt.Errorf("finish %v %v: %w", o.shape.kind, o.id, err)
		return Sum{}, o.err
	}
	o.err = errClosed
	sum := Sum{Size: o.size}
	o.sum.Sum(sum.SHA256[:0])
	return sum, nil
}

func (o *Writer) close() error {
	if err := o.shape.complete(); err != nil {
		return err
	}
	indexOffset := o.size
	index := Chunk{Kind: ChunkIndex, Ordinal: o.shape.count, Rows: o.shape.count}
	if _, err := o.store(index, o.index); err != nil {
		return err
	}
	return o.write(appendTrailer(nil, o.header, indexOffset, o.size+trailerSize))
}

func (o *Writer) write(b []byte) error {
	n, err := o.w.Write(b)
	if err == nil && n != len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("write to the store: %w", err)
	}
	o.sum.Write(b)
	o.size += int64(n)
	return nil
}
