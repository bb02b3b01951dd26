package wal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
)

// Change is one change on the source.
type Change struct {
	// What says it to people; SQL is the statement; Lock is the strongest lock it takes, and on what, empty if it
	// gets in nobody's way.
	What string `json:"what"`
	SQL  string `json:"sql"`
	Lock string `json:"lock,omitempty"`
}

// Step is where Init is. The order is what keeps the application's statements from failing: the publication, from
// which on an UPDATE of a table without identity is an error, comes when there is no such table and none can come
// to be unseen.
type Step string

// The steps of Init, in order.
const (
	StepRequirements Step = "requirements" // versions, settings and rights; changes nothing
	StepSchema       Step = "schema"       // schema, tables and functions
	StepTriggers     Step = "triggers"     // the event triggers
	StepWait         Step = "wait"         // for transactions and commands that began before the triggers
	StepIdentity     Step = "identity"     // a replica identity for each table that has none
	StepPublication  Step = "publication"
	StepSweep        Step = "sweep" // identities once more: nothing may be left
	StepSlot         Step = "slot"  // includes the server's own wait for open transactions
	StepLog          Step = "log"   // the visibility after the slot existed
)

// Progress is what Init reports.
type Progress struct {
	Step Step
	// Change was just made; nil in the other reports.
	Change *Change
	// Waiting are those that Init waits for, reported when they change and about every second; For is how long.
	Waiting []Backend
	For     time.Duration
}

// InitOptions say how to set up a source. The zero value waits as long as it takes and starts a new log.
type InitOptions struct {
	// DryRun returns the changes and makes none.
	DryRun bool
	// WithoutEventTriggers follows the source for a role that may make none, and may publish its own tables only: DDL is noticed
	// by looking (SPEC.md, "Watched logs"), the publication lists tables, and KeepPublished is to be called often.
	WithoutEventTriggers bool
	// FullIdentities, with WithoutEventTriggers, gives every table REPLICA IDENTITY FULL, also those that have a key, and new ones
	// later: no UPDATE or DELETE begins to fail when a key is dropped. It is noted with the publication, and holds from then on.
	FullIdentities bool
	// Started is the start of the log as the repository has it; nil if there is none yet. A slot found without a
	// log in the repository is what a killed Init left: it is made anew.
	Started *format.LogStart
	// WaitTimeout bounds each wait for other transactions; 0 waits until they end.
	WaitTimeout time.Duration
	// LockTimeout bounds each wait for a table's lock, behind which the application's statements would queue; 0 is
	// 2 s. LockRounds is how often each table is tried; 0 is 8.
	LockTimeout time.Duration
	LockRounds  int
	// Report is called before each step, after each change and while waiting; nil is allowed. It must not use conn.
	Report func(Progress)
}

// InitResult says what Init did.
type InitResult struct {
	// Changes are exactly those made, or with DryRun those to make; none if everything was there.
	Changes []Change
	// Log is the start of the log: the one given if its slot is there still, otherwise a new one, which the caller
	// must keep. Nil with DryRun.
	Log *format.LogStart
	// NewLog says that Log is new. What changed between an older log's end and it is not in any log.
	NewLog bool
	// Findings say what will not be in the log and why.
	Findings []Finding
}

// InitPlan is what Init would do.
type InitPlan struct {
	Changes  []Change
	Findings []Finding
}

// PlanInit returns what Init would do to the source, and changes nothing. Its errors are Init's.
func PlanInit(ctx context.Context, conn *pgx.Conn, source string, o InitOptions) (*InitPlan, error) {
	o.DryRun = true
	r, err := Init(ctx, conn, source, o)
	if err != nil {
		return nil, err
	}
	return &InitPlan{Changes: r.Changes, Findings: r.Findings}, nil
}

// Init puts on the source what following it needs: the schema pgrecall with the DDL capture, a replica identity for
// each table that has none, a publication and the slot. It is idempotent: what is there and right stays, and what an
// earlier Init left half done is completed. Before it changes anything it refuses with a RefusedError if the server
// cannot do it or the role may not. A wait that takes longer than WaitTimeout is a WaitError, a table whose lock
// could not be had a LockError: then there is no publication, and Init can be run again.
//
// It uses conn for the time of the call, in no transaction, and opens a second connection with the same configuration to make
// the slot. It sets the timeouts of conn's session to none. Names in the results and errors are in conn's
// client_encoding.
func Init(ctx context.Context, conn *pgx.Conn, source string, o InitOptions) (*InitResult, error) {
	s := &setup{conn: conn, source: source, slot: SlotName(source), o: o, result: &InitResult{}}
	if s.o.LockTimeout <= 0 {
		s.o.LockTimeout = 2 * time.Second
	}
	if s.o.LockRounds <= 0 {
		s.o.LockRounds = 8
	}
	if source == "" {
		return nil, errors.New("set up a source: it has no name")
	}
	if err := s.run(ctx); err != nil {
		return nil, fmt.Errorf("set up the source %q: %w", source, err)
	}
	return s.result, nil
}

// watchedComment marks the publication of a source that is followed without event triggers.
const (
	watchedComment = "pgrecall: without event triggers"
	fullComment    = watchedComment + ", replica identity FULL for every table"
)

// setup is one run of Init.
type setup struct {
	conn   *pgx.Conn
	source string
	slot   string
	o      InitOptions
	server serverState
	state  sourceState
	result *InitResult
}

func (s *setup) run(ctx context.Context) error {
	s.report(Progress{Step: StepRequirements})
	if err := freeOfTimeouts(ctx, s.conn); err != nil {
		return err
	}
	if err := s.requirements(ctx); err != nil {
		return err
	}
	if s.o.DryRun {
		return s.plan(ctx)
	}
	unlock, err := s.lockOut(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, step := range []struct {
		name Step
		do   func(context.Context) error
	}{
		{StepSchema, s.installSchema},
		{StepTriggers, s.installTriggers},
		{StepWait, s.waitForOlder},
		{StepIdentity, s.giveIdentities},
		{StepPublication, s.publish},
		{StepSweep, s.sweep},
		{StepSlot, s.beginLog},
	} {
		s.report(Progress{Step: step.name})
		if err := step.do(ctx); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

func (s *setup) report(p Progress) {
	if s.o.Report != nil {
		s.o.Report(p)
	}
}

// changed records and reports a change.
func (s *setup) changed(step Step, c Change) {
	s.result.Changes = append(s.result.Changes, c)
	s.report(Progress{Step: step, Change: &c})
}

// freeOfTimeouts lifts the timeouts that the role or the database may set: a wait is bounded by Init's own.
func freeOfTimeouts(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN
		('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`)
	if err != nil {
		return fmt.Errorf("lift the session's timeouts: %w", err)
	}
	return nil
}

// initLock is the advisory lock that one Init holds in a database, so that two do not undo each other.
const initLock = 0x706772656361_01

// lockOut makes this the only Init of the database, waiting shortly for one that was killed to be gone.
func (s *setup) lockOut(ctx context.Context) (unlock func(), err error) {
	err = inTx(ctx, s.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '10s'"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "SELECT pg_catalog.pg_advisory_lock($1)", int64(initLock))
		return err
	})
	if lockTimedOut(err) {
		return nil, errors.New("another init or uninstall works on this database; try again when it is done")
	}
	if err != nil {
		return nil, fmt.Errorf("take init's lock: %w", err)
	}
	return func() {
		// If this fails the session is gone, and the lock with it.
		_, _ = s.conn.Exec(context.WithoutCancel(ctx), "SELECT pg_catalog.pg_advisory_unlock($1)", int64(initLock))
	}, nil
}

// slotPrefix begins the name of every slot of pgrecall.
const slotPrefix = "pgrecall_"

// SlotName returns the name of the source's slot: pgrecall_ and the source's name, if that consists of the characters
// allowed in a slot's name (a to z, digits, underscore) and is short enough; otherwise what can be kept of it and the
// beginning of its SHA-256, so that different sources have different slots.
func SlotName(source string) string {
	const most = 63 - len(slotPrefix)
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '_'
	}, source)
	if clean == source && len(clean) <= most {
		return slotPrefix + clean
	}
	sum := sha256.Sum256([]byte(source))
	suffix := "_" + hex.EncodeToString(sum[:4])
	return slotPrefix + clean[:min(len(clean), most-len(suffix))] + suffix
}

// quote writes a name as SQL.
func quote(names ...string) string { return pgx.Identifier(names).Sanitize() }

// inTx runs f in a transaction, which is rolled back if f fails.
func inTx(ctx context.Context, conn *pgx.Conn, f func(pgx.Tx) error) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		// The first error is the one that tells; if the connection is broken, so is the transaction.
		_ = tx.Rollback(context.WithoutCancel(ctx))
		return err
	}
	return tx.Commit(ctx)
}
