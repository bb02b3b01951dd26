package engine

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/format"
)

// ListOptions say what to list.
type ListOptions struct {
	// Place: with no Source named every source is listed.
	Place
	Tracer Tracer
}

// ListResult is what the repository holds.
type ListResult struct {
	Repository string       `json:"repository"`
	Sources    []SourceInfo `json:"sources"`
}

// SourceInfo is what the repository holds of one source.
type SourceInfo struct {
	Source      string         `json:"source"`
	Database    string         `json:"database"`
	SystemID    string         `json:"system_identifier"`
	DatabaseOID uint32         `json:"database_oid"`
	Snapshots   []SnapshotInfo `json:"snapshots"`
	Logs        []LogInfo      `json:"logs"`
	Windows     []Window       `json:"windows"`
	Gaps        []GapInfo      `json:"gaps"`
	StoredBytes int64          `json:"stored_bytes"`
}

// SnapshotInfo is a snapshot as its envelope tells it.
type SnapshotInfo struct {
	ID            uuid.UUID  `json:"id"`
	Started       time.Time  `json:"started"`
	Finished      time.Time  `json:"finished"`
	LSN           format.LSN `json:"lsn"`
	Time          time.Time  `json:"time"`
	ServerVersion int        `json:"server_version"`
	Rows          int64      `json:"rows"`
	RawBytes      int64      `json:"raw_bytes"`
	StoredBytes   int64      `json:"stored_bytes"`
	Parts         int        `json:"parts"`
	Groups        int        `json:"groups"`
	Log           uuid.UUID  `json:"log"`
	Encoding      string     `json:"encoding"`
}

// LogInfo is a log as its names tell it.
type LogInfo struct {
	Log         uuid.UUID  `json:"log"`
	From        format.LSN `json:"from"`
	To          format.LSN `json:"to"`
	Segments    int        `json:"segments"`
	StoredBytes int64      `json:"stored_bytes"`
}

// Window is an interval in which every point can be restored, both ends included.
type Window struct {
	// Log is zero where the window is a single snapshot's instant.
	Log      uuid.UUID  `json:"log"`
	Snapshot uuid.UUID  `json:"snapshot"`
	From     format.LSN `json:"from"`
	To       format.LSN `json:"to"`
	FromTime time.Time  `json:"from_time"`
	// ToTime is the greatest local commit time known to be in the log; zero where unknown.
	ToTime time.Time `json:"to_time"`
}

// GapInfo is a hole in a log.
type GapInfo struct {
	Log  uuid.UUID  `json:"log"`
	From format.LSN `json:"from"`
	// To is zero where the end is not known.
	To     format.LSN `json:"to"`
	Reason string     `json:"reason"`
	Noted  time.Time  `json:"noted"`
}

// List tells what the repository holds, from a listing and the envelopes alone.
func List(ctx context.Context, o ListOptions) (*ListResult, error) {
	return nil, errors.ErrUnsupported
}
