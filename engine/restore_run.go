package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// run carries out the plan.
func (r *restore) run(ctx context.Context) error {
	if err := r.makeGlobals(ctx); err != nil {
		return err
	}
	if r.o.Create {
		if err := r.makeDatabase(ctx); err != nil {
			return err
		}
	}
	began := time.Now()
	ran, err := r.preData(ctx)
	if err != nil {
		return err
	}
	if err := r.compareExtensions(ctx); err != nil {
		return err
	}
	r.phase("pre-data", began)
	if err := r.makeLargeObjects(ctx); err != nil {
		return err
	}
	if r.o.Scope != RestoreSchemaOnly {
		began = time.Now()
		if err := r.data(ctx); err != nil {
			return err
		}
		if err := r.finishLargeObjects(ctx); err != nil {
			return err
		}
		r.phase("data", began)
	}
	if r.o.Scope != RestoreDataOnly {
		began = time.Now()
		if err := r.postData(ctx); err != nil {
			return err
		}
		r.phase("post-data", began)
	}
	if r.o.Scope != RestoreSchemaOnly {
		began = time.Now()
		if err := r.setSequences(ctx, ran); err != nil {
			return err
		}
		r.phase("sequences", began)
		began = time.Now()
		if err := r.analyze(ctx); err != nil {
			return err
		}
		r.phase("analyze", began)
		r.putBack()
	}
	if err := r.makeEventTriggers(ctx); err != nil {
		return err
	}
	if err := r.closeDatabase(ctx); err != nil {
		return err
	}
	return r.target.settle(ctx)
}

// settle makes all that was committed durable. The sessions of a restore do not wait for that with each of their
// commits, of which there are at least as many as tables: whoever has a commit on disk has all before it.
// A synchronous standby is not waited for: it may be away, and the restore is whole without it.
func (t *target) settle(ctx context.Context) error {
	_, err := t.conn.Exec(ctx, `SET synchronous_commit = local; SELECT pg_catalog.pg_logical_emit_message(true, 'restored', '')`, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return fmt.Errorf("make the restore durable: %w", err)
	}
	return nil
}

// preData drops what Clean says and makes what rows need, all in one transaction where the script is not very
// long, so that a failure changes nothing. It returns which statements with IfMissing ran.
func (r *restore) preData(ctx context.Context) (map[uint32]bool, error) {
	ran := map[uint32]bool{}
	schemas, err := r.newSchemas(ctx)
	if err != nil {
		return nil, err
	}
	var statements []catalog.Statement
	for _, sql := range slices.Concat(r.drops, schemas) {
		statements = append(statements, catalog.Statement{SQL: sql})
	}
	if r.o.Scope != RestoreDataOnly {
		for i, s := range r.script.Statements {
			if s.Section != catalog.PreData || s.IfMissing && r.target.exists[i] {
				continue
			}
			if s.Until > 0 && r.target.db.version >= s.Until {
				r.goesWithout(fmt.Sprintf("%s %s: %s", strings.ToLower(s.Kind), s.Name, s.Optional))
				continue
			}
			if s.IfMissing {
				ran[s.OID] = true
			}
			statements = append(statements, s)
		}
	}
	room, err := r.target.lockRoom(ctx)
	if err != nil {
		return nil, err
	}
	for {
		batch := statements[:withinLocks(statements, room)]
		statements = statements[len(batch):]
		err := pgx.BeginFunc(ctx, r.target.conn, func(tx pgx.Tx) error {
			if err := r.executeAll(ctx, tx.Conn(), batch); err != nil || len(statements) > 0 {
				return err
			}
			return r.prepareConfiguration(ctx)
		})
		if err != nil {
			return nil, fmt.Errorf("make the objects on the target: %w", err)
		}
		if len(statements) == 0 {
			return ran, nil
		}
	}
}

// lockRoom is how many locks a transaction of the restore may hold: half of the server's lock table (documentation,
// max_locks_per_transaction).
func (t *target) lockRoom(ctx context.Context) (room int, err error) {
	err = t.conn.QueryRow(ctx, `SELECT pg_catalog.current_setting('max_locks_per_transaction')::int
		* (pg_catalog.current_setting('max_connections')::int + pg_catalog.current_setting('max_prepared_transactions')::int) / 2`).Scan(&room)
	if err != nil {
		return 0, fmt.Errorf("ask for the size of the target's lock table: %w", err)
	}
	return room, nil
}

// withinLocks returns how many of the statements can run in one transaction. Each table that is made or dropped holds locks
// on itself, its TOAST table and its indexes until the end.
func withinLocks(statements []catalog.Statement, room int) int {
	for i, s := range statements {
		switch {
		case s.Kind == "TABLE" && s.Exists != "":
			room -= 4
		case strings.HasPrefix(s.SQL, "DROP "):
			room -= 8
		default:
			room--
		}
		if room < 0 {
			return max(i, 1)
		}
	}
	return len(statements)
}

// newSchemas makes the schemas that copies go to and that are not there.
func (r *restore) newSchemas(ctx context.Context) ([]string, error) {
	if r.o.Scope == RestoreDataOnly || r.o.IntoSchema == "" && len(r.o.Rename) == 0 {
		return nil, nil
	}
	wanted := map[string]bool{}
	for _, name := range r.script.Tables {
		wanted[name.Schema] = true
	}
	for _, s := range r.script.Statements {
		if s.Kind == "SCHEMA" {
			delete(wanted, s.Name) // the script makes it
		}
	}
	var statements []string
	for _, schema := range sortedKeys(wanted) {
		var there bool
		if err := r.target.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)`, schema).Scan(&there); err != nil {
			return nil, fmt.Errorf("look for schema %s: %w", schema, err)
		}
		if !there {
			statements = append(statements, "CREATE SCHEMA "+quoteName(schema))
		}
	}
	return statements, nil
}

// data loads the rows.
func (r *restore) data(ctx context.Context) error {
	var total int64
	var tables []*loadTable
	for _, t := range r.wanted {
		name := r.script.Tables[t.OID]
		lt := &loadTable{rows: &tableRows{past: r.past, data: t}, schema: name.Schema, name: name.Name}
		if c := r.configurations[t.OID]; c != nil {
			lt.into = c
		} else {
			into := plainTable{schema: name.Schema, name: name.Name}
			for _, c := range t.Columns {
				into.columns = append(into.columns, c.Name)
			}
			lt.into = into
		}
		total += t.RawBytes
		tables = append(tables, lt)
	}
	rounds := r.inRounds(tables)
	jobs := slices.Repeat([]int{r.jobs()}, len(rounds))
	if objects := r.loadLargeObjects(); objects != nil {
		total += objects.rows.data.RawBytes
		tables = append(tables, objects)
		if r.large.PageBytes == r.large.targetPage {
			rounds[0] = append(rounds[0], objects)
		} else {
			rounds, jobs = append(rounds, []*loadTable{objects}), append(jobs, 1) // several could write one page at once
		}
	}
	progress := newMeter(r.tracer, "data", total)
	l := &loader{config: r.target.config, encoding: r.past.choice.Base.Envelope.Encoding, dir: r.o.TempDir,
		replica: r.o.Scope == RestoreDataOnly && r.target.super, meter: progress}
	for i, round := range rounds {
		l.jobs = jobs[i]
		if err := l.load(ctx, round); err != nil {
			return r.emptied(ctx, tables, err)
		}
	}
	for _, t := range tables {
		want := t.rows.counts.Rows()
		if t.loaded != want {
			return r.emptied(ctx, tables, integrityf("table %s: %d rows were loaded where %d were sent", t.rows.name(), t.loaded, want))
		}
		if t.rows.data.OID == format.LargeObjectTable {
			r.result.LargeObjects = r.large.made.Len()
			continue
		}
		if c := r.configurations[t.rows.data.OID]; c != nil {
			t.loaded = c.kept.Load()
		}
		r.result.Tables = append(r.result.Tables, RestoredTable{Schema: t.rows.data.Schema, Name: t.rows.data.Name, As: t.schema + "." + t.name,
			Rows: t.loaded, Folded: t.rows.folded()})
		r.result.Rows += t.loaded
		r.result.Folded += t.rows.folded()
	}
	progress.end()
	return nil
}

// emptied takes the rows of tables that were not completed away again, so that nothing half is taken for whole. All of
// them were empty before, but for what an extension has in its configuration.
func (r *restore) emptied(ctx context.Context, tables []*loadTable, cause error) error {
	large := func(t *loadTable) bool { return t.rows.data.OID == format.LargeObjectTable }
	if i := slices.IndexFunc(tables, large); i >= 0 {
		if !tables[i].done {
			cause = r.unmakeLargeObjects(ctx, cause)
		}
		tables = slices.DeleteFunc(slices.Clone(tables), large)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var names, quoted []string
	half := map[uint32]*configuration{}
	for _, t := range tables {
		if t.done {
			continue
		}
		names = append(names, t.schema+"."+t.name)
		oid := t.rows.data.OID
		switch {
		case r.configurations[oid] != nil:
			half[oid] = r.configurations[oid]
		case t.begun || r.o.Scope == RestoreDataOnly: // of tables that stand in no foreign key yet those without a row need nothing
			quoted = append(quoted, quoteName(t.schema, t.name))
		}
	}
	if len(names) == 0 {
		return cause
	}
	if err := r.empty(ctx, quoted, half); err != nil {
		return errors.Join(cause, fmt.Errorf("these tables of the target are incomplete and could not be emptied: %s: %w", fewOf(names, 12), err))
	}
	return fmt.Errorf("%w (the tables that were not complete are left empty: %s)", cause, fewOf(names, 12))
}

// empty takes all rows out of tables, and those that users put there out of configuration.
func (r *restore) empty(ctx context.Context, quoted []string, half map[uint32]*configuration) error {
	conn, err := snapshot.Connect(ctx, r.target.config, "")
	if err != nil {
		return err
	}
	defer hangUp(ctx, conn)
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = local"); err != nil {
			return err
		}
		if r.target.super {
			if _, err := tx.Exec(ctx, "SET LOCAL session_replication_role = replica"); err != nil {
				return err
			}
		}
		if len(quoted) > 0 {
			if _, err := tx.Exec(ctx, "TRUNCATE ONLY "+strings.Join(quoted, ", ONLY ")); err != nil {
				return err
			}
		}
		return clearConfiguration(ctx, conn, half)
	})
}
