package wal

import (
	"cmp"
	"slices"

	"github.com/pgrecall/pgrecall/format"
)

// chunkRaw is the raw length in bytes at which a lane's chunk is written.
const chunkRaw = 1 << 20

// laneBudget is how many bytes all lanes of a segment may buffer together,
// however many tables there are.
const laneBudget = 24 << 20

// lane gathers the records of one table until they fill a chunk.
type lane struct {
	table       uint32
	buf         []byte
	rows        int
	first, last format.LSN // commits of the first and the last record in buf

	// What buf held when the transaction with the number touched began in it.
	touched  uint64
	keep     int
	keepRows int
	keepLast format.LSN
}

// append adds one record of the transaction with the running number txn.
func (l *lane) append(r format.Record, txn uint64, commit format.LSN) (grown int) {
	if l.touched != txn {
		l.touched, l.keep, l.keepRows, l.keepLast = txn, len(l.buf), l.rows, l.last
	}
	if l.buf == nil {
		l.buf = make([]byte, 0, 4096)
	}
	before := len(l.buf)
	l.buf = format.AppendRecord(l.buf, r)
	if l.rows == 0 {
		l.first = commit
	}
	l.last = commit
	l.rows++
	return len(l.buf) - before
}

// rollback takes away what the transaction put into the buffer. What of it was
// already written stays in the segment; readers leave it out, since its
// transaction is not among the segment's.
func (l *lane) rollback() (shrunk int) {
	shrunk = len(l.buf) - l.keep
	l.buf, l.rows, l.last = l.buf[:l.keep], l.keepRows, l.keepLast
	return shrunk
}

// flush writes the buffer as one chunk.
func (l *lane) flush(w *format.Writer) error {
	if l.rows == 0 {
		return nil
	}
	err := w.WriteChunk(format.Chunk{
		Kind: format.ChunkLane, Table: l.table, Rows: l.rows, FirstLSN: l.first, LastLSN: l.last,
	}, l.buf)
	if len(l.buf) < chunkRaw || cap(l.buf) > 2*chunkRaw {
		l.buf = nil // a small or a giant table: its memory is better used elsewhere
	}
	l.buf = l.buf[:0]
	l.rows, l.keep, l.keepRows = 0, 0, 0
	return err
}

// largest returns the lanes that hold records, the fullest first.
func largest(lanes map[uint32]*lane) []*lane {
	full := make([]*lane, 0, len(lanes))
	for _, l := range lanes {
		if l.rows > 0 {
			full = append(full, l)
		}
	}
	slices.SortFunc(full, func(a, b *lane) int {
		return cmp.Or(cmp.Compare(len(b.buf), len(a.buf)), cmp.Compare(a.table, b.table))
	})
	return full
}
