package oracle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/pgrecall/pgrecall/engine"
	"golang.org/x/sync/errgroup"
)

// copySchema holds the tables restored alone.
const copySchema = "copied"

// judge restores points and compares them with their truths.
type judge struct {
	run    *run
	tables []table

	mu     sync.Mutex
	report *Report
}

// all judges every point. Only a broken environment is an error; what a restore does wrong goes into the report.
func (j *judge) all(ctx context.Context, points []*point) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(j.run.Jobs)
	for i, p := range points {
		d := newDice(j.run.Seed, uint64(10000+i))
		group.Go(func() error { return j.one(ctx, i, p, d) })
	}
	return group.Wait()
}

func (j *judge) one(ctx context.Context, n int, p *point, d dice) error {
	database := fmt.Sprintf("copy_%d", n)
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
	defer s.close()
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
	defer s.close()
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
		rows, err := s.rows(ctx, fmt.Sprintf("SELECT n, f, coalesce(n %s f, true) FROM (SELECT nextval('%s') AS n, (SELECT %s(%s) FROM %s) AS f) AS q",
			beyond, u.sequence, farthest, u.column, u.table))
		if err != nil {
			return nil, err
		}
		if rows[0][2] != "t" {
			failures = append(failures, fmt.Sprintf("sequence %s gives %s although %s.%s holds %s", u.sequence, rows[0][0], u.table, u.column, rows[0][1]))
		}
	}
	return failures, nil
}

// alone restores one table at random beside the whole copy, in a schema of its own, and compares it.
func (j *judge) alone(ctx context.Context, p *point, to, dir string, d dice) ([]string, error) {
	t := j.tables[d.IntN(len(j.tables))]
	pattern := t.name
	_, err := engine.Restore(ctx, engine.RestoreOptions{Place: j.run.place(), To: to, Target: p.target, Tables: []string{pattern}, IntoSchema: copySchema, Jobs: 1})
	if err != nil {
		return j.refusal("restore of "+t.name+" alone", err), ctx.Err()
	}
	s, err := connect(ctx, to, truthSettings())
	if err != nil {
		return nil, err
	}
	defer s.close()
	copied := table{name: copySchema + "." + unqualified(t.name), file: t.file}
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
	return []string{fmt.Sprintf("table %s alone: %s instead of %s%s", t.name, sum, want, rows)}, nil
}

// unqualified is the name without its schema; no schema of the workload has a dot in its name.
func unqualified(name string) string {
	_, rest, _ := strings.Cut(name, ".")
	return rest
}
