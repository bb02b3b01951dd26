package engine

import (
	"context"
	"errors"
)

// VerifyOptions say what to verify.
type VerifyOptions struct {
	// Place: with no Source named every source is verified.
	Place
	// Snapshot, the beginning of an id, verifies that snapshot and no log; empty verifies everything.
	Snapshot string
	// Quick checks presence and sizes only, without reading content.
	Quick  bool
	Jobs   int
	Tracer Tracer
}

// Breakage is one thing broken.
type Breakage struct {
	Source string `json:"source"`
	Object string `json:"object"`
	// Chunk is the chunk's ordinal, -1 where the whole object is meant.
	Chunk int    `json:"chunk"`
	Table string `json:"table,omitempty"`
	// Reason is what is wrong; Lost is what can not be restored because of it.
	Reason string `json:"reason"`
	Lost   string `json:"lost"`
}

// VerifyResult says what was read and what is broken.
type VerifyResult struct {
	Snapshots int        `json:"snapshots"`
	Segments  int        `json:"segments"`
	Broken    []Breakage `json:"broken"`
	// Gaps are recorded holes of the logs: known, and no breakage.
	Gaps    []GapInfo `json:"gaps,omitempty"`
	Reading Reading   `json:"reading"`
}

// Verify reads everything and checks it. With anything broken it returns both the result and an ErrIntegrity.
func Verify(ctx context.Context, o VerifyOptions) (*VerifyResult, error) {
	return nil, errors.ErrUnsupported
}
