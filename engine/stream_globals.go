package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// No event trigger fires for what is done to roles, tablespaces and databases, nor for some of what is done to objects: REASSIGN OWNED,
// REINDEX of an invalid index, commands on event triggers. So a stream asks now and then whether all are still those that the newest
// catalog of the log has, and takes a version of the catalog where they are not.

const (
	// globalsEvery is how often it asks, but for roles and the like never more than a twentieth of the time.
	globalsEvery = 10 * time.Second
	// objectsShare is how much of the time passes for the time that asking for objects takes.
	objectsShare = 100
)

// globalsWatch asks for one versioner.
type globalsWatch struct {
	v *versioner
	// known is the fingerprint of roles and the like in the newest catalog; empty: not known. That of its objects is v.watched's.
	known  string
	conn   *pgx.Conn
	failed bool
	// rested is when objects may be asked for again.
	rested time.Time
}

// run asks until ctx is done.
func (w *globalsWatch) run(ctx context.Context) {
	defer w.close(ctx)
	for {
		began := time.Now()
		w.ask(ctx)
		asked := time.Since(began)
		if w.rested.After(began) { // objects were asked for, and rest by themselves
			asked = 0
		}
		every := globalsEvery
		if w.v.s.o.globalsEvery > 0 {
			every = w.v.s.o.globalsEvery
		}
		timer := time.NewTimer(max(every, versionShare*asked))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// ask asks once. That it cannot is no reason not to follow the log.
func (w *globalsWatch) ask(ctx context.Context) {
	now, objects, err := w.read(ctx)
	if err != nil {
		w.close(ctx)
		if !w.failed && ctx.Err() == nil {
			w.v.s.tracer.Note(Note{LevelWarn,
				fmt.Sprintf("look whether roles, tablespaces, the database's properties, or objects of which nobody told were changed: %v", err)})
		}
		w.failed = true
		return
	}
	if w.known != "" && w.known != now || w.v.watched.changed(objects) {
		w.v.alter()
	}
	w.known, w.failed = now, false
}

// read returns the fingerprints of roles and the like and, unless it is too early for them, of objects.
func (w *globalsWatch) read(ctx context.Context) (globals, objects string, err error) {
	if w.conn == nil {
		conn, d, err := connect(ctx, w.v.s.config)
		if err != nil {
			return "", "", err
		}
		w.conn = conn
		if d.systemID != w.v.log.SystemID || d.oid != w.v.log.DatabaseOID {
			return "", "", usagef("the connection reached another server than a moment ago; name one host")
		}
	}
	began := time.Now()
	if !w.v.log.Published.Watched && !began.Before(w.rested) { // else each segment has looked at them
		if objects, err = catalog.Fingerprint(ctx, w.conn); err != nil {
			return "", "", err
		}
		w.rested = time.Now().Add(objectsShare * time.Since(began))
	}
	globals, err = catalog.GlobalsFingerprint(ctx, w.conn)
	return globals, objects, err
}

func (w *globalsWatch) close(ctx context.Context) {
	if w.conn != nil {
		hangUp(ctx, w.conn)
		w.conn = nil
	}
}
