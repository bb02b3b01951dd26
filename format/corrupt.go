package format

import (
	"errors"
	"fmt"
)

// ErrCorrupt is what errors.Is finds in every error that means: the bytes are not
// what was written. An error of the store, a missing object among them, is not.
var ErrCorrupt = errors.New("corrupt object")

// Failure names the check that found an object corrupt.
type Failure string

// The checks, in the order in which a reader makes them.
const (
	FailTruncated  Failure = "truncated"  // too short to be an object
	FailHeader     Failure = "header"     // magic, checksum, kind or id
	FailVersion    Failure = "version"    // sound, but of a version this package does not read
	FailTrailer    Failure = "trailer"    // magic, checksum, size or index offset
	FailIndex      Failure = "index"      // the index itself, or the order of chunks it tells
	FailChunk      Failure = "chunk"      // a chunk's header is not the one in the index
	FailChecksum   Failure = "checksum"   // a chunk's bytes are not those that were written
	FailCompressed Failure = "compressed" // a chunk does not decompress to its length
	FailRows       Failure = "rows"       // a rows chunk does not hold its number of whole rows
	FailDocument   Failure = "document"   // a document is not the JSON it should be
	FailSegment    Failure = "segment"    // the parts of a segment contradict each other or its name
)

// CorruptError says which object is damaged, where and how.
type CorruptError struct {
	// Object is the name the caller gave.
	Object string
	// Chunk is the chunk's ordinal, -1 if it is not about a chunk.
	Chunk int
	// Table is the oid of the chunk's table, 0 if it has none.
	Table uint32
	// Failure is the check that failed.
	Failure Failure
	// Reason is what is wrong, for people.
	Reason string
	// Err is what it came from, or nil.
	Err error
}

// Error names object, chunk and table.
func (e *CorruptError) Error() string {
	s := fmt.Sprintf("corrupt object %s: %s", e.Object, e.Failure)
	if e.Chunk >= 0 {
		s = fmt.Sprintf("corrupt object %s, chunk %d", e.Object, e.Chunk)
		if e.Table != 0 {
			s += fmt.Sprintf(" (table %d)", e.Table)
		}
		s += fmt.Sprintf(": %s", e.Failure)
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Is makes errors.Is(err, ErrCorrupt) true.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// Unwrap gives what the error came from.
func (e *CorruptError) Unwrap() error { return e.Err }
