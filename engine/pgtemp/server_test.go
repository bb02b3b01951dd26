package pgtemp

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	})
	return s
}

const createKept = `create table kept as select 'kept' as v; select 'done'`

func query(t *testing.T, s *Server, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.ConnString("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return string(results[len(results)-1].Rows[0][0])
}

func TestAServerStartsReadyForLogicalReplicationAndLeavesNothing(t *testing.T) {
	s := start(t, Options{Settings: map[string]string{"max_wal_senders": "7", "application_name": "it's"}})
	if got := query(t, s, `select concat_ws(' ', current_setting('wal_level'), current_setting('max_wal_senders'), current_setting('application_name'),
		current_setting('server_encoding'), (select datcollate from pg_database where datname = 'template0'), current_user)`); got != "logical 7 it's UTF8 C postgres" {
		t.Errorf("settings are %q", got)
	}
	if got := query(t, s, `select (current_setting('server_version_num')::int / 10000)::text`); got != fmt.Sprint(s.Version()) {
		t.Errorf("version %s, Version() says %d", got, s.Version())
	}
	pid := s.proc.pid
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Dir()); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
	if isAlive(pid) {
		t.Error("the server still runs")
	}
}

func TestAKilledServerLosesItsSessionsKeepsCommitsAndStartsAgain(t *testing.T) {
	s := start(t, Options{})
	query(t, s, createKept)
	conn, err := pgx.Connect(t.Context(), s.ConnString("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	port := s.Port()
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a session outlived the kill")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Port() != port {
		t.Errorf("port %d became %d", port, s.Port())
	}
	if got := query(t, s, `select v from kept`); got != "kept" {
		t.Errorf("read %q", got)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAnExistingClusterIsStartedAgain(t *testing.T) {
	// Not t.TempDir(), whose parent only its owner may enter.
	dir, err := os.MkdirTemp("", "pgtemp-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cluster := filepath.Join(dir, "cluster")
	first := start(t, Options{Dir: cluster})
	query(t, first, createKept)
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	second := start(t, Options{Dir: cluster})
	if got := query(t, second, `select v from kept`); got != "kept" {
		t.Errorf("read %q", got)
	}
}

func TestAFolderTheServersAccountCannotEnterIsNamed(t *testing.T) {
	if os.Geteuid() != 0 {
		return // the server runs as its caller, who has just made the folder
	}
	_, err := Start(t.Context(), Options{Dir: filepath.Join(t.TempDir(), "cluster")})
	if err == nil || !strings.Contains(err.Error(), "cannot enter") {
		t.Errorf("got %v", err)
	}
}

func TestAFailedStartCarriesTheServersLog(t *testing.T) {
	_, err := Start(t.Context(), Options{Settings: map[string]string{"shared_buffers": "a lot"}})
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "shared_buffers"`) {
		t.Errorf("the error does not say why: %v", err)
	}
}

func TestNewDatabaseTakesEncodingAndOddNames(t *testing.T) {
	s := start(t, Options{})
	for _, name := range []string{"plain", `odd "name"/with ?&% ä`} {
		uri, err := s.NewDatabase(t.Context(), name, "ENCODING 'LATIN1'", "LOCALE 'C'")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := pgx.Connect(t.Context(), uri)
		if err != nil {
			t.Fatal(err)
		}
		var database, encoding string
		if err := conn.QueryRow(t.Context(), `select current_database(), current_setting('server_encoding')`).Scan(&database, &encoding); err != nil {
			t.Fatal(err)
		}
		if database != name || encoding != "LATIN1" {
			t.Errorf("connected to %q in %s", database, encoding)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestMain doubles as the program that TestAServerDiesWithItsProgram kills.
func TestMain(m *testing.M) {
	if os.Getenv("PGTEMP_TEST_START") != "" {
		s, err := Start(context.Background(), Options{})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.proc.pid, s.Dir())
		select {}
	}
	os.Exit(m.Run())
}

func TestAServerDiesWithItsProgram(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PGTEMP_TEST_START=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	var dir string
	if _, err := fmt.Fscan(out, &pid, &dir); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for isAlive(pid) {
		if t.Context().Err() != nil {
			t.Fatal("the server outlived its program")
		}
	}
}
