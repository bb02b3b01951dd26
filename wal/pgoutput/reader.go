package pgoutput

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/pgrecall/pgrecall/format"
)

// Error says why bytes are not a pgoutput message. It holds no row data.
type Error struct {
	Kind   byte   // the message's first byte; 0 if there is none
	Offset int    // where in the message the field begins that is wrong
	Field  string // what was being read
	Reason string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Kind == 0 {
		return fmt.Sprintf("pgoutput message: %s", e.Reason)
	}
	return fmt.Sprintf("pgoutput message %q: %s at offset %d: %s", e.Kind, e.Field, e.Offset, e.Reason)
}

// reader takes fields off the front of a message. The first failure is kept
// and every later field reads as zero, so that decoding needs one check at its
// end; loops bound themselves by what is left and by err.
type reader struct {
	b   []byte
	off int
	err *Error
}

func (r *reader) fail(offset int, field, reason string) {
	if r.err == nil {
		r.err = &Error{Kind: r.b[0], Offset: offset, Field: field, Reason: reason}
	}
}

// take returns the next n bytes, or nil after a failure.
func (r *reader) take(n int, field string) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > len(r.b)-r.off {
		r.fail(r.off, field, fmt.Sprintf("%d bytes wanted, %d left", n, len(r.b)-r.off))
		return nil
	}
	p := r.b[r.off : r.off+n : r.off+n]
	r.off += n
	return p
}

func (r *reader) uint8(field string) byte {
	if p := r.take(1, field); p != nil {
		return p[0]
	}
	return 0
}

func (r *reader) uint16(field string) uint16 {
	if p := r.take(2, field); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

func (r *reader) uint32(field string) uint32 {
	if p := r.take(4, field); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (r *reader) uint64(field string) uint64 {
	if p := r.take(8, field); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

func (r *reader) lsn(field string) format.LSN { return format.LSN(r.uint64(field)) }

// microsecondsTo2000 is the time between Unix's and PostgreSQL's zero
// (src/include/datatype/timestamp.h: POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE).
const microsecondsTo2000 = 946_684_800_000_000

func (r *reader) time(field string) time.Time {
	at := r.off
	us := int64(r.uint64(field))
	if us > math.MaxInt64-microsecondsTo2000 {
		r.fail(at, field, "time out of range")
		return time.Time{}
	}
	return time.UnixMicro(us + microsecondsTo2000).UTC()
}

// string takes a string that ends with a zero byte.
func (r *reader) string(field string) string {
	if r.err != nil {
		return ""
	}
	n := bytes.IndexByte(r.b[r.off:], 0)
	if n < 0 {
		r.fail(r.off, field, "string has no end")
		return ""
	}
	s := string(r.b[r.off : r.off+n])
	r.off += n + 1
	return s
}

// flags takes one byte that may have only the bits of allowed.
func (r *reader) flags(field string, allowed byte) byte {
	at := r.off
	f := r.uint8(field)
	if f&^allowed != 0 {
		r.fail(at, field, fmt.Sprintf("unknown flags %#x", f))
	}
	return f
}

// tuple takes TupleData, reusing the space of t.
func (r *reader) tuple(t Tuple, field string) Tuple {
	t = t[:0]
	n := int(r.uint16(field))
	for i := 0; i < n && r.err == nil; i++ {
		at := r.off
		c := Column{Kind: r.uint8(field)}
		switch c.Kind {
		case Null, Unchanged:
		case Text:
			c.Text = r.take(int(int32(r.uint32(field))), field)
		default:
			r.fail(at, field, fmt.Sprintf("column %d: unknown kind %q", i+1, c.Kind))
		}
		t = append(t, c)
	}
	return t
}

// end checks that the message ends here.
func (r *reader) end() {
	if r.err == nil && r.off != len(r.b) {
		r.fail(r.off, "end", fmt.Sprintf("%d bytes left over", len(r.b)-r.off))
	}
}
