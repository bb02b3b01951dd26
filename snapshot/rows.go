package snapshot

import (
	"bytes"
	"errors"

	"github.com/pgrecall/pgrecall/format"
)

const (
	// chunkBytes is about how many bytes of rows make a chunk.
	chunkBytes = 1 << 20
	// keepBytes bounds the buffer that is kept for the next chunk after one with huge rows.
	keepBytes = 8 << 20
)

// rowWriter cuts a stream of COPY text into chunks of whole rows, and counts and hashes the rows. In COPY text a
// newline byte ends a row and stands nowhere else: inside of values it is written as \n, in every server encoding
// (src/backend/commands/copyto.c, CopyAttributeOutText).
type rowWriter struct {
	table uint32
	out   *format.Writer
	// chunk is called after each chunk with its rows and bytes.
	chunk func(rows, bytes int64)

	buf  []byte // whole rows, then the beginning of one
	tail int    // where the row begins that has not ended yet
	rows int    // whole rows in buf

	total    int64
	rawBytes int64
	hash     format.ContentHash
}

// Write takes the next bytes of the stream; it does not keep p.
func (w *rowWriter) Write(p []byte) (int, error) {
	if w.tail == len(w.buf) && len(w.buf)+len(p) > chunkBytes && w.rows > 0 {
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	from := len(w.buf)
	w.buf = append(w.buf, p...)
	for {
		i := bytes.IndexByte(w.buf[from:], '\n')
		if i < 0 {
			return len(p), nil
		}
		end := from + i
		w.hash.AddRow(w.buf[w.tail:end])
		w.rows++
		from, w.tail = end+1, end+1
		if w.tail >= chunkBytes {
			if err := w.flush(); err != nil {
				return 0, err
			}
			from = 0
		}
	}
}

// flush writes the whole rows as a chunk and moves what follows them to the front.
func (w *rowWriter) flush() error {
	if w.rows == 0 {
		return nil
	}
	err := w.out.WriteChunk(format.Chunk{Kind: format.ChunkRows, Table: w.table, Rows: w.rows}, w.buf[:w.tail])
	if err != nil {
		return err
	}
	w.total += int64(w.rows)
	w.rawBytes += int64(w.tail)
	w.chunk(int64(w.rows), int64(w.tail))
	rest := w.buf[w.tail:]
	if cap(w.buf) > keepBytes && len(rest) < chunkBytes {
		w.buf = append(make([]byte, 0, 2*chunkBytes), rest...)
	} else {
		w.buf = w.buf[:copy(w.buf, rest)]
	}
	w.tail, w.rows = 0, 0
	return nil
}

// finish writes the last chunk. A stream that ends inside of a row was cut off.
func (w *rowWriter) finish() error {
	if w.tail != len(w.buf) {
		return errors.New("the rows ended in the middle of one")
	}
	return w.flush()
}
