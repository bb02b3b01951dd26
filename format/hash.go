package format

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// ContentHash is an order-independent hash of a multiset of rows: the sum modulo
// 2^128 of XXH3-128 (seed 0) of each row without its newline, stored little-endian.
// The zero value is the hash of no rows. It finds accidents, not forgeries.
type ContentHash [16]byte

// AddRow adds one row, given without its newline.
func (h *ContentHash) AddRow(row []byte) {
	sum := xxh3.Hash128(row)
	h.add(sum.Lo, sum.Hi)
}

// SubRow takes one row away that was added before.
func (h *ContentHash) SubRow(row []byte) {
	sum := xxh3.Hash128(row)
	lo, borrow := bits.Sub64(binary.LittleEndian.Uint64(h[:8]), sum.Lo, 0)
	hi, _ := bits.Sub64(binary.LittleEndian.Uint64(h[8:]), sum.Hi, borrow)
	h.set(lo, hi)
}

// Add adds all the rows of another hash.
func (h *ContentHash) Add(o ContentHash) {
	h.add(binary.LittleEndian.Uint64(o[:8]), binary.LittleEndian.Uint64(o[8:]))
}

func (h *ContentHash) add(lo, hi uint64) {
	lo, carry := bits.Add64(binary.LittleEndian.Uint64(h[:8]), lo, 0)
	hi, _ = bits.Add64(binary.LittleEndian.Uint64(h[8:]), hi, carry)
	h.set(lo, hi)
}

func (h *ContentHash) set(lo, hi uint64) {
	binary.LittleEndian.PutUint64(h[:8], lo)
	binary.LittleEndian.PutUint64(h[8:], hi)
}

// String gives the 16 bytes in their order as 32 lower-case hexadecimal digits.
func (h ContentHash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText gives the same form as String; it is the form in JSON.
func (h ContentHash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads the form of String.
func (h *ContentHash) UnmarshalText(text []byte) error { return decodeHex(h[:], text) }

// Digest is a SHA-256 over bytes as they are stored.
type Digest [32]byte

// String gives 64 lower-case hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText gives the same form as String; it is the form in JSON.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the form of String.
func (d *Digest) UnmarshalText(text []byte) error { return decodeHex(d[:], text) }

// Sum is what a store needs to know of an object once it is written.
type Sum struct {
	// Size is the object's length in bytes.
	Size int64 `json:"size"`
	// SHA256 is over all its bytes.
	SHA256 Digest `json:"sha256"`
}

func decodeHex(dst, text []byte) error {
	if len(text) != 2*len(dst) {
		return fmt.Errorf("want %d hexadecimal digits, not %d", 2*len(dst), len(text))
	}
	_, err := hex.Decode(dst, text)
	return err
}
