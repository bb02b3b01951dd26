package wal

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// schemaComment marks the schema as pgrecall's own.
const schemaComment = "pgrecall: made by its init, removed by its uninstall"

// schemaState is what of the schema is there.
type schemaState struct {
	exists, ours bool
	tables       []string
	functions    map[string]functionState
}

// functionState is what of a function can have been changed.
type functionState struct {
	source   string
	definer  bool
	settings string // name=value, separated by semicolons, in lower case
}

func readSchema(ctx context.Context, conn *pgx.Conn) (s schemaState, err error) {
	err = conn.QueryRow(ctx, `
		SELECT coalesce(bool_or(true), false), coalesce(bool_or(obj_description(n.oid, 'pg_namespace') = $2), false),
		       coalesce(array_agg(c.relname::text) FILTER (WHERE c.relname IS NOT NULL), '{}')
		FROM pg_catalog.pg_namespace n LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r'
		WHERE n.nspname = $1`, Schema, schemaComment).Scan(&s.exists, &s.ours, &s.tables)
	if err != nil {
		return s, fmt.Errorf("read the schema %s: %w", Schema, err)
	}
	rows, err := conn.Query(ctx, `
		SELECT p.proname::text, p.prosrc, p.prosecdef, lower(coalesce(array_to_string(p.proconfig, ';'), '')) FROM pg_catalog.pg_proc p
		JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1`, Schema)
	if err != nil {
		return s, fmt.Errorf("read the functions of the schema %s: %w", Schema, err)
	}
	s.functions = map[string]functionState{}
	var name string
	var f functionState
	_, err = pgx.ForEachRow(rows, []any{&name, &f.source, &f.definer, &f.settings}, func() error {
		s.functions[name] = f
		return nil
	})
	if err != nil {
		return s, fmt.Errorf("read the functions of the schema %s: %w", Schema, err)
	}
	return s, nil
}

// schemaChanges are the statements that complete the schema.
func schemaChanges(have schemaState) []Change {
	var changes []Change
	add := func(what, sql string) { changes = append(changes, Change{What: what, SQL: sql}) }
	if !have.exists {
		add("create the schema pgrecall, for its own use alone", "CREATE SCHEMA pgrecall")
		add("mark the schema as pgrecall's own", "COMMENT ON SCHEMA pgrecall IS '"+schemaComment+"'")
	}
	for _, t := range sourceTables() {
		if !slices.Contains(have.tables, t.name) {
			add("create the table pgrecall."+t.name, t.sql)
		}
	}
	replaced := false
	for _, f := range sourceFunctions() {
		should := functionState{source: f.source(), definer: true, settings: strings.ToLower(strings.Join(f.settings, ";"))}
		if have.functions[f.name] == should {
			continue
		}
		add("create the function pgrecall."+f.name, f.sql())
		replaced = true
	}
	if replaced {
		add("let nobody else call the functions", "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pgrecall FROM PUBLIC")
	}
	return changes
}

// installSchema makes what lacks, all or nothing.
func (s *setup) installSchema(ctx context.Context) error {
	return s.makeTogether(ctx, StepSchema, schemaChanges(s.state.schema))
}

// makeTogether makes the changes in one transaction, and tries again while a lock is not to be had.
func (s *setup) makeTogether(ctx context.Context, step Step, changes []Change) error {
	if len(changes) == 0 {
		return nil
	}
	err := s.withLocks(ctx, func(tx pgx.Tx) error {
		for _, c := range changes {
			if _, err := tx.Exec(ctx, c.SQL); err != nil {
				return fmt.Errorf("%s: %w", c.What, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, c := range changes {
		s.changed(step, c)
	}
	return nil
}

// withLocks runs f in a transaction in which no lock is waited for longer than LockTimeout, again and again while one
// is not to be had.
func (s *setup) withLocks(ctx context.Context, f func(pgx.Tx) error) error {
	for round := 0; ; round++ {
		err := inTx(ctx, s.conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, setLockTimeout(s.o.LockTimeout)); err != nil {
				return err
			}
			return f(tx)
		})
		if err == nil || !lockTimedOut(err) || round+1 >= s.o.LockRounds {
			return err
		}
		if err := pause(ctx, roundPause(round)); err != nil {
			return err
		}
	}
}

// triggerChanges are the statements that complete the event triggers.
func triggerChanges(have map[string]triggerState) []Change {
	var changes []Change
	for _, t := range sourceTriggers() {
		is, ok := have[t.name]
		if ok && (is.event != t.event || is.function != Schema+"."+t.function) {
			changes = append(changes, Change{What: "remove the event trigger " + t.name + ", which is not as it should be",
				SQL: "DROP EVENT TRIGGER " + t.name})
			ok = false
		}
		if !ok {
			changes = append(changes, Change{What: "create the event trigger " + t.name,
				SQL: fmt.Sprintf("CREATE EVENT TRIGGER %s ON %s EXECUTE FUNCTION pgrecall.%s()", t.name, t.event, t.function)})
		}
		if !ok || is.enabled != "A" {
			changes = append(changes, Change{What: "let it fire under session_replication_role=replica too",
				SQL: "ALTER EVENT TRIGGER " + t.name + " ENABLE ALWAYS"})
		}
	}
	return changes
}

func (s *setup) installTriggers(ctx context.Context) error {
	if s.o.WithoutEventTriggers {
		return nil
	}
	changes := triggerChanges(s.state.triggers)
	s.state.triggersMade = len(changes) > 0
	return s.makeTogether(ctx, StepTriggers, changes)
}
