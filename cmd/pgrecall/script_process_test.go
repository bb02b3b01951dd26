package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"
)

// process is a program that runs beside a script.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

// processes are a script's, by name; a script runs in one goroutine.
type processes map[string]*process

// passedOn are the variables of a script that its background programs see.
var passedOn = []string{"PGRECALL_REPO", "TMPDIR", "HOME", "TZ"}

// background starts a program beside the script: background NAME PROGRAM ARGUMENT…
func background(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: background NAME PROGRAM ARGUMENT...")
	}
	p := &process{cmd: exec.Command(args[1], args[2:]...)}
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Env = os.Environ()
	for _, name := range passedOn {
		if value := ts.Getenv(name); value != "" {
			p.cmd.Env = append(p.cmd.Env, name+"="+value)
		}
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	ts.Check(p.cmd.Start())
	all := ts.Value("processes").(processes)
	all[args[0]] = p
	ts.Defer(func() {
		if all[args[0]] == p {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
}

var signals = map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}

// signalTo sends a signal to a background program: signal NAME INT|TERM|KILL
func signalTo(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: signal NAME INT|TERM|KILL")
	}
	p := ts.Value("processes").(processes)[args[0]]
	if p == nil {
		ts.Fatalf("no process %q", args[0])
	}
	ts.Check(p.cmd.Process.Signal(signals[args[1]]))
}

// ends sends a signal, if one is named, and waits for the end: ends CODE NAME [INT|TERM|KILL]. The code of a program
// that a signal ended is -1. What it wrote is the script's standard output and error.
func ends(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 || neg {
		ts.Fatalf("usage: ends CODE NAME [SIGNAL]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	all := ts.Value("processes").(processes)
	p := all[args[1]]
	if p == nil {
		ts.Fatalf("no process %q", args[1])
	}
	if len(args) == 3 {
		ts.Check(p.cmd.Process.Signal(signals[args[2]]))
	}
	delete(all, args[1])
	overdue := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	err = p.cmd.Wait()
	overdue.Stop()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		ts.Check(err)
	}
	fmt.Fprint(ts.Stdout(), p.stdout.String())
	fmt.Fprint(ts.Stderr(), p.stderr.String())
	if got := p.cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("exit code %d, want %d; it said:\n%s%s", got, want, p.stdout.String(), p.stderr.String())
	}
}

// patience is how long a script waits for something that must come.
const patience = 30 * time.Second

// awaits waits until a query's one value is the text: awaits CONN TEXT QUERY
func awaits(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 || neg {
		ts.Fatalf("usage: awaits CONN TEXT QUERY")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, args[0])
	ts.Check(err)
	defer conn.Close(context.WithoutCancel(ctx))
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var got *string
		err := conn.QueryRow(ctx, "SELECT ("+args[2]+")::text").Scan(&got)
		if err == nil && got != nil && *got == args[1] {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%s: never became %q: %v", args[2], args[1], err)
		case <-tick.C:
		}
	}
}

// holding opens a session, runs statements in a transaction and leaves it open until the script's end, or until
// "release NAME": holding NAME CONN STATEMENT…
func holding(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 || neg {
		ts.Fatalf("usage: holding NAME CONN STATEMENT...")
	}
	conn, err := pgx.Connect(context.Background(), args[1])
	ts.Check(err)
	ts.Defer(func() { _ = conn.Close(context.Background()) })
	for _, sql := range append([]string{"BEGIN"}, args[2:]...) {
		_, err := conn.Exec(context.Background(), sql)
		ts.Check(err)
	}
	ts.Value("sessions").(map[string]*pgx.Conn)[args[0]] = conn
	ts.Setenv(args[0], strconv.Itoa(int(conn.PgConn().PID())))
}

// release commits what holding began: release NAME
func release(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: release NAME")
	}
	conn := ts.Value("sessions").(map[string]*pgx.Conn)[args[0]]
	if conn == nil {
		ts.Fatalf("nothing is held as %q", args[0])
	}
	_, err := conn.Exec(context.Background(), "COMMIT")
	ts.Check(err)
	ts.Check(conn.Close(context.Background()))
}
