package fidelity

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// fixtureRoles are the roles that the fixture's objects belong to.
const fixtureRoles = `CREATE ROLE cat_owner; CREATE ROLE cat_reader; CREATE ROLE cat_other; CREATE ROLE "4242"`

// Fixture tries the database of the catalog's own tests on each of the majors. An error means that it could not be tried; what a
// restore did wrong is in the results.
func Fixture(ctx context.Context, o Options) ([]*Result, error) {
	return o.run(ctx, func(ctx context.Context, t *trial, r *Result) (string, error) {
		db, err := t.server.NewDatabase(ctx, "fixture")
		if err != nil {
			return "", err
		}
		files, err := fixtureFiles(t.Fixture, r.Major)
		if err != nil {
			return "", err
		}
		conn, err := connect(ctx, db, settings())
		if err != nil {
			return "", err
		}
		defer conn.Close(ctx)
		if _, err := conn.PgConn().Exec(ctx, fixtureRoles).ReadAll(); err != nil {
			return "", err
		}
		for _, file := range files {
			sql, err := os.ReadFile(file)
			if err != nil {
				return "", err
			}
			if _, err := conn.PgConn().Exec(ctx, "SET search_path = public; SET row_security = on;\n"+string(sql)).ReadAll(); err != nil {
				return "", fmt.Errorf("%s: %w", file, err)
			}
		}
		return db, nil
	})
}

// fixtureFiles are the fixture's files for a major version, in order: rich.sql and its additions for later majors (rich15.sql),
// then the same of each group (rich_tables.sql, rich_tables15.sql).
func fixtureFiles(dir string, major int) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "rich*.sql"))
	if err != nil {
		return nil, err
	}
	type file struct {
		path, group string
		since       int
	}
	var files []file
	for _, path := range paths {
		m := regexp.MustCompile(`^rich(.*?)(\d*)\.sql$`).FindStringSubmatch(filepath.Base(path))
		since, _ := strconv.Atoi(m[2]) // none is 0
		if since <= major {
			files = append(files, file{path, m[1], since})
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no rich*.sql; run this in the module's folder", dir)
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.since, b.since)) })
	paths = paths[:0]
	for _, f := range files {
		paths = append(paths, f.path)
	}
	return paths, nil
}
