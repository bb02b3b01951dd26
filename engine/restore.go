package engine

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/format"
)

// RestoreScope says which sections a Restore does.
type RestoreScope int

// The scopes of a Restore.
const (
	// RestoreAll does pre-data, data and post-data.
	RestoreAll RestoreScope = iota
	// RestoreSchemaOnly leaves out the rows.
	RestoreSchemaOnly
	// RestoreDataOnly loads rows into tables that exist.
	RestoreDataOnly
)

// RestoreOptions say what to restore, to which point, and where to.
type RestoreOptions struct {
	Place
	// To is the connection to the target, a URI or key/value string; empty is an ErrUsage, PG* variables alone are never enough.
	To     string
	Target Target
	// Tables are psql's patterns; empty restores everything.
	Tables []string
	Scope  RestoreScope
	// IntoSchema puts the tables' copies into this schema, made if absent.
	IntoSchema string
	// Rename gives copies of tables another name: from "table" or "schema.table" to "name" or "schema.name".
	Rename map[string]string
	// Clean drops exactly the planned objects first (with RestoreDataOnly: truncates), never CASCADE.
	Clean bool
	// Create makes the database that To names.
	Create bool
	// OverwriteSource allows Clean against the source itself.
	OverwriteSource bool
	// NoOwner and NoPrivileges leave out ownership, and grants.
	NoOwner, NoPrivileges bool
	// CatalogOfSnapshot accepts objects as of the snapshot where statements that change no table's layout lie between it and the target.
	CatalogOfSnapshot bool
	// Jobs is the number of connections that load; 0 is min(4, cores).
	Jobs int
	// DryRun computes and checks the plan and changes nothing.
	DryRun bool
	// TempDir holds the changed rows while they are folded; empty is the system's.
	TempDir string
	Tracer  Tracer
}

// Point is a recovery point that was reached.
type Point struct {
	// LSN is the end of the last commit included, or the snapshot's position.
	LSN format.LSN `json:"lsn"`
	// XID is the last transaction included, 0 where the snapshot's own instant was restored.
	XID uint64 `json:"xid,omitempty"`
	// Time is the commit time of XID, or the snapshot's instant; LocalTime is the same in the zone of this machine.
	Time      time.Time `json:"time"`
	LocalTime string    `json:"local_time"`
}

// Reading counts what was read from the repository.
type Reading struct {
	Objects int64 `json:"objects_read"`
	Bytes   int64 `json:"bytes_read"`
}

// Server says which server and database a connection reached.
type Server struct {
	Host     string `json:"host"`
	Port     uint16 `json:"port"`
	Database string `json:"database"`
	SystemID string `json:"system_identifier"`
	Version  int    `json:"server_version"`
}

// PlannedTable is one table of a plan.
type PlannedTable struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	// As is the name on the target, schema.name.
	As    string `json:"as"`
	Rows  int64  `json:"snapshot_rows"`
	Bytes int64  `json:"snapshot_bytes"`
	Parts int    `json:"parts"`
}

// RestorePlan is what a Restore will do.
type RestorePlan struct {
	Source   string         `json:"source"`
	Target   string         `json:"target"`
	To       Server         `json:"to"`
	Snapshot uuid.UUID      `json:"snapshot"`
	Log      uuid.UUID      `json:"log"`
	Reaches  Point          `json:"reaches"`
	Tables   []PlannedTable `json:"tables"`
	Parts    int            `json:"parts"`
	Segments int            `json:"segments"`
	// Bytes is the stored size of the parts and segments it reads from at most.
	Bytes int64 `json:"bytes"`
	// Drops are the statements of Clean; Statements the number of others.
	Drops      []string `json:"drops,omitempty"`
	Statements int      `json:"statements"`
	// LeftOut are things not restored, and why; NotIncluded the DDL between snapshot and target (CatalogOfSnapshot).
	LeftOut     []string `json:"left_out,omitempty"`
	NotIncluded []string `json:"not_included,omitempty"`
	// CreateDatabase is the statement of Create.
	CreateDatabase string `json:"create_database,omitempty"`
}

// RestoredTable is one table as loaded.
type RestoredTable struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	As     string `json:"as"`
	Rows   int64  `json:"rows"`
	// Folded is the number of log records folded into it.
	Folded int64 `json:"folded"`
}

// Phase is how long a phase took.
type Phase struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// RestoreResult says what was reached and done.
type RestoreResult struct {
	Plan    RestorePlan     `json:"plan"`
	DryRun  bool            `json:"dry_run"`
	Reached Point           `json:"reached"`
	Tables  []RestoredTable `json:"tables"`
	Rows    int64           `json:"rows"`
	Folded  int64           `json:"rows_folded"`
	Reading Reading         `json:"reading"`
	Phases  []Phase         `json:"phases"`
	// PutBack is SQL that puts missing rows from the copies (IntoSchema, Rename) back into the live tables.
	PutBack []string `json:"put_back,omitempty"`
}

// Restore brings tables, or everything, to a recovery point in the target. The whole plan is computed and checked
// before anything changes there; a refusal changes nothing. No UPDATE or DELETE is ever sent.
func Restore(ctx context.Context, o RestoreOptions) (*RestoreResult, error) {
	return nil, errors.ErrUnsupported
}
