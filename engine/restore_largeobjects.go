package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// largeObjects are the large objects that a restore brings back.
type largeObjects struct {
	*catalog.LargeObjects
	data *format.TableData
	// there are those that the target has already, which Clean removes first; made are those made since.
	there, made catalog.OIDs
	// targetPage is how many bytes of an object the target has in a page, batch how many objects a transaction may lock there.
	targetPage, batch int
}

// wantsLargeObjects says whether the restore is one that takes large objects along: all of the database, with rows, in
// its own place. Beside the live ones there is no place for them, since they have no names but their oids.
func (r *restore) wantsLargeObjects() bool {
	return len(r.o.Tables) == 0 && r.o.IntoSchema == "" && len(r.o.Rename) == 0 && r.o.Scope != RestoreSchemaOnly && !r.o.NoLargeObjects
}

// chooseLargeObjects says which large objects are restored, if any.
func (r *restore) chooseLargeObjects(body *format.Body) {
	if data := body.LargeObjects(); data != nil && r.wantsLargeObjects() {
		r.large = &largeObjects{LargeObjects: r.catalog.LargeObjects.Restorable(), data: data}
	}
}

// withoutLargeObjects says what of the large objects a restore does not bring back as it was.
func (r *restore) withoutLargeObjects() []string {
	all, _ := largeObjectsIn(r.catalog, r.past.body)
	switch {
	case len(all) == 0 || len(r.o.Tables) > 0 || r.o.Scope == RestoreSchemaOnly || r.o.NoLargeObjects:
		return nil
	case !r.wantsLargeObjects():
		return []string{fmt.Sprintf("all %d large objects: only tables are copied", all.Len())}
	}
	said := missingLargeObjects(r.catalog, r.past.body)
	if r.large != nil && !r.o.NoOwner {
		if oids := r.large.Ownerless(); len(oids) > 0 {
			said = append(said, fmt.Sprintf("owner of large objects %s: the role does not exist on the source", oids.Few(12)))
		}
	}
	if r.large != nil && !r.past.choice.Instant {
		said = append(said, fmt.Sprintf("changes of large objects after the snapshot: they are not in the log, and %d of them are restored as of %s",
			r.large.Readable().Len(), stamp(r.past.choice.Base.FromTime)))
	}
	return said
}

// read are the tables whose parts are read: those to be restored, and the one of the large objects.
func (r *restore) read() []*format.TableData {
	if r.large == nil {
		return r.wanted
	}
	return append(slices.Clip(r.wanted), r.large.data)
}

// checkLargeObjects makes sure that the target has none of the large objects, or that they can be removed, and that the
// role can write what it makes.
func (r *restore) checkLargeObjects(ctx context.Context) error {
	if r.large == nil {
		return nil
	}
	err := r.target.conn.QueryRow(ctx, `SELECT large_object_chunk_size FROM pg_catalog.pg_control_init()`).Scan(&r.large.targetPage)
	if err != nil {
		return fmt.Errorf("read the size of a large object's page on the target: %w", err)
	}
	room, err := r.target.lockRoom(ctx)
	if err != nil {
		return err
	}
	r.large.batch = min(catalog.LargeObjectBatch, max(1, room))
	if !r.o.Create {
		there, foreign, err := catalog.TargetLargeObjects(ctx, r.target.conn)
		if err != nil {
			return err
		}
		r.large.there = r.large.Readable().And(there)
		switch kept := r.large.there.And(foreign); {
		case len(r.large.there) == 0:
		case !r.o.Clean:
			return fmt.Errorf("the target has large objects that would be restored: %s; restore into an empty database (--create makes one), leave them out with --no-large-objects, or unlink exactly them first with --clean",
				r.large.there.Few(12))
		case len(kept) > 0:
			return fmt.Errorf("role %q may not unlink large objects of other roles on the target: %s", r.target.user, kept.Few(12))
		}
		r.plan.Unlinks = r.large.there
	}
	return r.checkLargeOwners(ctx)
}

// checkLargeOwners makes sure that the role has the rights of the owners, to write into their large objects: to become them
// (needToAct), as it does to make these, is not enough.
func (r *restore) checkLargeOwners(ctx context.Context) error {
	if r.target.super {
		return nil
	}
	var owners []string
	for _, n := range r.large.Needs(r.ddl) {
		if n.Kind == catalog.NeedOwner {
			owners = append(owners, n.Name)
		}
	}
	rows, err := r.target.conn.Query(ctx, `SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = ANY ($1::text[]) AND NOT pg_catalog.pg_has_role(oid, 'USAGE') ORDER BY 1`, owners)
	if err != nil {
		return fmt.Errorf("ask for rights to the owners of large objects: %w", err)
	}
	others, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("ask for rights to the owners of large objects: %w", err)
	}
	if len(others) > 0 {
		return fmt.Errorf("role %q does not inherit the rights of the owners of large objects, and so cannot write these: %s; GRANT it these roles WITH INHERIT, or leave ownership to it with --no-owner",
			r.target.user, fewOf(others, 12))
	}
	return nil
}

// makeLargeObjects makes the large objects without bytes. When it fails, it removes those that it made.
func (r *restore) makeLargeObjects(ctx context.Context) error {
	if r.large == nil {
		return nil
	}
	began := time.Now()
	conn := r.target.conn.PgConn()
	for sql := range catalog.UnlinkLargeObjects(r.large.there, r.large.batch) {
		if _, err := conn.Exec(ctx, sql).ReadAll(); err != nil {
			return fmt.Errorf("unlink large objects: %w", err)
		}
	}
	for oids, sql := range r.large.Create(r.ddl) {
		if _, err := conn.Exec(ctx, sql).ReadAll(); err != nil {
			return r.unmakeLargeObjects(ctx, fmt.Errorf("make large objects: %w", err))
		}
		r.large.made = append(r.large.made, oids...)
	}
	r.phase("large objects", began)
	return nil
}

// loadLargeObjects is the loading of the large objects' bytes; nil: there are none to load.
func (r *restore) loadLargeObjects() *loadTable {
	if r.large == nil {
		return nil
	}
	return &loadTable{rows: &tableRows{past: r.past, data: r.large.data}, schema: r.large.data.Schema, name: r.large.data.Name,
		into: objectPages(r.large.PageBytes)}
}

// objectPages takes rows of pg_largeobject into large objects, by pages of so many bytes.
type objectPages int

func (p objectPages) take(ctx context.Context, conn *pgx.Conn, rows io.Reader) (int64, error) {
	return snapshot.LargeObjectsIn(ctx, conn, int(p), rows)
}

// finishLargeObjects comments on the large objects and grants what was granted.
func (r *restore) finishLargeObjects(ctx context.Context) error {
	if r.large == nil {
		return nil
	}
	for sql, err := range r.large.Finish(r.ddl, r.large.batch) {
		if err != nil {
			return err
		}
		if _, err := r.target.conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			err = fmt.Errorf("large objects: %s: %w", shorten(sql, 200), err)
			if sqlState(err) == "22023" { // ExecSecLabelStmt() in src/backend/commands/seclabel.c
				err = fmt.Errorf("%w; load the label provider on the target, or leave security labels out with --no-security-labels", err)
			}
			return err
		}
	}
	return nil
}

// unmakeTime bounds how long the removal of large objects may take.
const unmakeTime = 10 * time.Minute

// unmakeLargeObjects removes the large objects again, so that none that lacks bytes is taken for whole.
func (r *restore) unmakeLargeObjects(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unmakeTime)
	defer cancel()
	conn, err := snapshot.Connect(ctx, r.target.config, "")
	if err == nil {
		defer hangUp(ctx, conn)
		_, err = conn.Exec(ctx, "SET synchronous_commit = local")
	}
	if err == nil {
		for sql := range catalog.UnlinkLargeObjects(r.large.made.Or(nil), r.large.batch) {
			if _, err = conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
				break
			}
		}
	}
	if err != nil {
		return errors.Join(cause, fmt.Errorf("large objects made on the target are incomplete and could not all be removed: %s: %w", r.large.made.Few(12), err))
	}
	return fmt.Errorf("%w (the large objects made were removed again)", cause)
}
