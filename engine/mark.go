package engine

import (
	"context"
	"errors"
	"time"

	"github.com/pgrecall/pgrecall/format"
)

// MarkOptions name a point.
type MarkOptions struct {
	Place
	// DB is the connection to the source: a URI or key/value string, completed from libpq's PG* variables.
	DB string
	// Name is the mark's; one used before is an ErrUsage.
	Name string
	// Wait returns only when the mark is durable in the repository; WaitTimeout bounds it, 0 waits.
	Wait        bool
	WaitTimeout time.Duration
	Tracer      Tracer
}

// MarkResult is the mark as set.
type MarkResult struct {
	Source string `json:"source"`
	Name   string `json:"name"`
	XID    uint64 `json:"xid"`
	// LSN is the insert position just after the mark's commit.
	LSN  format.LSN `json:"lsn"`
	Time time.Time  `json:"time"`
	// Durable is true when the mark was seen in the repository.
	Durable bool `json:"durable"`
}

// Mark puts a named recovery point into the log on the source.
func Mark(ctx context.Context, o MarkOptions) (*MarkResult, error) {
	return nil, errors.ErrUnsupported
}
