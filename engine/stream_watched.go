package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal"
)

// Where nobody announces DDL a stream does what event triggers do elsewhere, a little later: it sees from each look that objects were
// changed, and takes a version of the catalog; it gives tables an identity, and lists new ones in the publication.

const (
	// keepEvery is how often the publication is kept, but never for more than a twentieth of the time.
	keepEvery = 2 * time.Second
	// keepLock bounds the wait for a table's lock, behind which the application's statements queue.
	keepLock = 200 * time.Millisecond
)

// watchedObjects are those of the newest catalog of a log, as a fingerprint; empty: there is none, or it is not known.
type watchedObjects struct {
	mu      sync.Mutex
	objects string
}

func (w *watchedObjects) known(objects string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.objects = objects
}

// changed says whether objects are others than those of the newest catalog.
func (w *watchedObjects) changed(objects string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return objects != "" && w.objects != "" && objects != w.objects
}

// looked takes in a look.
func (v *versioner) looked(head *format.SegmentHead) {
	if head.Publication.Watched && head.Forms != nil && v.watched.changed(head.Forms.Objects) {
		v.alter()
	}
}

// missedLook says whether the last look of the log saw other objects than its newest catalog has.
func (v *versioner) missedLook(ctx context.Context, h *holding, segments []plan.Segment, newest *format.Envelope) (bool, error) {
	if len(segments) == 0 {
		return false, nil
	}
	seg, err := h.openSegment(ctx, segments[len(segments)-1])
	if err != nil {
		return false, err
	}
	forms := seg.Head().Forms
	return forms != nil && v.watched.changed(forms.Objects) && !newest.Groups[0].Visibility.Includes(forms.Visibility), nil
}

// publicationKeeper keeps the publication of a source.
type publicationKeeper struct {
	s   *stream
	log *format.LogStart
	// listed is called when something was changed; nil: it is not.
	listed func()
	conn   *pgx.Conn
	said   string // what it could not do the last time
}

// run keeps it until ctx is done.
func (k *publicationKeeper) run(ctx context.Context) {
	defer k.close(ctx)
	for {
		began := time.Now()
		k.keep(ctx)
		timer := time.NewTimer(max(keepEvery, versionShare*time.Since(began)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// keep keeps it once, and returns the tables that somebody held, as SQL. That it cannot is told, and no reason not to follow the log.
func (k *publicationKeeper) keep(ctx context.Context) (locked []string) {
	kept, err := k.try(ctx)
	if ctx.Err() != nil {
		return nil
	}
	var not string
	if err != nil {
		k.close(ctx)
		not = fmt.Sprintf("tables that were made or lost their key may not be followed, and their UPDATE and DELETE may fail: %v", err)
	}
	if kept != nil {
		for _, c := range kept.Changes {
			k.s.tracer.Note(Note{LevelInfo, "changed on the source: " + c.What})
		}
		if len(kept.Changes) > 0 && k.listed != nil {
			k.listed()
		}
		for _, t := range kept.Locked {
			locked = append(locked, quoteName(t.Schema, t.Name))
		}
		if len(locked) > 0 {
			not += "no lock could be had yet to publish, or to give a replica identity to, " + strings.Join(locked, ", ")
		}
	}
	if not != "" && not != k.said {
		k.s.tracer.Note(Note{LevelWarn, not})
	}
	k.said = not
	return locked
}

func (k *publicationKeeper) try(ctx context.Context) (*wal.Kept, error) {
	if k.conn == nil {
		conn, d, err := connect(ctx, k.s.config)
		if err != nil {
			return nil, err
		}
		k.conn = conn
		if d.systemID != k.log.SystemID || d.oid != k.log.DatabaseOID {
			return nil, usagef("the connection reached another server than a moment ago; name one host")
		}
	}
	return wal.KeepPublished(ctx, k.conn, keepLock)
}

func (k *publicationKeeper) close(ctx context.Context) {
	if k.conn != nil {
		hangUp(ctx, k.conn)
		k.conn = nil
	}
}
