package engine

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/engine/internal/repository"
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
	// Versions are of the catalog, taken by Stream after DDL, some of them with copies of tables.
	Versions    []VersionInfo `json:"catalog_versions,omitempty"`
	Logs        []LogInfo     `json:"logs"`
	Windows     []Window      `json:"windows"`
	Gaps        []GapInfo     `json:"gaps"`
	StoredBytes int64         `json:"stored_bytes"`
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
	// Inexact counts what a restore from it does not bring back as it was; nil: it was not counted.
	Inexact *format.Inexact `json:"inexact,omitempty"`
}

// VersionInfo is a version of the catalog as its envelope tells it.
type VersionInfo struct {
	ID   uuid.UUID  `json:"id"`
	LSN  format.LSN `json:"lsn"`
	Time time.Time  `json:"time"`
	Log  uuid.UUID  `json:"log"`
	// CopiedTables is the number of tables whose rows it has, because the log does not tell them, and Rows that of these; 0: it is of the
	// catalog alone.
	CopiedTables int   `json:"copied_tables,omitempty"`
	Rows         int64 `json:"rows,omitempty"`
	StoredBytes  int64 `json:"stored_bytes"`
}

// LogInfo is a log as its names tell it.
type LogInfo struct {
	Log         uuid.UUID  `json:"log"`
	From        format.LSN `json:"from"`
	To          format.LSN `json:"to"`
	Segments    int        `json:"segments"`
	StoredBytes int64      `json:"stored_bytes"`
	// Watched: no event trigger puts DDL into it, so that it is noticed by looking alone.
	Watched bool `json:"watched,omitempty"`
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
	opened, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	var sources []*repository.Source
	if o.Source != "" {
		s, err := opened.source(ctx, o.Source)
		if err != nil {
			return nil, err
		}
		sources = []*repository.Source{s}
	} else if sources, err = opened.repo.Sources(ctx); err != nil {
		return nil, err
	}
	result := &ListResult{Repository: o.Repository, Sources: []SourceInfo{}}
	for _, s := range sources {
		info, err := listSource(ctx, s)
		if err != nil {
			return nil, err
		}
		result.Sources = append(result.Sources, *info)
	}
	return result, nil
}

func listSource(ctx context.Context, s *repository.Source) (*SourceInfo, error) {
	h, err := hold(ctx, s)
	if err != nil {
		return nil, err
	}
	info := &SourceInfo{
		Source: s.Name, Database: s.Database, SystemID: s.SystemID, DatabaseOID: s.DatabaseOID,
		Snapshots: []SnapshotInfo{}, Logs: []LogInfo{}, Windows: []Window{}, Gaps: h.gaps(),
	}
	for i := len(h.bases) - 1; i >= 0; i-- {
		info.Snapshots = append(info.Snapshots, snapshotInfo(&h.bases[i]))
	}
	for _, v := range slices.Backward(h.versions) {
		e := v.Envelope
		info.Versions = append(info.Versions, VersionInfo{ID: e.ID, LSN: v.From, Time: v.FromTime, Log: e.Log, CopiedTables: e.CopiedTables, Rows: e.Rows,
			StoredBytes: e.StoredBytes + e.Body.Size})
	}
	for i, l := range h.logs {
		li := LogInfo{Log: l.Start.Log, From: l.Start.ConsistentPoint, To: h.chains[i].To, Segments: len(l.Segments), Watched: l.Start.Published.Watched}
		for _, segment := range l.Segments {
			li.StoredBytes += segment.Size
		}
		info.Logs = append(info.Logs, li)
	}
	for _, w := range plan.Windows(h.bases) {
		info.Windows = append(info.Windows, Window(w))
	}
	err = s.Objects(ctx, func(_ string, size int64) error {
		info.StoredBytes += size
		return nil
	})
	return info, err
}

// snapshotInfo is the public view of a base.
func snapshotInfo(b *plan.Base) SnapshotInfo {
	e := b.Envelope
	return SnapshotInfo{
		ID: e.ID, Started: e.Started, Finished: e.Finished, LSN: b.From, Time: b.FromTime,
		ServerVersion: e.ServerVersion, Rows: e.Rows, RawBytes: e.RawBytes, StoredBytes: e.StoredBytes,
		Parts: len(e.Parts), Groups: len(e.Groups), Log: e.Log, Encoding: e.Encoding, Inexact: e.Inexact,
	}
}

// gaps is the public view of the holes.
func (h *holding) gaps() []GapInfo {
	gaps := []GapInfo{}
	for _, hole := range h.holes {
		g := GapInfo{Log: hole.Log, From: hole.From, To: hole.To, Reason: "a segment is missing and no gap is recorded: the repository lost it"}
		if hole.Recorded != nil {
			g.Reason, g.Noted = hole.Recorded.Reason, hole.Recorded.Noted
		}
		gaps = append(gaps, g)
	}
	return gaps
}
