package wal

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
)

// oldestVersion is the first major version whose pgoutput sends logical messages (release notes, 14).
const oldestVersion = 140000

// serverState is what a server and a role are like.
type serverState struct {
	version     int
	walLevel    string
	inRecovery  bool
	systemID    string
	timeline    int32
	databaseOID uint32
	database    string
	role        string
	superuser   bool
	replication bool // the attribute, or a provider's role that stands for it
	mayCreate   bool // in the database

	maxSlots, slots     int
	maxSenders, senders int
}

// readServer reads it. A standby has no timeline of its own to tell.
func readServer(ctx context.Context, conn *pgx.Conn) (s serverState, err error) {
	err = conn.QueryRow(ctx, `
		SELECT current_setting('server_version_num')::int, current_setting('wal_level'), pg_is_in_recovery(),
		       (SELECT system_identifier::text FROM pg_control_system()),
		       CASE WHEN NOT pg_is_in_recovery() THEN
		         ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int ELSE 0 END,
		       d.oid, d.datname, current_user::text, r.rolsuper,
		       r.rolsuper OR r.rolreplication OR EXISTS (SELECT FROM pg_roles p
		         WHERE p.rolname IN ('rds_replication', 'rds_superuser') AND pg_has_role(current_user, p.oid, 'MEMBER')),
		       has_database_privilege(d.oid, 'CREATE'),
		       current_setting('max_replication_slots')::int, (SELECT count(*) FROM pg_replication_slots),
		       current_setting('max_wal_senders')::int,
		       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender')
		FROM pg_database d, pg_roles r WHERE d.datname = current_database() AND r.rolname = current_user`).
		Scan(&s.version, &s.walLevel, &s.inRecovery, &s.systemID, &s.timeline, &s.databaseOID, &s.database, &s.role,
			&s.superuser, &s.replication, &s.mayCreate, &s.maxSlots, &s.slots, &s.maxSenders, &s.senders)
	if err != nil {
		return s, fmt.Errorf("read the server's settings: %w", err)
	}
	return s, nil
}

// missing returns what the server itself lacks for a log. haveSlot: the source's slot is there already.
func (v *serverState) missing(haveSlot bool) []Missing {
	var m []Missing
	add := func(what, advice string) { m = append(m, Missing{What: what, Advice: advice}) }
	if v.version < oldestVersion {
		add(fmt.Sprintf("the server is PostgreSQL %d", v.version/10000),
			"14 or later is needed: its logical decoding sends the messages that carry DDL")
	}
	if v.inRecovery {
		add("the server is a standby in recovery", "connect to the primary: event triggers and publications can only be made there")
	}
	if v.walLevel != "logical" {
		add(fmt.Sprintf("wal_level is %q", v.walLevel), "an administrator of the server sets wal_level = logical and restarts it "+
			"(RDS: rds.logical_replication = 1; Cloud SQL: cloudsql.logical_decoding = on; Azure: the server parameter wal_level)")
	}
	if !haveSlot && v.slots >= v.maxSlots {
		add(fmt.Sprintf("all %d replication slots are in use", v.maxSlots), "drop one that is not needed (pg_replication_slots), "+
			"or an administrator raises max_replication_slots and restarts the server")
	}
	if !haveSlot && v.senders >= v.maxSenders {
		add(fmt.Sprintf("all %d WAL senders are in use", v.maxSenders), "an administrator raises max_wal_senders and restarts the server")
	}
	return m
}

// requirements reads the state of the source and refuses what could not be completed.
func (s *setup) requirements(ctx context.Context) (err error) {
	if s.server, err = readServer(ctx, s.conn); err != nil {
		return err
	}
	if s.server.version < oldestVersion || s.server.inRecovery {
		return &RefusedError{Missing: s.server.missing(false)}
	}
	if l := s.o.Started; l != nil && (l.SystemID != s.server.systemID || l.DatabaseOID != s.server.databaseOID) {
		return &OtherDatabaseError{Log: fmt.Sprintf("system %s, database oid %d", l.SystemID, l.DatabaseOID),
			Database: fmt.Sprintf("system %s, database oid %d", s.server.systemID, s.server.databaseOID)}
	}
	if err := s.readState(ctx); err != nil {
		return err
	}
	missing := s.server.missing(s.state.slotExists)
	rights, err := s.missingRights(ctx)
	if err != nil {
		return err
	}
	if missing = append(missing, rights...); len(missing) > 0 {
		return &RefusedError{Missing: missing}
	}
	return s.checkSlot(ctx)
}

// sourceState is what of pgrecall is on the source already.
type sourceState struct {
	schema       schemaState
	triggers     map[string]triggerState
	triggersMade bool // by this run
	publication  publicationState
	slot         slotState
	slotExists   bool
}

func (s *setup) readState(ctx context.Context) (err error) {
	if s.state.schema, err = readSchema(ctx, s.conn); err != nil {
		return err
	}
	if s.state.triggers, err = readTriggers(ctx, s.conn); err != nil {
		return err
	}
	if s.state.publication, err = readPublication(ctx, s.conn); err != nil {
		return err
	}
	s.state.slot, s.state.slotExists, err = readSlot(ctx, s.conn, s.slot)
	return err
}

// missingRights returns the rights that what is still to be done needs and the role lacks. A superuser has all.
// What a provider lets its own administrator do differs, so for others it is tried, in a transaction that is rolled
// back.
func (s *setup) missingRights(ctx context.Context) ([]Missing, error) {
	var m []Missing
	add := func(what, advice string) { m = append(m, Missing{What: what, Advice: advice, Right: true}) }
	if s.state.schema.exists && !s.state.schema.ours {
		m = append(m, Missing{What: "there is a schema pgrecall that is not pgrecall's own",
			Advice: "rename or drop it: pgrecall keeps its functions in a schema of that name"})
	}
	if !s.o.WithoutEventTriggers && s.state.publication.watched {
		m = append(m, Missing{What: "the source is followed without event triggers",
			Advice: "give --without-event-triggers again, or uninstall first: another way to notice DDL begins a new log"})
		return m, nil
	}
	if s.o.WithoutEventTriggers && len(s.state.triggers) > 0 {
		m = append(m, Missing{What: "the event triggers of pgrecall are there, and --without-event-triggers was given",
			Advice: "uninstall first: another way to notice DDL begins a new log"})
	}
	if s.server.superuser {
		return m, nil
	}
	role := quote(s.server.role)
	if !s.server.replication {
		add("the role "+role+" may not make a replication slot", "a superuser grants it: ALTER ROLE "+role+
			" REPLICATION (RDS: GRANT rds_replication TO "+role+")")
	}
	if !s.state.schema.exists && !s.server.mayCreate {
		add("the role "+role+" may not create a schema here", "the database's owner or a superuser grants it: GRANT CREATE ON DATABASE "+
			quote(s.server.database)+" TO "+role)
	}
	if s.o.WithoutEventTriggers {
		if s.state.schema.exists && !s.state.publication.exists && !s.server.mayCreate {
			add("the role "+role+" may not make a publication here", "the database's owner or a superuser grants it: GRANT CREATE ON DATABASE "+
				quote(s.server.database)+" TO "+role)
		}
		return m, nil
	}
	const instead = "; or give up to be told of DDL at once: init --without-event-triggers"
	for _, try := range []struct {
		needed       bool
		sql          []string
		what, advice string
	}{
		{len(s.state.triggers) < len(sourceTriggers()), []string{
			"CREATE FUNCTION pg_temp.pgrecall_probe() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
			"CREATE EVENT TRIGGER pgrecall_probe ON ddl_command_end EXECUTE FUNCTION pg_temp.pgrecall_probe()"},
			"may not create an event trigger", "only a superuser may; connect as one, or as the provider's administrator " +
				"(RDS: rds_superuser, Cloud SQL: cloudsqlsuperuser, Supabase: postgres)" + instead},
		{!s.state.publication.exists, []string{"CREATE PUBLICATION pgrecall_probe FOR ALL TABLES"},
			"may not publish all tables", "only a superuser may; connect as one, or as the provider's administrator" + instead},
	} {
		if !try.needed {
			continue
		}
		err := s.probe(ctx, try.sql)
		if hasCode(err, codeNoPrivilege) {
			add("the role "+role+" "+try.what, try.advice)
		} else if err != nil {
			return nil, fmt.Errorf("try whether the role %s has the rights: %w", role, err)
		}
	}
	foreign, err := s.foreignTables(ctx)
	if err != nil {
		return nil, err
	}
	if len(foreign) > 0 {
		add(fmt.Sprintf("the role %s may not alter %d tables that have no replica identity, for example %s",
			role, len(foreign), foreign[0]),
			"their owners, or a superuser, grant it: GRANT "+quote("owner")+" TO "+role)
	}
	return m, nil
}

// probe runs the statements and rolls them back.
func (s *setup) probe(ctx context.Context, statements []string) error {
	tx, err := s.conn.Begin(ctx)
	if err != nil {
		return err
	}
	for _, sql := range append([]string{"SET LOCAL lock_timeout = '2s'"}, statements...) {
		if _, err = tx.Exec(ctx, sql); err != nil {
			break
		}
	}
	if e := tx.Rollback(ctx); err == nil {
		err = e
	}
	return err
}

// foreignTables names the tables that need an identity and belong to a role that the session's is no member of.
func (s *setup) foreignTables(ctx context.Context) ([]string, error) {
	tables, err := tablesToChange(ctx, s.conn)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range tables {
		if !t.mine && t.needed != needNone {
			names = append(names, quote(t.schema, t.name))
		}
	}
	return names, nil
}

// checkSlot refuses a slot that is not this source's to use or to remove.
func (s *setup) checkSlot(ctx context.Context) error {
	if !s.state.slotExists {
		return nil
	}
	slot := s.state.slot
	if slot.plugin != "pgoutput" || slot.database != s.server.databaseOID {
		return &RefusedError{Missing: []Missing{{What: fmt.Sprintf("there is a replication slot %q of the plugin %q and the database oid %d",
			s.slot, slot.plugin, slot.database),
			Advice: "slots belong to the whole server: give this source another name, or drop that slot"}}}
	}
	if slot.active != 0 && s.slotUnusable() != "" {
		return s.releasedSlot(ctx)
	}
	return nil
}

// slotUnusable says why the slot found cannot carry the log on; empty if it can.
func (s *setup) slotUnusable() string {
	switch {
	case s.o.Started == nil:
		return "it belongs to no log of the repository"
	case s.o.Started.Slot != s.slot:
		return fmt.Sprintf("the log in the repository has the slot %q", s.o.Started.Slot)
	case s.state.slot.walStatus == "lost" || s.state.slot.confirmed == format.LSN(0):
		return "it was invalidated"
	case !s.state.publication.exists:
		return "it is older than its publication"
	case s.o.Started.Published.Watched != s.o.WithoutEventTriggers:
		return "its log was begun with another way to notice DDL"
	}
	return ""
}

// triggerState is an event trigger as it is.
type triggerState struct{ event, function, enabled string }

func readTriggers(ctx context.Context, conn *pgx.Conn) (map[string]triggerState, error) {
	rows, err := conn.Query(ctx, `
		SELECT t.evtname::text, t.evtevent::text, n.nspname || '.' || p.proname, t.evtenabled::text
		FROM pg_catalog.pg_event_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.evtfoid
		JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace`)
	if err != nil {
		return nil, fmt.Errorf("read the event triggers: %w", err)
	}
	found := map[string]triggerState{}
	names := []string{}
	for _, t := range sourceTriggers() {
		names = append(names, t.name)
	}
	var name string
	var t triggerState
	_, err = pgx.ForEachRow(rows, []any{&name, &t.event, &t.function, &t.enabled}, func() error {
		if slices.Contains(names, name) {
			found[name] = t
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the event triggers: %w", err)
	}
	return found, nil
}
