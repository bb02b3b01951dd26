package engine

import (
	"os"
	"testing"

	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// server is the one server of this package's tests; each test has databases of its own.
var server *pgtemp.Server

var (
	open         = pgtest.Open
	exec         = pgtest.Exec
	value        = pgtest.Value
	contents     = pgtest.Contents
	sameDatabase = pgtest.SameContents
	contains     = pgtest.ErrorContains
	schema       = pgtest.Schema
)

func newDatabase(t *testing.T, statements ...string) string {
	t.Helper()
	return pgtest.NewDatabase(t, server, statements...)
}

func TestMain(m *testing.M) {
	if os.Getenv("ENGINE_CHILD_REPO") != "" {
		os.Exit(m.Run()) // a process to be killed, which uses its parent's server
	}
	os.Exit(pgtest.Main(map[string]string{"log_statement": "mod", "log_line_prefix": "%d|%a|"}, func(s *pgtemp.Server) int {
		server = s
		return m.Run()
	}))
}

// notes collects what a Tracer is told.
type notes struct {
	t     *testing.T
	texts chan string
}

func newNotes(t *testing.T) *notes { return &notes{t, make(chan string, 10000)} }

func (n *notes) Note(note Note) {
	select {
	case n.texts <- note.Text:
	default:
	}
}
func (n *notes) Progress(Progress) {}
