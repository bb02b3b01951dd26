package oracle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
	"golang.org/x/sync/errgroup"
)

const (
	// sourceName is the source's name in the repository, databaseName its database.
	sourceName   = "oracle"
	databaseName = "oracle"
	// lockedEvery is how many points come to one for which the writers are held.
	lockedEvery = 10
	// rowsFirst is how many transactions are committed before the database is protected, so that the first snapshot finds rows.
	rowsFirst = 1000
)

// run is one run with all that it made.
type run struct {
	Options
	source, target *pgtemp.Server
	db             string
	objects        objects // before the source was protected
	ddl            *ddlHistory
	program        *program
	observer       *observer
	began          time.Time
}

// Run does one run: it starts two servers, protects the first while it is written to, takes points, kills, restores
// every point into the second and compares. An error means that the run could not be done, or that the application's
// statements failed; what a restore did wrong is in the report.
func Run(ctx context.Context, o Options) (report Report, err error) {
	r := &run{Options: o.withDefaults(), began: time.Now()}
	report.Options = o
	r.logf("repeat: %s", o.Repeat())
	if r.Dir == "" {
		if r.Dir, err = os.MkdirTemp("", "oracle-"); err != nil {
			return report, err
		}
	}
	// The servers may run as another user.
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return report, err
	}
	if err := os.Chmod(r.Dir, 0o755); err != nil {
		return report, err
	}
	defer func() {
		err = errors.Join(err, r.clean(err == nil && report.OK(), &report))
	}()
	if err := r.prepare(ctx); err != nil {
		return report, err
	}
	points, err := r.write(ctx, &report)
	if err != nil {
		return report, err
	}
	return report, r.judge(ctx, points, &report)
}

func (r *run) logf(text string, args ...any) {
	fmt.Fprintf(r.Log, "%6.1fs %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(text, args...))
}

func (r *run) place() engine.Place {
	return engine.Place{Repository: filepath.Join(r.Dir, "repository"), Source: sourceName}
}

// clean stops the servers, and removes the run's folder if nothing is wrong.
func (r *run) clean(ok bool, report *Report) error {
	var errs []error
	for _, s := range []*pgtemp.Server{r.source, r.target} {
		switch {
		case s == nil:
		case ok:
			errs = append(errs, s.Remove())
		default:
			errs = append(errs, s.Stop())
		}
	}
	if ok {
		return errors.Join(append(errs, os.RemoveAll(r.Dir))...)
	}
	report.Dir = r.Dir
	return errors.Join(errs...)
}

// prepare starts the servers and makes the schema.
func (r *run) prepare(ctx context.Context) (err error) {
	settings := map[string]string{"deadlock_timeout": "150ms", "max_connections": "60", "max_prepared_transactions": "200", "shared_buffers": "64MB",
		"log_min_messages": "warning", "log_min_error_statement": "panic", "max_wal_size": "256MB", "autovacuum_naptime": "5s"}
	if r.source, err = pgtemp.Start(ctx, pgtemp.Options{BinDir: r.PostgreSQL, Dir: filepath.Join(r.Dir, "source"), Settings: settings}); err != nil {
		return err
	}
	throwaway := map[string]string{"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off",
		"wal_level": "minimal", "max_wal_senders": "0",
		"shared_buffers": "64MB", "autovacuum": "off"}
	if r.target, err = pgtemp.Start(ctx, pgtemp.Options{BinDir: r.PostgreSQL, Dir: filepath.Join(r.Dir, "target"), Settings: throwaway}); err != nil {
		return err
	}
	if r.db, err = r.source.NewDatabase(ctx, databaseName); err != nil {
		return err
	}
	path := r.Program
	if path == "" {
		if path, err = buildProgram(ctx, r.Dir); err != nil {
			return err
		}
	}
	r.program = &program{path: path, repository: r.place().Repository, db: r.db, log: filepath.Join(r.Dir, "program.log")}
	s, err := connect(ctx, r.db, truthSettings())
	if err != nil {
		return err
	}
	defer s.close(ctx)
	if err := makeSchema(ctx, s); err != nil {
		return err
	}
	if r.objects, err = readObjects(ctx, s); err != nil {
		return err
	}
	r.ddl = newHistory(filepath.Join(r.Dir, "migrations"), r.objects)
	r.observer = &observer{db: r.db, ddl: r.ddl, dir: filepath.Join(r.Dir, "truth")}
	return r.makeRoles(ctx)
}

// makeRoles makes the roles that migrations give things to, on both servers.
func (r *run) makeRoles(ctx context.Context) error {
	for _, server := range []*pgtemp.Server{r.source, r.target} {
		s, err := connect(ctx, server.ConnString("postgres"), nil)
		if err != nil {
			return err
		}
		for _, role := range roleNames() {
			err = errors.Join(err, s.run(ctx, "CREATE ROLE "+role))
		}
		s.close(ctx)
		if err != nil {
			return err
		}
	}
	return nil
}

// write protects the source while it is written to, and returns the points taken.
func (r *run) write(ctx context.Context, report *Report) (points []*point, err error) {
	load := startWriters(ctx, r.db, r.Writers, r.Seed, r.DDL)
	defer func() {
		err = errors.Join(err, load.end())
		report.Committed, report.RolledBack = load.committed.Load(), load.rolledBack.Load()
		r.logf("%d transactions committed, %d rolled back", report.Committed, report.RolledBack)
	}()
	if r.DDL {
		startMigrators(load, r.Options, r.ddl)
	}
	for load.committed.Load() < rowsFirst && load.alive() {
		time.Sleep(10 * time.Millisecond)
	}
	initialized, err := engine.Init(ctx, engine.InitOptions{Place: r.place(), DB: r.db})
	if err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	r.logf("init: %d changes on the source, the log begins at %s", len(initialized.Changes), initialized.Start)
	working, stop := context.WithCancel(ctx)
	defer stop()
	group, working := errgroup.WithContext(working)
	defer func() {
		stop()
		err = errors.Join(err, group.Wait())
		r.account(report)
	}()
	group.Go(func() error { return r.program.stream(working, newDice(r.Seed, 1), max(r.KillEvery, 0)) })
	if err := r.program.finish(ctx, "snapshot"); err != nil {
		return nil, err
	}
	r.logf("first snapshot taken")
	first := r.ddl.length()
	group.Go(func() error {
		return r.program.snapshotsWhile(working, newDice(r.Seed, 2), r.SnapshotEvery, r.KillEvery > 0)
	})
	// Without the writers nobody ends a prepared transaction, and a point's slot would wait for it for ever.
	if points, err = r.takePoints(load.writing, report); err != nil {
		return nil, err
	}
	return append(points, r.ddl.points(newDice(r.Seed, 5), first, r.Points/5)...), nil
}

// takePoints takes the points, and crashes the server in between.
func (r *run) takePoints(ctx context.Context, report *Report) ([]*point, error) {
	d := newDice(r.Seed, 3)
	var points []*point
	start := time.Now()
	for n, failed := 0, 0; n < r.Points; {
		if report.Crashes < r.Crashes && n >= (report.Crashes+1)*r.Points/(r.Crashes+1) {
			if err := r.crash(ctx); err != nil {
				return nil, err
			}
			report.Crashes++
		}
		taken, err := r.observer.next(ctx, n%lockedEvery == lockedEvery-1, r.mark)
		if err == nil {
			for _, p := range taken {
				r.logf("%s", p.name)
			}
			points = append(points, taken...)
			n, failed = n+1, 0
		} else {
			report.Disturbed++
			if failed++; failed > 20 || err != nil && !errors.Is(err, errDisturbed) && !ordinary(err) {
				return nil, fmt.Errorf("no truth could be taken: %w", err)
			}
			r.logf("no truth: %v", err)
		}
		due := start.Add(time.Duration(n) * r.Duration / time.Duration(r.Points))
		time.Sleep(max(0, time.Until(due)) + time.Duration(d.Int64N(int64(200*time.Millisecond))))
	}
	return points, nil
}

func (r *run) mark(ctx context.Context, name string) error {
	_, err := engine.Mark(ctx, engine.MarkOptions{Place: r.place(), DB: r.db, Name: name})
	return err
}

// crash kills the source with everything in it, and starts it again. Transactions that no one was promised may be gone.
func (r *run) crash(ctx context.Context) error {
	r.logf("kill -9 of the server")
	r.program.crashes.Add(1)
	defer r.program.crashes.Add(1)
	if err := r.source.Kill(); err != nil {
		return err
	}
	return r.source.Restart(ctx)
}

// account copies what the processes did into the report.
func (r *run) account(report *Report) {
	report.Snapshots = int(r.program.snapshots.Load())
	report.SnapshotKills, report.StreamKills = int(r.program.snapshotKills.Load()), int(r.program.streamKills.Load())
	report.Failures = append(report.Failures, r.program.trouble...)
}

// judge brings the rest of the log into the repository and compares every point.
func (r *run) judge(ctx context.Context, points []*point, report *Report) error {
	if err := r.endPrepared(ctx); err != nil {
		return err
	}
	if err := r.program.drain(ctx); err != nil {
		return err
	}
	r.logf("the log is complete; %d points to restore", len(points))
	verified, err := engine.Verify(ctx, engine.VerifyOptions{Place: r.place()})
	if err != nil {
		report.Failures = append(report.Failures, fmt.Sprintf("verify: %v %+v", err, verified))
	}
	report.Migrations = r.ddl.String()
	j := &judge{run: r, report: report}
	if err := j.all(ctx, points, "copy"); err != nil {
		return err
	}
	if err := j.longWay(ctx, points); err != nil {
		return err
	}
	r.logf("done")
	return nil
}

// endPrepared ends what is still prepared, with a commit after all points, so that each target has one later than itself.
func (r *run) endPrepared(ctx context.Context) error {
	s, err := connect(ctx, r.db, nil)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	if err := resolveOnce(ctx, s, newDice(r.Seed, 4), ""); err != nil {
		return err
	}
	return s.run(ctx, "INSERT INTO app.points (number) VALUES (0)")
}
