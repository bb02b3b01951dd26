package wal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pgrecall/pgrecall/format"
)

// Sink keeps segments.
type Sink interface {
	// PutSegment stores a segment. When it returns nil the segment is durable: no
	// crash takes it back. It must not store anything visible under the name
	// otherwise. r holds the whole object; it is also an io.Seeker. One call at a time.
	PutSegment(ctx context.Context, name format.SegmentName, r io.Reader) error
}

// Tracer is told what a Follow does. Its methods are called from several
// goroutines, must return soon and must not call back.
type Tracer interface {
	// Connection is told when the stream begins (err is nil), and when it was lost
	// (err says why) and will be tried again after wait.
	Connection(err error, wait time.Duration)
	// Segment is told of a segment that is durable, how many transactions it holds, and its size in bytes.
	Segment(name format.SegmentName, head *format.SegmentHead, transactions int, size int64)
	// Warning is told of what does not stop the stream and yet needs somebody's
	// attention: heartbeats or sequences that the role may not write or read, or a table
	// that was changed without a message in the log (*UnannouncedError).
	Warning(err error)
}

// Follow receives a source's log into segments. Its fields are not changed while Run runs.
type Follow struct {
	// Source says how to connect. Two connections are made, one of them for
	// replication; session settings in it are overridden by the pinned ones.
	Source *pgx.ConnConfig
	// Start is the log followed.
	Start format.LogStart
	// Last is the head of the last durable segment of this log; nil if there is none.
	Last *format.SegmentHead
	Sink Sink
	// Tracer may be nil.
	Tracer Tracer

	// Compression of the segments; the zero value is none.
	Compression format.Compression
	// FlushInterval is the age at which a segment is closed, counted from its first
	// transaction, and the idle time after which a heartbeat is written. Default 10 s.
	FlushInterval time.Duration
	// SegmentSize is the size in bytes before compression at which a segment is
	// closed at the next commit. Default 64 MiB.
	SegmentSize int64
	// SpoolDir is where a growing segment is kept; "" is the system's folder for
	// temporary files. It needs room for two segments, the largest transaction, and, uncompressed,
	// all transactions that are under way and larger than the server's logical_decoding_work_mem.
	SpoolDir string
	// Altered, if set, is told when a transaction was received whose DDL made the catalog another. It is called from the
	// loop that receives, and must return at once.
	Altered func()
	// Objects, if set, returns a fingerprint of all objects as the transaction of q sees them, 32 hex digits, which each look then
	// notes: for a log that no event trigger puts DDL into.
	Objects func(ctx context.Context, q Querier) (string, error)
	// Once makes Run return when everything is durable that was committed when it began.
	Once bool
	// Stop, when closed, makes Run store and acknowledge every transaction received
	// completely, and return nil. It may be nil.
	Stop <-chan struct{}
	// Grace is how long Run waits for a slot that another session holds before it
	// returns a SlotBusyError: a receiver that was just killed may linger. Default 3 s.
	Grace time.Duration
}

// Run follows the log until Stop is closed (nil), ctx is cancelled (its cause),
// everything is received (Once, nil), or something happens that another try would
// not change: a *GapError, *SlotBusyError, *PoisonError or *SynchronousError, an error of the Sink,
// or a first connection that is refused. A connection that is lost later is made
// anew for as long as it takes, with the Tracer told; nothing is lost by it and
// nothing is stored twice. All goroutines and connections of Run end before it returns.
func (f *Follow) Run(ctx context.Context) error {
	r := &run{Follow: *f, sequences: make(sequenceMemory), silence: leastSilence}
	r.setDefaults()
	for attempt := 0; ; attempt++ {
		err := r.session(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil:
			return nil
		case !transient(err):
			return fmt.Errorf("follow the source: %w", err)
		}
		var busy *SlotBusyError
		if errors.As(err, &busy) {
			if !r.patient() {
				return fmt.Errorf("follow the source: %w", err)
			}
		} else if !r.connected && refused(err) {
			return fmt.Errorf("follow the source: %w", err)
		}
		var answer *pgconn.PgError
		if r.progress && !errors.As(err, &answer) {
			attempt = 0 // the network fails now and then; a server that refuses does it again
		}
		r.progress = false
		wait := backoff(attempt)
		if busy != nil && !r.connected {
			wait = min(wait, busyPause)
		} else {
			r.Tracer.Connection(err, wait)
		}
		if stopped := r.pause(ctx, wait); stopped {
			return nil
		}
	}
}

// run is the state of one Run that outlives its connections.
type run struct {
	Follow
	connected   bool // a stream has begun at least once
	progress    bool // a commit was received since the last failure
	busySince   time.Time
	silence     time.Duration // how long the server may say nothing
	poison      suspicion
	whole       format.LSN         // until the commit at this position has come, transactions are received whole; 0: they need not be
	publication format.Publication // zero: not seen yet
	sequences   sequenceMemory
	forms       formWatch
	unexplained unexplained
	warned      string // the last warning of a heartbeat
}

func (r *run) setDefaults() {
	if r.FlushInterval <= 0 {
		r.FlushInterval = 10 * time.Second
	}
	if r.SegmentSize <= 0 {
		r.SegmentSize = 64 << 20
	}
	if r.Grace <= 0 {
		r.Grace = 3 * time.Second
	}
	if r.Tracer == nil {
		r.Tracer = silent{}
	}
	r.publication = r.Start.Published
	if r.Last != nil {
		r.publication = r.Last.Publication
		r.forms.last = r.Last.Forms
	}
}

// start is where to ask the server to begin.
func (r *run) start() format.LSN {
	if r.Last != nil {
		return r.Last.Resume
	}
	return r.Start.ConsistentPoint
}

// end is the durable end of the log.
func (r *run) end() format.LSN {
	if r.Last != nil {
		return r.Last.To
	}
	return r.start()
}

// patient reports whether a slot in use is worth waiting for: after a lost
// connection the holder may be our own until the server notices.
func (r *run) patient() bool {
	if r.busySince.IsZero() {
		r.busySince = time.Now()
	}
	limit := r.Grace
	if r.connected {
		limit = max(limit, ownGrace)
	}
	return time.Since(r.busySince) < limit
}

// ownGrace is twice the default of wal_sender_timeout.
const ownGrace = 2 * time.Minute

const (
	leastBackoff = 200 * time.Millisecond
	mostBackoff  = 30 * time.Second
	busyPause    = 250 * time.Millisecond

	// A server that decodes a giant transaction may say nothing for minutes, so a
	// silence that ended a connection is allowed twice as long in the next.
	leastSilence = 2 * time.Minute
	mostSilence  = 2 * time.Hour
)

// backoff doubles with each failure, with jitter so that many receivers of one
// server do not return at once.
func backoff(attempt int) time.Duration {
	d := min(leastBackoff<<min(attempt, 16), mostBackoff)
	return d/2 + rand.N(d/2+1)
}

// pause waits; it reports whether Stop was closed meanwhile.
func (r *run) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-r.Stop:
		return true
	case <-ctx.Done():
	case <-t.C:
	}
	return false
}

// silent is the Tracer of a Follow without one.
type silent struct{}

func (silent) Connection(error, time.Duration)                             {}
func (silent) Segment(format.SegmentName, *format.SegmentHead, int, int64) {}
func (silent) Warning(error)                                               {}
