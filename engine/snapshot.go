package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/engine/internal/repository"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
	"github.com/pgrecall/pgrecall/wal"
)

// SnapshotOptions say what to copy.
type SnapshotOptions struct {
	Place
	// DB is the connection to the source: a URI or key/value string, completed from libpq's PG* variables.
	DB string
	// Jobs is the number of COPY workers; 0 is min(4, cores).
	Jobs int
	// Tables, ExcludeTables and Schemas are psql's patterns; empty takes everything.
	Tables, ExcludeTables, Schemas []string
	// LargeObjects says whether the bytes of large objects are copied; by default they are unless Tables or Schemas are given.
	LargeObjects snapshot.LargeObjectChoice
	// SchemaOnly copies no rows. The catalog is always whole, whatever is chosen.
	SchemaOnly bool
	// Compression is "lz4" (the default, also ""), "zstd" or "none".
	Compression string
	// PartBytes is about how many bytes of a table go into one part; 0 is 256 MiB.
	PartBytes int64
	// WaitTimeout bounds each wait for somebody else's transaction, older than the log, or lock; 0 waits until it ends.
	WaitTimeout time.Duration
	// NoRolePasswords leaves the passwords of roles out.
	NoRolePasswords bool
	Tracer          Tracer
}

// SnapshotResult says what was copied.
type SnapshotResult struct {
	Source      string    `json:"source"`
	ID          uuid.UUID `json:"id"`
	Tables      int       `json:"tables"`
	Rows        int64     `json:"rows"`
	RawBytes    int64     `json:"raw_bytes"`
	StoredBytes int64     `json:"stored_bytes"`
	Parts       int       `json:"parts"`
	// LargeObjects is the number of large objects whose bytes were copied. Rows counts their pages.
	LargeObjects int       `json:"large_objects"`
	Started      time.Time `json:"started"`
	Finished     time.Time `json:"finished"`
	// LSN is the position from which it serves recovery points.
	LSN format.LSN `json:"lsn"`
	// Log is the log it joins, zero where there is none.
	Log uuid.UUID `json:"log"`
	// Unsupported is what is not in the snapshot: objects of kinds not handled yet, by kind and name, and others with the
	// reason.
	Unsupported []string `json:"unsupported,omitempty"`
	// Unread are what databases share, as passwords of roles, and the role of the connection may not see.
	Unread []string `json:"unread,omitempty"`
	// objects is their fingerprint, where the snapshot joins a log.
	objects string
	// Cleaned is the number of objects removed that interrupted snapshots had left.
	Cleaned int `json:"cleaned"`
}

// Snapshot takes a consistent snapshot of the source. It works without Init too: then it is a full dump.
func Snapshot(ctx context.Context, o SnapshotOptions) (*SnapshotResult, error) {
	options, err := o.parsed()
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
	defer hangUp(ctx, conn)
	opened, err := o.create(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	source, err := opened.addSource(ctx, o.Source, db)
	if err != nil {
		return nil, err
	}
	return snapshotOf(ctx, source, config, conn, options, tracing(o.Tracer))
}

// parsed checks the options before anything is asked of the source.
func (o *SnapshotOptions) parsed() (options snapshot.Options, err error) {
	options = snapshot.Options{Jobs: o.Jobs, PartBytes: o.PartBytes, WaitTimeout: o.WaitTimeout, NoRolePasswords: o.NoRolePasswords, LargeObjects: o.LargeObjects,
		Selection: catalog.Selection{Tables: o.Tables, ExcludeTables: o.ExcludeTables, Schemas: o.Schemas}}
	if options.Compression, err = parseCompression(o.Compression); err != nil {
		return options, err
	}
	for _, patterns := range [][]string{o.Tables, o.ExcludeTables, o.Schemas} {
		if _, err := parsePatterns(patterns); err != nil {
			return options, err
		}
	}
	if o.SchemaOnly && len(o.Tables)+len(o.ExcludeTables)+len(o.Schemas) > 0 {
		return options, usagef("--schema-only takes no rows of any table; leave out what chooses tables")
	}
	if o.SchemaOnly {
		options.Selection, options.LargeObjects = noRows(), snapshot.LargeObjectsNever
	}
	return options, nil
}

// snapshotOf takes a snapshot of the database that config names and conn is a session with.
func snapshotOf(ctx context.Context, source *repository.Source, config *pgx.ConnConfig, conn *pgx.Conn, o snapshot.Options, tracer Tracer) (*SnapshotResult, error) {
	joins, err := joinable(ctx, source, conn, tracer)
	if err != nil {
		return nil, err
	}
	taken, err := takeSnapshot(ctx, source, config, joins, o, tracer)
	if unreadable := new(snapshot.UnreadableError); errors.As(err, &unreadable) {
		return nil, fmt.Errorf("%w; the server cannot write its rows as text: a value or a row has more than about 500 MB, or the table is damaged; --exclude-table takes the snapshot without it", err)
	}
	if forbidden := new(snapshot.ForbiddenError); errors.As(err, &forbidden) {
		return nil, fmt.Errorf("%w; or leave them out with --exclude-table, or choose others with --table or --schema (the values of sequences that belong to no chosen table are left out then, where they may not be read)", err)
	}
	return taken, err
}

func parseCompression(name string) (format.Compression, error) {
	if name == "" {
		return format.LZ4, nil
	}
	c, err := format.ParseCompression(name)
	if err != nil {
		return 0, usagef("%w", err)
	}
	return c, nil
}

// addSource makes the source of a database known to the repository.
func (o *opened) addSource(ctx context.Context, name string, db *database) (*repository.Source, error) {
	name, err := o.sourceName(ctx, name, db)
	if err != nil {
		return nil, err
	}
	s, err := o.repo.AddSource(ctx, format.Source{
		Name: name, SystemID: db.systemID, DatabaseOID: db.oid, Database: db.name, Encoding: db.encoding,
		Created: time.Now().UTC().Truncate(time.Microsecond),
	})
	return s, otherDatabase(err)
}

// joinable returns the log that a new snapshot joins: the newest, if it has no hole and its slot is still there.
func joinable(ctx context.Context, source *repository.Source, conn *pgx.Conn, tracer Tracer) (*format.LogStart, error) {
	logs, err := source.Logs(ctx)
	if err != nil || len(logs) == 0 {
		return nil, err
	}
	newest := logs[len(logs)-1]
	alone := func(why string) (*format.LogStart, error) {
		tracer.Note(Note{LevelWarn, "the snapshot joins no log, and only its own instant can be restored: " + why})
		return nil, nil
	}
	if _, holes := plan.Follow(newest); len(holes) > 0 {
		return alone(fmt.Sprintf("log %v has a gap; run stream, which begins a new one", newest.Start.Log))
	}
	var there bool
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = $1)`, newest.Start.Slot).Scan(&there)
	if err != nil {
		return nil, fmt.Errorf("look for replication slot %q: %w", newest.Start.Slot, err)
	}
	if !there {
		return alone(fmt.Sprintf("replication slot %q is gone; run init", newest.Start.Slot))
	}
	return &newest.Start, nil
}

// takeSnapshot cleans what interrupted snapshots left, takes a snapshot and publishes it.
func takeSnapshot(ctx context.Context, source *repository.Source, config *pgx.ConnConfig, joins *format.LogStart, o snapshot.Options, tracer Tracer) (*SnapshotResult, error) {
	taken, err := takeEither(ctx, source, config, joins, o, tracer, false)
	if errors.Is(err, snapshot.ErrOtherDatabase) {
		tracer.Note(Note{LevelWarn, fmt.Sprintf("the snapshot joins no log, and only its own instant can be restored: %v", err)})
		taken, err = takeEither(ctx, source, config, nil, o, tracer, false)
	}
	return taken, err
}

// takeVersion takes a version of the catalog, which joins the log, with the rows that the options choose.
func takeVersion(ctx context.Context, source *repository.Source, config *pgx.ConnConfig, joins *format.LogStart, o snapshot.Options, tracer Tracer) (*SnapshotResult, error) {
	o.LargeObjects = snapshot.LargeObjectsNever
	return takeEither(ctx, source, config, joins, o, tracer, true)
}

// noRows chooses no table.
func noRows() catalog.Selection { return catalog.Selection{ExcludeTables: []string{"*.*"}} }

// takeEither takes a snapshot, or a version of the catalog.
func takeEither(ctx context.Context, source *repository.Source, config *pgx.ConnConfig, joins *format.LogStart, o snapshot.Options, tracer Tracer, version bool) (_ *SnapshotResult, err error) {
	cleaned, err := source.Clean(ctx)
	if err != nil {
		return nil, err
	}
	run, err := source.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		// Interrupted or not, what was not published goes.
		err = errors.Join(err, run.End(context.WithoutCancel(ctx)))
	}()
	watch := &snapshotTracer{tracer: tracer}
	o.ID, o.Joins, o.Tracer = run.ID(), joins, watch
	o.Forms = func(ctx context.Context, q catalog.Querier) (*format.Forms, error) { return wal.ReadForms(ctx, q) }
	taken, err := snapshot.Take(ctx, config, o, run)
	if unmatched := new(catalog.UnmatchedError); errors.As(err, &unmatched) {
		return nil, windowf("nothing matches: %w", err)
	}
	if err != nil {
		return nil, err
	}
	watch.end()
	if taken.Envelope.SystemID != source.SystemID || taken.Envelope.DatabaseOID != source.DatabaseOID {
		return nil, usagef("the connection reached another server than a moment ago; name one host")
	}
	if taken.Envelope.CatalogVersion = version; version {
		taken.Envelope.CopiedTables = len(taken.Body.Tables)
	} else {
		taken.Envelope.Inexact = inexact(taken)
	}
	if err := run.Publish(ctx, &taken.Envelope, &taken.Body, time.Now); err != nil {
		return nil, err
	}
	return snapshotResult(source, taken, cleaned), nil
}

func snapshotResult(source *repository.Source, taken *snapshot.Taken, cleaned int) *SnapshotResult {
	e := &taken.Envelope
	r := &SnapshotResult{
		Source: source.Name, ID: e.ID, Tables: len(taken.Body.Tables), Rows: e.Rows, RawBytes: e.RawBytes,
		StoredBytes: e.StoredBytes, Parts: len(e.Parts), Started: e.Started, Finished: e.Finished, Log: e.Log, Cleaned: cleaned,
		objects: e.Objects,
	}
	for _, g := range e.Groups {
		r.LSN = max(r.LSN, g.LSN)
	}
	if taken.Body.LargeObjects() != nil {
		r.Tables--
	}
	_, copied := largeObjectsIn(taken.Catalog, &taken.Body)
	r.LargeObjects = copied.Len()
	r.Unsupported = slices.Concat(unsupported(taken.Catalog), missingLargeObjects(taken.Catalog, &taken.Body), unreadSequences(taken.Catalog, &taken.Body))
	r.Unread = taken.Catalog.Globals.Unread
	for _, s := range taken.Skipped {
		r.Unsupported = append(r.Unsupported, fmt.Sprintf("rows of %s.%s: %s", s.Schema, s.Name, s.Reason))
	}
	return r
}

func unsupported(c *catalog.Catalog) []string {
	var names []string
	for _, u := range c.Unsupported {
		names = append(names, strings.TrimSuffix(u.Kind+" "+u.Name+": "+u.Why, ": "))
	}
	return names
}

// snapshotTracer passes on what Take reports.
type snapshotTracer struct {
	tracer Tracer

	mu    sync.Mutex
	meter *meter
}

// TracePlan implements snapshot.Tracer.
func (t *snapshotTracer) TracePlan(p snapshot.Plan) {
	t.mu.Lock()
	t.meter = newMeter(t.tracer, "snapshot", p.Bytes)
	t.mu.Unlock()
}

// TraceProgress implements snapshot.Tracer.
func (t *snapshotTracer) TraceProgress(p snapshot.Progress) {
	t.mu.Lock()
	meter := t.meter
	t.mu.Unlock()
	meter.did(p.OID, p.Schema+"."+p.Name, p.TotalBytes, p.Rows, p.RawBytes)
	if p.Done {
		meter.done(p.OID)
	}
}

// end ends what was told of a snapshot that is complete.
func (t *snapshotTracer) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.meter != nil {
		t.meter.end()
	}
}

// TraceNote implements snapshot.Tracer.
func (t *snapshotTracer) TraceNote(n snapshot.Note) {
	text := n.Text
	for _, b := range n.Backends {
		who := fmt.Sprintf("pid %d", b.PID)
		if b.PID == 0 {
			who = fmt.Sprintf("prepared transaction %q", b.Prepared)
		}
		text += fmt.Sprintf("; %s (%s, %s, for %s)", who, b.User, b.State, b.Age.Round(time.Second))
	}
	level := LevelWarn
	if n.Kind == snapshot.NoteRegroup {
		level = LevelInfo
	}
	t.tracer.Note(Note{level, strings.TrimSpace(text)})
}
