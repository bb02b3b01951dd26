package fidelity

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/pgrecall/pgrecall/bench/majors"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// Regression tries the database that PostgreSQL's regression tests leave behind, on each of the majors, which must be of
// majors.WithDebian. An error means that it could not be tried; what a restore did wrong is in the results.
func Regression(ctx context.Context, o Options) ([]*Result, error) {
	return o.run(ctx, func(ctx context.Context, t *trial) (string, error) {
		if t.Follow {
			return t.followRegression(ctx)
		}
		tests, err := t.source.Regress(ctx, t.server, majors.RegressOptions{Of: t.Tests, Dir: filepath.Join(t.dir, "tests")})
		if err != nil {
			return "", err
		}
		t.tests = fmt.Sprintf("regression tests: %d run, %d failed %s", tests.Run, len(tests.Failed), strings.Join(tests.Failed, " "))
		if t.Into == 0 {
			t.baseline, err = t.piped(ctx, "regression", t.major, t.server)
		} else {
			err = t.withoutLibraries(ctx, "regression")
		}
		return "regression", err
	})
}

// piped copies the database by pg_dump and psql of a server's major version to that server, and returns what differs.
func (t *trial) piped(ctx context.Context, name string, major int, server *pgtemp.Server) ([]Difference, error) {
	t.logf("pg_dump and psql")
	client, err := t.source.Client(ctx, major)
	if err != nil {
		return nil, err
	}
	from := t.server.ConnString(name)
	to, err := server.NewDatabase(ctx, "piped")
	if err != nil {
		return nil, err
	}
	if err := pipe(ctx, client, from, to); err != nil {
		return nil, err
	}
	want, err := draw(ctx, t.PGDump, from, false)
	if err != nil {
		return nil, err
	}
	got, err := draw(ctx, t.PGDump, to, false)
	if err != nil {
		return nil, err
	}
	return append([]Difference{}, differences(want, got)...), nil
}

// withoutLibraries takes the functions of the tests' own libraries out of a database, and what needs them: they are
// compiled for one major version.
func (t *trial) withoutLibraries(ctx context.Context, name string) error {
	conn, err := connect(ctx, t.server.ConnString(name), settings())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	functions, err := pairs(ctx, conn, `SELECT oid::regprocedure::text, '' FROM pg_catalog.pg_proc WHERE probin LIKE '/%' ORDER BY 1`)
	if err != nil {
		return fmt.Errorf("list the functions of libraries: %w", err)
	}
	for _, f := range functions {
		if _, err := conn.Exec(ctx, "DROP FUNCTION IF EXISTS "+f[0]+" CASCADE"); err != nil {
			return fmt.Errorf("drop a function of a library: %w", err)
		}
	}
	return nil
}
