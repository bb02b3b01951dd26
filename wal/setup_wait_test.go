package wal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/wal/pgoutput"
)

// waitingFor returns a report that runs act once, when Init waits for the pid, or for the prepared transaction.
func waitingFor(t *testing.T, step Step, pid uint32, gid string, act func()) (report func(Progress), seen func()) {
	done := false
	return func(p Progress) {
			for _, b := range p.Waiting {
				if !done && p.Step == step && b.PID == int32(pid) && b.GID == gid {
					done = true
					act()
				}
			}
		}, func() {
			t.Helper()
			if !done {
				t.Errorf("nobody was told that init waits for process %d%s", pid, gid)
			}
		}
}

func TestInitWaitsForTransactionsOlderThanTheTriggers(t *testing.T) {
	d := newDatabase(t)
	other := d.connect("app")
	execOn(t, other, "BEGIN", "CREATE TABLE late (a int)")
	report, seen := waitingFor(t, StepWait, other.PgConn().PID(), "", func() { execOn(t, other, "COMMIT") })
	d.init(InitOptions{Report: report})
	seen()
	execOn(t, other, "INSERT INTO late VALUES (1)", "UPDATE late SET a = 2", "DELETE FROM late")
}

// TestInitWaitsForCommandsOlderThanTheTriggers: a command that queues for a lock has no transaction id yet, and when
// it goes on it knows of no event trigger.
func TestInitWaitsForCommandsOlderThanTheTriggers(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE keyed (a int PRIMARY KEY)", "ALTER TABLE keyed OWNER TO app")
	reader, other := d.connect("postgres"), d.connect("app")
	execOn(t, reader, "BEGIN", "SELECT FROM keyed")
	altered := make(chan error, 1)
	go func() {
		_, err := other.Exec(d.ctx, "ALTER TABLE keyed DROP CONSTRAINT keyed_pkey")
		altered <- err
	}()
	d.until("SELECT count(*) = 1 FROM pg_locks WHERE relation = 'keyed'::regclass AND NOT granted")
	report, seen := waitingFor(t, StepWait, other.PgConn().PID(), "", func() {
		execOn(t, reader, "COMMIT")
		if err := <-altered; err != nil {
			t.Error(err)
		}
	})
	d.init(InitOptions{Report: report})
	seen()
	execOn(t, other, "INSERT INTO keyed VALUES (1)", "UPDATE keyed SET a = 2", "DELETE FROM keyed")
}

func TestInitDoesNotWaitForIdleReaders(t *testing.T) {
	d := newDatabase(t)
	reader := d.connect("app")
	execOn(t, reader, "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1")
	d.init(InitOptions{WaitTimeout: 20 * time.Second})
	execOn(t, reader, "COMMIT")
}

func TestInitNamesPreparedTransactions(t *testing.T) {
	d := newDatabase(t)
	other := d.connect("postgres")
	execOn(t, other, "BEGIN", "CREATE TABLE late (a int)", "PREPARE TRANSACTION 'left "+d.name+"'")
	_, err := Init(d.ctx, d.conn, d.name, InitOptions{WaitTimeout: 100 * time.Millisecond})
	var wait *WaitError
	if !errors.As(err, &wait) || !strings.Contains(err.Error(), "left "+d.name) {
		t.Errorf("%v", err)
	}
	wantText(t, "publications", d.text("SELECT count(*)::text FROM pg_publication"), "0")
	report, seen := waitingFor(t, StepWait, 0, "left "+d.name, func() { execOn(t, other, "COMMIT PREPARED 'left "+d.name+"'") })
	d.init(InitOptions{Report: report})
	seen()
	execOn(t, other, "INSERT INTO late VALUES (1)", "UPDATE late SET a = 2", "DELETE FROM late")
}

// TestInitNamesWhomTheSlotWaitsFor: the server waits for transactions of all databases before a slot is consistent.
func TestInitNamesWhomTheSlotWaitsFor(t *testing.T) {
	d, elsewhere := newDatabase(t), newDatabase(t)
	other := elsewhere.connect("app")
	execOn(t, other, "BEGIN", "CREATE TABLE elsewhere (a int)")
	_, err := Init(d.ctx, d.conn, d.name, InitOptions{WaitTimeout: 500 * time.Millisecond})
	var wait *WaitError
	if !errors.As(err, &wait) || wait.Step != StepSlot || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", other.PgConn().PID())) {
		t.Errorf("%v", err)
	}
	wantText(t, "slots left behind", d.text("SELECT count(*)::text FROM pg_replication_slots WHERE slot_name = $1", SlotName(d.name)), "0")
	report, seen := waitingFor(t, StepSlot, other.PgConn().PID(), "", func() { execOn(t, other, "COMMIT") })
	r := d.init(InitOptions{Report: report})
	seen()
	// The visibility is taken after the slot: what it does not see is decoded.
	if r.Log.Visibility.Xmax == 0 || r.Log.ConsistentPoint == 0 || r.Log.SystemID == "" || r.Log.Timeline != 1 {
		t.Errorf("%+v", r.Log)
	}
}

// TestBackendsNamesWhoHoldsAnOlderTransaction: once each, subtransactions included; not who has ended, or is younger.
func TestBackendsNamesWhoHoldsAnOlderTransaction(t *testing.T) {
	d := newDatabase(t)
	other, gone, younger := d.connect("app"), d.connect("app"), d.connect("app")
	execOn(t, other, "BEGIN", "CREATE TABLE a (a int)", "SAVEPOINT s", "CREATE TABLE b (a int)")
	execOn(t, gone, "CREATE TABLE c (a int)")
	v, err := currentVisibility(d.ctx, d.conn)
	if err != nil {
		t.Fatal(err)
	}
	execOn(t, younger, "BEGIN", "CREATE TABLE d (a int)")
	older, err := backends(d.ctx, d.conn, v.Xmax)
	if err != nil {
		t.Fatal(err)
	}
	older = slices.DeleteFunc(older, func(b Backend) bool { return b.Database != d.conn.Config().Database })
	if len(older) != 1 || older[0].PID != int32(other.PgConn().PID()) || older[0].User != "app" || older[0].XID >= v.Xmax {
		t.Errorf("older than %d: %+v", v.Xmax, older)
	}
	execOn(t, other, "COMMIT")
	if older, err = backends(d.ctx, d.conn, v.Xmax); err != nil || slices.ContainsFunc(older, func(b Backend) bool { return b.PID == int32(other.PgConn().PID()) }) {
		t.Errorf("after its end: %+v, %v", older, err)
	}
}

// TestLockHoldersAreNamed: a session by its process, a prepared transaction, which has none, by its name.
func TestLockHoldersAreNamed(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE locked (a int)", "GRANT ALL ON locked TO app")
	reader, preparer := d.connect("app"), d.connect("app")
	gid := "lock of " + d.name
	execOn(t, reader, "BEGIN", "SELECT FROM locked")
	execOn(t, preparer, "BEGIN", "INSERT INTO locked VALUES (1)", "PREPARE TRANSACTION '"+gid+"'")
	defer execOn(t, preparer, "ROLLBACK PREPARED '"+gid+"'")
	var table uint32
	if err := d.conn.QueryRow(d.ctx, "SELECT 'locked'::regclass::oid").Scan(&table); err != nil {
		t.Fatal(err)
	}
	holders, err := lockHolders(d.ctx, d.conn, table)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(holders, func(a, b Backend) int { return int(a.PID - b.PID) })
	if len(holders) != 2 || holders[0].PID != 0 || holders[0].GID != gid || holders[0].User != "app" ||
		holders[1].PID != int32(reader.PgConn().PID()) || holders[1].User != "app" {
		t.Errorf("holders: %+v", holders)
	}
}

// TestInitRetriesForLocks: a table that somebody reads for long is tried for a bounded time, in which nobody queues for
// longer than the lock timeout. Then nothing is published, and no statement fails.
func TestInitRetriesForLocks(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE plain (a int)", "GRANT ALL ON plain TO app")
	reader, app := d.connect("postgres"), d.connect("app")
	execOn(t, reader, "BEGIN", "SELECT FROM plain")
	execOn(t, app, "SET lock_timeout = '2s'")
	tries := 0
	_, err := Init(d.ctx, d.conn, d.name, InitOptions{LockTimeout: 100 * time.Millisecond, LockRounds: 4, Report: func(p Progress) {
		if p.Step == StepIdentity && len(p.Waiting) > 0 {
			tries++
			execOn(t, app, "INSERT INTO plain VALUES (1)", "UPDATE plain SET a = a + 1")
		}
	}})
	var lock *LockError
	if !errors.As(err, &lock) || len(lock.Tables) != 1 || lock.Tables[0].Name != "plain" || len(lock.Tables[0].Holders) != 1 ||
		lock.Tables[0].Holders[0].PID != int32(reader.PgConn().PID()) {
		t.Errorf("%v", err)
	}
	if tries != 3 {
		t.Errorf("%d rounds were reported", tries)
	}
	wantText(t, "publications", d.text("SELECT count(*)::text FROM pg_publication"), "0")
	execOn(t, app, "UPDATE plain SET a = a + 1")
	d.init(InitOptions{Report: func(p Progress) {
		if p.Step == StepIdentity && len(p.Waiting) > 0 {
			execOn(t, reader, "COMMIT")
		}
	}})
	execOn(t, app, "UPDATE plain SET a = a + 1")
}

// until polls for what another session does.
func (d *database) until(sql string) {
	d.Helper()
	conn, err := pgx.Connect(d.ctx, d.uri)
	if err != nil {
		d.Fatal(err)
	}
	defer conn.Close(d.ctx)
	for {
		var ok bool
		if err := conn.QueryRow(d.ctx, sql).Scan(&ok); err != nil {
			d.Fatalf("%s: %v", sql, err)
		}
		if ok {
			return
		}
		if err := pause(d.ctx, 5*time.Millisecond); err != nil {
			d.Fatal(err)
		}
	}
}

// A transaction that was open when the log began, and after which none has ended, may have its commit record before
// the slot's start: no snapshot that does not see it may join.
func TestTheLogStartsBeyondEveryTransactionThatIsOpen(t *testing.T) {
	d := newDatabase(t)
	open := d.connect("postgres")
	var xid uint64
	r := d.init(InitOptions{Report: func(p Progress) {
		if p.Step != StepLog {
			return
		}
		execOn(t, open, "BEGIN")
		if err := open.QueryRow(t.Context(), "SELECT pg_current_xact_id()::text::bigint").Scan(&xid); err != nil {
			t.Error(err)
		}
	}})
	defer execOn(t, open, "ROLLBACK")
	if xid == 0 || r.Log.Visibility.Xmax <= xid {
		t.Errorf("transaction %d is open and the log's visibility is %v", xid, r.Log.Visibility)
	}
}

// TestWhatIsTruncatedWhileTheSlotIsMadeIsDecoded: the server itself cannot decode a table that was truncated between two
// of the moments at which it makes a slot.
func TestWhatIsTruncatedWhileTheSlotIsMadeIsDecoded(t *testing.T) {
	d := newDatabase(t)
	d.exec("CREATE TABLE first (a int PRIMARY KEY)", "CREATE TABLE emptied (a int PRIMARY KEY)", "INSERT INTO emptied VALUES (1)")
	older, old, quick := d.connect("postgres"), d.connect("postgres"), d.connect("postgres")
	afterOlder, seenOlder := waitingFor(t, StepSlot, older.PgConn().PID(), "", func() {
		execOn(t, old, "BEGIN", "INSERT INTO first VALUES (2)")
		execOn(t, quick, "TRUNCATE emptied")
		execOn(t, older, "COMMIT")
	})
	afterOld, seenOld := waitingFor(t, StepSlot, old.PgConn().PID(), "", func() {
		execOn(t, quick, "INSERT INTO first VALUES (3)")
		execOn(t, old, "COMMIT")
	})
	begun := false
	d.init(InitOptions{Report: func(p Progress) {
		if p.Step == StepSlot && !begun {
			begun = true
			execOn(t, older, "BEGIN", "INSERT INTO first VALUES (1)")
		}
		afterOlder(p)
		afterOld(p)
	}})
	seenOlder()
	seenOld()
	d.exec("INSERT INTO emptied VALUES (7)")
	var inserted int
	for _, m := range d.decoded() {
		if _, is := m.(*pgoutput.Insert); is {
			inserted++
		}
	}
	if inserted != 1 {
		t.Errorf("%d inserts are in the log, want the one after init", inserted)
	}
}
