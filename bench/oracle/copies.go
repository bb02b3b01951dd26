package oracle

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	listed, err := engine.List(ctx, engine.ListOptions{Place: j.run.place()})
	if err != nil {
		return err
	}
	snapshots := map[string]bool{} // and not the versions of the catalog
	for _, s := range listed.Sources[0].Snapshots {
		snapshots[s.ID.String()] = true
	}
	folder := filepath.Join(j.run.place().Repository, "sources", sourceName, "snapshots")
	var manifests []string
	err = filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		if id, ok := strings.CutSuffix(filepath.Base(path), ".snapshot"); ok && snapshots[id] {
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
			again = append(again, &point{name: p.name + ", from the first snapshot", target: p.target, truth: p.truth, kind: pointLongWay})
		}
	}
	return j.all(ctx, again, "long")
}

// judge restores points and compares them with their truths.
type judge struct {
	run *run

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
	refused := new(refusedError)
	if err != nil && !errors.As(err, &refused) {
		return err
	}
	whole := err == nil && len(failures) == 0
	var alone bool
	if whole {
		failures, err = j.alone(ctx, p, to, dir, d)
		if errors.As(err, &refused) { // of a point that was just restored
			failures, err = []string{refused.Error()}, nil
		}
		if err != nil {
			return err
		}
		alone = len(failures) == 0
	} else if err != nil && !j.run.DDL {
		failures = []string{refused.Error()}
	}
	j.count(p, whole, alone, refused, failures)
	if len(failures) > 0 {
		return nil // the database stays, to be looked at
	}
	return errors.Join(os.RemoveAll(dir), j.drop(ctx, database))
}

// count takes the outcome of a point into the report.
func (j *judge) count(p *point, whole, alone bool, refused *refusedError, failures []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := j.report
	r.Points++
	r.OfKind[p.kind]++
	if whole {
		r.Restored++
	}
	if alone {
		r.TablesRestored++
	}
	if !whole && refused.err != nil {
		r.Refused++
		r.RefusedOfKind[p.kind]++
		if r.Reasons == nil {
			r.Reasons = map[string]int{}
		}
		r.Reasons[refused.reason()]++
		j.run.logf("refused %s: %v", p.name, refused.err)
	}
	for _, f := range failures {
		r.Failures = append(r.Failures, p.name+": "+f)
		j.run.logf("FAILED %s: %s", p.name, f)
	}
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
	contradicted := result != nil && len(result.Contradicted) > 0
	if err != nil && !contradicted {
		return refusal(ctx, "restore", err)
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
	if p.truth.partial {
		tables = slices.DeleteFunc(tables, func(t table) bool { return p.truth.tables[t.name] == Sum{} && p.truth.files[t.name] == "" })
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
	differences := compareObjects(p.truth.objects, objects)
	if contradicted && len(failures) == 0 {
		// The rows are the source's, to a byte: it was there that they contradicted the constraint.
		differences = unvalidated(differences)
		j.contradicted(p, result.Contradicted)
	}
	failures = append(failures, differences...)
	if len(failures) > 0 {
		failures = append(failures, fmt.Sprintf("from snapshot %s", result.Plan.Snapshot))
		return failures, nil
	}
	return behind(ctx, s)
}

// contradicted takes a point into the report whose rows contradict constraints of the source.
func (j *judge) contradicted(p *point, constraints []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.report.Contradicted++
	j.run.logf("the source's own rows contradict its constraints at %s: %q", p.name, constraints)
}

// rowsOf shows the rows of the table that a difference names.
func (j *judge) rowsOf(want, got *truth, difference string) string {
	for name := range got.tables {
		if strings.HasPrefix(difference, "table "+name+": ") {
			return differingRows(want.files[name], got.files[name])
		}
	}
	return ""
}

// alone restores one table at random, and compares it: beside the whole copy in a schema of its own, or into an empty
// database under its own name.
func (j *judge) alone(ctx context.Context, p *point, to, dir string, d dice) ([]string, error) {
	names := slices.Sorted(maps.Keys(p.truth.tables))
	if len(names) == 0 {
		return nil, nil
	}
	t, err := tableNamed(ctx, to, names[d.IntN(len(names))])
	if err != nil {
		return nil, err
	}
	o := engine.RestoreOptions{Place: j.run.place(), To: to, Target: p.target, Tables: []string{t.name}, Jobs: 1}
	copied := t
	if d.chance(50) {
		o.IntoSchema = copySchema
		copied.name = copySchema + "." + unqualified(t.name)
	} else {
		database := filepath.Base(dir) + "_alone"
		if o.To, err = j.run.target.NewDatabase(ctx, database); err != nil {
			return nil, err
		}
		defer func() { _ = j.drop(ctx, database) }() // one that stays is in nobody's way
	}
	what := fmt.Sprintf("restore of %s alone (into schema %q)", t.name, o.IntoSchema)
	if _, err := engine.Restore(ctx, o); err != nil {
		return refusal(ctx, what, err)
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
