package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Op is what a record did to its table.
type Op byte

// The operations. Their bytes are part of the format.
const (
	Insert   Op = 'I'
	Update   Op = 'U'
	Delete   Op = 'D'
	Truncate Op = 'T'
)

// The kinds of the old row of an update or a delete, as pgoutput tells them
// (PostgreSQL documentation, Logical Replication Message Formats).
const (
	OldNone byte = 0   // none: the identity did not change
	OldKey  byte = 'K' // the identity's columns; the others are Null
	OldFull byte = 'O' // the whole row
)

// Record is one change of one table. A lane's chunk is records back to back, in
// commit order and, within a transaction, in the order of its changes.
type Record struct {
	Op Op
	// Txn is the ordinal of the transaction in the segment. From the number of
	// transactions on it is one whose commit the segment does not hold: readers
	// leave such a record out.
	Txn uint32
	// Layout is the ordinal in the segment's layouts.
	Layout uint32
	// OldKind says what Old is: OldNone, OldKey or OldFull. An update may have each,
	// a delete OldKey or OldFull, others OldNone.
	OldKind byte
	// Old and New are rows without newline. An insert has New; an update New, whose
	// fields may be Unchanged, and Old by OldKind; a delete Old.
	Old, New []byte
	// RestartSequences is TRUNCATE … RESTART IDENTITY.
	RestartSequences bool
}

// validate checks that the record has the parts its Op demands and no others.
func (r *Record) validate() error {
	hasOld := r.OldKind != OldNone
	if hasOld && r.OldKind != OldKey && r.OldKind != OldFull {
		return fmt.Errorf("unknown kind of old row 0x%02x", r.OldKind)
	}
	if r.RestartSequences && r.Op != Truncate {
		return errors.New("only a truncate restarts sequences")
	}
	switch r.Op {
	case Insert, Truncate:
		if hasOld {
			return fmt.Errorf("%c with an old row", r.Op)
		}
	case Update:
	case Delete:
		if !hasOld {
			return errors.New("a delete without old row")
		}
	default:
		return fmt.Errorf("unknown operation 0x%02x", byte(r.Op))
	}
	if r.hasNew() && bytes.IndexByte(r.New, '\n') >= 0 || hasOld && bytes.IndexByte(r.Old, '\n') >= 0 {
		return errors.New("a row holds a newline")
	}
	return nil
}

func (r *Record) hasNew() bool { return r.Op == Insert || r.Op == Update }

// AppendRecord appends the record's bytes to dst. It panics if the record has not
// the parts its Op demands: that is a mistake of the program, and must not become
// a log that cannot be read.
//
// The bytes are: the operation; Txn and Layout as varints; for a truncate 1 or 0 for
// RestartSequences; for an update or a delete OldKind and, unless that is OldNone,
// the old row; for an insert or an update the new row. A row is its length as varint
// and its bytes.
func AppendRecord(dst []byte, r Record) []byte {
	if err := r.validate(); err != nil {
		panic("format: append a record: " + err.Error())
	}
	dst = append(dst, byte(r.Op))
	dst = binary.AppendUvarint(dst, uint64(r.Txn))
	dst = binary.AppendUvarint(dst, uint64(r.Layout))
	switch r.Op {
	case Truncate:
		if r.RestartSequences {
			return append(dst, 1)
		}
		return append(dst, 0)
	case Update, Delete:
		dst = append(dst, r.OldKind)
		if r.OldKind != OldNone {
			dst = appendBytes(dst, r.Old)
		}
	}
	if r.hasNew() {
		dst = appendBytes(dst, r.New)
	}
	return dst
}

func appendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// NextRecord reads the record that b begins with and returns what follows it. The
// record's rows alias b. Any bytes that AppendRecord would not have written are an
// error; it never panics.
func NextRecord(b []byte) (r Record, rest []byte, err error) {
	in := input{b: b}
	r.Op = Op(in.byte())
	r.Txn = in.uint32()
	r.Layout = in.uint32()
	switch r.Op {
	case Truncate:
		switch in.byte() {
		case 0:
		case 1:
			r.RestartSequences = true
		default:
			in.fail(errors.New("RestartSequences is neither 0 nor 1"))
		}
	case Update, Delete:
		if r.OldKind = in.byte(); r.OldKind != OldNone {
			r.Old = in.bytes()
		}
	}
	if r.hasNew() {
		r.New = in.bytes()
	}
	if in.err == nil {
		in.err = r.validate()
	}
	if in.err != nil {
		return Record{}, b, fmt.Errorf("read a record: %w", in.err)
	}
	return r, in.b, nil
}

// input reads numbers and strings off a slice; after a failure it gives zeros.
type input struct {
	b   []byte
	err error
}

var (
	errShort  = errors.New("it is cut short")
	errVarint = errors.New("a number is not written the shortest way")
)

func (in *input) fail(err error) {
	if in.err == nil {
		in.err = err
	}
	in.b = nil
}

func (in *input) byte() byte {
	if len(in.b) == 0 {
		in.fail(errShort)
		return 0
	}
	c := in.b[0]
	in.b = in.b[1:]
	return c
}

func (in *input) uint64() uint64 {
	v, n := binary.Uvarint(in.b)
	if n <= 0 {
		in.fail(errShort)
		return 0
	}
	if n > 1 && in.b[n-1] == 0 {
		in.fail(errVarint)
		return 0
	}
	in.b = in.b[n:]
	return v
}

func (in *input) uint32() uint32 {
	v := in.uint64()
	if v > math.MaxUint32 {
		in.fail(errors.New("a number is beyond 32 bits"))
		return 0
	}
	return uint32(v)
}

// bytes reads a length and so many bytes, which alias the input.
func (in *input) bytes() []byte {
	n := in.uint64()
	if n > uint64(len(in.b)) {
		in.fail(errShort)
		return nil
	}
	s := in.b[:n:n]
	in.b = in.b[n:]
	return s
}
