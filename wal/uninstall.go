package wal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// UninstallOptions say how to remove. The zero value removes.
type UninstallOptions struct {
	// DryRun returns the changes and makes none.
	DryRun bool
}

// UninstallResult says what was removed and what stays.
type UninstallResult struct {
	// Changes are exactly those made, or with DryRun those to make; none if nothing was there.
	Changes []Change
	// Left stays on the source: each replica identity that Init or the event triggers gave, with the SQL that brings
	// the former one back. Once the schema pgrecall is gone nobody remembers them.
	Left []Change
	// Kept says what was not removed, and why: what other sources on this database use, or what is not pgrecall's.
	Kept []string
}

// Uninstall removes from the source what Init put there: the slot, then in one transaction the publication, the event
// triggers and the schema pgrecall. It works on what is half there, and on nothing. A slot that somebody receives
// from is a SlotBusyError, and nothing is changed. What is not pgrecall's own stays. conn must be in no transaction;
// its session's timeouts are set to none.
func Uninstall(ctx context.Context, conn *pgx.Conn, source string, o UninstallOptions) (*UninstallResult, error) {
	s := &setup{conn: conn, source: source, slot: SlotName(source), result: &InitResult{},
		o: InitOptions{LockTimeout: 2 * time.Second, LockRounds: 8}}
	r, err := s.uninstall(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("uninstall the source %q: %w", source, err)
	}
	return r, nil
}

func (s *setup) uninstall(ctx context.Context, o UninstallOptions) (r *UninstallResult, err error) {
	if err := freeOfTimeouts(ctx, s.conn); err != nil {
		return nil, err
	}
	if s.server, err = readServer(ctx, s.conn); err != nil {
		return nil, err
	}
	if !o.DryRun {
		unlock, err := s.lockOut(ctx)
		if err != nil {
			return nil, err
		}
		defer unlock()
	}
	if err := s.readState(ctx); err != nil {
		return nil, err
	}
	r = &UninstallResult{}
	removeSlot, err := s.slotToRemove(ctx, r)
	if err != nil {
		return nil, err
	}
	others, err := s.otherSlots(ctx)
	if err != nil {
		return nil, err
	}
	var changes []Change
	if len(others) > 0 {
		r.Kept = append(r.Kept, "the schema, the publication and the event triggers stay, for "+strings.Join(others, ", "))
	} else {
		// Before the slot goes: without it the log ends.
		if err := s.mayRemove(ctx); err != nil {
			return nil, err
		}
		if r.Left, err = s.leftIdentities(ctx); err != nil {
			return nil, err
		}
		if changes, err = s.removals(ctx, r); err != nil {
			return nil, err
		}
	}
	if o.DryRun {
		if removeSlot {
			r.Changes = append(r.Changes, s.slotRemoval())
		}
		r.Changes = append(r.Changes, changes...)
		return r, nil
	}
	if removeSlot {
		_, err := s.conn.Exec(ctx, "SELECT pg_catalog.pg_drop_replication_slot($1)", s.slot)
		if hasCode(err, codeInUse) {
			return nil, s.releasedSlot(ctx)
		}
		if err != nil && !hasCode(err, codeNoObject) {
			return nil, fmt.Errorf("drop the replication slot %q: %w", s.slot, err)
		}
		s.changed("", s.slotRemoval())
	}
	if err := s.makeTogether(ctx, "", changes); err != nil {
		return nil, err
	}
	r.Changes = s.result.Changes
	return r, nil
}

// slotToRemove reports whether there is a slot to remove. It refuses if somebody receives from it.
func (s *setup) slotToRemove(ctx context.Context, r *UninstallResult) (bool, error) {
	switch {
	case !s.state.slotExists:
		return false, nil
	case s.state.slot.plugin != "pgoutput" || s.state.slot.database != s.server.databaseOID:
		r.Kept = append(r.Kept, fmt.Sprintf("the replication slot %s stays: it is of the plugin %q and the database oid %d, not "+
			"pgrecall's here",
			s.slot, s.state.slot.plugin, s.state.slot.database))
		return false, nil
	case s.state.slot.active != 0:
		if err := s.releasedSlot(ctx); err != nil {
			return false, err
		}
	}
	return true, nil
}

// mayRemove refuses a role that may not drop what it did not make.
func (s *setup) mayRemove(ctx context.Context) error {
	var triggers []string
	for _, t := range sourceTriggers() {
		triggers = append(triggers, t.name)
	}
	var what, owners string
	err := s.conn.QueryRow(ctx, `SELECT coalesce(string_agg(o.what, ', '), ''),
		coalesce(string_agg(DISTINCT quote_ident(pg_get_userbyid(o.owner)), ', '), '') FROM (
			SELECT 'the publication pgrecall', pubowner FROM pg_catalog.pg_publication WHERE pubname = $1
			UNION ALL SELECT 'the event trigger ' || evtname, evtowner FROM pg_catalog.pg_event_trigger WHERE evtname = ANY ($2)
			UNION ALL SELECT 'the schema pgrecall', nspowner FROM pg_catalog.pg_namespace WHERE nspname = $3) o(what, owner)
		WHERE NOT pg_has_role(o.owner, 'USAGE')`, Publication, triggers, Schema).Scan(&what, &owners)
	if err != nil {
		return fmt.Errorf("ask for the right to remove what is there: %w", err)
	}
	if what != "" {
		return fmt.Errorf("refused, nothing was changed: the role %q may not drop %s: connect as their owner (%s) or a superuser",
			s.conn.Config().User, what, owners)
	}
	return nil
}

func (s *setup) slotRemoval() Change {
	return Change{What: "drop the replication slot " + s.slot + ", and the WAL it keeps",
		SQL: "SELECT pg_drop_replication_slot('" + s.slot + "')"}
}

// otherSlots are slots of other sources on this database, which need what they share with this one.
func (s *setup) otherSlots(ctx context.Context) ([]string, error) {
	rows, err := s.conn.Query(ctx, `SELECT slot_name::text FROM pg_catalog.pg_replication_slots
		WHERE database = current_database() AND plugin = 'pgoutput' AND starts_with(slot_name::text, $1) AND slot_name <> $2 ORDER BY 1`,
		slotPrefix, s.slot)
	if err != nil {
		return nil, fmt.Errorf("read the replication slots: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("read the replication slots: %w", err)
	}
	return names, nil
}

// leftIdentities are the tables whose identity still is the one that pgrecall gave.
func (s *setup) leftIdentities(ctx context.Context) ([]Change, error) {
	if !s.state.schema.ours || !slices.Contains(s.state.schema.tables, "identities") {
		return nil, nil
	}
	rows, err := s.conn.Query(ctx, `
		SELECT n.nspname::text, c.relname::text, i.original::text, i.given::text
		FROM pgrecall.identities i JOIN pg_catalog.pg_class c ON c.oid = i.relid AND c.relreplident = i.given
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE i.original <> i.given ORDER BY 1, 2`)
	if err != nil {
		return nil, fmt.Errorf("read which identities were given: %w", err)
	}
	left, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Change, error) {
		var schema, name, original, given string
		if err := row.Scan(&schema, &name, &original, &given); err != nil {
			return Change{}, err
		}
		return leftIdentity(schema, name, original, given), nil
	})
	if err != nil {
		return nil, fmt.Errorf("read which identities were given: %w", err)
	}
	return left, nil
}

func leftIdentity(schema, name, original, given string) Change {
	words := map[string]string{"d": "DEFAULT", "n": "NOTHING", "f": "FULL", "i": "DEFAULT"}
	was := words[original]
	if original == "i" {
		was = "an index that is gone"
	}
	table := quote(schema, name)
	return Change{What: fmt.Sprintf("%s keeps REPLICA IDENTITY %s; it was %s", table, words[given], was),
		SQL: "ALTER TABLE " + table + " REPLICA IDENTITY " + words[original], Lock: "ACCESS EXCLUSIVE on " + table + ", briefly"}
}

// removals are the statements that remove what the sources of this database share. The publication goes first: from
// then on no statement of the application depends on the event triggers. The schema is dropped without CASCADE.
func (s *setup) removals(ctx context.Context, r *UninstallResult) ([]Change, error) {
	var changes []Change
	add := func(what, sql string) { changes = append(changes, Change{What: what, SQL: sql}) }
	if s.state.publication.exists {
		add("drop the publication", "DROP PUBLICATION pgrecall")
	}
	for _, t := range sourceTriggers() {
		if _, ok := s.state.triggers[t.name]; ok {
			add("drop the event trigger "+t.name, "DROP EVENT TRIGGER "+t.name)
		}
	}
	if !s.state.schema.exists {
		return changes, nil
	}
	if !s.state.schema.ours {
		r.Kept = append(r.Kept, "the schema pgrecall stays: it was not made by pgrecall")
		return changes, nil
	}
	for _, f := range sourceFunctions() {
		if _, ok := s.state.schema.functions[f.name]; ok {
			add("drop the function pgrecall."+f.name, "DROP FUNCTION pgrecall."+f.name)
		}
	}
	for _, t := range sourceTables() {
		if slices.Contains(s.state.schema.tables, t.name) {
			changes = append(changes, Change{What: "drop the table pgrecall." + t.name, SQL: "DROP TABLE pgrecall." + t.name,
				Lock: "ACCESS EXCLUSIVE on pgrecall." + t.name})
		}
	}
	foreign, err := s.foreignObjects(ctx)
	if err != nil {
		return nil, err
	}
	if foreign != "" {
		r.Kept = append(r.Kept, "the schema pgrecall stays: it holds what is not pgrecall's, for example "+foreign)
		return changes, nil
	}
	add("drop the schema pgrecall", "DROP SCHEMA pgrecall")
	return changes, nil
}

// foreignObjects names something in the schema that Init did not put there.
func (s *setup) foreignObjects(ctx context.Context) (string, error) {
	var functions, tables []string
	for _, f := range sourceFunctions() {
		functions = append(functions, f.name)
	}
	for _, t := range sourceTables() {
		tables = append(tables, t.name)
	}
	var name string
	err := s.conn.QueryRow(ctx, `
		SELECT coalesce(min(pg_describe_object(d.classid, d.objid, 0)), '') FROM pg_catalog.pg_depend d
		JOIN pg_catalog.pg_namespace n ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid AND d.deptype = 'n'
		WHERE n.nspname = $1
		  AND NOT EXISTS (SELECT FROM pg_proc p WHERE d.classid = 'pg_proc'::regclass AND p.oid = d.objid AND p.proname = ANY ($2))
		  AND NOT EXISTS (SELECT FROM pg_class c WHERE d.classid = 'pg_class'::regclass AND c.oid = d.objid AND c.relname = ANY ($3))`,
		Schema, functions, tables).Scan(&name)
	if err != nil {
		return "", fmt.Errorf("read what the schema %s holds: %w", Schema, err)
	}
	return name, nil
}
