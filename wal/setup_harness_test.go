package wal

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal/pgoutput"
)

// setupDatabases numbers the databases of the tests: a slot's name is the server's.
var setupDatabases atomic.Int32

// database is a database to set up, with a superuser's connection.
type database struct {
	*testing.T
	ctx  context.Context
	name string
	uri  string
	conn *pgx.Conn
}

// newDatabase makes a database, and the role app, which may create in it and nothing else.
func newDatabase(t *testing.T, options ...string) *database {
	t.Helper()
	server := sharedServer(t)
	d := &database{T: t, ctx: t.Context(), name: fmt.Sprintf("setup%d", setupDatabases.Add(1))}
	var err error
	if d.uri, err = server.NewDatabase(d.ctx, d.name, options...); err != nil {
		t.Fatal(err)
	}
	d.conn = d.connect("postgres")
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), d.uri)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		_, err = conn.Exec(context.Background(), `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
			WHERE database = current_database() AND NOT active`)
		if err != nil {
			t.Error(err)
		}
	})
	d.exec(`DO $$ BEGIN CREATE ROLE app LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
		"GRANT CREATE ON DATABASE "+d.name+" TO app", "GRANT CREATE ON SCHEMA public TO app")
	return d
}

// connect opens a connection that the test closes.
func (d *database) connect(user string) *pgx.Conn {
	d.Helper()
	config, err := pgx.ParseConfig(d.uri)
	if err != nil {
		d.Fatal(err)
	}
	config.User = user
	config.RuntimeParams["search_path"] = "public"
	config.RuntimeParams["client_encoding"] = "UTF8"
	conn, err := pgx.ConnectConfig(d.ctx, config)
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func (d *database) exec(sql ...string) { d.Helper(); execOn(d.T, d.conn, sql...) }

// execOn runs each statement, as the simple protocol does.
func execOn(t *testing.T, conn *pgx.Conn, sql ...string) {
	t.Helper()
	for _, s := range sql {
		if _, err := conn.PgConn().Exec(t.Context(), s).ReadAll(); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// text returns the only value of a query.
func (d *database) text(sql string, args ...any) string {
	d.Helper()
	var s *string
	if err := d.conn.QueryRow(d.ctx, sql, args...).Scan(&s); err != nil {
		d.Fatalf("%s: %v", sql, err)
	}
	if s == nil {
		return "NULL"
	}
	return *s
}

// init sets it up.
func (d *database) init(o InitOptions) *InitResult {
	d.Helper()
	r, err := Init(d.ctx, d.conn, d.name, o)
	if err != nil {
		d.Fatal(err)
	}
	return r
}

// version is the server's major version.
func (d *database) version() int { return sharedServer(d.T).Version() }

// decoded returns the messages of pgoutput that the source's slot holds, without consuming them.
func (d *database) decoded() []pgoutput.Message {
	d.Helper()
	rows, err := d.conn.Query(d.ctx, `SELECT data FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL,
		'proto_version', '1', 'publication_names', 'pgrecall', 'messages', 'true')`, SlotName(d.name))
	if err != nil {
		d.Fatal(err)
	}
	raw, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		d.Fatal(err)
	}
	var ms []pgoutput.Message
	for _, b := range raw {
		m, err := pgoutput.Decode(b)
		if err != nil {
			d.Fatal(err)
		}
		ms = append(ms, m)
	}
	return ms
}

// ddl returns the messages of the DDL capture since the slot was made, or since skip was called.
func (d *database) ddl() []DDL {
	d.Helper()
	var all []DDL
	for _, m := range d.decoded() {
		if l, ok := m.(*pgoutput.LogicalMessage); ok && l.Prefix == format.PrefixDDL {
			parsed, err := ParseDDL(string(l.Content))
			if err != nil {
				d.Fatalf("%v: %s", err, l.Content)
			}
			all = append(all, parsed)
		}
	}
	return all
}

// skip consumes what the slot holds.
func (d *database) skip() {
	d.Helper()
	d.exec("SELECT pg_replication_slot_advance('" + SlotName(d.name) + "', pg_current_wal_insert_lsn())")
}

// tags are the tags of the messages, with what matters about each.
func tags(ds []DDL) string {
	var s []string
	for _, d := range ds {
		tag := d.Tag
		for _, mark := range []struct {
			is   bool
			text string
		}{{len(d.Dropped) > 0, " dropped"}, {d.Rewrite, " rewrite"}, {d.Internal, " internal"}, {d.Incomplete, " incomplete: " + d.Error},
			{len(d.Kept.Identity) > 0, " kept"}} {
			if mark.is {
				tag += mark.text
			}
		}
		s = append(s, tag)
	}
	return strings.Join(s, ", ")
}

// wantText compares.
func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// messages returns the contents of the messages with the prefix that the slot holds.
func (d *database) messages(prefix string) []string {
	d.Helper()
	var all []string
	for _, m := range d.decoded() {
		if l, ok := m.(*pgoutput.LogicalMessage); ok && l.Prefix == prefix {
			all = append(all, string(l.Content))
		}
	}
	return all
}

// objects lists every object of the database that is not PostgreSQL's own, with its comment and grants, and each
// table's identity.
func (d *database) objects() string {
	d.Helper()
	return d.text(`
		SELECT string_agg(o, E'\n' ORDER BY o) FROM (
		  SELECT pg_describe_object(k.classid, k.objid, k.objsubid) AS o FROM (
		    SELECT classid, objid, objsubid FROM pg_depend UNION SELECT refclassid, refobjid, refobjsubid FROM pg_depend
		    UNION SELECT 'pg_event_trigger'::regclass, oid, 0 FROM pg_event_trigger UNION SELECT 'pg_publication'::regclass, oid, 0 FROM pg_publication
		    UNION SELECT 'pg_namespace'::regclass, oid, 0 FROM pg_namespace
		  ) k WHERE k.objid >= 16384
		  UNION ALL SELECT 'comment ' || description FROM pg_description WHERE objoid >= 16384
		  UNION ALL SELECT 'shared ' || deptype::text || ' ' || classid::regclass || ' ' || objid FROM pg_shdepend
		    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
		  UNION ALL SELECT 'acl ' || nspname || nspacl::text FROM pg_namespace
		  UNION ALL SELECT 'default acl ' || oid FROM pg_default_acl
		  UNION ALL SELECT 'identity ' || relname || relreplident::text FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p')
		  UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots WHERE database = current_database() AND NOT active
		) t`)
}

// holdSlot makes a slot of the source's name and receives from it until the test ends. It returns the process id.
func (d *database) holdSlot() uint32 {
	d.Helper()
	config, err := pgconn.ParseConfig(d.uri)
	if err != nil {
		d.Fatal(err)
	}
	config.RuntimeParams["replication"] = "database"
	conn, err := pgconn.ConnectConfig(d.ctx, config)
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { conn.Close(context.Background()) })
	for _, sql := range []string{"CREATE PUBLICATION pgrecall_held", "SELECT pg_create_logical_replication_slot('" + SlotName(d.name) + "', 'pgoutput')"} {
		d.exec(sql)
	}
	conn.Frontend().SendQuery(&pgproto3.Query{String: "START_REPLICATION SLOT " + SlotName(d.name) +
		" LOGICAL 0/0 (proto_version '1', publication_names 'pgrecall_held')"})
	if err := conn.Frontend().Flush(); err != nil {
		d.Fatal(err)
	}
	d.until("SELECT active FROM pg_replication_slots WHERE slot_name = '" + SlotName(d.name) + "'")
	return conn.PID()
}
