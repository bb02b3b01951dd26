package wal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Severity says how much a finding matters.
type Severity string

// The severities.
const (
	Blocker Severity = "blocker" // following the source cannot work, or harms it
	Warning Severity = "warning" // something is at risk, or not in the backup
	Info    Severity = "info"    // as it should be, or good to know
)

// Finding is one thing that Inspect or Init has to say.
type Finding struct {
	Severity Severity `json:"severity"`
	// Topic is a short fixed word for the thing looked at: wal_level, slot, identity.
	Topic string `json:"topic"`
	// What is how it is; Advice what to do about it, empty if nothing.
	What   string `json:"what"`
	Advice string `json:"advice,omitempty"`
}

// inspection gathers findings.
type inspection struct {
	conn     *pgx.Conn
	source   string
	slot     string
	server   serverState
	state    sourceState
	findings []Finding
}

func (i *inspection) add(severity Severity, topic, what, advice string) {
	i.findings = append(i.findings, Finding{Severity: severity, Topic: topic, What: what, Advice: advice})
}

// Inspect looks at the source and changes nothing. slot is the name of its slot, empty for SlotName(source). Findings
// come by topic: the server, the role, what pgrecall put there, the slot, then the tables and what a log does not
// hold. A source on which Init has not been is not a blocker, what would make Init refuse is.
func Inspect(ctx context.Context, conn *pgx.Conn, source, slot string) ([]Finding, error) {
	if slot == "" {
		slot = SlotName(source)
	}
	i := &inspection{conn: conn, source: source, slot: slot}
	for _, look := range []func(context.Context) error{
		i.lookAtServer, i.lookAtClock, i.lookAtSetup, i.lookAtSlot, i.lookAtOtherSlots, i.lookAtTransactions,
		i.lookAtIdentities, i.lookAtFull, i.lookAtIdentityIndexes, i.lookAtWhatTheLogLacks,
	} {
		if i.server.version != 0 && (i.server.version < oldestVersion || i.server.inRecovery) {
			break
		}
		if err := look(ctx); err != nil {
			return nil, fmt.Errorf("inspect the source %q: %w", source, err)
		}
	}
	return i.findings, nil
}

// lookAtServer is what makes Init refuse, and the server's settings that matter.
func (i *inspection) lookAtServer(ctx context.Context) (err error) {
	if i.server, err = readServer(ctx, i.conn); err != nil {
		return err
	}
	s := &setup{conn: i.conn, source: i.source, slot: i.slot, server: i.server}
	if i.server.version >= oldestVersion && !i.server.inRecovery {
		if err := s.readState(ctx); err != nil {
			return err
		}
		i.state = s.state
		s.o.WithoutEventTriggers = i.watched()
	}
	for _, m := range i.server.missing(i.state.slotExists) {
		i.add(Blocker, "server", m.What, m.Advice)
	}
	if i.server.version < oldestVersion || i.server.inRecovery {
		return nil
	}
	i.add(Info, "version", fmt.Sprintf("PostgreSQL %d.%d", i.server.version/10000, i.server.version%10000), "")
	if i.server.walLevel == "logical" {
		i.add(Info, "wal_level", "wal_level is logical",
			"while a slot exists a lower wal_level keeps the server from starting: uninstall first")
	}
	i.add(Info, "slots", fmt.Sprintf("%d of %d replication slots and %d of %d WAL senders are in use", i.server.slots,
		i.server.maxSlots, i.server.senders, i.server.maxSenders), "")
	rights, err := s.missingRights(ctx)
	if err != nil {
		return err
	}
	for _, m := range rights {
		i.add(Blocker, "rights", m.What, m.Advice)
	}
	if len(rights) == 0 {
		i.add(Info, "rights", fmt.Sprintf("the role %q may do all that init needs", i.conn.Config().User), "")
	}
	return i.lookAtSettings(ctx)
}

// lookAtSettings is for settings that are no reason to refuse.
func (i *inspection) lookAtSettings(ctx context.Context) error {
	var senderTimeout, memory, keep string
	var locks int
	err := i.conn.QueryRow(ctx, `SELECT current_setting('wal_sender_timeout'), current_setting('logical_decoding_work_mem'),
		current_setting('max_slot_wal_keep_size'), current_setting('max_locks_per_transaction')::int`).
		Scan(&senderTimeout, &memory, &keep, &locks)
	if err != nil {
		return fmt.Errorf("read the server's settings: %w", err)
	}
	if keep == "-1" {
		i.add(Warning, "max_slot_wal_keep_size",
			"max_slot_wal_keep_size is -1: while nobody receives, the slot keeps WAL until the disk is full",
			"set it to a part of the free disk, for example 50GB, and reload; a slot beyond it is lost, and the backup starts anew, "+
				"but the server lives")
	} else {
		i.add(Info, "max_slot_wal_keep_size", "the slot keeps at most "+keep+" of WAL", "")
	}
	if senderTimeout != "0" {
		i.add(Info, "wal_sender_timeout", "the server ends a connection that is silent for "+senderTimeout, "")
	}
	i.add(Info, "logical_decoding_work_mem", "decoding spills transactions above "+memory+" to disk", "")
	if err := notAwaited(ctx, i.conn); errors.As(err, new(*SynchronousError)) {
		i.add(Blocker, "synchronous_standby_names", err.Error(), "for example: FIRST 1 (standby1, standby2)")
	} else if err != nil {
		return err
	}
	if locks < 64 {
		i.add(Warning, "max_locks_per_transaction", fmt.Sprintf("max_locks_per_transaction is %d", locks),
			"a snapshot locks many tables at once: 64 or more")
	}
	return nil
}

// worstClock is how far apart the clocks may be.
const worstClock = time.Second

// lookAtClock compares the server's clock with ours: recovery targets are the server's times, typed by people here.
func (i *inspection) lookAtClock(ctx context.Context) error {
	before := time.Now()
	var theirs time.Time
	if err := i.conn.QueryRow(ctx, "SELECT pg_catalog.clock_timestamp()").Scan(&theirs); err != nil {
		return fmt.Errorf("read the server's clock: %w", err)
	}
	after := time.Now()
	off := time.Duration(0)
	if theirs.Before(before) {
		off = theirs.Sub(before)
	} else if theirs.After(after) {
		off = theirs.Sub(after)
	}
	if off.Abs() > worstClock {
		i.add(Warning, "clock", fmt.Sprintf("the server's clock is %s off from this machine's", off.Round(time.Millisecond)),
			"recovery targets are the server's times: set the clocks (NTP)")
	} else {
		i.add(Info, "clock", "the server's clock is this machine's, within a second", "")
	}
	return nil
}

// watched reports whether the source is followed without event triggers.
func (i *inspection) watched() bool {
	return i.state.publication.watched && len(i.state.triggers) == 0
}

// lookAtWatched says what is weaker without event triggers, and which tables are not followed.
func (i *inspection) lookAtWatched(ctx context.Context) error {
	i.add(Warning, "capture", "the source is followed without event triggers: DDL is noticed by looking, with each segment "+
		"(every 10 s unless stream says otherwise, and longer where looking takes more than 5 % of the time). A target between two "+
		"looks that saw different objects, and tables changed or made until stream has copied them anew, are refused, with the nearest "+
		"exact points. UPDATE and DELETE of a published table that loses its key fail until stream gives it a replica identity",
		"where a role that may make event triggers can be had: uninstall, and run init with it, without --without-event-triggers; "+
			"until then give tables REPLICA IDENTITY FULL before their keys are dropped, and let stream run always")
	p := i.state.publication
	if !p.right() {
		i.add(Blocker, "publication", "the publication pgrecall does not publish everything as it should: "+
			"changes since it was altered are not in the log", "run init --without-event-triggers again, then take a snapshot")
	}
	for _, t := range p.narrowed {
		i.add(Blocker, "publication",
			"the table "+t+" has a row filter or a column list in the publication: not all of its changes are in the log",
			"run init --without-event-triggers again, then take a snapshot")
	}
	unlisted, err := unlistedTables(ctx, i.conn)
	if err != nil {
		return err
	}
	for _, t := range unlisted {
		if !t.mine {
			i.findings = append(i.findings, othersFinding(t))
			continue
		}
		i.add(Warning, "publication", "the table "+quote(t.schema, t.name)+" is not followed yet: it is not in the publication's list",
			"stream puts it there; it is exact from its copy after that on")
	}
	i.add(Info, "publication", fmt.Sprintf("the publication lists %d tables", len(p.tables)), "")
	return nil
}

// lookAtSetup compares what Init put there with what it should be.
func (i *inspection) lookAtSetup(ctx context.Context) error {
	const again = "run init again, which mends it"
	if !i.state.schema.exists && len(i.state.triggers) == 0 && !i.state.publication.exists {
		i.add(Info, "setup", "init has not been run on this database", "run init to follow it; a snapshot works without")
		return nil
	}
	if len(schemaChanges(i.state.schema)) > 0 {
		i.add(Warning, "capture", "the functions in the schema pgrecall are not all there or not as they should be", again)
	}
	if i.watched() {
		return i.lookAtWatched(ctx)
	}
	for _, t := range sourceTriggers() {
		is, ok := i.state.triggers[t.name]
		switch {
		case !ok:
			i.add(Blocker, "capture",
				"the event trigger "+t.name+" is missing: DDL is not seen, and tables without identity come to be", again)
		case is.enabled == "D":
			i.add(Blocker, "capture",
				"the event trigger "+t.name+" is disabled: DDL is not seen, and tables without identity come to be", again)
		case is.enabled != "A":
			i.add(Blocker, "capture", "the event trigger "+t.name+" does not fire under session_replication_role=replica", again)
		}
	}
	p := i.state.publication
	switch {
	case !p.exists:
		i.add(Blocker, "publication", "the publication pgrecall is missing", again)
	case !p.right():
		i.add(Blocker, "publication", "the publication pgrecall does not publish everything as it should: "+
			"changes since it was altered are not in the log", again+", then take a snapshot")
	case !p.everything:
		unlisted, err := unlistedTables(ctx, i.conn)
		if err != nil {
			return err
		}
		for _, t := range unlisted {
			i.add(Blocker, "publication", "the table "+quote(t.schema, t.name)+" is not in the publication's list",
				again+", then take a snapshot")
		}
		for _, t := range p.narrowed {
			i.add(Blocker, "publication",
				"the table "+t+" has a row filter or a column list in the publication: not all of its changes are in the log",
				again+", then take a snapshot")
		}
		i.add(Info, "publication", fmt.Sprintf("the publication lists %d tables, because others cannot be published", len(p.tables)), "")
	default:
		i.add(Info, "publication", "all tables are published", "")
	}
	if err := i.lookAtOwner(ctx); err != nil {
		return err
	}
	// Documentation, event_triggers (17): off disables all of them, for sessions of superusers that say so.
	var off string
	err := i.conn.QueryRow(ctx, "SELECT coalesce(current_setting('event_triggers', true), 'on')").Scan(&off)
	if err != nil {
		return fmt.Errorf("read event_triggers: %w", err)
	}
	if off == "off" {
		i.add(Blocker, "capture", "event_triggers is off: DDL is not seen", "switch it on and reload")
	}
	return nil
}

// lookAtOwner looks whether the role that the event triggers' functions run as may still give tables an identity: it
// may have lost what it had when init ran.
func (i *inspection) lookAtOwner(ctx context.Context) error {
	rows, err := i.conn.Query(ctx, `
		SELECT DISTINCT o.rolname::text, r.rolname::text FROM pg_catalog.pg_proc p
		JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = $1
		JOIN pg_catalog.pg_roles r ON r.oid = p.proowner AND NOT r.rolsuper
		JOIN pg_catalog.pg_class c ON c.relkind = 'r' AND c.relpersistence <> 't' AND c.oid >= 16384
		JOIN pg_catalog.pg_roles o ON o.oid = c.relowner
		WHERE p.proname = 'keep_identity' AND NOT pg_has_role(r.oid, o.oid, 'USAGE') ORDER BY 1`, Schema)
	if err != nil {
		return fmt.Errorf("read whose tables may be altered: %w", err)
	}
	var owner, role string
	_, err = pgx.ForEachRow(rows, []any{&owner, &role}, func() error {
		i.add(Blocker, "capture", fmt.Sprintf("the role %s, as which the event triggers run, may not alter the tables of %s: UPDATE and "+
			"DELETE of a new table of theirs without a key fail",
			quote(role), quote(owner)), fmt.Sprintf("GRANT %s TO %s, or make it a superuser again", quote(owner), quote(role)))
		return nil
	})
	if err != nil {
		return fmt.Errorf("read whose tables may be altered: %w", err)
	}
	return nil
}
