package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/engine/internal/repository"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal"
)

// InitOptions say what to protect.
type InitOptions struct {
	Place
	// DB is the connection to the source: a URI or key/value string, completed from libpq's PG* variables.
	DB string
	// DryRun computes and returns the changes without making any, on the source or in the repository.
	DryRun bool
	// WithoutEventTriggers follows the source for a role that may not make event triggers: DDL is noticed by looking.
	WithoutEventTriggers bool
	// FullIdentities, with it, gives every table REPLICA IDENTITY FULL from the start.
	FullIdentities bool
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
	if o.FullIdentities && !o.WithoutEventTriggers {
		return nil, usagef("--full-identities is for --without-event-triggers: event triggers give a table that loses its key an identity at once")
	}
	conn, db, err := dial(ctx, o.DB)
	if err != nil {
		return nil, err
	}
	defer hangUp(ctx, conn)
	name, err := o.sourceName(ctx, db)
	if err != nil {
		return nil, err
	}
	result := &InitResult{Source: name, Database: db.name, SystemID: db.systemID, Repository: o.Repository, DryRun: o.DryRun,
		Slot: wal.SlotName(name), Publication: wal.Publication, Changes: []Change{}}
	started, err := o.started(ctx, name, db)
	if err != nil {
		return nil, err
	}
	// What is refused is refused before anything is made, in the repository too.
	planned, err := wal.PlanInit(ctx, conn, name, wal.InitOptions{Started: started, WithoutEventTriggers: o.WithoutEventTriggers, FullIdentities: o.FullIdentities})
	if err != nil {
		return nil, err
	}
	if o.DryRun {
		result.take(planned.Changes, planned.Findings, started)
		return result, nil
	}
	opened, err := o.create(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	source, err := opened.addSource(ctx, name, db)
	if err != nil {
		return nil, err
	}
	done, err := setUp(ctx, conn, source, wal.InitOptions{Started: started, WaitTimeout: o.WaitTimeout, WithoutEventTriggers: o.WithoutEventTriggers, FullIdentities: o.FullIdentities}, tracing(o.Tracer))
	if err != nil {
		return nil, err
	}
	result.take(done.Changes, done.Findings, done.Log)
	return result, nil
}

// started returns the start of the source's newest log that can go on, or nil: a repository or source that does not exist yet has none.
func (o *InitOptions) started(ctx context.Context, name string, db *database) (*format.LogStart, error) {
	counted, err := o.store()
	if err != nil {
		return nil, err
	}
	repo, err := repository.Open(ctx, counted)
	if errors.Is(err, repository.ErrNoRepository) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	source, err := repo.Source(ctx, name)
	if errors.Is(err, repository.ErrNoSource) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := source.CheckDatabase(db.systemID, db.oid); err != nil {
		return nil, otherDatabase(err)
	}
	logs, err := source.Logs(ctx)
	if err != nil || len(logs) == 0 {
		return nil, err
	}
	newest := logs[len(logs)-1]
	if _, holes := plan.Follow(newest); len(holes) > 0 {
		return nil, nil
	}
	return &newest.Start, nil
}

// setUp sets the source up and keeps the log that begins.
func setUp(ctx context.Context, conn *pgx.Conn, source *repository.Source, o wal.InitOptions, tracer Tracer) (*wal.InitResult, error) {
	started := o.Started
	o.Report = func(p wal.Progress) {
		if len(p.Waiting) == 0 {
			return
		}
		var who []string
		for _, b := range p.Waiting {
			who = append(who, b.String())
		}
		tracer.Note(Note{LevelWarn, fmt.Sprintf("waiting since %s for %s", p.For.Round(time.Second), strings.Join(who, ", "))})
	}
	done, err := wal.Init(ctx, conn, source.Name, o)
	if err != nil {
		return nil, err
	}
	if !done.NewLog {
		return done, nil
	}
	if started != nil {
		// Before the new one begins, so that no two logs seem to go on.
		if err := endLog(ctx, source, started.Log, endedBy(started, o.WithoutEventTriggers)); err != nil {
			return nil, err
		}
	}
	if err := source.StartLog(ctx, *done.Log); err != nil {
		return nil, err
	}
	if started != nil {
		tracer.Note(Note{LevelAlert, fmt.Sprintf("log %v ended with a gap, a new one began: take a snapshot", started.Log)})
	}
	return done, nil
}

// endedBy says why init ended a log.
func endedBy(started *format.LogStart, watched bool) string {
	if started.Published.Watched != watched {
		return "init changed how DDL is noticed, and began a new log"
	}
	return "its replication slot was gone, and init began a new log"
}

// endLog records that a log does not go on, if it is not recorded yet.
func endLog(ctx context.Context, source *repository.Source, id uuid.UUID, reason string) error {
	logs, err := source.Logs(ctx)
	if err != nil {
		return err
	}
	for _, l := range logs {
		if l.Start.Log != id {
			continue
		}
		chain, holes := plan.Follow(l)
		if len(holes) > 0 {
			return nil
		}
		return source.NoteGap(ctx, format.Gap{Log: id, From: chain.To, Reason: reason, Noted: time.Now().UTC().Truncate(time.Microsecond)})
	}
	return nil
}

// take puts what wal tells into the result.
func (r *InitResult) take(changes []wal.Change, findings []wal.Finding, log *format.LogStart) {
	for _, c := range changes {
		r.Changes = append(r.Changes, Change(c))
	}
	for _, f := range findings {
		text := f.What
		if f.Advice != "" {
			text += ": " + f.Advice
		}
		r.Warnings = append(r.Warnings, text)
	}
	if log != nil {
		r.Log, r.Start, r.Slot, r.Publication = log.Log, log.ConsistentPoint, log.Slot, log.Publication
	}
}
