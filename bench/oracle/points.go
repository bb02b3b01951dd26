package oracle

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/format"
)

// A point is a recovery target with the truth that a restore to it must show.
type point struct {
	name   string
	target engine.Target
	truth  *truth
	kind   pointKind
}

// pointKind says how a point was chosen.
type pointKind int

const (
	// pointAtRandom is at a random moment.
	pointAtRandom pointKind = iota
	// pointOfDDL is just before or just after the commit of a migration.
	pointOfDDL
	// pointInBurst is just before or just after one of several migrations that follow each other without a pause.
	pointInBurst
	// pointLongWay is a point that was tried already, once more, over all of the log.
	pointLongWay
	pointKinds
)

// errDisturbed says that no truth could be taken at this moment: the point is dropped and another one taken.
var errDisturbed = errors.New("disturbed")

// observer takes points from a source that is being written to.
type observer struct {
	db    string
	dir   string
	ddl   *ddlHistory
	taken int
}

// next takes a point, or a locked one with its several names.
func (o *observer) next(ctx context.Context, locked bool, setMark func(ctx context.Context, name string) error) ([]*point, error) {
	if locked {
		return o.lockedPoints(ctx, setMark)
	}
	p, err := o.slotPoint(ctx)
	if err != nil {
		return nil, err
	}
	return []*point{p}, nil
}

// slotPoint takes the truth that a temporary slot exports: every transaction whose commit record ends at or before the
// slot's consistent point, and no other. No writer is held up.
func (o *observer) slotPoint(ctx context.Context) (*point, error) {
	o.taken++
	replication, err := connect(ctx, o.db, map[string]string{"replication": "database"})
	if err != nil {
		return nil, err
	}
	defer replication.close(ctx) // and with it the slot
	results, err := replication.conn.Exec(ctx,
		fmt.Sprintf("CREATE_REPLICATION_SLOT oracle_%d TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT", o.taken)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("create a slot for a point: %w", err)
	}
	// The columns are slot_name, consistent_point, snapshot_name, output_plugin (protocol-replication.html).
	row := results[0].Rows[0]
	lsn, err := format.ParseLSN(string(row[1]))
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("point %d, LSN %s", o.taken, lsn)
	t, err := o.readSnapshot(ctx, string(row[2]))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &point{name: name, target: engine.Target{Kind: engine.TargetLSN, LSN: lsn}, truth: t}, nil
}

// readSnapshot reads all tables in an exported snapshot.
func (o *observer) readSnapshot(ctx context.Context, snapshot string) (*truth, error) {
	s, err := connect(ctx, o.db, truthSettings())
	if err != nil {
		return nil, err
	}
	defer s.close(ctx)
	if err := s.run(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '"+snapshot+"'"); err != nil {
		return nil, err
	}
	if err := o.awaitCommits(ctx, s); err != nil {
		return nil, err
	}
	known, err := o.ddl.seen(ctx, s)
	if err != nil {
		return nil, err
	}
	tables, err := ordinaryTables(ctx, s)
	if err != nil {
		return nil, err
	}
	before, err := shapes(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		if err := s.run(ctx, "LOCK TABLE ONLY "+t.name+" IN ACCESS SHARE MODE"); err != nil {
			return nil, disturbed(err)
		}
	}
	read, err := readTables(ctx, s, tables, o.newDir())
	if err != nil {
		return nil, disturbed(err)
	}
	read.objects = known
	return read, o.unchanged(ctx, before)
}

// disturbed is the error, as one that ends no run if migrations explain it.
func disturbed(err error) error {
	if amidMigrations(err) {
		return fmt.Errorf("%w: %w", errDisturbed, err)
	}
	return err
}

// shapesQuery lists what the rows of tables are read by.
const shapesQuery = `SELECT format('%s %I.%I %s %s', c.oid, n.nspname, c.relname, c.relfilenode, (SELECT array_agg(format('%s %s %s %s',
	attnum, attname, atttypid, atttypmod) ORDER BY attnum)
			FROM pg_catalog.pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped))
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
	UNION ALL SELECT format('label %s %s', oid, enumlabel) FROM pg_catalog.pg_enum
	UNION ALL SELECT format('attribute %s %s %s', c.oid, a.attnum,
		a.atttypid) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid WHERE c.relkind = 'c' AND NOT a.attisdropped AND c.oid > 16383`

func shapes(ctx context.Context, s *session) (map[string]bool, error) {
	rows, err := s.rows(ctx, shapesQuery)
	lines := make(map[string]bool, len(rows))
	for _, row := range rows {
		lines[row[0]] = true
	}
	return lines, err
}

// unchanged says whether tables that were read have been all the time what they are in the snapshot. TRUNCATE and DDL are not
// MVCC-safe (mvcc-caveats.html): after one between the snapshot and the locks, COPY would see nothing, or another table.
func (o *observer) unchanged(ctx context.Context, before map[string]bool) error {
	now, err := connect(ctx, o.db, nil)
	if err != nil {
		return err
	}
	defer now.close(ctx)
	after, err := shapes(ctx, now)
	if err != nil {
		return err
	}
	for line := range before {
		if !after[line] {
			return fmt.Errorf("%w: a table was changed just now", errDisturbed)
		}
	}
	return nil
}

// awaitCommits waits until no transaction that the session's snapshot sees is still in the midst of its commit. A
// slot's snapshot comes from the WAL, where a commit stands a moment before it counts as committed in
// pg_xact; a row read in between would be taken for one of a transaction that crashed (HeapTupleSatisfiesMVCC in
// src/backend/access/heap/heapam_visibility.c), and marked so for good.
func (o *observer) awaitCommits(ctx context.Context, s *session) error {
	// A slot's snapshot may have an xmin beyond its xmax, which the type pg_snapshot refuses to read again; what is below xmin
	// counts first (XidInMVCCSnapshot in src/backend/utils/time/snapmgr.c).
	rows, err := s.rows(ctx, `SELECT pg_catalog.pg_snapshot_xmin(s), pg_catalog.pg_snapshot_xmax(s), ARRAY(SELECT pg_catalog.pg_snapshot_xip(s))
		FROM pg_catalog.pg_current_snapshot() s`)
	if err != nil {
		return err
	}
	xmin, xmax, inProgress := rows[0][0], rows[0][1], rows[0][2]
	now, err := connect(ctx, o.db, nil)
	if err != nil {
		return err
	}
	defer now.close(ctx)
	for {
		// Running transactions are known without reading a row of anyone's table.
		committing, err := now.value(ctx, `SELECT count(*) FROM pg_snapshot_xip(pg_current_snapshot()) x
			WHERE x < $1::xid8 OR x < $2::xid8 AND x <> ALL ($3::xid8[])`, xmin, xmax, inProgress)
		if err != nil {
			return err
		}
		if committing == "0" {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}

func (o *observer) newDir() string { return filepath.Join(o.dir, strconv.Itoa(o.taken)) }

// lockPatience is how long a locked point waits for each table; writers queue behind it meanwhile.
const lockPatience = "5s"

// lockedPoints holds all writers for a moment, and so gets the truth at one transaction exactly, under four names: the
// mark set meanwhile, the time, just before the transaction, and the transaction.
func (o *observer) lockedPoints(ctx context.Context, setMark func(ctx context.Context, name string) error) ([]*point, error) {
	o.taken++
	s, err := connect(ctx, o.db, truthSettings())
	if err != nil {
		return nil, err
	}
	defer s.close(ctx)
	// In a deadlock the writers, who look for one sooner, are the ones to give way; autovacuum does when the time is over.
	if err := s.run(ctx, "BEGIN; SET LOCAL deadlock_timeout = '600ms'; SET LOCAL lock_timeout = '"+lockPatience+"'"); err != nil {
		return nil, err
	}
	tables, err := ordinaryTables(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		// Conflicts with every writer's lock, also with those of prepared transactions, but not with readers.
		if err := s.run(ctx, "LOCK TABLE ONLY "+t.name+" IN SHARE ROW EXCLUSIVE MODE"); err != nil {
			return nil, disturbed(err)
		}
	}
	o.ddl.mu.Lock() // no migration commits from here on
	defer o.ddl.mu.Unlock()
	locked, err := ordinaryTables(ctx, s)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(tables, locked) {
		return nil, fmt.Errorf("%w: a table was changed just now", errDisturbed)
	}
	before, err := readTables(ctx, s, tables, o.newDir())
	if err != nil {
		return nil, err
	}
	if before.objects = o.ddl.records[len(o.ddl.records)-1].objects; before.objects == nil {
		return nil, fmt.Errorf("%w: the catalog of this moment could not be read", errDisturbed)
	}
	mark := fmt.Sprintf("mark-%d", o.taken)
	if err := setMark(ctx, mark); err != nil {
		return nil, fmt.Errorf("set mark %s: %w", mark, err)
	}
	// Who wrote before us has committed, and the time of its commit with it; who writes after us commits later than this.
	at, err := s.value(ctx, "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')")
	if err != nil {
		return nil, err
	}
	moment, err := time.Parse("2006-01-02 15:04:05.999999", at)
	if err != nil {
		return nil, err
	}
	if _, err := s.exec(ctx, "INSERT INTO app.points (number) VALUES ($1)", o.taken); err != nil {
		return nil, err
	}
	xidText, err := s.value(ctx, "SELECT pg_current_xact_id()")
	if err != nil {
		return nil, err
	}
	xid, err := strconv.ParseUint(xidText, 10, 64)
	if err != nil {
		return nil, err
	}
	after, err := o.withPoint(ctx, s, before, tables)
	if err != nil {
		return nil, err
	}
	if err := s.run(ctx, "COMMIT"); err != nil {
		return nil, err
	}
	name := fmt.Sprintf("locked point %d, ", o.taken)
	return []*point{
		{name: name + mark, target: engine.Target{Kind: engine.TargetMark, Name: mark}, truth: before},
		{name: name + "time " + at, target: engine.Target{Kind: engine.TargetTime, Time: moment}, truth: before},
		{name: name + "before xid " + xidText, target: engine.Target{Kind: engine.TargetBeforeXID, XID: xid}, truth: before},
		{name: name + "xid " + xidText, target: engine.Target{Kind: engine.TargetXID, XID: xid}, truth: after},
	}, nil
}

// withPoint is the truth before with app.points as the session sees it now.
func (o *observer) withPoint(ctx context.Context, s *session, before *truth, tables []table) (*truth, error) {
	var changed []table
	for _, t := range tables {
		if t.name == "app.points" {
			changed = append(changed, t)
		}
	}
	after, err := readTables(ctx, s, changed, o.newDir()+"-after")
	if err != nil {
		return nil, err
	}
	after.objects = before.objects
	for name, sum := range before.tables {
		if _, again := after.tables[name]; !again {
			after.tables[name], after.files[name] = sum, before.files[name]
		}
	}
	return after, nil
}
