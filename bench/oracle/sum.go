package oracle

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// A Sum is what is known of a table's rows, whatever their order: their number, and the sum modulo 2^128 of
// the first half of each row's SHA-256. A sum and not an XOR, so that equal rows do not cancel out. The zero Sum is an empty
// table's. It shares no code with what it judges.
type Sum struct {
	Rows      int64
	High, Low uint64
}

// Add adds one row, in COPY's text form, with or without its newline as long as it is always the same.
func (s *Sum) Add(row []byte) {
	digest := sha256.Sum256(row)
	var carry uint64
	s.Low, carry = bits.Add64(s.Low, binary.BigEndian.Uint64(digest[8:16]), 0)
	s.High, _ = bits.Add64(s.High, binary.BigEndian.Uint64(digest[:8]), carry)
	s.Rows++
}

// String returns the number of rows and the hash.
func (s Sum) String() string { return fmt.Sprintf("%d rows, hash %016x%016x", s.Rows, s.High, s.Low) }
