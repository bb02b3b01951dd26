package engine

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/format"
)

// SnapshotOptions say what to copy.
type SnapshotOptions struct {
	Place
	// DB is the connection to the source: a URI or key/value string, completed from libpq's PG* variables.
	DB string
	// Jobs is the number of COPY workers; 0 is min(4, cores).
	Jobs int
	// Tables, ExcludeTables and Schemas are psql's patterns; empty takes everything.
	Tables, ExcludeTables, Schemas []string
	// Compression is "lz4" (the default, also ""), "zstd" or "none".
	Compression string
	// PartBytes is about how many bytes of a table go into one part; 0 is 256 MiB.
	PartBytes int64
	// WaitTimeout bounds the wait for transactions older than the log; 0 waits until they end.
	WaitTimeout time.Duration
	Tracer      Tracer
}

// SnapshotResult says what was copied.
type SnapshotResult struct {
	Source      string    `json:"source"`
	ID          uuid.UUID `json:"id"`
	Tables      int       `json:"tables"`
	Rows        int64     `json:"rows"`
	RawBytes    int64     `json:"raw_bytes"`
	StoredBytes int64     `json:"stored_bytes"`
	Parts       int       `json:"parts"`
	Started     time.Time `json:"started"`
	Finished    time.Time `json:"finished"`
	// LSN is the position from which it serves recovery points.
	LSN format.LSN `json:"lsn"`
	// Log is the log it joins, zero where there is none.
	Log uuid.UUID `json:"log"`
	// Unsupported are the objects of kinds not handled yet, by kind and name: they are not in the snapshot.
	Unsupported []string `json:"unsupported,omitempty"`
	// Cleaned is the number of objects removed that interrupted snapshots had left.
	Cleaned int `json:"cleaned"`
}

// Snapshot takes a consistent snapshot of the source. It works without Init too: then it is a full dump.
func Snapshot(ctx context.Context, o SnapshotOptions) (*SnapshotResult, error) {
	return nil, errors.ErrUnsupported
}
