package fold

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// File is where spilled rows go once memory is exceeded. Writes are of whole blocks
// at growing offsets, except that a TRUNCATE begins again at 0; reads are at random.
// ReadAt must be safe for concurrent use.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

// A place is where a row is in the spill. From the left: 40 bits of offset in units
// of 8 bytes (so 8 TiB), 19 bits of length in the same units with header and
// padding, 5 bits that are the user's. Offset 0 is no place; length 0 is unknown,
// as is the greatest, which stands for all from there on. Places sort by offset.
type place uint64

const (
	placeUnit    = 8
	placeLenBits = 19
	placeLenAt   = 5
	placeAt      = placeLenAt + placeLenBits
	placeLenMax  = 1<<placeLenBits - 1
	placeMask    = ^place(1<<placeLenAt - 1) // offset and length
	offsetMask   = ^place(1<<placeAt - 1)
	spillMax     = placeUnit << 40
)

func (p place) offset() int64 { return int64(p>>placeAt) * placeUnit }

// length is the number of bytes to read for the whole row, or false if unknown.
func (p place) length() (int, bool) {
	n := int(p>>placeLenAt) & placeLenMax
	return n * placeUnit, n != 0 && n != placeLenMax
}

// A spilled row is: CRC-32C of all that follows, length of the row with the top
// bit set if an origin comes before it, the origin, the row, padding.
const (
	spillHeader = 8
	originLen   = 16
	originBit   = 1 << 31
	spillBlock  = 1 << 20 // written to the file at once
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// spilled is a row as read back.
type spilled struct {
	row    []byte
	origin hash
	moved  bool // it has an origin
}

// spill keeps rows: in tail, and what came before tail in file. The zero offset is
// never used.
type spill struct {
	open    func() (File, error)
	file    File
	tail    []byte
	tailAt  int64
	limit   int
	written int64 // to the file, in total
	buf     []byte
}

func newSpill(limit int, open func() (File, error)) *spill {
	return &spill{open: open, limit: limit, tail: make([]byte, placeUnit, 4096)}
}

// reset forgets all rows.
func (s *spill) reset() {
	s.tail, s.tailAt = append(s.tail[:0], make([]byte, placeUnit)...), 0
}

func (s *spill) end() int64 { return s.tailAt + int64(len(s.tail)) }

// put stores a row that comes from origin, or from nowhere else if that is zero.
// The place old, whose row is dead now, is used again if it is still in memory and
// large enough: so a row that is changed over and over takes no room.
func (s *spill) put(row []byte, origin hash, old place) (place, error) {
	n := spillHeader + len(row)
	if origin != (hash{}) {
		n += originLen
	}
	padded := (n + placeUnit - 1) &^ (placeUnit - 1)
	if uint64(len(row)) >= originBit {
		return 0, errors.New("a row of 2 GiB or more")
	}
	var b []byte
	at := old.offset()
	if have, exact := old.length(); exact && have >= padded && at >= s.tailAt {
		b = s.tail[at-s.tailAt:][:padded]
	} else {
		at = s.end()
		if at+int64(padded) > spillMax {
			return 0, errors.New("more than 8 TiB of changed rows")
		}
		if len(s.tail) > placeUnit && len(s.tail)+padded > s.limit {
			if err := s.flush(); err != nil {
				return 0, err
			}
		}
		s.tail = extend(s.tail, padded)
		b = s.tail[len(s.tail)-padded:]
	}
	encode(b, row, origin)
	units := min(padded/placeUnit, placeLenMax)
	return place(at/placeUnit)<<placeAt | place(units)<<placeLenAt, nil
}

// extend makes b longer by n bytes of any content.
func extend(b []byte, n int) []byte {
	if len(b)+n <= cap(b) {
		return b[:len(b)+n]
	}
	return append(b, make([]byte, n)...)
}

func encode(b, row []byte, origin hash) {
	size := uint32(len(row))
	rest := b[spillHeader:]
	if origin != (hash{}) {
		size |= originBit
		binary.LittleEndian.PutUint64(rest, origin.hi)
		binary.LittleEndian.PutUint64(rest[8:], origin.lo)
		rest = rest[originLen:]
	}
	binary.LittleEndian.PutUint32(b[4:], size)
	n := copy(rest, row)
	clear(rest[n:])
	end := len(b) - len(rest) + n
	binary.LittleEndian.PutUint32(b, crc32.Update(0, castagnoli, b[4:end]))
}

// sizeOf is the number of bytes without padding of the row whose header is b.
func sizeOf(b []byte) int {
	size := binary.LittleEndian.Uint32(b[4:])
	n := spillHeader + int(size&^originBit)
	if size&originBit != 0 {
		n += originLen
	}
	return n
}

// decode reads the row at the begin of b, which must hold all of it.
func decode(b []byte) (spilled, error) {
	n := spillHeader
	if len(b) >= n {
		n = sizeOf(b)
	}
	if n > len(b) || crc32.Update(0, castagnoli, b[4:n]) != binary.LittleEndian.Uint32(b) {
		return spilled{}, errors.New("a row in the spill file is damaged (a faulty disk or memory?)")
	}
	r := spilled{row: b[spillHeader:n:n]}
	if binary.LittleEndian.Uint32(b[4:])&originBit != 0 {
		r.moved = true
		r.origin = hash{binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])}
		r.row = r.row[originLen:]
	}
	return r, nil
}

// flush moves the tail to the file.
func (s *spill) flush() error {
	if s.file == nil {
		f, err := s.open()
		if err != nil {
			return fmt.Errorf("making the spill file for changed rows: %w", err)
		}
		s.file = f
		s.limit = spillBlock
	}
	if _, err := s.file.WriteAt(s.tail, s.tailAt); err != nil {
		return fmt.Errorf("writing %d bytes of changed rows to the spill file, after %d: %w", len(s.tail), s.tailAt, err)
	}
	s.written += int64(len(s.tail))
	s.tailAt = s.end()
	if s.tail = s.tail[:0]; cap(s.tail) > 2*spillBlock {
		s.tail = make([]byte, 0, spillBlock)
	}
	return nil
}

// seal brings all rows to one side: to the file if there is one.
func (s *spill) seal() error {
	if s.file == nil {
		return nil
	}
	err := s.flush()
	s.tail, s.buf = nil, nil
	return err
}

// load reads one row. It is valid until the next load or put.
func (s *spill) load(p place) (spilled, error) {
	if at := p.offset(); at >= s.tailAt {
		return decode(s.tail[at-s.tailAt:])
	}
	w := window{s: s, buf: s.buf[:0]}
	r, err := w.row([]place{p})
	s.buf = w.buf
	return r, err
}

func (s *spill) close() error {
	s.tail = nil
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// window reads rows from a spill through a buffer. One goroutine each.
type window struct {
	s   *spill
	buf []byte
	at  int64
}

const guessedRow = 4096 // to read where the length of a row is not known

// row reads the row at the first of ahead, valid until the next call. The others
// are those that will be asked for after it, in their order: if the file must be
// read, then those near enough are read along.
func (w *window) row(ahead []place) (spilled, error) {
	p := ahead[0]
	at := p.offset()
	if at >= w.s.tailAt {
		return decode(w.s.tail[at-w.s.tailAt:])
	}
	need, exact := p.length()
	if !exact {
		need = spillHeader
	}
	if at < w.at || at+int64(need) > w.at+int64(len(w.buf)) {
		if !exact {
			need = guessedRow
		}
		if err := w.fill(at, max(need, span(ahead))); err != nil {
			return spilled{}, err
		}
	}
	b := w.buf[at-w.at:]
	if len(b) >= spillHeader {
		if n := sizeOf(b); n > len(b) && int64(n) <= w.s.tailAt-at {
			if err := w.fill(at, n); err != nil {
				return spilled{}, err
			}
			b = w.buf
		}
	}
	return decode(b)
}

// fill reads n bytes at the offset, or as many as there are.
func (w *window) fill(at int64, n int) error {
	n = int(min(int64(n), w.s.tailAt-at))
	if n > cap(w.buf) {
		w.buf = make([]byte, n)
	}
	w.buf, w.at = w.buf[:n], at
	if got, err := w.s.file.ReadAt(w.buf, at); got < n {
		w.buf = w.buf[:0]
		return fmt.Errorf("reading %d bytes of changed rows back from the spill file at %d: %w", n, at, err)
	}
	return nil
}

const (
	spanGap = 4 << 10 // bytes copied for nothing rather than asked for apart; more costs more than a read from the page cache
	spanMax = 1 << 20
)

// span is how much to read at the first of some sorted places so that those soon
// after it are read along.
func span(places []place) int {
	first := places[0].offset()
	end := first
	for _, p := range places {
		at := p.offset()
		n, _ := p.length()
		if at-end > spanGap || at+int64(n)-first > spanMax {
			break
		}
		end = at + int64(max(n, spillHeader))
	}
	return int(end - first)
}

// unlinked makes a file in dir that has no name, so that nothing is left of it
// however the process ends. Where an open file cannot be removed, Close does it.
func unlinked(dir string) (File, error) {
	f, err := os.CreateTemp(dir, "pgrecall-fold-*")
	if err != nil {
		return nil, err
	}
	if os.Remove(f.Name()) == nil {
		return f, nil
	}
	return removedOnClose{f}, nil
}

type removedOnClose struct{ *os.File }

func (f removedOnClose) Close() error {
	return errors.Join(f.File.Close(), os.Remove(f.Name()))
}
