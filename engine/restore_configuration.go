package engine

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// The rows that users put into the configuration tables of an extension are restored into the tables that CREATE
// EXTENSION makes: those that the extension's condition chooses, and no others. What it chooses among the rows that the
// extension comes with gives way to them, and so does a row with the key of one of them: a user has changed it, and
// a trigger marked it as the user's (PostgreSQL documentation, "Extension Configuration Tables"). As everywhere, no
// trigger fires for a row that is restored.

// configuration is one such table. It is the destination of its rows.
type configuration struct {
	*catalog.Table
	into  snapshot.Matching
	super bool
	// installed is true where the target has the extension already.
	installed bool
	kept      atomic.Int64 // rows that the condition chose
}

// chooseConfiguration finds, among the tables to load, those that extensions make.
func (r *restore) chooseConfiguration() {
	if r.o.IntoSchema != "" || len(r.o.Rename) > 0 {
		return // copies are tables like others
	}
	r.configurations = map[uint32]*configuration{}
	models := r.models()
	for _, t := range r.wanted {
		if k := models[t.OID]; k != nil && k.Extension != "" {
			c := &configuration{Table: k, into: snapshot.Matching{Schema: k.Schema, Table: k.Name, Condition: k.Condition}}
			for _, column := range t.Columns {
				c.into.Columns = append(c.into.Columns, column.Name)
			}
			r.configurations[t.OID] = c
		}
	}
}

// withoutConfiguration names the configuration tables whose rows are not in the snapshot, and those of which more than the
// rows themselves decides what is restored.
func (r *restore) withoutConfiguration() []string {
	var said []string
	for i := range r.catalog.Tables {
		t := &r.catalog.Tables[i]
		if _, named := r.script.Tables[t.OID]; !named || t.Extension == "" || !t.HasRows() {
			continue
		}
		what := fmt.Sprintf("rows of %s.%s, configuration of extension %s", t.Schema, t.Name, t.Extension)
		if r.past.data(t.OID) == nil && !r.past.made(t.OID) {
			said = append(said, what+": they are not in the snapshot")
		} else if r.configurations[t.OID] != nil && strings.Contains(strings.ToLower(t.Condition), "select") {
			said = append(said, what+": the condition that chooses them looks at other tables, as the target has them: "+shorten(t.Condition, 200))
		}
	}
	return said
}

// ordinary are the tables to load but for configuration.
func (r *restore) ordinary() []*format.TableData {
	return slices.DeleteFunc(slices.Clone(r.wanted), func(t *format.TableData) bool { return r.configurations[t.OID] != nil })
}

// chosen is the FROM clause of the rows that the condition chooses on the target.
func (c *configuration) chosen() string {
	return " FROM ONLY " + quoteName(c.Schema, c.Name) + " " + c.Condition
}

// checkConfiguration looks at the configuration of the extensions that the target has: it has to have the columns, and no rows
// of users unless Clean says to remove them.
func (r *restore) checkConfiguration(ctx context.Context) error {
	for _, c := range r.configurations {
		c.super = r.target.super
	}
	if r.o.Create || r.o.Scope == RestoreSchemaOnly {
		return nil
	}
	var full, cleared []string
	for _, t := range r.wanted {
		c := r.configurations[t.OID]
		if c == nil {
			continue
		}
		err := r.target.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = $1)`, c.Extension).Scan(&c.installed)
		if err != nil {
			return fmt.Errorf("look for extension %s: %w", c.Extension, err)
		}
		if !c.installed {
			if r.o.Scope == RestoreDataOnly {
				return fmt.Errorf("the target has no extension %s, whose configuration is to be restored; CREATE EXTENSION first, or leave --data-only out", c.Extension)
			}
			continue
		}
		if err := r.checkConfigurationColumns(ctx, t, c); err != nil {
			return err
		}
		var rows bool
		if err := r.target.conn.QueryRow(ctx, "SELECT EXISTS (SELECT"+c.chosen()+")").Scan(&rows); err != nil {
			return fmt.Errorf("look for rows in %s.%s, configuration of extension %s: %w", c.Schema, c.Name, c.Extension, err)
		}
		if rows {
			full, cleared = append(full, c.Schema+"."+c.Name), append(cleared, "DELETE"+c.chosen())
		}
	}
	if len(full) == 0 {
		return nil
	}
	if !r.o.Clean {
		return fmt.Errorf("configuration tables of the target's extensions hold rows of users: %s; --clean deletes exactly these rows", fewOf(full, 12))
	}
	r.plan.Drops = append(r.plan.Drops, cleared...)
	return r.checkReferences(ctx, "configuration tables of extensions, from which rows are to be deleted")
}

// checkConfigurationColumns makes sure that the extension's table has the columns of the rows: another version of the
// extension may have made it.
func (r *restore) checkConfigurationColumns(ctx context.Context, t *format.TableData, c *configuration) error {
	missing, err := r.missingColumns(ctx, []*format.TableData{t})
	if err != nil || len(missing[0]) == 0 {
		return err
	}
	var is *string
	if err := r.target.conn.QueryRow(ctx, `SELECT max(extversion) FROM pg_catalog.pg_extension WHERE extname = $1`, c.Extension).Scan(&is); err != nil {
		return fmt.Errorf("look for extension %s: %w", c.Extension, err)
	}
	was := ""
	for i := range r.catalog.Extensions {
		if e := &r.catalog.Extensions[i]; e.Name == c.Extension {
			was = e.Version
		}
	}
	there := "none"
	if is != nil {
		there = *is
	}
	return fmt.Errorf("extension %s has no table %s.%s with the columns %s on the target: its version there is %s and was %s on the source; install that version, or restore the tables without it (--table)",
		c.Extension, c.Schema, c.Name, strings.Join(missing[0], ", "), there, was)
}

// prepareConfiguration makes place for the rows when the extensions are there. It runs in the last transaction of pre-data, so
// that what it refuses has changed nothing.
func (r *restore) prepareConfiguration(ctx context.Context) error {
	if len(r.configurations) == 0 || r.o.Scope == RestoreSchemaOnly {
		return nil
	}
	for _, t := range r.wanted {
		c := r.configurations[t.OID]
		if c == nil {
			continue
		}
		if !c.installed {
			if err := r.checkConfigurationColumns(ctx, t, c); err != nil {
				return err
			}
		}
		if !c.installed || r.o.Clean {
			if err := c.readKeys(ctx, r.target.conn); err != nil {
				return err
			}
		}
	}
	if err := r.checkTriggers(ctx); err != nil {
		return err
	}
	if !r.target.super {
		if err := r.planOrder(ctx); err != nil {
			return err
		}
	} else if _, err := r.target.conn.Exec(ctx, "SET LOCAL session_replication_role = replica"); err != nil {
		return fmt.Errorf("keep triggers from firing: %w", err)
	}
	return clearConfiguration(ctx, r.target.conn, r.configurations)
}

// readKeys reads the unique keys that the table has on the target.
func (c *configuration) readKeys(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `SELECT ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, n)
			JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.n <= i.indnkeyatts ORDER BY k.n)
		FROM pg_catalog.pg_index i WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL`,
		quoteName(c.Schema, c.Name))
	if err != nil {
		return fmt.Errorf("read the keys of %s.%s: %w", c.Schema, c.Name, err)
	}
	if c.into.Keys, err = pgx.CollectRows(rows, pgx.RowTo[[]string]); err != nil {
		return fmt.Errorf("read the keys of %s.%s: %w", c.Schema, c.Name, err)
	}
	return nil
}

// clearConfiguration deletes the rows that the conditions choose, with one statement, so that they may refer to each other.
func clearConfiguration(ctx context.Context, conn *pgx.Conn, tables map[uint32]*configuration) error {
	var deletes []string
	for _, oid := range sortedKeys(tables) {
		c := tables[oid]
		var rows bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT"+c.chosen()+")").Scan(&rows); err != nil {
			return fmt.Errorf("look for rows in %s.%s, configuration of extension %s: %w", c.Schema, c.Name, c.Extension, err)
		}
		if rows { // a role that may not write the table need not, if there are none
			deletes = append(deletes, fmt.Sprintf("d%d AS (DELETE FROM ONLY %s WHERE ctid IN (SELECT %s.ctid%s))",
				len(deletes), quoteName(c.Schema, c.Name), quoteName(c.Name), c.chosen()))
		}
	}
	if len(deletes) == 0 {
		return nil
	}
	if _, err := conn.Exec(ctx, "WITH "+strings.Join(deletes, ", ")+" SELECT"); err != nil {
		return fmt.Errorf("make place for the rows of users in the configuration of extensions: %w", err)
	}
	return nil
}

// take implements destination.
func (c *configuration) take(ctx context.Context, conn *pgx.Conn, rows io.Reader) (given int64, err error) {
	err = pgx.BeginFunc(ctx, conn, func(pgx.Tx) error {
		if c.super {
			if _, err := conn.Exec(ctx, "SET LOCAL session_replication_role = replica"); err != nil {
				return fmt.Errorf("keep triggers from firing: %w", err)
			}
		}
		var taken int64
		var err error
		given, taken, err = snapshot.CopyInMatching(ctx, conn, c.into, rows)
		c.kept.Add(taken)
		if sqlState(err) == "23505" && c.installed && len(c.into.Keys) == 0 { // unique_violation
			return fmt.Errorf("%w; with --clean rows that extension %s came with give way", err, c.Extension)
		}
		return err
	})
	return given, err
}
