package engine

import (
	"context"
	"fmt"

	"github.com/pgrecall/pgrecall/wal"
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
	Left []Change `json:"left"`
	// Kept says what was not removed and why: what other sources on this database use, or what is not pgrecall's.
	Kept   []string `json:"kept,omitempty"`
	DryRun bool     `json:"dry_run"`
}

// Uninstall removes from the source all that Init put there, but for replica identities, which it lists.
func Uninstall(ctx context.Context, o UninstallOptions) (*UninstallResult, error) {
	conn, db, err := dial(ctx, o.DB)
	if err != nil {
		return nil, err
	}
	defer hangUp(ctx, conn)
	name, err := o.sourceName(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("learn the source's name from the repository (--source does without): %w", err)
	}
	done, err := wal.Uninstall(ctx, conn, name, wal.UninstallOptions{DryRun: o.DryRun})
	if err != nil {
		return nil, err
	}
	r := &UninstallResult{Source: name, DryRun: o.DryRun, Changes: []Change{}, Left: []Change{}, Kept: done.Kept}
	for _, c := range done.Changes {
		r.Changes = append(r.Changes, Change(c))
	}
	for _, c := range done.Left {
		r.Left = append(r.Left, Change(c))
	}
	return r, nil
}
