package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/engine/internal/repository"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal"
)

// MarkOptions name a point.
type MarkOptions struct {
	Place
	// DB is the connection to the source: a URI or key/value string, completed from libpq's PG* variables.
	DB string
	// Name is the mark's; one used before is an ErrUsage.
	Name string
	// Wait returns only when the mark is durable in the repository; WaitTimeout bounds it, 0 waits.
	Wait        bool
	WaitTimeout time.Duration
	Tracer      Tracer
}

// MarkResult is the mark as set.
type MarkResult struct {
	Source string `json:"source"`
	Name   string `json:"name"`
	XID    uint64 `json:"xid"`
	// LSN is the insert position just after the mark's commit.
	LSN  format.LSN `json:"lsn"`
	Time time.Time  `json:"time"`
	// Durable is true when the mark was seen in the repository.
	Durable bool `json:"durable"`
}

// Mark puts a named recovery point into the log on the source.
func Mark(ctx context.Context, o MarkOptions) (*MarkResult, error) {
	conn, db, err := dial(ctx, o.DB)
	if err != nil {
		return nil, err
	}
	defer hangUp(ctx, conn)
	opened, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	source, err := opened.sourceOf(ctx, o.Source, db)
	if err != nil {
		return nil, err
	}
	// The source forgets its marks with uninstall; the repository does not.
	h, err := hold(ctx, source)
	if err != nil {
		return nil, err
	}
	if _, err := h.findMark(ctx, o.Name); err == nil {
		return nil, usagef("mark %q: a mark of this name is in the repository's log; choose another name", o.Name)
	} else if !errors.Is(err, plan.ErrUnreachable) {
		return nil, err
	}
	m, err := wal.Mark(ctx, conn, o.Name)
	if errors.Is(err, wal.ErrMarkExists) || errors.Is(err, wal.ErrMarkName) {
		return nil, usagef("%w; choose another name", err)
	}
	if err != nil {
		return nil, err
	}
	r := &MarkResult{Source: source.Name, Name: m.Name, XID: m.XID, LSN: m.LSN, Time: m.Time}
	if !o.Wait {
		return r, nil
	}
	return r, o.await(ctx, source, r)
}

// markPoll is how often the repository is looked at.
const markPoll = 250 * time.Millisecond

// await waits until a segment with the mark is in the repository.
func (o *MarkOptions) await(ctx context.Context, source *repository.Source, r *MarkResult) error {
	if o.WaitTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.WaitTimeout,
			fmt.Errorf("mark %q is set, but was not durable in the repository after %s: does stream run?", o.Name, o.WaitTimeout))
		defer cancel()
	}
	tick := time.NewTicker(markPoll)
	defer tick.Stop()
	for {
		there, err := hasTransaction(ctx, source, r.XID)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if there {
			r.Durable = true
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// hasTransaction says whether the newest log holds a transaction; only segments whose name allows it are read.
func hasTransaction(ctx context.Context, source *repository.Source, xid uint64) (bool, error) {
	logs, err := source.Logs(ctx)
	if err != nil || len(logs) == 0 {
		return false, err
	}
	h := &holding{source: source}
	chain, _ := plan.Follow(logs[len(logs)-1])
	for _, s := range chain.Segments {
		if xid < s.MinXID || xid > s.MaxXID {
			continue
		}
		seg, err := h.openSegment(ctx, s)
		if err != nil {
			return false, err
		}
		for _, t := range seg.Transactions() {
			if t.XID == xid {
				return true, nil
			}
		}
	}
	return false, nil
}
