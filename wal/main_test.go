package wal

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// shared is the server that tests use which need none of their own.
var shared struct {
	sync.Mutex
	server *pgtemp.Server
}

// sharedServer starts the shared server with the first test that asks for it.
func sharedServer(t testing.TB) *pgtemp.Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		// Not the test's context: the server outlives it.
		s, err := pgtemp.Start(context.Background(), pgtemp.Options{Settings: map[string]string{"fsync": "off"}})
		if err != nil {
			t.Fatal(err)
		}
		shared.server = s
	}
	return shared.server
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.Remove(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
