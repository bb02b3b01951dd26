package engine

import (
	"context"
	"errors"
)

// CheckOptions say what to look at.
type CheckOptions struct {
	// Place may name no repository: then only the server is checked.
	Place
	// DB is the connection to the source: a URI or key/value string, completed from libpq's PG* variables.
	DB     string
	Tracer Tracer
}

// Finding is one thing checked.
type Finding struct {
	// Severity is "ok", "warn" or "blocker".
	Severity string `json:"severity"`
	// What names the thing checked, Detail its state, Do what to do about it (empty where all is well).
	What   string `json:"what"`
	Detail string `json:"detail"`
	Do     string `json:"do,omitempty"`
}

// CheckResult is all that was found.
type CheckResult struct {
	Source   string    `json:"source"`
	Findings []Finding `json:"findings"`
	Blockers int       `json:"blockers"`
	Warnings int       `json:"warnings"`
}

// Check looks at the source, and at the repository where one is named, and changes nothing. With blockers it
// returns both the result and an ErrBlocker.
func Check(ctx context.Context, o CheckOptions) (*CheckResult, error) {
	return nil, errors.ErrUnsupported
}
