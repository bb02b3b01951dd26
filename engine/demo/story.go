package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// Options say how the story is told.
type Options struct {
	// Keep leaves the server, its databases and the repository, and prints what to try next.
	Keep bool
	// Scale multiplies the number of rows; 0 is 1, about 330,000 rows.
	Scale float64
	// Out gets the story.
	Out io.Writer
}

// Run tells the whole story and returns an error if any of it is not as promised.
// Everything it made is removed before it returns, unless Keep says otherwise.
func Run(ctx context.Context, o Options) (err error) {
	if o.Scale == 0 {
		o.Scale = 1
	}
	dir, err := os.MkdirTemp("", "pgrecall-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	// The server runs as another user where root starts it, and must be able to enter.
	if err := os.Chmod(dir, 0o711); err != nil {
		return fmt.Errorf("open the demo's folder to its server: %w", err)
	}
	s := &story{Options: o, dir: dir, place: engine.Place{Repository: filepath.Join(dir, "repository")}, began: time.Now()}
	defer func() {
		if err == nil && o.Keep {
			s.tellWhatNext()
			return
		}
		err = errors.Join(err, s.remove())
	}()
	for _, chapter := range []func(context.Context) error{
		s.startServer, s.protect, s.badEvening, s.findIt, s.usersBack, s.everythingBack,
	} {
		if err := chapter(ctx); err != nil {
			return errors.Join(err, s.stopWork())
		}
	}
	return nil
}

// story is what one telling remembers from chapter to chapter.
type story struct {
	Options
	dir    string
	began  time.Time
	place  engine.Place
	server *pgtemp.Server
	live   string // connection string of the live database

	writers *writers
	follow  *follower

	truth   truth     // what the tables held just before the bad DELETE
	deleted int64     // rows of users it deleted itself
	bad     uint64    // the bad transaction
	badTime time.Time // when it happened, by the server's clock
}

// say tells one line, with the seconds since the beginning.
func (s *story) say(format string, args ...any) {
	fmt.Fprintf(s.Out, "%5.1fs  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

func (s *story) startServer(ctx context.Context) error {
	server, err := pgtemp.Start(ctx, pgtemp.Options{Dir: filepath.Join(s.dir, "server"), Detach: s.Keep})
	if err != nil {
		return fmt.Errorf("start a throwaway server: %w", err)
	}
	s.server = server
	if s.live, err = server.NewDatabase(ctx, "saas"); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, s.live)
	if err != nil {
		return fmt.Errorf("connect to the live database: %w", err)
	}
	defer conn.Close(ctx)
	if err := load(ctx, conn, s.Scale); err != nil {
		return err
	}
	var rows int64
	for _, t := range tables() {
		var n int64
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM "+t.Name).Scan(&n); err != nil {
			return fmt.Errorf("count %s: %w", t.Name, err)
		}
		rows += n
	}
	s.say("a throwaway PostgreSQL %d with a documentation service's database: %d tables, %d rows", server.Version(), len(tables()), rows)
	return nil
}

// protect starts the write load, and takes the database under protection while it runs.
func (s *story) protect(ctx context.Context) error {
	s.writers = startWriters(ctx, s.live, 2, 1)
	i, err := engine.Init(ctx, engine.InitOptions{Place: s.place, DB: s.live})
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	s.say("init: slot %s, publication %s, under a live write load", i.Slot, i.Publication)
	s.follow = startFollower(ctx, engine.StreamOptions{Place: s.place, DB: s.live, FlushInterval: time.Second})
	n, err := engine.Snapshot(ctx, engine.SnapshotOptions{Place: s.place, DB: s.live})
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	s.say("snapshot: %d rows in %.2fs, %.1f MB stored of %.1f MB; the stream follows from before it",
		n.Rows, n.Finished.Sub(n.Started).Seconds(), mb(n.StoredBytes), mb(n.RawBytes))
	return s.measureLoss(ctx)
}

// measureLoss measures what a disaster would lose: how long a commit takes until it is durable in the repository.
func (s *story) measureLoss(ctx context.Context) error {
	var worst time.Duration
	const times = 3
	for i := range times {
		m, err := engine.Mark(ctx, engine.MarkOptions{Place: s.place, DB: s.live, Name: fmt.Sprintf("demo-%d", i), Wait: true,
			WaitTimeout: time.Minute})
		if err != nil {
			return errors.Join(fmt.Errorf("mark: %w", err), s.follow.failure())
		}
		worst = max(worst, time.Since(m.Time))
	}
	s.say("RPO measured: a commit is durable in the repository after at most %.2fs (%d marks; segments are closed every second here)",
		worst.Seconds(), times)
	return nil
}

// badEvening deletes every user, and with them nearly everything.
func (s *story) badEvening(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.live)
	if err != nil {
		return fmt.Errorf("connect to the live database: %w", err)
	}
	defer conn.Close(ctx)
	// The locks and the cascade meet writers that hold other tables already: the server ends one side of a deadlock.
	for err = s.deleteUsers(ctx, conn); deadlocked(err); {
		err = s.deleteUsers(ctx, conn)
	}
	if err != nil {
		return fmt.Errorf("delete the users: %w", err)
	}
	s.say("the bad evening: DELETE FROM users; %d users are gone, and all that cascades from them", s.deleted)
	return nil
}

// deleteUsers is the bad transaction. The truth is what it found, with no writer beside it.
func (s *story) deleteUsers(ctx context.Context, conn *pgx.Conn) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, t := range tables() {
			if _, err := tx.Exec(ctx, "LOCK TABLE "+t.Name+" IN SHARE ROW EXCLUSIVE MODE"); err != nil {
				return err
			}
		}
		var err error
		if s.truth, err = takeTruth(ctx, tx); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, "DELETE FROM users")
		if err != nil {
			return err
		}
		s.deleted = tag.RowsAffected()
		return tx.QueryRow(ctx, "SELECT pg_current_xact_id()::text::bigint, clock_timestamp()").Scan(&s.bad, &s.badTime)
	})
}

// findIt lets the load go on a little, and finds the bad transaction in the log.
func (s *story) findIt(ctx context.Context) error {
	if _, err := engine.Mark(ctx, engine.MarkOptions{Place: s.place, DB: s.live, Name: "found", Wait: true, WaitTimeout: time.Minute}); err != nil {
		return errors.Join(fmt.Errorf("mark: %w", err), s.follow.failure())
	}
	committed := s.writers.committed.Load()
	if err := s.stopWork(); err != nil {
		return err
	}
	var found *engine.LogEntry
	err := engine.Log(ctx, engine.LogOptions{Place: s.place, Tables: []string{"public.users"}, MinRows: s.deleted / 2},
		func(e engine.LogEntry) error {
			found = &e
			return nil
		})
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	if found == nil || found.XID != s.bad {
		return fmt.Errorf("log: the bad transaction %d was not found", s.bad)
	}
	s.say("log --table users --min-rows %d: transaction %d at %s deleted %d users (%d others committed beside it)",
		s.deleted/2, found.XID, found.Time.UTC().Format("15:04:05.000000Z"), s.deleted, committed)
	return nil
}

// usersBack restores the one table beside the live one.
func (s *story) usersBack(ctx context.Context) error {
	began := time.Now()
	r, err := engine.Restore(ctx, engine.RestoreOptions{Place: s.place, To: s.live, Tables: []string{"public.users"}, IntoSchema: "recovered",
		Target: engine.Target{Kind: engine.TargetBeforeXID, XID: s.bad}})
	if err != nil {
		return fmt.Errorf("restore users: %w", err)
	}
	took := time.Since(began)
	compared, err := s.compare(ctx, s.live, "recovered", "users")
	if err != nil {
		return err
	}
	s.say("restore --table users --into-schema recovered --before-xid %d: %d rows beside the live table, %d changes folded in", s.bad, r.Rows, r.Folded)
	s.say("RTO measured: one table back in %.2fs; %d rows compared with the truth, one by one: equal", took.Seconds(), compared)
	return nil
}

// everythingBack restores the whole database into a second one.
func (s *story) everythingBack(ctx context.Context) error {
	began := time.Now()
	second := s.server.ConnString("saas_before")
	r, err := engine.Restore(ctx, engine.RestoreOptions{Place: s.place, To: second, Create: true,
		Target: engine.Target{Kind: engine.TargetBeforeXID, XID: s.bad}})
	if err != nil {
		return fmt.Errorf("restore everything: %w", err)
	}
	took := time.Since(began)
	compared, err := s.compare(ctx, second, "public")
	if err != nil {
		return err
	}
	s.say("restore --create --before-xid %d: the whole database, %d rows, indexes and constraints in, %d changes folded in", s.bad, r.Rows, r.Folded)
	s.say("RTO measured: everything back in %.2fs; %d rows compared with the truth, one by one: equal", took.Seconds(), compared)
	return nil
}

func (s *story) compare(ctx context.Context, db, schema string, names ...string) (int, error) {
	conn, err := pgx.Connect(ctx, db)
	if err != nil {
		return 0, fmt.Errorf("connect to compare: %w", err)
	}
	defer conn.Close(ctx)
	return s.truth.compare(ctx, conn, schema, names...)
}

// stopWork ends the write load and the stream, each as a person would.
func (s *story) stopWork() error {
	var err error
	if s.writers != nil {
		err = s.writers.end()
		s.writers = nil
	}
	if s.follow != nil {
		err = errors.Join(err, s.follow.stop())
		s.follow = nil
	}
	return err
}

func (s *story) remove() error {
	var err error
	if s.server != nil {
		err = s.server.Remove()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// tellWhatNext prints commands to go on with.
func (s *story) tellWhatNext() {
	repo := "--repo " + s.place.Repository
	fmt.Fprintf(s.Out, `
The server goes on running. Try next:
  pgrecall list %[1]s
  pgrecall log %[1]s --since "5m ago" --min-rows 1000
  pgrecall cat %[1]s --table users --before-xid %[2]d | head
  pgrecall restore %[1]s --to '%[3]s' --create --before-xid %[2]d --dry-run
  pgrecall stream %[1]s --db '%[4]s'
  psql '%[4]s'
To end it and remove everything:
  kill -INT $(head -1 %[5]s); rm -r %[6]s
`, repo, s.bad, s.server.ConnString("another"), s.live, filepath.Join(s.server.DataDir(), "postmaster.pid"), s.dir)
}

func mb(n int64) float64 { return float64(n) / 1e6 }
