package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/engine/pgtemp"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts run this very program as "pgrecall".
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"pgrecall": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			os.Exit(run(ctx, ownArguments(os.Args[1:]), os.Stdout, os.Stderr))
		},
	})
}

// TestScripts runs the sessions in testdata/script. Each has a database of its own, named by $DB
// ($DBNAME is its name), and an empty repository in $PGRECALL_REPO. Beside pgrecall there are:
//
//	sql CONN STATEMENT…   run statements; rows are printed one a line, columns separated by "|"
//	exits CODE COMMAND…   run a command that must end with this exit code
//	fresh NAME            make another empty database and set $NAME to its connection string
//	server NAME           start another server and set $NAME to the connection string of its first database
//	line N VAR            set $VAR to the last (N = last) or N-th line of the last output
//	flip FILE OFFSET      flip a bit of a file's byte; a negative offset counts from the end
//	capture VAR           set $VAR to all of the last output, without its last newline
//	match REGEXP VAR      set $VAR to what the regexp's first group matches in the last output
//	load CONN TABLE FORMAT FILE  COPY a file into a table, FORMAT being text or csv
//	server-copy CONN COPY FILE  write what the server's own COPY … TO STDOUT writes to a file
//	reaches CODE COMMAND… repeat a command until it ends with this exit code
//	background, signal, ends, awaits, holding, release: programs and sessions beside the script
func TestScripts(t *testing.T) {
	server, err := pgtemp.Start(t.Context(), pgtemp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	askPassword(t, server, "locked")
	t.Cleanup(func() {
		if err := server.Remove(); err != nil {
			t.Error(err)
		}
	})
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: false,
		Setup: func(env *testscript.Env) error {
			name := "db_" + strings.ReplaceAll(strings.TrimPrefix(env.T().(interface{ Name() string }).Name(), "TestScripts/"), "-", "_")
			db, err := server.NewDatabase(t.Context(), name)
			if err != nil {
				return err
			}
			env.Setenv("DB", db)
			env.Setenv("DBNAME", name)
			env.Setenv("PGRECALL_REPO", env.WorkDir+"/repo")
			env.Setenv("PORT", strconv.Itoa(server.Port()))
			env.Values["server"] = server
			env.Values["processes"] = processes{}
			env.Values["sessions"] = map[string]*pgx.Conn{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sql": runSQL, "exits": exits, "fresh": fresh, "server": startServer, "line": setLine, "flip": flip, "capture": capture, "match": match, "server-copy": serverCopy, "reaches": reaches, "load": load,
			"background": background, "signal": signalTo, "ends": ends, "awaits": awaits, "holding": holding, "release": release,
		},
	})
}

// askPassword makes the server ask one role for its password; it trusts all others.
func askPassword(t *testing.T, server *pgtemp.Server, role string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.ConnString("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var path string
	if err := conn.QueryRow(t.Context(), "SHOW hba_file").Scan(&path); err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	asks := fmt.Sprintf("host all %s 127.0.0.1/32 scram-sha-256\nhost replication %[1]s 127.0.0.1/32 scram-sha-256\n", role)
	if err := os.WriteFile(path, append([]byte(asks), rules...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT pg_reload_conf()"); err != nil {
		t.Fatal(err)
	}
}

func runSQL(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: sql CONN STATEMENT...")
	}
	ctx := context.Background()
	config, err := pgx.ParseConfig(args[0])
	ts.Check(err)
	config.RuntimeParams["client_encoding"] = "UTF8" // as the scripts are
	conn, err := pgx.ConnectConfig(ctx, config)
	ts.Check(err)
	defer conn.Close(ctx)
	for _, sql := range args[1:] {
		results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
		ts.Check(err)
		for _, r := range results {
			for _, row := range r.Rows {
				cells := make([]string, len(row))
				for i, cell := range row {
					cells[i] = string(cell)
				}
				fmt.Fprintln(ts.Stdout(), strings.Join(cells, "|"))
			}
		}
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := err.(interface{ ExitCode() int }); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func fresh(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: fresh NAME")
	}
	server := ts.Value("server").(*pgtemp.Server)
	db, err := server.NewDatabase(context.Background(), ts.Getenv("DBNAME")+"_"+strings.ToLower(args[0]))
	ts.Check(err)
	ts.Setenv(args[0], db)
}

func startServer(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: server NAME")
	}
	server, err := pgtemp.Start(context.Background(), pgtemp.Options{Settings: map[string]string{"fsync": "off"}})
	ts.Check(err)
	ts.Defer(func() { _ = server.Remove() })
	ts.Setenv(args[0], server.ConnString("postgres"))
}

func setLine(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: line N VAR")
	}
	lines := strings.Split(strings.TrimRight(ts.ReadFile("stdout"), "\n"), "\n")
	n := len(lines)
	if args[0] != "last" {
		var err error
		n, err = strconv.Atoi(args[0])
		ts.Check(err)
	}
	if n < 1 || n > len(lines) {
		ts.Fatalf("the output has %d lines", len(lines))
	}
	ts.Setenv(args[1], lines[n-1])
}

func flip(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: flip FILE OFFSET")
	}
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	if at < 0 {
		at += len(data)
	}
	data[at] ^= 1
	ts.Check(os.Chmod(path, 0o600))
	ts.Check(os.WriteFile(path, data, 0o600))
}

func capture(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: capture VAR")
	}
	ts.Setenv(args[0], strings.TrimSuffix(ts.ReadFile("stdout"), "\n"))
}

func load(ts *testscript.TestScript, neg bool, args []string) {
	forms := map[string]string{"text": "", "csv": " (FORMAT csv, HEADER)"}
	if len(args) != 4 || neg {
		ts.Fatalf("usage: load CONN TABLE FORMAT FILE")
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, args[0])
	ts.Check(err)
	defer conn.Close(ctx)
	_, err = conn.PgConn().CopyFrom(ctx, strings.NewReader(ts.ReadFile(args[3])), "COPY "+args[1]+" FROM STDIN"+forms[args[2]])
	ts.Check(err)
}

func match(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: match REGEXP VAR")
	}
	m := regexp.MustCompile("(?m)" + args[0]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) < 2 {
		ts.Fatalf("%s matches nothing of the output", args[0])
	}
	ts.Setenv(args[1], m[1])
}

func serverCopy(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 || neg {
		ts.Fatalf("usage: server-copy CONN COPY FILE")
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, args[0])
	ts.Check(err)
	defer conn.Close(ctx)
	var out bytes.Buffer
	_, err = conn.PgConn().CopyTo(ctx, &out, args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), out.Bytes(), 0o600))
}

func reaches(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: reaches CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		got := 0
		if exit, ok := err.(interface{ ExitCode() int }); ok {
			got = exit.ExitCode()
		}
		if got == want {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("never ended with %d, but with %d", want, got)
		}
	}
}
