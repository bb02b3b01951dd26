package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot"
	"github.com/pgrecall/pgrecall/wal"
)

// A restore to a point after DDL needs the catalog as it was there, and the log tells only what statements did. So a
// stream that sees DDL takes a version of the catalog at once: beside the receiving, over ordinary connections, and in the long run
// no more than a twentieth of the time. What of that was not used is saved up, so that after quiet times one version may follow the
// other. One that fails is tried again; DDL while the catalog is being read begins the reading anew (snapshot.Take).

const (
	// versionShare is how much of the time passes for the time that may be spent on versions.
	versionShare = 20
	// versionReserve is the most that is saved up, and what a stream begins with.
	versionReserve = time.Minute
	// versionQuiet is how long the sessions of a version are kept for the next.
	versionQuiet = 5 * time.Minute
	// versionAgain is the least time until a version that failed is tried again: a burst of DDL, or the server's crash, is soon over. It
	// doubles up to versionAgainMost.
	versionAgain, versionAgainMost = time.Second, time.Minute
	// versionWait bounds the waiting for somebody's lock, and onceWait that of a stream that is to end when it has drained, for copies
	// too: it is mostly run again soon, and a prepared transaction may be forgotten for days.
	versionWait, onceWait = time.Minute, 10 * time.Second
	// backlogSegments are looked at by a stream that begins, for DDL that the last one took no version of.
	backlogSegments = 16
)

// versioner takes the versions of one log.
type versioner struct {
	s   *stream
	log *format.LogStart
	// altered holds one element if there is DDL that no version has seen.
	altered  chan struct{}
	sessions snapshot.Sessions
	globals  globalsWatch
	// copies are asked for after each version; nil: none are taken.
	copies  *copier
	keeper  publicationKeeper
	watched watchedObjects
}

func newVersioner(s *stream, log *format.LogStart) *versioner {
	v := &versioner{s: s, log: log, altered: make(chan struct{}, 1)}
	v.globals.v, v.keeper = v, publicationKeeper{s: s, log: log, listed: v.alter}
	if !s.o.NoCopies && !s.o.NoVersions {
		v.copies = newCopier(s, log)
	}
	return v
}

// alter says that DDL came.
func (v *versioner) alter() {
	if v.s.o.NoVersions {
		return
	}
	select {
	case v.altered <- struct{}{}:
	default:
	}
}

// beside takes versions and copies while follow runs, and ends with it.
func (v *versioner) beside(ctx context.Context, follow func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { v.run(ctx) })
	beside.Go(func() { v.globals.run(ctx) })
	if v.copies != nil {
		beside.Go(func() { v.copies.run(ctx) })
	}
	if v.log.Published.Watched {
		beside.Go(func() { v.keeper.run(ctx) })
	}
	err := follow()
	cancel()
	beside.Wait()
	return err
}

// run takes a version whenever there is DDL that none has seen.
func (v *versioner) run(ctx context.Context) {
	reserve := reserve{left: versionReserve, at: time.Now()}
	defer v.sessions.Close(ctx)
	var quiet <-chan time.Time
	again := cmp.Or(v.s.o.versionAgain, versionAgain)
	for {
		select {
		case <-ctx.Done():
			return
		case <-quiet:
			v.sessions.Close(ctx)
			continue
		case <-v.altered:
		}
		began := time.Now()
		err := v.version(ctx)
		if ctx.Err() != nil {
			return
		}
		ended := time.Now()
		if errors.Is(err, snapshot.ErrWaitTimeout) { // nothing is asked of the source, and nothing held, while somebody's lock is waited for
			began = began.Add(min(v.wait(), ended.Sub(began)))
		}
		rest := reserve.spend(began, ended)
		if err != nil {
			rest, again = max(rest, again), min(2*again, versionAgainMost)
			v.failed(err)
		} else {
			again = cmp.Or(v.s.o.versionAgain, versionAgain)
		}
		quiet = time.After(rest + versionQuiet)
		timer := time.NewTimer(rest)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// reserve is the time that may be spent on versions.
type reserve struct {
	left time.Duration
	at   time.Time
}

// spend takes off what lies between two times, and returns how long to wait until nothing is owed.
func (r *reserve) spend(began, ended time.Time) (rest time.Duration) {
	r.left = min(r.left+ended.Sub(r.at)/versionShare, versionReserve) - ended.Sub(began)
	r.at = ended
	return max(0, -r.left*versionShare)
}

// take takes a version if there is DDL that none has seen, and says whether it did.
func (v *versioner) take(ctx context.Context) bool {
	select {
	case <-v.altered:
	default:
		return false
	}
	defer v.sessions.Close(ctx)
	if err := v.version(ctx); err != nil {
		if ctx.Err() == nil {
			v.failed(err)
		}
		return false
	}
	return true
}

// copy copies what lacks a copy, and says whether there was anything.
func (v *versioner) copy(ctx context.Context) bool { return v.copies != nil && v.copies.once(ctx) }

func (v *versioner) failed(err error) {
	v.alter()
	v.s.tracer.Note(Note{LevelWarn, fmt.Sprintf("DDL was received, and a version of the catalog could not be taken; until one is, points after the DDL can be restored only from a snapshot taken after it: %v", err)})
}

// wait is how long a version waits for somebody's lock.
func (v *versioner) wait() time.Duration {
	wait := cmp.Or(v.s.o.versionWait, versionWait)
	if v.s.o.Once {
		wait = min(wait, onceWait)
	}
	return wait
}

func (v *versioner) version(ctx context.Context) error {
	o := snapshot.Options{Jobs: 1, Selection: noRows(), Compression: v.s.compression, WaitTimeout: v.wait(), NoRolePasswords: v.s.o.NoRolePasswords,
		Sessions: &v.sessions}
	began := time.Now()
	taken, err := takeVersion(ctx, v.s.source, v.s.config, v.log, o, notesOnly{v.s.tracer})
	if err != nil {
		return err
	}
	v.watched.known(taken.objects)
	v.s.tracer.Note(Note{LevelInfo, fmt.Sprintf("took version %v of the catalog in %s", taken.ID, time.Since(began).Round(time.Millisecond))})
	if v.copies != nil {
		v.copies.ask()
	}
	return nil
}

// backlog finds DDL at the end of the log that no snapshot and no version sees, as after a stream that was ended before it took
// one. That it cannot be found is no reason not to follow the log.
func (v *versioner) backlog(ctx context.Context) {
	missed, err := v.missed(ctx)
	if err != nil && ctx.Err() == nil {
		v.s.tracer.Note(Note{LevelWarn, fmt.Sprintf("look for DDL that no version of the catalog has seen: %v", err)})
	}
	if missed {
		v.alter()
	}
}

func (v *versioner) missed(ctx context.Context) (bool, error) {
	h, err := hold(ctx, v.s.source)
	if err != nil {
		return false, err
	}
	var segments []plan.Segment
	for i := range h.chains {
		if h.chains[i].Log.Log == v.log.Log {
			segments = h.chains[i].Segments
		}
	}
	envelope := h.newestCatalog(v.log)
	if envelope == nil {
		return false, nil // a first snapshot is still to be taken
	}
	v.globals.known = envelope.Globals
	v.watched.known(envelope.Objects)
	if v.log.Published.Watched {
		return v.missedLook(ctx, h, segments, envelope)
	}
	newest := &envelope.Groups[0].Visibility
	for i := len(segments) - 1; i >= max(0, len(segments)-backlogSegments); i-- {
		if segments[i].MaxXID < newest.Xmin {
			return false, nil
		}
		seg, err := h.openSegment(ctx, segments[i])
		if err != nil {
			return false, err
		}
		for _, m := range seg.Messages() {
			if m.Prefix != format.PrefixDDL || newest.Sees(seg.Transactions()[m.Txn].XID) {
				continue
			}
			if d, err := wal.ParseDDL(m.Content); err != nil || d.ChangesCatalog() {
				return true, nil
			}
		}
	}
	return false, nil
}

// newestCatalog is the envelope of the newest catalog that joins a log; nil: there is none.
func (h *holding) newestCatalog(log *format.LogStart) (newest *format.Envelope) {
	for _, e := range h.envelopes {
		if e.Log == log.Log && (newest == nil || e.Groups[0].LSN >= newest.Groups[0].LSN) {
			newest = e
		}
	}
	return newest
}

// notesOnly passes on no progress: a version has no rows.
type notesOnly struct{ Tracer }

// Progress implements Tracer.
func (notesOnly) Progress(Progress) {}
