package engine

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/format"
)

// InitOptions say what to protect.
type InitOptions struct {
	Place
	// DB is the connection to the source: a URI or key/value string, completed from libpq's PG* variables.
	DB string
	// DryRun computes and returns the changes without making any, on the source or in the repository.
	DryRun bool
	// WaitTimeout bounds each wait for older transactions of the source; 0 waits until they end.
	WaitTimeout time.Duration
	Tracer      Tracer
}

// Change is one change on the source.
type Change struct {
	// What is for people; SQL is the exact statement; Lock names the strongest lock taken, empty if none matters.
	What string `json:"what"`
	SQL  string `json:"sql"`
	Lock string `json:"lock,omitempty"`
}

// InitResult says exactly what Init changed.
type InitResult struct {
	Source      string   `json:"source"`
	Database    string   `json:"database"`
	SystemID    string   `json:"system_identifier"`
	Repository  string   `json:"repository"`
	Changes     []Change `json:"changes"`
	DryRun      bool     `json:"dry_run"`
	Slot        string   `json:"slot"`
	Publication string   `json:"publication"`
	// Log is the log that begins at Start; both are zero in a dry run of a new source.
	Log   uuid.UUID  `json:"log"`
	Start format.LSN `json:"start"`
	// Warnings are what stays unprotected, and how to mend it.
	Warnings []string `json:"warnings,omitempty"`
}

// Init makes the repository if absent and puts on the source what following it needs. It is idempotent. Without
// the rights it changes nothing and says what is missing and who can grant it.
func Init(ctx context.Context, o InitOptions) (*InitResult, error) {
	return nil, errors.ErrUnsupported
}
