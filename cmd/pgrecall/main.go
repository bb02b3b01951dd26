// Command pgrecall is continuous logical backup for PostgreSQL: any table, any
// second, into any server.
//
// It reads flags, prints results and maps errors to exit codes; everything else
// is package engine's. The exit codes are 0 done, 1 failed, 2 wrong usage, 3 the
// recovery target is outside the window or nothing matches, 4 integrity failure,
// 5 check found a blocker, 130 interrupted.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/pgrecall/pgrecall/engine"
)

// softLimit is the memory in bytes beyond which garbage is collected without delay. All data stream through far less; the
// catalog of very many tables does not, and would else take twice what it needs: half a gigabyte for 50,000. GOMEMLIMIT
// overrides it.
const softLimit = 768 << 20

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimit)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once: the repository and the source are safe from that at any moment.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, ownArguments(os.Args[1:]), os.Stdout, os.Stderr))
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s := &session{stdout: stdout, stderr: stderr}
	root := newRoot(s)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	s.console().close()
	if err == nil {
		return 0
	}
	s.console().fail(err)
	if !s.started {
		return 2 // cobra's own errors: an unknown command, flag or argument
	}
	return engine.ExitCode(err)
}
