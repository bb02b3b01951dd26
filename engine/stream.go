package engine

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/format"
)

// StreamOptions say how to follow the source.
type StreamOptions struct {
	Place
	// DB is the connection to the source: a URI or key/value string, completed from libpq's PG* variables.
	DB string
	// Once drains to the WAL position at start and returns.
	Once bool
	// FlushInterval is the greatest age of a segment before it is made durable; 0 is 10 s.
	FlushInterval time.Duration
	// SegmentSize is about the greatest size of a segment in bytes of changes; 0 is 64 MiB.
	SegmentSize int64
	// Compression is "lz4" (the default, also ""), "zstd" or "none".
	Compression string
	// Jobs is for the snapshot taken after a gap; 0 is min(4, cores).
	Jobs int
	// NoSnapshot leaves the snapshot that a gap makes necessary to the caller.
	NoSnapshot bool
	Tracer     Tracer
}

// StreamResult says what was made durable.
type StreamResult struct {
	Source       string     `json:"source"`
	Log          uuid.UUID  `json:"log"`
	From         format.LSN `json:"from"`
	To           format.LSN `json:"to"`
	Segments     int        `json:"segments"`
	Transactions int64      `json:"transactions"`
	StoredBytes  int64      `json:"stored_bytes"`
	Gaps         []GapInfo  `json:"gaps,omitempty"`
}

// Stream follows the source into segments until ctx is done, or with Once until the WAL position at start is
// durable. When ctx is done it flushes, acknowledges and returns nil. It reconnects by itself. A slot held by
// another process is an error that names the holder.
func Stream(ctx context.Context, o StreamOptions) (*StreamResult, error) {
	return nil, errors.ErrUnsupported
}
