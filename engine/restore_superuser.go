package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// deniedError says which objects the restoring role may not make, where they are to be left out then.
type deniedError struct{ objects map[catalog.Ref]string }

// Error is for who does not ask what was denied.
func (e *deniedError) Error() string {
	return fmt.Sprintf("%d objects may be made by superusers only", len(e.objects))
}

// planned computes a restore's plan and checks it against the target. Objects that only superusers may make there are left out
// if that was asked for: the plan is made again, without them and what needs them.
func planned(ctx context.Context, o RestoreOptions) (*restore, error) {
	for {
		r := newRestore(o)
		if err := r.choose(ctx); err != nil {
			return nil, err
		}
		err := r.reach(ctx)
		denied := new(deniedError)
		switch {
		case err == nil:
			return r, nil
		case !errors.As(err, &denied) || o.denied != nil:
			return nil, err
		}
		o.denied = denied.objects
	}
}

// needSuperuser finds the objects that the restoring role may not make. PostgreSQL keeps some kinds for superusers, and
// providers let others make some of those, so that only the server knows: it is asked by trying, and what is tried is rolled back.
func (r *restore) needSuperuser(ctx context.Context, needs map[catalog.NeedKind][]catalog.Need) error {
	if r.target.super {
		return nil
	}
	denied, err := r.deniedExtensions(ctx, needs[catalog.NeedExtension])
	if err != nil {
		return err
	}
	var temporary, create bool
	err = r.target.conn.QueryRow(ctx, `SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY'),
		pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')`).Scan(&temporary, &create)
	if err != nil {
		return fmt.Errorf("ask for rights on the target: %w", err)
	}
	answers := map[string]bool{}
	for _, n := range needs[catalog.NeedSuperuser] {
		_, known := answers[n.Trial]
		switch published := n.Object.Class == catalog.ClassSubscription || n.Object.Class == catalog.ClassPublication; {
		case known:
		case published && r.o.Create && !create: // the server says so first, and it says nothing of the database that will be made
			answers[n.Trial], err = r.target.deniesByRule(ctx, n)
		case temporary || published: // else every answer could be that of temporary objects
			answers[n.Trial], err = r.target.denies(ctx, n.Trial)
		}
		if err != nil {
			return err
		}
		if answers[n.Trial] {
			denied = append(denied, n)
		}
	}
	switch {
	case len(denied) == 0:
		return nil
	case r.o.NoSuperuserObjects:
		objects := map[catalog.Ref]string{}
		for _, n := range denied {
			objects[n.Object] = fmt.Sprintf("on the target only a superuser may make it, and role %q may not", r.target.user)
		}
		return &deniedError{objects}
	}
	var names []string
	for _, n := range denied {
		names = append(names, n.For)
	}
	slices.Sort(names)
	r.lacks.add("the right to make objects that superusers make: role %q may not make %s; restore as a superuser, let one make the extensions beforehand, or leave them out, with what needs them, by --no-superuser-objects",
		r.target.user, fewOf(names, 12))
	return nil
}

// deniedExtensions are those that the role may not create. The server is tried only where its list says so, for the scripts of
// extensions can be long.
func (r *restore) deniedExtensions(ctx context.Context, needs []catalog.Need) (denied []catalog.Need, err error) {
	names := make([]string, len(needs))
	for i, n := range needs {
		names[i] = n.Name
	}
	rows, err := r.target.conn.Query(ctx, `SELECT e.name FROM pg_catalog.pg_available_extensions e
		JOIN pg_catalog.pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version
		WHERE e.name = ANY ($1) AND v.superuser AND NOT (v.trusted AND ($2 OR pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')))`,
		names, r.o.Create)
	if err != nil {
		return nil, fmt.Errorf("look for extensions on the target: %w", err)
	}
	doubtful, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look for extensions on the target: %w", err)
	}
	for _, n := range needs {
		if !slices.Contains(doubtful, n.Name) {
			continue
		}
		// Without a schema to create in the server says that first.
		no, err := r.target.denies(ctx, "SET LOCAL search_path = public; CREATE EXTENSION "+catalog.QuoteIdent(n.Name)+" CASCADE")
		if err != nil {
			return nil, err
		}
		if no {
			n.For = "extension " + n.Name
			denied = append(denied, n)
		}
	}
	return denied, nil
}

// denies says whether the server refuses statements for lack of a right, or for something that superusers alone may leave out. They are
// rolled back.
func (t *target) denies(ctx context.Context, sql string) (bool, error) {
	refusal, err := t.attempt(ctx, sql)
	// insufficient_privilege, and prohibited_sql_statement_attempted of a connection string without a password
	return refusal != nil && (refusal.Code == "42501" || refusal.Code == "2F003"), err
}

// deniesByRule is denies as PostgreSQL itself has it, for publications of all tables or of schemas and for subscriptions: from 16 on members
// of pg_create_subscription may make those that use a password.
func (t *target) deniesByRule(ctx context.Context, n catalog.Need) (bool, error) {
	if n.Object.Class == catalog.ClassPublication || t.db.version < 160000 || strings.Contains(n.Trial, "password_required") || !strings.Contains(n.Trial, "password=") {
		return true, nil
	}
	var member bool
	if err := t.conn.QueryRow(ctx, `SELECT pg_catalog.pg_has_role('pg_create_subscription', 'USAGE')`).Scan(&member); err != nil {
		return false, fmt.Errorf("ask for rights on the target: %w", err)
	}
	return !member, nil
}
