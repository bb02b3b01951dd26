package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// subscribe makes subscriptions in every form that the server knows, connected to nothing.
func subscribe(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	run(t, conn, `CREATE SUBSCRIPTION plain CONNECTION 'host=nowhere.invalid password=''it\''s secret''' PUBLICATION a, "B c" WITH (connect = false, streaming = off);
		COMMENT ON SUBSCRIPTION plain IS 'a subscription';
		CREATE SUBSCRIPTION "No Slot" CONNECTION '' PUBLICATION "select" WITH (connect = false, slot_name = NONE, binary = true, streaming = on, synchronous_commit = remote_apply);
		CREATE SUBSCRIPTION other_slot CONNECTION 'host=nowhere.invalid' PUBLICATION a WITH (connect = false, slot_name = '7_slot', streaming = off)`)
	if server.Version() >= 15 {
		run(t, conn, `CREATE SUBSCRIPTION of15 CONNECTION 'host=nowhere.invalid' PUBLICATION a WITH (connect = false, two_phase = true, disable_on_error = true, streaming = off)`)
	}
	if server.Version() >= 16 {
		run(t, conn, `CREATE SUBSCRIPTION of16 CONNECTION 'host=nowhere.invalid' PUBLICATION a WITH (connect = false, password_required = false, run_as_owner = true, origin = none, streaming = parallel)`)
	}
	if server.Version() >= 17 {
		run(t, conn, `CREATE SUBSCRIPTION of17 CONNECTION 'host=nowhere.invalid' PUBLICATION a WITH (connect = false, failover = true, slot_name = 'of17')`)
	}
}

// unsubscribe lets the database be dropped, and the next test have the names.
func unsubscribe(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	for name := range strings.Lines(texts(t, conn, "SELECT quote_ident(subname) FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())")) {
		name = strings.TrimSpace(name)
		run(t, conn, "ALTER SUBSCRIPTION "+name+" SET (slot_name = NONE); DROP SUBSCRIPTION "+name)
	}
}

func TestSubscriptionsComeBackDisabled(t *testing.T) {
	source, target := newDatabase(t, "source"), newDatabase(t, "target")
	subscribe(t, source)
	defer unsubscribe(t, source)
	defer unsubscribe(t, target)
	// An enabled one, as the worker would leave it; no worker runs, as no slots are left for it.
	run(t, source, "SET allow_system_table_mods = on; UPDATE pg_subscription SET subowner = 'cat_owner'::regrole WHERE subname = 'other_slot'")
	c := read(t, source)
	script := ddl(t, c, catalog.DDLOptions{})
	for _, s := range script.Statements {
		if secret := strings.HasPrefix(s.SQL, "CREATE SUBSCRIPTION"); s.Secret != secret {
			t.Errorf("secret is %v: %s", s.Secret, s.SQL)
		}
	}
	if server.Version() < 16 {
		if !strings.Contains(leftOut(script), "owner cat_owner of subscription other_slot") {
			t.Errorf("the owner who may have none is not told: %s", leftOut(script))
		}
		run(t, source, "UPDATE pg_subscription SET subowner = 10 WHERE subname = 'other_slot'")
	}
	execute(t, target, script)
	equal(t, "pg_dump of source and copy", dump(t, source), dump(t, target))
	// A set that is cleaned goes without asking any publisher.
	drops := script.Drops()
	if err := pgx.BeginFunc(t.Context(), target, func(tx pgx.Tx) error {
		for _, d := range drops {
			if _, err := tx.Exec(t.Context(), d.SQL, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatalf("%s: %v", d.SQL, err)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if left := read(t, target).Subscriptions; len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
	execute(t, target, script)
}

func TestAnEnabledSubscriptionIsTold(t *testing.T) {
	c := &catalog.Catalog{ServerVersion: 150000, Subscriptions: []catalog.Subscription{{Object: catalog.Object{OID: 1, Name: "s", Owner: "o"}, Publications: []string{"p"},
		Streaming: "off", SynchronousCommit: "off", Enabled: true, OwnerSuper: true}}}
	if script := ddl(t, c, catalog.DDLOptions{}); !strings.Contains(leftOut(script), "subscription s being enabled") {
		t.Errorf("left out: %s", leftOut(script))
	}
}

func TestSubscriptionsThatCannotBeReadAreListed(t *testing.T) {
	conn := newDatabase(t, "source")
	subscribe(t, conn)
	defer unsubscribe(t, conn)
	before := fingerprint(t, conn)
	run(t, conn, "SET ROLE cat_reader")
	c := read(t, conn)
	if len(c.Subscriptions) != 0 || !slices.ContainsFunc(c.Unsupported, func(u catalog.Unsupported) bool {
		return u.Name == `"No Slot"` && strings.Contains(u.Why, "not readable")
	}) {
		t.Errorf("read %+v, listed %+v", c.Subscriptions, c.Unsupported)
	}
	fingerprint(t, conn)
	run(t, conn, "RESET ROLE; ALTER SUBSCRIPTION plain CONNECTION 'host=elsewhere.invalid'")
	if fingerprint(t, conn) == before {
		t.Error("a changed connection string does not change the fingerprint")
	}
}
