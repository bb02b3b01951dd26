package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/engine/internal/repository"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
	"github.com/pgrecall/pgrecall/wal"
)

// StreamOptions say how to follow the source.
type StreamOptions struct {
	Place
	// DB is the connection to the source: a URI or key/value string, completed from libpq's PG* variables.
	DB string
	// Once drains to the WAL position at start and returns.
	Once bool
	// FlushInterval is the greatest age of a segment before it is made durable; 0 is 10 s.
	FlushInterval time.Duration
	// SegmentSize is about the greatest size of a segment in bytes of changes; 0 is 64 MiB.
	SegmentSize int64
	// Compression is "lz4" (the default, also ""), "zstd" or "none".
	Compression string
	// Jobs is for the snapshot taken after a gap, 0 being min(4, cores), and for copies of tables, 0 being 1.
	Jobs int
	// NoSnapshot leaves the snapshot that a gap makes necessary to the caller.
	NoSnapshot bool
	// NoRolePasswords leaves the passwords of roles out of such a snapshot.
	NoRolePasswords bool
	// NoCopies takes no copies of tables whose rows the log does not follow, as after a rewrite.
	NoCopies bool
	// NoVersions takes no versions of the catalog after DDL, and no copies: points after it need a snapshot that was taken after it.
	NoVersions bool
	Tracer     Tracer

	// supplyAgain, versionAgain, versionWait, copyAgain and copyWait replace the constants of those names in a test.
	supplyAgain, versionAgain, versionWait, globalsEvery, copyAgain, copyWait time.Duration
}

// StreamResult says what was made durable.
type StreamResult struct {
	Source       string     `json:"source"`
	Log          uuid.UUID  `json:"log"`
	From         format.LSN `json:"from"`
	To           format.LSN `json:"to"`
	Segments     int        `json:"segments"`
	Transactions int64      `json:"transactions"`
	StoredBytes  int64      `json:"stored_bytes"`
	Gaps         []GapInfo  `json:"gaps,omitempty"`
}

// Stream follows the source into segments until ctx is done, or with Once until the WAL position at start is
// durable. When ctx is done it flushes, acknowledges and returns nil, or why the snapshot that a new log needs could not
// be taken. It reconnects by itself. A slot held by another process is an error that names the holder.
func Stream(ctx context.Context, o StreamOptions) (*StreamResult, error) {
	compression, err := parseCompression(o.Compression)
	if err != nil {
		return nil, err
	}
	config, err := parseConn(o.DB)
	if err != nil {
		return nil, err
	}
	conn, db, err := connect(ctx, config)
	if err != nil {
		return nil, err
	}
	hangUp(ctx, conn)
	opened, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	source, err := opened.sourceOf(ctx, o.Source, db)
	if err != nil {
		return nil, err
	}
	s := &stream{o: o, config: config, source: source, compression: compression, tracer: tracing(o.Tracer),
		result: &StreamResult{Source: source.Name}}
	err = s.run(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) && !o.Once {
		err = nil // to be told to end is how a stream ends
	}
	return s.result, err
}

// stream is one stream under way.
type stream struct {
	o           StreamOptions
	config      *pgx.ConnConfig
	source      *repository.Source
	compression format.Compression
	tracer      Tracer
	result      *StreamResult
	// unsupplied is why the log that is followed has no snapshot; nil where it has one.
	unsupplied error
}

// shutdown is how long the end may take that flushes and acknowledges what was received.
const shutdown = 30 * time.Second

// run follows one log after the other: a gap ends a log, and a new one goes on with a new snapshot.
func (s *stream) run(ctx context.Context) error {
	stored := -1 // segments when the last log began
	for {
		log, last, broken, err := s.newest(ctx)
		if err != nil {
			return err
		}
		if broken == "" {
			if err := s.supply(ctx, log); err != nil {
				return err
			}
			err = s.follow(ctx, log, last)
			var gap *wal.GapError
			var poison *wal.PoisonError
			switch {
			case errors.As(err, &gap):
				// Another stream may have gone on with the log between our look at the repository and at the slot.
				if moved, err := s.moved(ctx, log, last); moved || err != nil {
					if err != nil {
						return err
					}
					continue
				}
				broken = gap.Reason
				err = s.noteGap(ctx, format.Gap{Log: log.Log, From: gap.From, To: gap.To, Reason: gap.Reason})
			case errors.As(err, &poison):
				broken = poison.Error()
				err = s.noteGap(ctx, format.Gap{Log: log.Log, From: poison.After, Reason: broken})
			case err == nil && (s.o.Once || ctx.Err() != nil):
				return s.unsupplied
			case err == nil:
				continue // to try again what supply could not do
			}
			if err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return nil // a new log is begun by the next stream
		}
		if stored == s.result.Segments {
			return fmt.Errorf("the log has a gap again before anything of the new one was stored: %s", broken)
		}
		stored = s.result.Segments
		if err := s.beginAnew(ctx, log.Published.Watched); err != nil {
			return fmt.Errorf("the log has a gap (%s), and a new one could not be begun: %w; run init", broken, err)
		}
	}
}

// newest returns the newest log, its last segment's head, and what is wrong if it cannot go on.
func (s *stream) newest(ctx context.Context) (*format.LogStart, *format.SegmentHead, string, error) {
	logs, err := s.source.Logs(ctx)
	if err != nil {
		return nil, nil, "", err
	}
	if len(logs) == 0 {
		return nil, nil, "", usagef("the source %q has no log in the repository: run init first", s.source.Name)
	}
	newest := logs[len(logs)-1]
	chain, holes := plan.Follow(newest)
	s.result.Log, s.result.To = newest.Start.Log, chain.To
	if s.result.From == 0 {
		s.result.From = chain.To
	}
	if len(holes) > 0 {
		reason := "a segment is missing in the repository"
		if holes[0].Recorded != nil {
			reason = holes[0].Recorded.Reason
		}
		return &newest.Start, nil, reason, nil
	}
	if len(chain.Segments) == 0 {
		return &newest.Start, nil, "", nil
	}
	h := &holding{source: s.source}
	seg, err := h.openSegment(ctx, chain.Segments[len(chain.Segments)-1])
	if err != nil {
		return nil, nil, "", fmt.Errorf("the log's last segment tells where to go on: %w", err)
	}
	head := seg.Head()
	return &newest.Start, &head, "", nil
}

// moved says whether the repository's newest log ends elsewhere than where last, nil for its start, ends.
func (s *stream) moved(ctx context.Context, log *format.LogStart, last *format.SegmentHead) (bool, error) {
	now, head, _, err := s.newest(context.WithoutCancel(ctx))
	if err != nil {
		return false, err
	}
	if now.Log != log.Log || (head == nil) != (last == nil) {
		return true, nil
	}
	return head != nil && head.To != last.To, nil
}

// follow follows the log until the stream is to end, the log cannot go on, or supply is to be tried again.
func (s *stream) follow(ctx context.Context, log *format.LogStart, last *format.SegmentHead) error {
	stop := make(chan struct{})
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	var again <-chan time.Time
	if s.unsupplied != nil && !s.o.Once {
		timer := time.NewTimer(cmp.Or(s.o.supplyAgain, supplyAgain))
		defer timer.Stop()
		again = timer.C
	}
	go func() {
		select {
		case <-ended:
			return
		case <-ctx.Done():
		case <-again:
		}
		close(stop)
		select {
		case <-ended:
		case <-time.After(shutdown):
			cancel()
		}
	}()
	v := newVersioner(s, log)
	v.backlog(ctx)
	f := &wal.Follow{
		Source: s.config, Start: *log, Last: last, Sink: s.source.SegmentSink(log.Log, time.Now), Tracer: &streamTracer{s, v},
		Compression: s.compression, FlushInterval: s.o.FlushInterval, SegmentSize: s.o.SegmentSize,
		Once: s.o.Once, Stop: stop, Altered: v.alter,
	}
	if log.Published.Watched {
		f.Objects = func(ctx context.Context, q wal.Querier) (string, error) { return catalog.Fingerprint(ctx, q) }
		v.keeper.keep(ctx)
	}
	if !s.o.Once {
		return v.beside(ctx, func() error { return f.Run(hard) })
	}
	if err := f.Run(hard); err != nil {
		return err
	}
	v.globals.ask(ctx)
	v.globals.close(ctx)
	v.keeper.close(ctx)
	f.Altered = nil
	// Where nobody announces DDL, another look proves that there was none beside the first.
	look := func(ctx context.Context) bool { return v.take(ctx) || log.Published.Watched }
	for _, take := range []func(context.Context) bool{look, v.copy} {
		if !take(ctx) {
			continue
		}
		// It counts when the log has come to where it is noted.
		_, head, broken, err := s.newest(ctx)
		if err != nil || broken != "" || head == nil {
			return err
		}
		f.Last = head
		if err := f.Run(hard); err != nil {
			return err
		}
	}
	return nil
}

// streamTracer counts, and passes on, what a Follow tells.
type streamTracer struct {
	s *stream
	v *versioner
}

// Connection implements wal.Tracer.
func (t *streamTracer) Connection(err error, wait time.Duration) {
	if err == nil {
		t.s.tracer.Note(Note{LevelInfo, fmt.Sprintf("following %q from %v on", t.s.source.Name, t.s.result.To)})
		return
	}
	t.s.tracer.Note(Note{LevelWarn, fmt.Sprintf("connection lost: %v; trying again in %s", err, wait.Round(100*time.Millisecond))})
}

// Segment implements wal.Tracer.
func (t *streamTracer) Segment(name format.SegmentName, head *format.SegmentHead, transactions int, size int64) {
	t.v.looked(head)
	r := t.s.result
	r.Segments++
	r.Transactions += int64(transactions)
	r.StoredBytes += size
	r.To = name.To
	t.v.copies.wake()
	t.s.tracer.Note(Note{LevelInfo, fmt.Sprintf("durable to %v (%s), %d bytes", name.To, stamp(name.MaxTime), size)})
}

// Warning implements wal.Tracer.
func (t *streamTracer) Warning(err error) { t.s.tracer.Note(Note{LevelWarn, err.Error()}) }
