package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// lacking collects what stands in the way of a restore, so that all of it is told at once.
type lacking struct{ lines []string }

func (l *lacking) add(text string, args ...any) {
	l.lines = append(l.lines, fmt.Sprintf(text, args...))
}

// err is all of it, or nil.
func (l *lacking) err() error {
	switch len(l.lines) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("the target lacks what the restore needs, and nothing was changed: %s", l.lines[0])
	}
	return fmt.Errorf("the target lacks what the restore needs, and nothing was changed:\n  %s", strings.Join(l.lines, "\n  "))
}

// checkNeeds makes sure that the target has what the script takes for granted: roles, tablespaces, extensions, collations.
func (r *restore) checkNeeds(ctx context.Context) error {
	if err := r.planGlobals(ctx, r.catalog.Globals, r.past.catalogTime()); err != nil {
		return err
	}
	if r.o.Scope == RestoreDataOnly && r.large == nil {
		return nil
	}
	if !r.o.Create && r.o.Scope != RestoreDataOnly {
		if err := r.target.look(ctx, r.script.Statements); err != nil {
			return err
		}
	}
	needs := r.needs()
	for _, check := range []func(context.Context, map[catalog.NeedKind][]catalog.Need) error{r.needRoles, r.needToAct, r.needTablespaces, r.needExtensions, r.needLocales, r.needLibraries, r.needFiles, r.needRequired, r.needSuperuser} {
		if err := check(ctx, needs); err != nil {
			return err
		}
	}
	return nil
}

// checkLacks refuses what the checks before it have found.
func (r *restore) checkLacks(context.Context) error { return r.lacks.err() }

// needs are those of the statements that will run, by kind, each once.
func (r *restore) needs() map[catalog.NeedKind][]catalog.Need {
	all := r.script.Needs
	if r.o.Scope == RestoreDataOnly {
		all = nil // of objects it makes large ones only
	}
	if r.large != nil {
		all = slices.Concat(r.large.Needs(r.ddl), all)
	}
	if r.database != nil {
		all = slices.Concat(r.database.Needs, all)
	}
	needs := map[catalog.NeedKind][]catalog.Need{}
	for _, n := range all {
		there := n.Statement >= 0 && r.script.Statements[n.Statement].IfMissing && r.target.exists[n.Statement]
		same := func(other catalog.Need) bool { return other.Name == n.Name }
		if !there && !slices.ContainsFunc(needs[n.Kind], same) {
			needs[n.Kind] = append(needs[n.Kind], n)
		}
	}
	return needs
}

// absent returns the names of which a query says that the target does not have them.
func (t *target) absent(ctx context.Context, what string, needs []catalog.Need, coming []string, from string) ([]catalog.Need, error) {
	names := make([]string, len(needs))
	for i, n := range needs {
		names[i] = n.Name
	}
	rows, err := t.conn.Query(ctx, "SELECT n FROM pg_catalog.unnest($1::text[]) n WHERE n NOT IN ("+from+")", names)
	if err != nil {
		return nil, fmt.Errorf("look for %s on the target: %w", what, err)
	}
	missing, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look for %s on the target: %w", what, err)
	}
	var absent []catalog.Need
	for _, n := range needs {
		if slices.Contains(missing, n.Name) && !slices.Contains(coming, n.Name) {
			absent = append(absent, n)
		}
	}
	return absent, nil
}

// described lists needs with what needs them.
func described(needs []catalog.Need) string {
	var names []string
	for _, n := range needs {
		names = append(names, n.Name+" ("+n.For+")")
	}
	slices.Sort(names)
	return fewOf(names, 12)
}

// needRoles looks for the roles that the script names.
func (r *restore) needRoles(ctx context.Context, needs map[catalog.NeedKind][]catalog.Need) error {
	coming := r.coming()
	for _, kind := range []struct {
		kind      catalog.NeedKind
		what, way string
	}{
		{catalog.NeedOwner, "roles that own objects", ", or leave ownership to the restoring role with --no-owner"},
		{catalog.NeedGrantee, "roles in grants", ", or leave out grants with --no-privileges"},
		{catalog.NeedRole, "roles that policies or settings are for", ""},
	} {
		absent, err := r.target.absent(ctx, "roles", needs[kind.kind], coming.Roles, "SELECT rolname FROM pg_catalog.pg_roles")
		if err != nil {
			return err
		}
		if len(absent) > 0 {
			r.lacks.add("%s: %s; make them, bring the source's along with --globals%s", kind.what, described(absent), kind.way)
		}
	}
	return nil
}

// coming is what the restore of the globals makes before the script runs.
func (r *restore) coming() *catalog.GlobalsPlan {
	switch {
	case r.globals != nil:
		return r.globals
	case r.o.coming != nil:
		return r.o.coming
	}
	return &catalog.GlobalsPlan{}
}

// needToAct makes sure that the restoring role may become those it gives objects to and those it grants as (documentation, "ALTER
// TABLE", "SET ROLE"): since 16 that takes a membership WITH SET. What is given away is worked on afterwards, as rows are loaded into a
// table, which takes a membership that is inherited.
func (r *restore) needToAct(ctx context.Context, needs map[catalog.NeedKind][]catalog.Need) error {
	t := r.target
	if t.super {
		return nil
	}
	privilege, with, inherited, coming := "MEMBER", "", " (and ALTER ROLE … INHERIT)", r.coming().Roles
	if t.db.version >= 160000 {
		privilege, with, inherited, coming = "SET", " WITH SET TRUE", ", INHERIT TRUE", nil // those are made with createrole_self_grant
	}
	var others, strangers []string
	for condition, roles := range map[string]*[]string{
		"NOT pg_catalog.pg_has_role(oid, $1)":                                            &others,
		"NOT (pg_catalog.pg_has_role(oid, $1) AND pg_catalog.pg_has_role(oid, 'USAGE'))": &strangers,
	} {
		rows, err := t.conn.Query(ctx, "SELECT rolname FROM pg_catalog.pg_roles WHERE "+condition, privilege)
		if err == nil {
			*roles, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		if err != nil {
			return fmt.Errorf("look for roles on the target: %w", err)
		}
		*roles = append(*roles, coming...)
	}
	var publicOwner string
	if err := t.conn.QueryRow(ctx, `SELECT coalesce((SELECT pg_catalog.pg_get_userbyid(nspowner)::text FROM pg_catalog.pg_namespace WHERE nspname = 'public'), '')`).Scan(&publicOwner); err != nil {
		return fmt.Errorf("look for the owner of schema public on the target: %w", err)
	}
	for _, kind := range []struct {
		kind            catalog.NeedKind
		not             []string
		what, with, way string
	}{
		{catalog.NeedOwner, strangers, "the owners of objects", with + inherited, "leave ownership to the restoring role with --no-owner"},
		{catalog.NeedGrantor, others, "those who granted", with, "leave out grants with --no-privileges"},
	} {
		blocked := slices.DeleteFunc(slices.Clone(needs[kind.kind]), func(n catalog.Need) bool {
			return !slices.Contains(kind.not, n.Name) || n.For == "schema public" && n.Name == publicOwner // to whom it is given already
		})
		if len(blocked) > 0 {
			r.lacks.add("role %s may not act for %s: %s; GRANT %s TO %s%s, or %s", t.user, kind.what, described(blocked), quoteName(blocked[0].Name), quoteName(t.user), kind.with, kind.way)
		}
	}
	return nil
}

func (r *restore) needTablespaces(ctx context.Context, needs map[catalog.NeedKind][]catalog.Need) error {
	absent, err := r.target.absent(ctx, "tablespaces", needs[catalog.NeedTablespace], r.coming().TablespaceNames, "SELECT spcname FROM pg_catalog.pg_tablespace")
	if err == nil && len(absent) > 0 {
		r.lacks.add("tablespaces: %s; make them, bring the source's along with --globals, or put everything where the target does with --no-tablespaces", described(absent))
	}
	if err != nil || r.target.super {
		return err
	}
	closed, err := r.target.absent(ctx, "tablespaces", needs[catalog.NeedTablespace], r.coming().TablespaceNames,
		"SELECT spcname FROM pg_catalog.pg_tablespace WHERE pg_catalog.has_tablespace_privilege(oid, 'CREATE')")
	closed = slices.DeleteFunc(closed, func(n catalog.Need) bool {
		return slices.ContainsFunc(absent, func(a catalog.Need) bool { return a.Name == n.Name })
	})
	if err == nil && len(closed) > 0 {
		r.lacks.add("the right to create in tablespaces: %s; GRANT CREATE ON TABLESPACE to role %q, or put everything where the target does with --no-tablespaces", described(closed), r.target.user)
	}
	return err
}

func (r *restore) needExtensions(ctx context.Context, needs map[catalog.NeedKind][]catalog.Need) error {
	absent, err := r.target.absent(ctx, "extensions", needs[catalog.NeedExtension], nil, "SELECT name FROM pg_catalog.pg_available_extensions")
	if err != nil || len(absent) == 0 {
		return err
	}
	var names []string
	for _, n := range absent {
		names = append(names, n.Name)
	}
	slices.Sort(names)
	r.lacks.add("extensions whose files are not on the target's machine: %s; install the packages they come in there, or restore tables that do not need them with --table", fewOf(names, 12))
	return nil
}

// needRequired looks for what the tables need and is not restored: tables and views that are not chosen, and where only the tables
// are restored, everything else.
func (r *restore) needRequired(ctx context.Context, _ map[catalog.NeedKind][]catalog.Need) error {
	asked := make([]catalog.Statement, len(r.script.Required))
	for i, required := range r.script.Required {
		asked[i].Exists = required.Exists
	}
	there := map[int]bool{}
	if !r.o.Create {
		var err error
		if there, err = r.target.ask(ctx, asked); err != nil {
			return err
		}
	}
	var missing, others []string
	for i, required := range r.script.Required {
		switch {
		case there[i]:
		case required.By != "":
			others = append(others, required.What+" (for "+required.By+")")
		default:
			missing = append(missing, required.What)
		}
	}
	if len(others) > 0 {
		r.lacks.add("tables and views that the tables' types, policies, rules, triggers or functions need: %s; "+
			"restore these too, make them, or take copies without policies, rules and triggers with --into-schema", fewOf(others, 12))
	}
	if len(missing) > 0 {
		r.lacks.add("objects that the tables need: %s; make them, or bring them along without --table-only", fewOf(missing, 12))
	}
	return nil
}

// needLocales tries the collations that are to be made, and the locale of a database that is: whether the server is built with ICU and whether its
// operating system has a locale is known to nobody but the server. What is tried is rolled back.
func (r *restore) needLocales(ctx context.Context, needs map[catalog.NeedKind][]catalog.Need) error {
	otherEncoding := r.o.Create && r.target.db.encoding != r.catalog.Database.Encoding
	failed, err := r.try(ctx, needs[catalog.NeedLocale], otherEncoding)
	if err != nil {
		return err
	}
	way := ""
	if r.database != nil {
		way = ", or make the database yourself, with another locale, and leave --create out"
		for _, sql := range r.catalog.Database.Trials() {
			why, err := r.target.try(ctx, sql, otherEncoding)
			if err != nil {
				return err
			}
			if why != "" {
				failed = append(failed, "the database ("+why+")")
			}
		}
	}
	if len(failed) > 0 {
		r.lacks.add("locales that the target's server, or its operating system, does not have, of: %s; install them there%s", fewOf(failed, 12), way)
	}
	return nil
}

// needLibraries tries the functions in C that are to be made. Handlers of languages, foreign data and access methods are such.
func (r *restore) needLibraries(ctx context.Context, needs map[catalog.NeedKind][]catalog.Need) error {
	failed, err := r.try(ctx, needs[catalog.NeedLibrary], false)
	if err == nil && len(failed) > 0 {
		r.lacks.add("shared libraries that are not on the target's machine, of: %s; install them there, or restore tables that do not need them with --table", fewOf(failed, 12))
	}
	return err
}

// needFiles tries the text search dictionaries that are to be made. Of a template that is not there yet nothing can be known.
func (r *restore) needFiles(ctx context.Context, needs map[catalog.NeedKind][]catalog.Need) error {
	var failed []string
	for _, n := range needs[catalog.NeedFile] {
		refusal, err := r.target.attempt(ctx, r.script.Statements[n.Statement].Trial())
		if err != nil {
			return err
		}
		if refusal != nil && refusal.Code == "F0000" { // config_file_error, as src/backend/tsearch gives it
			failed = append(failed, n.For+" ("+refusal.Message+")")
		}
	}
	if len(failed) > 0 {
		r.lacks.add("files that text search reads, in tsearch_data of the target's machine: %s; copy them there from the source's, or restore tables that do not need them with --table", fewOf(failed, 12))
	}
	return nil
}

// try tries what objects are made of, and describes those that cannot be made.
func (r *restore) try(ctx context.Context, needs []catalog.Need, otherEncoding bool) (failed []string, err error) {
	for _, n := range needs {
		why, err := r.target.try(ctx, r.script.Statements[n.Statement].Trial(), otherEncoding)
		if err != nil {
			return nil, err
		}
		if why != "" {
			failed = append(failed, n.For+" ("+why+")")
		}
	}
	return failed, nil
}

// try runs a statement and rolls it back, and says what the server had against it. With otherEncoding the statement is meant for a
// database of another encoding, and an answer that has to do with that is none.
func (t *target) try(ctx context.Context, sql string, otherEncoding bool) (why string, err error) {
	refusal, err := t.attempt(ctx, sql)
	switch {
	case err != nil || refusal == nil:
		return "", err
	case refusal.Code == "42501": // no right to make such or temporary objects: needSuperuser tells, or the restore itself
		return "", nil
	case otherEncoding && slices.Contains([]string{"check_encoding_locale_matches", "DefineCollation", "builtin_validate_locale"}, refusal.Routine):
		return "", nil // who complains of the encoding
	}
	return refusal.Message, nil
}

// attempt runs statements in a transaction that it rolls back, and returns the server's refusal.
func (t *target) attempt(ctx context.Context, sql string) (refusal *pgconn.PgError, err error) {
	tx, err := t.conn.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("try what the target can do: %w", err)
	}
	defer func() {
		if rollback := tx.Rollback(ctx); err == nil && rollback != nil {
			err = fmt.Errorf("try what the target can do: %w", rollback)
		}
	}()
	if _, err = tx.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil && !errors.As(err, &refusal) {
		return nil, fmt.Errorf("try what the target can do: %w", err)
	}
	return refusal, nil
}
