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

const fixtureName = "fixture"

// fixtureGlobals are the roles that the fixture's objects belong to, and more that databases share.
const fixtureGlobals = `
CREATE ROLE cat_owner;
CREATE ROLE cat_reader;
CREATE ROLE cat_other;
CREATE ROLE "4242";
CREATE ROLE cat_login LOGIN CREATEDB CREATEROLE INHERIT CONNECTION LIMIT 7 PASSWORD 'secret' VALID UNTIL '2030-01-01 00:00:00+00';
CREATE ROLE "cat Bypass" NOINHERIT REPLICATION BYPASSRLS;
CREATE ROLE cat_super SUPERUSER;
COMMENT ON ROLE cat_login IS 'it''s a role';
GRANT cat_owner TO cat_login WITH ADMIN OPTION;
GRANT cat_reader, pg_monitor TO cat_other;
ALTER ROLE cat_login SET work_mem = '7MB';
ALTER ROLE cat_login IN DATABASE ` + fixtureName + ` SET search_path = app, public;
ALTER ROLE ALL SET statement_timeout = '1h';
ALTER DATABASE ` + fixtureName + ` SET datestyle = 'ISO, DMY';
ALTER DATABASE ` + fixtureName + ` CONNECTION LIMIT 50;
ALTER DATABASE ` + fixtureName + ` OWNER TO cat_super;
COMMENT ON DATABASE ` + fixtureName + ` IS 'every kind of object';
REVOKE CONNECT ON DATABASE ` + fixtureName + ` FROM PUBLIC;
GRANT CONNECT ON DATABASE ` + fixtureName + ` TO cat_login WITH GRANT OPTION`

// Fixture tries the database of the catalog's own tests on each of the majors. An error means that it could not be tried; what a
// restore did wrong is in the results.
func Fixture(ctx context.Context, o Options) ([]*Result, error) {
	return o.run(ctx, func(ctx context.Context, t *trial) (string, error) {
		db, err := t.server.NewDatabase(ctx, fixtureName)
		if err != nil {
			return "", err
		}
		files, err := fixtureFiles(t.Fixture, t.major)
		if err != nil {
			return "", err
		}
		conn, err := connect(ctx, db, settings())
		if err != nil {
			return "", err
		}
		defer conn.Close(ctx)
		if _, err := conn.PgConn().Exec(ctx, fixtureGlobals).ReadAll(); err != nil {
			return "", fmt.Errorf("roles and settings: %w", err)
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
		extended, err := t.extend(ctx, t.server)
		if err != nil || !extended {
			return fixtureName, err
		}
		if _, err := conn.PgConn().Exec(ctx, configured).ReadAll(); err != nil {
			return "", fmt.Errorf("an extension with configuration: %w", err)
		}
		return fixtureName, nil
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
