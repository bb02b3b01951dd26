package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// planDatabase plans the database that Create makes. It has all that the source's has, under whatever name it is made.
func (r *restore) planDatabase(ctx context.Context) (err error) {
	t := r.target
	if !r.o.Create {
		return r.compareLocales(ctx)
	}
	if t.parameters, err = readParameters(ctx, t.conn); err != nil {
		return err
	}
	closed, err := t.closedRoles(ctx)
	if err != nil {
		return err
	}
	s, err := r.catalog.Database.Script(catalog.DatabaseOptions{Name: t.create, ServerVersion: t.db.version, Super: t.super, Parameters: t.parameters, Closed: closed,
		NoOwner: r.o.NoOwner, NoPrivileges: r.o.NoPrivileges, NoTablespaces: r.o.NoTablespaces, NoSecurityLabels: r.o.NoSecurityLabels})
	if err != nil {
		return err
	}
	r.database = &s
	r.plan.CreateDatabase = s.Create.SQL
	for _, statements := range [][]catalog.Statement{s.Open, s.Close} {
		for _, statement := range statements {
			r.plan.DatabaseStatements = append(r.plan.DatabaseStatements, statement.Shown())
		}
	}
	for _, l := range s.LeftOut {
		r.plan.LeftOut = append(r.plan.LeftOut, l.What+": "+l.Why)
	}
	return nil
}

// closedRoles are the roles of the target whose settings the restoring role may not alter (AlterRoleSet() in src/backend/commands/user.c):
// superusers, and all but itself for who has no CREATEROLE, or from 16 on no ADMIN option.
func (t *target) closedRoles(ctx context.Context) (map[string]bool, error) {
	closed := map[string]bool{}
	if t.super {
		return closed, nil
	}
	rows, err := t.conn.Query(ctx, `SELECT r.rolname FROM pg_catalog.pg_roles r, pg_catalog.pg_roles me WHERE me.rolname = current_user AND r.oid <> me.oid
		AND (r.rolsuper OR NOT me.rolcreaterole OR $1 AND NOT pg_catalog.pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION'))`, t.db.version >= 160000)
	if err != nil {
		return nil, fmt.Errorf("look for roles on the target: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look for roles on the target: %w", err)
	}
	for _, name := range names {
		closed[name] = true
	}
	return closed, nil
}

// compareLocales tells where text sorts otherwise in the target database than in the source.
func (r *restore) compareLocales(ctx context.Context) error {
	if !r.intoExisting() {
		return nil
	}
	var there catalog.Database
	// The columns' names differ from version to version.
	err := r.target.conn.QueryRow(ctx, `SELECT coalesce(d->>'datlocprovider', 'c'), d->>'datcollate', d->>'datctype', coalesce(d->>'datlocale', d->>'daticulocale', '')
		FROM (SELECT pg_catalog.to_jsonb(d) FROM pg_catalog.pg_database d WHERE datname = pg_catalog.current_database()) x(d)`).
		Scan(&there.LocaleProvider, &there.Collate, &there.Ctype, &there.Locale)
	if err != nil {
		return fmt.Errorf("ask for the locale of the target database: %w", err)
	}
	if here, there := r.catalog.Database.LocaleName(), there.LocaleName(); here != there {
		r.plan.LeftOut = append(r.plan.LeftOut, fmt.Sprintf("locale %s of the database: the target database has %s, and sorts text by that (--create makes one with the source's)", here, there))
	}
	return nil
}

// intoExisting says that everything goes into a database that exists.
func (r *restore) intoExisting() bool {
	return !r.o.Create && len(r.o.Tables) == 0 && len(r.o.Rename) == 0 && r.o.IntoSchema == "" && r.o.Scope != RestoreDataOnly
}

// checkReplaced keeps Clean with Create from any database that somebody protects, this source above all: what is dropped is
// gone. A replication slot on it would keep it from being dropped anyway.
func (r *restore) checkReplaced(ctx context.Context) error {
	t := r.target
	sources, err := r.opened.repo.Sources(ctx)
	if err != nil {
		return err
	}
	for _, s := range sources {
		if s.SystemID == t.db.systemID && s.DatabaseOID == t.old {
			return usagef("--clean with --create would drop database %q, which is the source %q itself; restore into another, or beside its tables with --into-schema", t.create, s.Name)
		}
	}
	rows, err := t.conn.Query(ctx, `SELECT slot_name::text FROM pg_catalog.pg_replication_slots WHERE database = $1`, t.create)
	if err != nil {
		return fmt.Errorf("look for replication slots of database %q: %w", t.create, err)
	}
	slots, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for replication slots of database %q: %w", t.create, err)
	}
	if len(slots) > 0 {
		return fmt.Errorf("database %q has replication slots, so that somebody follows it, and cannot be dropped: %s", t.create, fewOf(slots, 12))
	}
	var owner string
	var may bool
	err = t.conn.QueryRow(ctx, `SELECT pg_catalog.pg_get_userbyid(datdba), pg_catalog.pg_has_role(datdba, 'USAGE') FROM pg_catalog.pg_database WHERE oid = $1`, t.old).Scan(&owner, &may)
	if err != nil {
		return fmt.Errorf("look for the owner of database %q: %w", t.create, err)
	}
	if !may {
		r.lacks.add("role %q may not drop database %q; its owner %q may", t.user, t.create, owner)
	}
	r.plan.DropDatabase = "DROP DATABASE " + catalog.QuoteIdent(t.create)
	return nil
}

// keptByDatabase tells what a restore of everything into a database that exists leaves as it is there.
func (r *restore) keptByDatabase() []string {
	has := r.catalog.Database.Properties()
	if !r.intoExisting() || len(has) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("of the database itself: %s: the target database keeps its own (--create makes one with them)", strings.Join(has, ", "))}
}

// makeDatabase makes the database and goes over to it. Its settings, comment and grants follow at once, so that the restore
// itself runs under them; if they cannot be given, it goes again.
func (r *restore) makeDatabase(ctx context.Context) error {
	t := r.target
	began := time.Now()
	if r.plan.DropDatabase != "" {
		// Never WITH (FORCE): who is connected is told by the server, and nothing is lost.
		if _, err := t.conn.Exec(ctx, r.plan.DropDatabase); err != nil {
			return fmt.Errorf("drop database %q: %w", t.create, err)
		}
	}
	if _, err := t.conn.Exec(ctx, r.database.Create.SQL); err != nil {
		return fmt.Errorf("make database %q: %w", t.create, err)
	}
	for i := range r.database.Open {
		if err := r.execute(ctx, t.conn, &r.database.Open[i]); err != nil {
			return errors.Join(fmt.Errorf("make database %q: %w", t.create, err), t.dropMade(ctx))
		}
	}
	conn, db, err := connect(ctx, t.config)
	if err != nil {
		return errors.Join(fmt.Errorf("go over to the new database, under the settings that the source's has: %w", err), t.dropMade(ctx))
	}
	hangUp(ctx, t.conn)
	t.conn, t.db = conn, db
	if err := t.look(ctx, r.script.Statements); err != nil {
		return err
	}
	r.phase("database", began)
	return nil
}

// dropMade drops the empty database that this restore has made.
func (t *target) dropMade(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if _, err := t.conn.Exec(ctx, "DROP DATABASE "+quoteName(t.create)); err != nil {
		return fmt.Errorf("the new database %q could not be dropped again: %w", t.create, err)
	}
	return nil
}

// closeDatabase gives a database that was made the properties that would have hindered the restore.
func (r *restore) closeDatabase(ctx context.Context) error {
	if r.database == nil {
		return nil
	}
	for i := range r.database.Close {
		if err := r.execute(ctx, r.target.conn, &r.database.Close[i]); err != nil {
			return err
		}
	}
	return nil
}
