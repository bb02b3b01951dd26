// Package windowtest tries restores to points before, between and after DDL: what is restored, objects and rows, is held against
// the source as it was there.
package windowtest

import (
	"os"
	"testing"

	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// server is the one server of these tests.
var server *pgtemp.Server

func TestMain(m *testing.M) {
	os.Exit(pgtest.Main(nil, func(s *pgtemp.Server) int {
		server = s
		return m.Run()
	}))
}
