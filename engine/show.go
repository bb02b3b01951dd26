package engine

import (
	"context"
	"errors"
)

// ShowOptions name a snapshot.
type ShowOptions struct {
	Place
	// Snapshot is the beginning of its id; empty is the newest.
	Snapshot string
	Tracer   Tracer
}

// ShowResult is a snapshot in detail.
type ShowResult struct {
	Source string `json:"source"`
	SnapshotInfo
	Tables      []ShowTable `json:"tables"`
	Unsupported []string    `json:"unsupported,omitempty"`
	// Partial is true where patterns left tables out.
	Partial bool `json:"partial"`
}

// ShowTable is one table of a snapshot. StoredBytes counts whole parts.
type ShowTable struct {
	Schema      string  `json:"schema"`
	Name        string  `json:"name"`
	Rows        int64   `json:"rows"`
	RawBytes    int64   `json:"raw_bytes"`
	StoredBytes int64   `json:"stored_bytes"`
	Parts       int     `json:"parts"`
	Identity    string  `json:"identity"`
	Ratio       float64 `json:"ratio"`
}

// Show tells what a snapshot holds. No such snapshot is an ErrWindow.
func Show(ctx context.Context, o ShowOptions) (*ShowResult, error) {
	return nil, errors.ErrUnsupported
}
