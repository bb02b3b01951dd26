package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// No event trigger fires for what is done to roles, tablespaces and databases. So a stream asks now and then whether they are still those
// that the newest catalog of the log has, and takes a version of the catalog where they are not.

// globalsEvery is how often it asks, but never for more than a twentieth of the time.
const globalsEvery = 10 * time.Second

// globalsWatch asks for one versioner.
type globalsWatch struct {
	v *versioner
	// known is their fingerprint in the newest catalog; empty: not known.
	known  string
	conn   *pgx.Conn
	failed bool
}

// run asks until ctx is done.
func (w *globalsWatch) run(ctx context.Context) {
	defer w.close(ctx)
	for {
		began := time.Now()
		w.ask(ctx)
		every := globalsEvery
		if w.v.s.o.globalsEvery > 0 {
			every = w.v.s.o.globalsEvery
		}
		timer := time.NewTimer(max(every, versionShare*time.Since(began)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// ask asks once. That it can not is no reason not to follow the log.
func (w *globalsWatch) ask(ctx context.Context) {
	now, err := w.read(ctx)
	if err != nil {
		w.close(ctx)
		if !w.failed && ctx.Err() == nil {
			w.v.s.tracer.Note(Note{LevelWarn, fmt.Sprintf("look whether roles, tablespaces or the database's properties were changed: %v", err)})
		}
		w.failed = true
		return
	}
	if w.known != "" && w.known != now {
		w.v.alter()
	}
	w.known, w.failed = now, false
}

func (w *globalsWatch) read(ctx context.Context) (string, error) {
	if w.conn == nil {
		conn, d, err := connect(ctx, w.v.s.config)
		if err != nil {
			return "", err
		}
		w.conn = conn
		if d.systemID != w.v.log.SystemID || d.oid != w.v.log.DatabaseOID {
			return "", usagef("the connection reached another server than a moment ago; name one host")
		}
	}
	return catalog.GlobalsFingerprint(ctx, w.conn)
}

func (w *globalsWatch) close(ctx context.Context) {
	if w.conn != nil {
		hangUp(ctx, w.conn)
		w.conn = nil
	}
}
