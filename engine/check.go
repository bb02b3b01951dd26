package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot"
	"github.com/pgrecall/pgrecall/wal"
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
	conn, db, err := dial(ctx, o.DB)
	if err != nil {
		return nil, err
	}
	defer hangUp(ctx, conn)
	name, err := o.sourceName(ctx, db)
	if err != nil {
		name = cmp.Or(o.Source, db.name) // what is wrong with the repository is among the findings below
	}
	r := &CheckResult{Source: name, Findings: []Finding{}}
	findings, err := wal.Inspect(ctx, conn, name, "")
	if err != nil {
		return nil, err
	}
	for _, f := range findings {
		r.add(severityOf(f.Severity), f.Topic, f.What, f.Advice)
	}
	forbidden, err := snapshot.Forbidden(ctx, conn)
	if err != nil {
		return nil, err
	}
	if forbidden != nil {
		r.add("warn", "reading", forbidden.Error(), "a snapshot of everything is refused until then; --exclude-table leaves tables out")
	}
	if o.Repository != "" {
		if err := o.repository(ctx, name, db, r); err != nil {
			return nil, err
		}
	}
	if r.Blockers > 0 {
		return r, &failure{ErrBlocker, fmt.Errorf("%d blocker(s) found", r.Blockers)}
	}
	return r, nil
}

func severityOf(s wal.Severity) string {
	switch s {
	case wal.Blocker:
		return "blocker"
	case wal.Warning:
		return "warn"
	}
	return "ok"
}

func (r *CheckResult) add(severity, what, detail, do string) {
	switch severity {
	case "blocker":
		r.Blockers++
	case "warn":
		r.Warnings++
	}
	r.Findings = append(r.Findings, Finding{Severity: severity, What: what, Detail: detail, Do: do})
}

// repository looks at what the repository holds of the source.
func (o *CheckOptions) repository(ctx context.Context, name string, db *database, r *CheckResult) error {
	opened, err := o.open(ctx)
	if err != nil {
		r.add("warn", "repository", err.Error(), "run init or snapshot, which make it")
		return nil
	}
	source, err := opened.sourceOf(ctx, name, db)
	if err != nil {
		r.add("blocker", "repository", err.Error(), "run init or snapshot under this name, or choose another with --source")
		return nil
	}
	h, err := hold(ctx, source)
	if err != nil {
		return err
	}
	windows := plan.Windows(h.bases)
	if len(windows) == 0 {
		r.add("warn", "recovery window", "nothing can be restored yet", "take a snapshot")
		return nil
	}
	last := windows[len(windows)-1]
	for _, w := range windows {
		if w.Log != uuid.Nil {
			last = w // rather than the single instant of a snapshot that the log has not come to yet
		}
	}
	r.add("ok", "recovery window", fmt.Sprintf("%s to %s (LSN %v to %v)", stamp(last.FromTime), stamp(last.ToTime), last.From, last.To), "")
	if n := len(h.logs); n > 0 && !slices.ContainsFunc(h.envelopes, func(e *format.Envelope) bool { return e.Log == h.logs[n-1].Start.Log }) {
		r.add("warn", "snapshot", fmt.Sprintf("no snapshot joins the newest log, %v: nothing in it can be restored", h.logs[n-1].Start.Log), "take a snapshot")
	}
	if err := h.checkForms(ctx, r); err != nil {
		return err
	}
	for _, g := range h.gaps() {
		r.add("warn", "gap", fmt.Sprintf("log %v has a gap after %v: %s", g.Log, g.From, g.Reason), "points in it cannot be restored; see list")
	}
	return nil
}

// checkForms compares the forms of the tables in the newest snapshot with those that its log saw last.
func (h *holding) checkForms(ctx context.Context, r *CheckResult) error {
	i := slices.IndexFunc(h.bases, func(b plan.Base) bool { return b.Chain != nil && b.Chain.To >= b.From })
	if i < 0 {
		return nil
	}
	b := &h.bases[i]
	body, err := h.source.Body(ctx, b.Envelope)
	if err != nil || body.Forms == nil {
		return err
	}
	segments := b.Chain.Segments
	seg, err := h.openSegment(ctx, segments[len(segments)-1])
	if err != nil {
		return err
	}
	last := seg.Head().Forms
	if last == nil || !last.Visibility.Includes(body.Forms.Visibility) || last.Digest == body.Forms.Digest {
		return nil
	}
	r.add("warn", "layouts", fmt.Sprintf("tables were made, altered or dropped since the newest snapshot (%s)", stamp(b.FromTime)),
		"take a snapshot: targets across that are refused")
	return nil
}
