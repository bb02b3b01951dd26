package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// target is the database that a restore goes to.
type target struct {
	config *pgx.ConnConfig
	// conn is a session on it; with create, until the database is made, on the maintenance database.
	conn   *pgx.Conn
	db     *database
	create string // the database to make, empty where it exists
	old    uint32 // the oid of the database of that name that is to be dropped first
	super  bool
	user   string
	// exists says of each statement with an Exists whether the object is there already.
	exists map[int]bool
	// parameters are those that the server knows; nil: not asked yet.
	parameters catalog.Parameters
}

func (t *target) close(ctx context.Context) {
	if t != nil && t.conn != nil {
		hangUp(ctx, t.conn)
	}
}

// reach connects to the target, says which it is, and makes sure that the plan can be carried out there.
func (r *restore) reach(ctx context.Context) error {
	if err := r.connectTarget(ctx); err != nil {
		return err
	}
	for _, check := range []func(context.Context) error{r.checkServer, r.checkSource, r.planDatabase, r.checkNeeds, r.checkRights, r.checkLacks, r.checkObjects, r.checkConfiguration, r.checkLargeObjects, r.checkTypes, r.checkGenerated} {
		if err := check(ctx); err != nil {
			r.target.close(ctx)
			return err
		}
	}
	return nil
}

// connectTarget opens the session with the target.
func (r *restore) connectTarget(ctx context.Context) error {
	config, err := parseConn(r.o.To)
	if err != nil {
		return err
	}
	if r.o.into != "" {
		config.Database = r.o.into
	}
	config.RuntimeParams["check_function_bodies"] = "off"
	// What names no place and no access method has the database's own, whatever the target's settings say.
	config.RuntimeParams["default_tablespace"] = ""
	config.RuntimeParams["default_table_access_method"] = "heap"
	config.RuntimeParams["synchronous_commit"] = "off" // until settle
	config.OnNotice = r.notice
	r.target = &target{config: config}
	if err := r.target.connect(ctx, r.o.Create, r.o.Clean); err != nil {
		return err
	}
	r.plan.To = r.target.db.server()
	if r.o.Create {
		r.plan.To.Database = r.target.create
	}
	s := r.plan.To
	r.tracer.Note(Note{LevelInfo, fmt.Sprintf("restoring into database %q on %s:%d, system %s, server version %d", s.Database, s.Host, s.Port, s.SystemID, s.Version/10000)})
	return nil
}

// notice takes what the target's server says beside its answers. Who may not grant, or take back, is warned and not refused
// (restrict_and_check_grant() in src/backend/catalog/aclchk.c), and the statement does nothing, or not all it says.
func (r *restore) notice(_ *pgconn.PgConn, n *pgconn.Notice) {
	if n.Code == "01006" || n.Code == "01007" { // privilege_not_revoked, privilege_not_granted
		r.goesWithout(fmt.Sprintf("role %q may not change all privileges: %s: there the target's own hold", r.target.user, n.Message))
	}
}

// connect opens the session. With create it is one on "postgres", and the database must not exist unless it is to be dropped.
func (t *target) connect(ctx context.Context, create, clean bool) (err error) {
	c := t.config
	if create {
		t.create = c.Database
		if t.create == "" {
			return usagef("--create: name the database to make in --to")
		}
		c = c.Copy()
		c.Database = maintenance
		if t.create == maintenance {
			c.Database = "template1" // nobody drops the database that the session is with
		}
	}
	if t.conn, t.db, err = connect(ctx, c); err != nil {
		if !create && databaseMissing(err) {
			return fmt.Errorf("%w; --create makes it", err)
		}
		return err
	}
	err = t.conn.QueryRow(ctx, `SELECT current_user, pg_catalog.current_setting('is_superuser') = 'on'`).Scan(&t.user, &t.super)
	if err == nil && create {
		err = t.conn.QueryRow(ctx, `SELECT coalesce((SELECT oid FROM pg_catalog.pg_database WHERE datname = $1), 0)`, t.create).Scan(&t.old)
		if err == nil && t.old != 0 && !clean {
			err = fmt.Errorf("database %q exists on the target; leave --create out to restore into it, add --clean to drop it first, or name another", t.create)
		}
	}
	if err != nil {
		hangUp(ctx, t.conn)
		t.conn = nil
	}
	return err
}

func databaseMissing(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "3D000" // invalid_catalog_name
}

// quoteName writes names as SQL, joined by dots.
func quoteName(names ...string) string { return pgx.Identifier(names).Sanitize() }

// quoteText writes a literal; standard_conforming_strings is on in every supported server by default, and a backslash
// asks for the form that does not depend on it.
func quoteText(s string) string {
	if strings.Contains(s, `\`) {
		return "E'" + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), "'", "''") + "'"
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// checkServer compares versions and encodings.
func (r *restore) checkServer(context.Context) error {
	e, db := r.past.choice.Base.Envelope, r.target.db
	if err := checkVersion(e.ServerVersion, db.version); err != nil {
		return err
	}
	if r.o.Create || db.encoding == e.Encoding {
		return nil
	}
	// SQL_ASCII says nothing of what its bytes mean, so nothing can convert them.
	if e.Encoding == "SQL_ASCII" || db.encoding != "UTF8" {
		return fmt.Errorf("the target database has the encoding %s and the source %s, which would not be byte for byte; restore into a database with ENCODING '%s' (--create makes one)",
			db.encoding, e.Encoding, e.Encoding)
	}
	r.tracer.Note(Note{LevelWarn, fmt.Sprintf("the target has the encoding %s, the source %s: text is converted", db.encoding, e.Encoding)})
	return nil
}

// checkVersion holds the target's version against the source's.
func checkVersion(source, target int) error {
	if target/10000 < source/10000 {
		return fmt.Errorf("the target is PostgreSQL %d and the source was %d: a restore goes to the same or a newer major version",
			target/10000, source/10000)
	}
	return nil
}

// isSource says whether the target is the source itself.
func (r *restore) isSource() bool {
	s := r.held.source
	return !r.o.Create && r.target.db.systemID == s.SystemID && r.target.db.oid == s.DatabaseOID
}

// checkSource keeps Clean from the source itself.
func (r *restore) checkSource(ctx context.Context) error {
	if r.target.old != 0 {
		return r.checkReplaced(ctx)
	}
	if r.isSource() && r.o.Clean && !r.o.OverwriteSource {
		return usagef("--clean would remove live objects of the source itself; --overwrite-source says that this is meant. Copies beside them: --into-schema or --rename")
	}
	return nil
}

// existsBatch is how many objects are looked for at once.
const existsBatch = 100

// look asks which objects of the script the target has.
func (t *target) look(ctx context.Context, statements []catalog.Statement) (err error) {
	t.exists, err = t.ask(ctx, statements)
	return err
}

// ask asks of each statement with an Exists whether its object is there.
func (t *target) ask(ctx context.Context, statements []catalog.Statement) (map[int]bool, error) {
	answers := map[int]bool{}
	var asked []int
	var expressions []string
	flush := func() error {
		if len(asked) == 0 {
			return nil
		}
		var there []bool
		if err := t.conn.QueryRow(ctx, "SELECT ARRAY["+strings.Join(expressions, ", ")+"]::bool[]").Scan(&there); err != nil {
			return fmt.Errorf("look for existing objects on the target: %w", err)
		}
		for i, yes := range there {
			answers[asked[i]] = yes
		}
		asked, expressions = nil, nil
		return nil
	}
	for i, s := range statements {
		if s.Exists == "" {
			continue
		}
		asked, expressions = append(asked, i), append(expressions, "("+s.Exists+")")
		if len(asked) == existsBatch {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	return answers, flush()
}

// checkObjects refuses what is there already, unless Clean says to remove it, or looks at the tables of a data-only restore.
func (r *restore) checkObjects(ctx context.Context) error {
	if r.o.Create {
		return nil
	}
	if r.o.Scope == RestoreDataOnly {
		return r.checkTables(ctx)
	}
	var there []string
	for i, s := range r.script.Statements {
		if r.target.exists[i] && !s.IfMissing {
			there = append(there, strings.ToLower(s.Kind)+" "+s.Name)
		}
	}
	if len(there) == 0 {
		return nil
	}
	if r.o.Clean {
		return r.planDrops(ctx)
	}
	return fmt.Errorf("the target has objects that would be restored: %s; restore into an empty database (--create makes one), beside them with --into-schema or --rename, or drop exactly them first with --clean",
		fewOf(there, 12))
}

// fewOf lists at most n names.
func fewOf(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:n], ", "), len(names)-n)
}

// checkRights makes sure that the role may do what the plan needs, as far as that can be asked.
func (r *restore) checkRights(ctx context.Context) error {
	if r.target.super {
		return nil
	}
	var may bool
	var err error
	switch {
	case r.o.Create:
		err = r.target.conn.QueryRow(ctx, `SELECT rolcreatedb FROM pg_catalog.pg_roles WHERE rolname = current_user`).Scan(&may)
		if err == nil && !may {
			r.lacks.add("role %q may not make databases; ALTER ROLE %s CREATEDB, or let somebody else make it", r.target.user, quoteName(r.target.user))
		}
		return err
	case r.o.Scope == RestoreDataOnly:
		return nil // checkLoad asks when the tables are known to be there
	}
	return r.checkCreate(ctx)
}

// checkCreate asks for the right to make schemas, or objects in those that exist.
func (r *restore) checkCreate(ctx context.Context) error {
	schemas := map[string]bool{}
	for oid, name := range r.script.Tables {
		if r.configurations[oid] == nil {
			schemas[name.Schema] = true
		}
	}
	for _, schema := range sortedKeys(schemas) {
		var may bool
		err := r.target.conn.QueryRow(ctx, `SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)
			THEN pg_catalog.has_schema_privilege((SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1), 'CREATE')
			ELSE pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') END`, schema).Scan(&may)
		if err != nil {
			return fmt.Errorf("ask for rights on schema %s: %w", schema, err)
		}
		if !may {
			r.lacks.add("role %q may not create in schema %q of the target; GRANT CREATE ON it, or on the database where it does not exist", r.target.user, schema)
		}
	}
	return r.checkAlter(ctx)
}

// checkAlter asks for the rights that a restore into a database that exists needs on the database, for publications, and on schema public,
// which is there and gets the source's owner, comment and grants.
func (r *restore) checkAlter(ctx context.Context) error {
	var publication string
	var public []string
	schema := r.publicSchema()
	for i, s := range r.script.Statements {
		switch {
		case s.Kind == "PUBLICATION" && s.Exists != "":
			publication = s.Name
		case schema != 0 && s.OID == schema && !r.target.exists[i]:
			public = append(public, s.SQL)
		}
	}
	var create, owner bool
	err := r.target.conn.QueryRow(ctx, `SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),
		coalesce((SELECT pg_catalog.pg_has_role(nspowner, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = 'public'), true)`).Scan(&create, &owner)
	if err != nil {
		return fmt.Errorf("ask for rights on the target database: %w", err)
	}
	if publication != "" && !create {
		r.lacks.add("role %q may not make publications, as %s, in the target database; GRANT CREATE ON DATABASE, or leave them out with --no-publications", r.target.user, publication)
	}
	if len(public) > 0 && !owner {
		r.lacks.add("role %q may not alter schema public of the target (%s); its owner, as a rule the database's, may, or leave that out with --no-owner, --no-comments, --no-privileges",
			r.target.user, fewOf(public, 3))
	}
	return nil
}

// publicSchema is the oid on the source of schema public; 0: it has none.
func (r *restore) publicSchema() uint32 {
	for i := range r.catalog.Schemas {
		if s := &r.catalog.Schemas[i]; s.Name == "public" {
			return s.OID
		}
	}
	return 0
}
