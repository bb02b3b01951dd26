package fidelity

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pgrecall/pgrecall/bench/majors"
	"github.com/pgrecall/pgrecall/engine"
)

// followRegression runs the regression tests in a database that is followed from when it was empty, so that all that they leave behind is
// restored from the log. The tests are run first on another server where nobody follows them: they must go the same.
func (t *trial) followRegression(ctx context.Context) (string, error) {
	const name = "regression"
	alone, err := t.unfollowed(ctx)
	if err != nil {
		return "", err
	}
	db, err := t.server.NewDatabase(ctx, name)
	if err != nil {
		return "", err
	}
	conn, err := connect(ctx, db, settings())
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	// As pg_regress makes it (create_database in src/test/regress/pg_regress.c).
	for _, setting := range []string{"lc_messages = 'C'", "lc_monetary = 'C'", "lc_numeric = 'C'", "lc_time = 'C'", "bytea_output = 'hex'", "timezone_abbreviations = 'Default'"} {
		if _, err := conn.Exec(ctx, "ALTER DATABASE "+name+" SET "+setting); err != nil {
			return "", err
		}
	}
	place := engine.Place{Repository: filepath.Join(t.dir, "repository")}
	if _, err := engine.Init(ctx, engine.InitOptions{Place: place, DB: db}); err != nil {
		return "", fmt.Errorf("init: %w", err)
	}
	if _, err := engine.Snapshot(ctx, engine.SnapshotOptions{Place: place, DB: db}); err != nil {
		return "", fmt.Errorf("snapshot: %w", err)
	}
	following, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		_, err := engine.Stream(following, engine.StreamOptions{Place: place, DB: db, FlushInterval: time.Second, Tracer: &streamLog{t: t}})
		ended <- err
		if err != nil {
			stop()
		}
	}()
	tests, err := t.source.Regress(following, t.server, majors.RegressOptions{Of: t.Tests, Dir: filepath.Join(t.dir, "tests"), Existing: true})
	stop()
	if streamErr := <-ended; streamErr != nil {
		return "", fmt.Errorf("stream: %w", streamErr)
	}
	if err != nil {
		return "", err
	}
	drained, err := engine.Stream(ctx, engine.StreamOptions{Place: place, DB: db, Once: true, Tracer: &streamLog{t: t}})
	if err != nil {
		return "", fmt.Errorf("stream: %w", err)
	}
	removed, err := engine.Uninstall(ctx, engine.UninstallOptions{Place: place, DB: db})
	if err != nil {
		return "", fmt.Errorf("uninstall: %w", err)
	}
	for _, left := range removed.Left {
		if _, err := conn.Exec(ctx, left.SQL); err != nil {
			return "", fmt.Errorf("%s: %w", left.What, err)
		}
	}
	t.followed = &shot{place: place, target: engine.Target{Kind: engine.TargetLSN, LSN: drained.To}}
	t.tests = fmt.Sprintf("regression tests: %d run; without anybody following %d failed %s", tests.Run, len(alone.Failed), strings.Join(alone.Failed, " "))
	if t.unlike, err = otherOutput(filepath.Join(alone.Dir, "results"), filepath.Join(tests.Dir, "results")); err != nil {
		return "", err
	}
	t.baseline, err = t.piped(ctx, name, t.major, t.server)
	return name, err
}

// unfollowed runs the tests on a server of their own.
func (t *trial) unfollowed(ctx context.Context) (tests *majors.Tests, err error) {
	server, stop, err := t.start(ctx, t.bin, "unfollowed")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return t.source.Regress(ctx, server, majors.RegressOptions{Of: t.Tests, Dir: filepath.Join(t.dir, "tests-alone")})
}

// otherOutput says which tests' output is not the same in two folders, but for the lines in which psql shows what pgrecall makes.
func otherOutput(want, got string) (differ []TestDifference, err error) {
	files, err := filepath.Glob(filepath.Join(want, "*.out"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		a, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		b, err := os.ReadFile(filepath.Join(got, filepath.Base(file)))
		if err != nil {
			return nil, err
		}
		if lines := differentLines(a, b); len(lines) > 0 {
			name := strings.TrimSuffix(filepath.Base(file), ".out")
			differ = append(differ, TestDifference{name, lines, explainedTests()[name]})
		}
	}
	return differ, nil
}

// differentLines are the lines that one of two texts has more often than the other, with - those of the first and with + those of the
// second. The publication and the replica identity that psql shows with a table do not count.
func differentLines(a, b []byte) (lines []string) {
	count := map[string]int{}
	add := func(text []byte, times int) {
		for line := range strings.Lines(string(text)) {
			line = strings.TrimRight(line, " \n")
			if !slices.Contains([]string{"Publications:", `    "pgrecall"`, "Replica Identity: FULL", ""}, line) {
				count[line] += times
			}
		}
	}
	add(a, 1)
	add(b, -1)
	for line, times := range count {
		lines = append(lines, slices.Repeat([]string{"- " + line}, max(times, 0))...)
		lines = append(lines, slices.Repeat([]string{"+ " + line}, max(-times, 0))...)
	}
	slices.Sort(lines)
	return lines
}

// explainedTests are the tests that show that they are followed, with the reason.
func explainedTests() map[string]string {
	return map[string]string{
		"alter_table":      "lists the locks of its session, among them one on a table of pgrecall's that the event triggers read",
		"create_index":     "a snapshot that is open elsewhere while it vacuums, as one in which the catalog is read, changes its plans",
		"event_trigger":    "lists all event triggers; one of its own that fires ALWAYS sees tables get a replica identity",
		"opr_sanity":       "lists functions that are SECURITY DEFINER and were made since initdb",
		"plpgsql":          "numbers its unnamed portals, of which loops in the event triggers open some",
		"publication":      "lists all publications; UPDATE of a published table without replica identity does not fail",
		"replica_identity": "REPLICA IDENTITY NOTHING of a published table, whose UPDATE would fail, gives way to its key",
		"rules":            "prints an oid and a transaction's id, where 15's is run on later majors",
	}
}

// streamLog writes what a stream warns of.
type streamLog struct{ t *trial }

// Note implements engine.Tracer.
func (l *streamLog) Note(n engine.Note) {
	if n.Level >= engine.LevelWarn {
		l.t.logf("stream: %s: %s", n.Level, n.Text)
	}
}

// Progress implements engine.Tracer.
func (*streamLog) Progress(engine.Progress) {}
