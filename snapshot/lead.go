package snapshot

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// beginSQL opens a transaction whose snapshot is taken, or imported, by what follows.
const beginSQL = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

// group is a database snapshot in which tables are read.
type group struct {
	format.Group
	// name is that of the exported snapshot; empty: it was not exported.
	name string
}

// readGroup describes the snapshot of conn's open transaction; it is the transaction's first query.
func (r *run) readGroup(ctx context.Context, conn *pgx.Conn, export bool) (g group, err error) {
	exported := "''"
	if export {
		exported = "pg_export_snapshot()"
	}
	var seen, lsn string
	err = conn.QueryRow(ctx, "SELECT "+exported+", pg_current_snapshot()::text").Scan(&g.name, &seen)
	if err == nil {
		// A statement of its own, so that both are read after the snapshot was taken.
		err = conn.QueryRow(ctx, "SELECT "+r.source.insertLSN()+"::text, clock_timestamp()").Scan(&lsn, &g.Time)
	}
	if err != nil {
		return g, fmt.Errorf("take a snapshot: %w", err)
	}
	g.Time = g.Time.UTC()
	if g.Visibility, err = format.ParseVisibility(seen); err != nil {
		return g, err
	}
	g.LSN, err = format.ParseLSN(lsn)
	return g, err
}

// export opens the lead's transaction and exports its snapshot. Where a log is to be joined, it waits, without a
// snapshot of its own, until every transaction that was running when the log began has ended; and so for Options.Past.
func (r *run) export(ctx context.Context) error {
	wait := newWait(r.o.WaitTimeout)
	past, why := r.o.Past, "what the snapshot is to see"
	if r.o.Joins != nil && r.o.Joins.Visibility.Xmax >= past {
		past, why = r.o.Joins.Visibility.Xmax, "the log's start"
	}
	for {
		var err error
		if r.before, err = r.position(ctx, r.source.flushLSN()); err != nil {
			return err
		}
		if _, err := r.lead.Exec(ctx, beginSQL); err != nil {
			return fmt.Errorf("take a snapshot: %w", err)
		}
		g, err := r.readGroup(ctx, r.lead, true)
		if err != nil {
			return err
		}
		if g.Visibility.Xmin >= past {
			r.exported, r.groups = g, []format.Group{g.Group}
			return nil
		}
		if _, err := r.lead.Exec(ctx, "ROLLBACK"); err != nil {
			return fmt.Errorf("release a snapshot: %w", err)
		}
		backends, err := olderThan(ctx, r.look, past)
		if err != nil {
			return err
		}
		note := Note{Kind: NoteWaiting, Backends: backends, Text: fmt.Sprintf(
			"transaction %d is still running and is older than %s (%d)", g.Visibility.Xmin, why, past)}
		r.o.at(ctx, "waiting", "")
		if err := wait.pause(ctx, r.o.Tracer, note); err != nil {
			return err
		}
	}
}

// position reads a WAL position in the lead's session.
func (r *run) position(ctx context.Context, function string) (format.LSN, error) {
	var text string
	if err := r.lead.QueryRow(ctx, "SELECT "+function+"::text").Scan(&text); err != nil {
		return 0, fmt.Errorf("read the WAL position: %w", err)
	}
	return format.ParseLSN(text)
}

// readCatalog reads the catalog as of the exported snapshot, and makes sure that nothing in it changed before the
// reading ended: PostgreSQL's functions that print definitions answer as of now, so only then do they fit the rest.
func (r *run) readCatalog(ctx context.Context) error {
	readErr := r.watched(ctx, r.readInSnapshot)
	if ctx.Err() != nil || r.fingerprint == "" || errors.Is(readErr, ErrWaitTimeout) {
		return readErr
	}
	r.o.at(ctx, "read", "")
	// Also where the reading failed: an object dropped meanwhile makes those functions fail.
	if err := r.catalogUnchanged(ctx); err != nil {
		return err
	}
	return readErr
}

func (r *run) readInSnapshot(ctx context.Context) error {
	tx, err := r.look.BeginTx(ctx, pgx.TxOptions{BeginQuery: beginSQL + "; SET TRANSACTION SNAPSHOT '" + r.exported.name + "'; SET LOCAL jit = off"})
	if err != nil {
		return fmt.Errorf("import the snapshot: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // does nothing after Commit
	if r.fingerprint, err = catalog.Fingerprint(ctx, tx); err != nil {
		return fmt.Errorf("read the catalog: %w", err)
	}
	if r.catalog, err = catalog.Read(ctx, tx); err != nil {
		return fmt.Errorf("read the catalog: %w", err)
	}
	if r.globals, err = catalog.GlobalsFingerprint(ctx, tx); err != nil {
		return fmt.Errorf("read the catalog: %w", err)
	}
	if r.o.NoRolePasswords {
		r.catalog.Globals.ForgetPasswords()
	}
	if r.large, err = r.readLargeObjects(ctx, tx); err != nil {
		return err
	}
	if r.closed, err = r.readClosed(ctx, tx); err != nil {
		return err
	}
	if err := r.readForms(ctx, tx); err != nil {
		return err
	}
	if r.types, err = readTypes(ctx, tx, columnTypes(r.catalog)); err != nil {
		return err
	}
	if r.names, err = readNames(ctx, tx, r.types); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// readForms reads the forms of the tables, where a log is joined in which others will be.
func (r *run) readForms(ctx context.Context, q catalog.Querier) (err error) {
	if r.o.Forms == nil || r.o.Joins == nil {
		return nil
	}
	if r.forms, err = r.o.Forms(ctx, q); err != nil {
		return err
	}
	r.forms.LSN, r.forms.Until, r.forms.Visibility, r.forms.Time = r.before, r.exported.LSN, r.exported.Visibility, r.exported.Time
	return nil
}

// catalogUnchanged compares the catalog's fingerprint inside of the snapshot with that of now.
func (r *run) catalogUnchanged(ctx context.Context) error {
	now, err := catalog.Fingerprint(ctx, r.look)
	if err != nil {
		return fmt.Errorf("read the catalog again: %w", err)
	}
	if now != r.fingerprint {
		return &changedError{"DDL was committed while the catalog was read"}
	}
	return nil
}
