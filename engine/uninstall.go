package engine

import (
	"context"
	"errors"
)

// UninstallOptions say what to remove from.
type UninstallOptions struct {
	// Place may name no repository: nothing in it is touched.
	Place
	// DB is the connection to the source: a URI or key/value string, completed from libpq's PG* variables.
	DB     string
	DryRun bool
	Tracer Tracer
}

// UninstallResult says what was removed and what was left.
type UninstallResult struct {
	Source  string   `json:"source"`
	Changes []Change `json:"changes"`
	// Left are the changes of identity that stay, each with the SQL that undoes it.
	Left   []Change `json:"left"`
	DryRun bool     `json:"dry_run"`
}

// Uninstall removes from the source all that Init put there, but for replica identities, which it lists.
func Uninstall(ctx context.Context, o UninstallOptions) (*UninstallResult, error) {
	return nil, errors.ErrUnsupported
}
