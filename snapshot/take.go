package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// mostTries bounds how often all begins anew because the source's objects changed.
const mostTries = 8

// ErrWaitTimeout is what an error of Take is (errors.Is) when Options.WaitTimeout passed before somebody else's
// transaction or lock ended; the error names who was waited for.
var ErrWaitTimeout = errors.New("waited too long")

// ErrOtherDatabase is what an error of Take is when the log to be joined is another database's, or that of the same
// database before a failover.
var ErrOtherDatabase = errors.New("the log to be joined is not this database's")

// UnreadableError is what an error of Take is when the server could not write the rows of a table: a value or a row has
// more text than the server can make (1 GB), or the table's file is damaged. Without that table a snapshot may succeed.
type UnreadableError struct {
	Schema, Name string
	// Err is the server's.
	Err error
}

// Error names the table.
func (e *UnreadableError) Error() string {
	return fmt.Sprintf("copy table %s.%s: %v", e.Schema, e.Name, e.Err)
}

// Unwrap returns the server's error.
func (e *UnreadableError) Unwrap() error { return e.Err }

// unreadable says whether a server's error is about the rows that it reads: an internal error, as of memory asked for
// beyond what it gives, damaged data, a damaged index, or a limit exceeded, as of a row's length
// (src/backend/utils/errcodes.txt).
func unreadable(err error) bool {
	return slices.Contains([]string{"XX000", "XX001", "XX002", "54000"}, sqlState(err))
}

// changedError says that an object changed while it was being read, so that all has to begin anew.
type changedError struct{ what string }

func (e *changedError) Error() string { return e.what }

// keptError is what failed in sessions that were kept: nothing, maybe, in new ones.
type keptError struct{ err error }

func (e *keptError) Error() string { return e.err.Error() }
func (e *keptError) Unwrap() error { return e.err }

// Take copies a database's catalog and rows as of one instant; the package's documentation explains how. Where
// objects change while it reads them it begins anew, a few times. On any error, ctx's end included, nothing of
// it may be published; it leaves no goroutine, no connection and no transaction behind.
func Take(ctx context.Context, config *pgx.ConnConfig, o Options, sink PartSink) (*Taken, error) {
	o = o.withDefaults()
	for try := 1; ; try++ {
		taken, err := takeOnce(ctx, config, o, sink)
		if err == nil {
			return taken, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("take a snapshot of database %q: %w", config.Database, context.Cause(ctx))
		}
		if kept := new(keptError); errors.As(err, &kept) {
			try--
			continue
		}
		var changed *changedError
		if !errors.As(err, &changed) {
			return nil, fmt.Errorf("take a snapshot of database %q: %w", config.Database, err)
		}
		if try == mostTries {
			return nil, fmt.Errorf("take a snapshot of database %q: objects changed during each of %d tries, the last time: %w; "+
				"take it when DDL runs less often", config.Database, mostTries, err)
		}
		o.Tracer.TraceNote(Note{Kind: NoteRetrying, Text: "beginning anew: " + changed.what})
	}
}

// run is one try of Take.
type run struct {
	o      Options
	sink   PartSink
	config *pgx.ConnConfig

	id      uuid.UUID
	started time.Time
	source  source

	// lead holds the exported snapshot from the first statement to the last.
	lead *pgx.Conn
	// look is a session outside of any transaction that sees what is committed now. It never touches a user's table
	// while another session of ours holds a lock: see inspect.
	look   *pgx.Conn
	lookMu sync.Mutex

	contents

	before   format.LSN // flushed before the lead's snapshot was taken
	exported group      // the lead's
	groups   []format.Group
	groupsMu sync.Mutex
}

// contents is what the catalog of the lead's snapshot says is to be copied.
type contents struct {
	catalog     *catalog.Catalog
	fingerprint string
	globals     string   // their fingerprint
	large       *table   // the bytes of the large objects; nil: none are copied
	closed      []uint32 // tables of extensions that the role may not read
	tables      []*table
	partBytes   int64                   // of a table, as stored on the source, per part
	types       string                  // how the types of the tables' columns write their values
	names       map[string]bool         // what a stored value may name, as readNames tells it
	forms       *format.Forms           // nil: nobody asked for them
	early       []format.SequenceSample // the sequences before the first row was copied
}

// takeOnce takes a snapshot unless something changes meanwhile; then the error is a changedError.
func takeOnce(ctx context.Context, config *pgx.ConnConfig, o Options, sink PartSink) (taken *Taken, err error) {
	r := &run{o: o, sink: sink, config: config, id: o.ID, started: time.Now().UTC()}
	if r.id == uuid.Nil {
		if r.id, err = uuid.NewV7(); err != nil {
			return nil, fmt.Errorf("make a snapshot's id: %w", err)
		}
	}
	kept := o.Sessions.open(r)
	defer func() {
		changed := new(changedError)
		if (err == nil || errors.As(err, &changed)) && o.Sessions.keep(ctx, r) {
			return
		}
		r.close(ctx)
		if kept && err != nil && ctx.Err() == nil && !errors.Is(err, ErrWaitTimeout) && !errors.Is(err, ErrOtherDatabase) {
			err = &keptError{err}
		}
	}()
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	if err := r.export(ctx); err != nil {
		return nil, err
	}
	o.at(ctx, "exported", "")
	if err := r.readCatalog(ctx); err != nil {
		return nil, err
	}
	skipped, err := r.plan()
	if err != nil {
		return nil, err
	}
	if err := r.checkRights(ctx); err != nil {
		return nil, err
	}
	if r.early, _, err = r.readSequences(ctx); err != nil {
		return nil, err
	}
	o.at(ctx, "planned", "")
	if err := r.copyTables(ctx); err != nil {
		return nil, err
	}
	o.at(ctx, "copied", "")
	taken, err = r.finish(ctx)
	if err != nil {
		return nil, err
	}
	taken.Skipped = skipped
	return taken, nil
}

func (r *run) close(ctx context.Context) {
	for _, conn := range []*pgx.Conn{r.lead, r.look} {
		if conn != nil {
			_ = closeConn(ctx, conn) // nothing more is expected of it
		}
	}
}

// open makes the two sessions beside the workers', if none were kept, and learns which database this is.
func (r *run) open(ctx context.Context) (err error) {
	if r.look == nil {
		if r.look, err = Connect(ctx, r.config, "UTF8"); err != nil {
			return err
		}
	}
	if r.source, err = readSource(ctx, r.look); err != nil {
		return err
	}
	if r.lead == nil {
		if r.lead, err = Connect(ctx, r.config, "UTF8"); err != nil {
			return err
		}
	}
	other, err := readSource(ctx, r.lead)
	if err != nil {
		return err
	}
	if other != r.source {
		return errOtherServer
	}
	return r.source.checkLog(r.o.Joins)
}

var errOtherServer = errors.New("two connections reached two servers, or the server was restarted in between; name one host")

// source identifies the database and the server's run.
type source struct {
	systemID   string
	timeline   int32
	oid        uint32
	database   string
	encoding   string
	version    int
	blockSize  int64
	walPage    format.LSN
	walSegment format.LSN
	recovery   bool
	postmaster string // pg_postmaster_start_time(), as text
}

func readSource(ctx context.Context, conn *pgx.Conn) (s source, err error) {
	// The timeline is the one that WAL is written to now; pg_control_checkpoint() alone lags behind a promotion.
	err = conn.QueryRow(ctx, `
		SELECT (SELECT system_identifier::text FROM pg_control_system()),
			CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())
				ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int END,
			oid, datname, pg_encoding_to_char(encoding), current_setting('server_version_num')::int,
			current_setting('block_size')::int8, current_setting('wal_block_size')::int8,
			(SELECT setting::int8 FROM pg_settings WHERE name = 'wal_segment_size'),
			pg_is_in_recovery(), pg_postmaster_start_time()::text
		FROM pg_database WHERE datname = current_database()`).
		Scan(&s.systemID, &s.timeline, &s.oid, &s.database, &s.encoding, &s.version, &s.blockSize,
			&s.walPage, &s.walSegment, &s.recovery, &s.postmaster)
	if err != nil {
		return s, fmt.Errorf("read the database's identity: %w", err)
	}
	return s, nil
}

func (s source) checkLog(l *format.LogStart) error {
	switch {
	case l == nil:
		return nil
	case s.recovery:
		return errors.New("a snapshot taken on a standby cannot join a log: transactions in progress are not known there")
	case l.SystemID != s.systemID || l.DatabaseOID != s.oid:
		return fmt.Errorf("%w: it is of system %s, database oid %d; this is system %s, database oid %d",
			ErrOtherDatabase, l.SystemID, l.DatabaseOID, s.systemID, s.oid)
	case l.Timeline != s.timeline:
		return fmt.Errorf("%w: it is of timeline %d, and this server is on timeline %d after a failover or a restore",
			ErrOtherDatabase, l.Timeline, s.timeline)
	}
	return nil
}

// insertLSN is the SQL expression for the end of what is written to WAL; on a standby, of what is replayed.
func (s source) insertLSN() string {
	if s.recovery {
		return "pg_last_wal_replay_lsn()"
	}
	return "pg_current_wal_insert_lsn()"
}

// flushLSN is the SQL expression for the end of what no crash takes back; on a standby, of what is replayed.
func (s source) flushLSN() string {
	if s.recovery {
		return "pg_last_wal_replay_lsn()"
	}
	return "pg_current_wal_flush_lsn()"
}

// finish does what has to follow the last row, and assembles the manifest's two documents.
func (r *run) finish(ctx context.Context) (*Taken, error) {
	if err := r.checkTypes(ctx); err != nil {
		return nil, err
	}
	sequences, sampledAt, err := r.sampleSequences(ctx)
	if err != nil {
		return nil, err
	}
	noted, err := r.note(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.awaitFlush(ctx, noted); err != nil {
		return nil, err
	}
	model, err := json.Marshal(r.catalog)
	if err != nil {
		return nil, fmt.Errorf("write the catalog: %w", err)
	}
	e := format.Envelope{
		ID: r.id, SystemID: r.source.systemID, Timeline: r.source.timeline, DatabaseOID: r.source.oid,
		ServerVersion: r.source.version, Encoding: r.source.encoding, Started: r.started, Groups: r.groups,
		Globals: r.globals,
	}
	if r.o.Joins != nil {
		e.Objects = r.fingerprint
		e.Log, e.Noted = r.o.Joins.Log, noted
	}
	b := format.Body{
		ID: r.id, Database: r.source.database, Catalog: model, Sequences: sequences, SampledAt: sampledAt, Filter: r.filter(),
		Forms: r.forms,
	}
	for _, t := range r.tables {
		b.Tables = append(b.Tables, t.data(&e))
	}
	return &Taken{Envelope: e, Body: b, Catalog: r.catalog}, nil
}

// note puts the snapshot's id into the log that it joins, and returns a position beyond that. A source that is set back
// to an older copy of its files afterwards gives the same positions and transaction ids again; then the note is gone
// as well, and tells that the snapshot and the log that goes on are of two histories.
func (r *run) note(ctx context.Context) (format.LSN, error) {
	if r.o.Joins == nil {
		return 0, nil
	}
	// The commit must not wait for a synchronous standby.
	sql := "SET synchronous_commit = local; SELECT pg_logical_emit_message(true, '" + format.PrefixSnapshot + "', '" + r.id.String() + "')"
	if _, err := simple(ctx, r.look.PgConn(), sql); err != nil {
		return 0, fmt.Errorf("note the snapshot in the source's log: %w", err)
	}
	var text string
	if err := r.look.QueryRow(ctx, "SELECT pg_current_wal_insert_lsn()::text").Scan(&text); err != nil {
		return 0, fmt.Errorf("read the end of the source's log: %w", err)
	}
	end, err := format.ParseLSN(text)
	return r.source.recordEnd(end), err
}

func (r *run) filter() *format.Filter {
	s := r.o.Selection
	if s.Empty() {
		return nil
	}
	return &format.Filter{Tables: s.Tables, ExcludeTables: s.ExcludeTables, Schemas: s.Schemas, OIDs: s.OIDs}
}
