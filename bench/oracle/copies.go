package oracle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/pgrecall/pgrecall/engine"
	"golang.org/x/sync/errgroup"
)

// copySchema holds the tables restored alone.
const copySchema = "copied"

// longWayEvery is how many points come to one that is restored again from the first snapshot, over all of the log since.
const longWayEvery = 5

// longWay hides every snapshot but the first and restores some points again.
func (j *judge) longWay(ctx context.Context, points []*point) error {
	folder := filepath.Join(j.run.place().Repository, "sources", sourceName, "snapshots")
	var manifests []string
	err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		if filepath.Ext(path) == ".snapshot" {
			manifests = append(manifests, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	// The names are ids that sort by time.
	slices.SortFunc(manifests, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	if len(manifests) < 2 {
		return nil
	}
	hidden := filepath.Join(j.run.Dir, "hidden")
	if err := os.MkdirAll(hidden, 0o755); err != nil {
		return err
	}
	for _, m := range manifests[1:] {
		if err := os.Rename(m, filepath.Join(hidden, filepath.Base(m))); err != nil {
			return err
		}
	}
	j.run.logf("%d snapshots hidden", len(manifests)-1)
	var again []*point
	for i, p := range points {
		if i%longWayEvery == 0 {
			again = append(again, &point{name: p.name + ", from the first snapshot", target: p.target, truth: p.truth})
		}
	}
	return j.all(ctx, again, "long")
}

// judge restores points and compares them with their truths.
type judge struct {
	run    *run
	tables []table

	mu     sync.Mutex
	report *Report
}

// all judges every point. Only a broken environment is an error; what a restore does wrong goes into the report.
func (j *judge) all(ctx context.Context, points []*point, prefix string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(j.run.Jobs)
	for i, p := range points {
		d := newDice(j.run.Seed, uint64(10000+i))
		group.Go(func() error { return j.one(ctx, fmt.Sprintf("%s_%d", prefix, i), p, d) })
	}
	return group.Wait()
}

func (j *judge) one(ctx context.Context, database string, p *point, d dice) error {
	to, err := j.run.target.NewDatabase(ctx, database)
	if err != nil {
		return err
	}
	dir := filepath.Join(j.run.Dir, "copies", database)
	failures, err := j.whole(ctx, p, to, dir)
	if err != nil {
		return err
	}
	whole := len(failures) == 0
	var alone bool
	if whole {
		failures, err = j.alone(ctx, p, to, dir, d)
		if err != nil {
			return err
		}
		alone = len(failures) == 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.report.Points++
	if whole {
		j.report.Restored++
	}
	if alone {
		j.report.TablesRestored++
	}
	for _, f := range failures {
		j.report.Failures = append(j.report.Failures, p.name+": "+f)
		j.run.logf("FAILED %s: %s", p.name, f)
	}
	if len(failures) > 0 {
		return nil // the database stays, to be looked at
	}
	return errors.Join(os.RemoveAll(dir), j.drop(ctx, database))
}

// drop removes a copy that was right.
func (j *judge) drop(ctx context.Context, database string) error {
	s, err := connect(ctx, j.run.target.ConnString("postgres"), nil)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	return s.run(ctx, "DROP DATABASE "+database+" WITH (FORCE)")
}

// whole restores everything into an empty database and returns what is wrong with it.
func (j *judge) whole(ctx context.Context, p *point, to, dir string) ([]string, error) {
	result, err := engine.Restore(ctx, engine.RestoreOptions{Place: j.run.place(), To: to, Target: p.target, Jobs: 2})
	if err != nil {
		return j.refusal("restore", err), ctx.Err()
	}
	s, err := connect(ctx, to, truthSettings())
	if err != nil {
		return nil, err
	}
	defer s.close(ctx)
	tables, err := ordinaryTables(ctx, s)
	if err != nil {
		return nil, err
	}
	got, err := readTables(ctx, s, tables, dir)
	if err != nil {
		return nil, err
	}
	failures := compare(p.truth, got)
	for i, f := range failures {
		failures[i] = f + j.rowsOf(p.truth, got, f)
	}
	objects, err := readObjects(ctx, s)
	if err != nil {
		return nil, err
	}
	failures = append(failures, compareObjects(j.run.objects, objects)...)
	if len(failures) > 0 {
		failures = append(failures, fmt.Sprintf("from snapshot %s", result.Plan.Snapshot))
		return failures, nil
	}
	return behind(ctx, s)
}

// refusal is the failure that an error of a restore is.
func (j *judge) refusal(what string, err error) []string {
	if errors.Is(err, engine.ErrWindow) {
		j.mu.Lock()
		j.report.Refused++
		j.mu.Unlock()
		return []string{what + " refused: " + err.Error()}
	}
	return []string{what + " failed: " + err.Error()}
}

// rowsOf shows the rows of the table that a difference names.
func (j *judge) rowsOf(want, got *truth, difference string) string {
	for _, t := range j.tables {
		if strings.HasPrefix(difference, "table "+t.name+": ") {
			return differingRows(want.files[t.name], got.files[t.name])
		}
	}
	return ""
}

// behind lists the sequences of a copy that would give again a value that a row holds.
func behind(ctx context.Context, s *session) ([]string, error) {
	var failures []string
	for _, u := range sequenceUses() {
		farthest, beyond := "max", ">"
		if u.descending {
			farthest, beyond = "min", "<"
		}
		rows, err := s.rows(ctx, fmt.Sprintf("SELECT n, f, coalesce(n %s f, true) FROM (SELECT nextval('%s') AS n, (SELECT %s(%s) FROM "+
			"%s) AS f) AS q",
			beyond, u.sequence, farthest, u.column, u.table))
		if err != nil {
			return nil, err
		}
		if rows[0][2] != "t" {
			failures = append(failures,
				fmt.Sprintf("sequence %s gives %s although %s.%s holds %s", u.sequence, rows[0][0], u.table, u.column, rows[0][1]))
		}
	}
	return failures, nil
}

// alone restores one table at random, and compares it: beside the whole copy in a schema of its own, or into an empty
// database under its own name.
func (j *judge) alone(ctx context.Context, p *point, to, dir string, d dice) ([]string, error) {
	t := j.tables[d.IntN(len(j.tables))]
	o := engine.RestoreOptions{Place: j.run.place(), To: to, Target: p.target, Tables: []string{t.name}, Jobs: 1}
	copied := t
	if d.chance(50) {
		o.IntoSchema = copySchema
		copied.name = copySchema + "." + unqualified(t.name)
	} else {
		var err error
		database := filepath.Base(dir) + "_alone"
		if o.To, err = j.run.target.NewDatabase(ctx, database); err != nil {
			return nil, err
		}
		defer func() { _ = j.drop(ctx, database) }() // one that stays is in nobody's way
	}
	what := fmt.Sprintf("restore of %s alone (into schema %q)", t.name, o.IntoSchema)
	if _, err := engine.Restore(ctx, o); err != nil {
		return j.refusal(what, err), ctx.Err()
	}
	s, err := connect(ctx, o.To, truthSettings())
	if err != nil {
		return nil, err
	}
	defer s.close(ctx)
	dir = filepath.Join(dir, "alone")
	got, err := readTables(ctx, s, []table{copied}, dir)
	if err != nil {
		return nil, err
	}
	want, sum := p.truth.tables[t.name], got.tables[copied.name]
	if sum == want {
		return nil, nil
	}
	rows := differingRows(p.truth.files[t.name], got.files[copied.name])
	return []string{fmt.Sprintf("%s: %s instead of %s%s", what, sum, want, rows)}, nil
}

// unqualified is the name without its schema; no schema of the workload has a dot in its name.
func unqualified(name string) string {
	_, rest, _ := strings.Cut(name, ".")
	return rest
}
