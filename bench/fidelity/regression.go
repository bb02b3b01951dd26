package fidelity

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// Regression tries the database that PostgreSQL's regression tests leave behind, on each of the majors, which must be of
// majors.WithDebian. An error means that it could not be tried; what a restore did wrong is in the results.
func Regression(ctx context.Context, o Options) ([]*Result, error) {
	return o.run(ctx, func(ctx context.Context, t *trial, r *Result) (string, error) {
		tests, err := t.source.Regress(ctx, t.server, t.Tests, filepath.Join(t.dir, "tests"))
		if err != nil {
			return "", err
		}
		r.Tests = fmt.Sprintf("regression tests: %d run, %d failed %s", tests.Run, len(tests.Failed), strings.Join(tests.Failed, " "))
		db := t.server.ConnString("regression")
		r.Baseline, err = t.baseline(ctx, db, r)
		return db, err
	})
}

// baseline copies the database by pg_dump and psql of its own major version and returns what differs.
func (t *trial) baseline(ctx context.Context, db string, r *Result) ([]Difference, error) {
	fmt.Fprintf(t.Log, "PostgreSQL %d: pg_dump and psql\n", r.Major)
	client, err := t.source.Client(ctx, r.Major)
	if err != nil {
		return nil, err
	}
	copied, err := t.server.NewDatabase(ctx, "piped")
	if err != nil {
		return nil, err
	}
	if err := pipe(ctx, client, db, copied); err != nil {
		return nil, err
	}
	want, err := draw(ctx, t.pgDump, db)
	if err != nil {
		return nil, err
	}
	got, err := draw(ctx, t.pgDump, copied)
	if err != nil {
		return nil, err
	}
	return append([]Difference{}, differences(want, got)...), nil
}
