package snapshot

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/jackc/pgx/v5"
)

const (
	// putBytes is how much of a large object one call of lo_put writes, and putCalls how many calls are sent at once: two
	// buffers of 4 MiB, one here and one in the driver.
	putBytes = 64 << 10
	putCalls = 64
)

// LargeObjectsIn writes the pages of large objects, which r gives as the rows of pg_largeobject in COPY text, into
// objects that exist, in one transaction, and returns how many rows there were. page is the size of a full page on
// the source. It needs no right but that to write the objects: lo_put takes less of the server's time than COPY into
// pg_largeobject, which only a superuser may do. Several may write one object at once if page is the target's as well.
func LargeObjectsIn(ctx context.Context, conn *pgx.Conn, page int, r io.Reader) (rows int64, err error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return 0, fmt.Errorf("write large objects: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // does nothing after Commit
	w := &objectWriter{tx: tx, page: page}
	in := bufio.NewReaderSize(r, 64<<10) // a page has at most 8 kB, which is twice as long as text
	for {
		line, err := in.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			break
		}
		if err != nil {
			return 0, fmt.Errorf("write large objects: %w", err)
		}
		if err := w.row(ctx, line[:len(line)-1]); err != nil {
			return 0, fmt.Errorf("write large objects: %w", err) // the server says which
		}
		rows++
	}
	if err := w.flush(ctx); err != nil {
		return 0, fmt.Errorf("write large objects: %w", err)
	}
	if err := tx.Commit(ctx); err != nil {
		return 0, fmt.Errorf("write large objects: %w", err)
	}
	return rows, nil
}

// objectWriter gathers pages that follow each other into pieces, and sends many of these at once.
type objectWriter struct {
	tx   pgx.Tx
	page int

	object uint32
	at     int64  // where in it piece begins
	piece  []byte // not queued yet
	batch  pgx.Batch
	sent   [][]byte // the pieces in batch
	free   [][]byte
}

// row takes in one row: loid, pageno and data.
func (w *objectWriter) row(ctx context.Context, row []byte) error {
	oid, rest, _ := bytes.Cut(row, []byte{'\t'})
	number, text, _ := bytes.Cut(rest, []byte{'\t'})
	object, err := strconv.ParseUint(string(oid), 10, 32)
	if err != nil {
		return errors.New("a row of its pages has no object")
	}
	n, err := strconv.ParseInt(string(number), 10, 32)
	text, hexed := bytes.CutPrefix(text, []byte(`\\x`))
	if err != nil || n < 0 || !hexed || len(text) > 2*w.page {
		return errors.New("a row of its pages is none")
	}
	offset := n * int64(w.page)
	if uint32(object) != w.object || offset != w.at+int64(len(w.piece)) || len(w.piece)+w.page > putBytes {
		if err := w.put(ctx); err != nil {
			return err
		}
		w.object, w.at = uint32(object), offset
	}
	if len(text) == 0 {
		return w.extend(ctx, offset)
	}
	if w.piece == nil {
		w.piece = w.buffer()
	}
	w.piece, err = hex.AppendDecode(w.piece, text)
	return err
}

// buffer returns an empty one.
func (w *objectWriter) buffer() []byte {
	if last := len(w.free) - 1; last >= 0 {
		b := w.free[last]
		w.free = w.free[:last]
		return b[:0]
	}
	return make([]byte, 0, putBytes)
}

// put queues the piece.
func (w *objectWriter) put(ctx context.Context) error {
	if len(w.piece) == 0 {
		return nil
	}
	w.batch.Queue("SELECT pg_catalog.lo_put($1, $2, $3)", w.object, w.at, w.piece)
	w.sent = append(w.sent, w.piece)
	w.piece = nil
	return w.queued(ctx)
}

// extend makes the object so long, unless it is longer. A page without bytes is what remains where an object was cut at
// the beginning of that page: only the object's length tells it.
func (w *objectWriter) extend(ctx context.Context, length int64) error {
	w.batch.Queue(`SELECT CASE WHEN pg_catalog.lo_lseek64(o.fd, 0, 2) < $2 THEN pg_catalog.lo_truncate64(o.fd, $2) END, pg_catalog.lo_close(o.fd)
		FROM (SELECT pg_catalog.lo_open($1, x'60000'::int4) AS fd OFFSET 0) o`, w.object, length)
	return w.queued(ctx)
}

func (w *objectWriter) queued(ctx context.Context) error {
	if w.batch.Len() < putCalls {
		return nil
	}
	return w.send(ctx)
}

// send runs what is queued.
func (w *objectWriter) send(ctx context.Context) error {
	if w.batch.Len() == 0 {
		return nil
	}
	err := w.tx.SendBatch(ctx, &w.batch).Close()
	w.batch = pgx.Batch{}
	w.free, w.sent = append(w.free, w.sent...), w.sent[:0]
	return err
}

// flush writes all that is left.
func (w *objectWriter) flush(ctx context.Context) error {
	if err := w.put(ctx); err != nil {
		return err
	}
	return w.send(ctx)
}
