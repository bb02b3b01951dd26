package pgtemp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Options says which server Start makes. The zero value is a server found by FindServer in a new temporary folder.
type Options struct {
	// BinDir is the folder with initdb and postgres; empty: FindServer's.
	BinDir string
	// Settings are added to postgresql.conf, over what Start itself sets there.
	Settings map[string]string
	// Dir is the folder that holds the cluster, its socket and its log; empty: a new temporary folder, which
	// Remove deletes. A folder in which a cluster of Start's lies already is started again as it is.
	Dir string
	// InitdbArgs are passed to initdb after Start's own, so that they win.
	InitdbArgs []string
	// Detach lets the server outlive this process; it otherwise dies with it.
	Detach bool
}

// Server is one throwaway server. Its methods are safe for concurrent use.
type Server struct {
	bin     string
	dir     string
	ownDir  bool
	account *account
	port    int
	version int
	detach  bool

	mu   sync.Mutex
	proc *process // nil: not running
}

// startTries bounds how often another free port is tried: between finding a free port and the server's bind to it
// another program may take it.
const startTries = 5

// Start makes a cluster (UTF8, C locale, trust authentication, superuser postgres) and returns once its server
// accepts connections. The server has wal_level logical and room for 20 replication slots and senders and 10
// prepared transactions. The caller ends it with Remove, or Stop to keep the folder. When Start fails, nothing is
// left running, and the error carries the end of the server's log.
func Start(ctx context.Context, o Options) (*Server, error) {
	s := &Server{bin: o.BinDir, dir: o.Dir, detach: o.Detach}
	if s.bin == "" {
		bin, err := FindServer(ctx)
		if err != nil {
			return nil, err
		}
		s.bin = bin
	}
	var err error
	if s.version, err = serverMajor(ctx, s.bin); err != nil {
		return nil, err
	}
	if s.account, err = serverAccount(); err != nil {
		return nil, err
	}
	if err := s.makeDir(); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx, o); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	for try := 1; ; try++ {
		if s.port, err = freePort(); err == nil {
			err = s.run(ctx)
		}
		if err == nil {
			return s, nil
		}
		if try == startTries || ctx.Err() != nil || !strings.Contains(err.Error(), "Address already in use") {
			return nil, errors.Join(err, s.Remove())
		}
	}
}

// ConnString returns a connection URI of the server's superuser for a database. It holds no password.
func (s *Server) ConnString(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Version returns the server's major version, such as 15.
func (s *Server) Version() int { return s.version }

// Dir returns the folder that holds the cluster (data), its socket and its log.
func (s *Server) Dir() string { return s.dir }

// DataDir returns the cluster's data directory.
func (s *Server) DataDir() string { return filepath.Join(s.dir, "data") }

// BinDir returns the folder of the programs that the server runs from.
func (s *Server) BinDir() string { return s.bin }

// Port returns the TCP port on 127.0.0.1; it stays the same over Restart.
func (s *Server) Port() int { return s.port }

// LogFile returns the path of the server's log.
func (s *Server) LogFile() string { return filepath.Join(s.dir, "postgres.log") }

// Stop ends the server with a fast shutdown: sessions are ended and a checkpoint is written. A server that is not
// running is no error.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return nil
	}
	// SIGINT is the fast shutdown (PostgreSQL documentation, "Shutting Down the Server").
	if err := s.proc.signal(syscall.SIGINT); err != nil {
		return fmt.Errorf("stop the server in %s: %w", s.dir, err)
	}
	<-s.proc.done
	s.proc = nil
	return nil
}

// Kill ends the server and all its backends with SIGKILL, as a crash or kill -9 of everything would, and returns
// when every one of them is gone. What was not flushed to the files by then is lost to the server.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return nil
	}
	if err := s.proc.killAll(); err != nil {
		return fmt.Errorf("kill the server in %s: %w", s.dir, err)
	}
	s.proc = nil
	return nil
}

// Restart stops the server if it runs and starts it again on the same port and files; after Kill it goes through
// crash recovery. It returns once connections are accepted.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(); err != nil {
		return err
	}
	// Kill waited for every process of the old server, so its lock file is stale even if its process id has been
	// given to another program since.
	if err := os.Remove(filepath.Join(s.DataDir(), "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the dead server's lock file: %w", err)
	}
	return s.run(ctx)
}

// Remove kills the server if it still runs and deletes its cluster, socket and log, and its folder if Start made it.
func (s *Server) Remove() error {
	if err := s.Kill(); err != nil {
		return err
	}
	if s.ownDir {
		return os.RemoveAll(s.dir)
	}
	return errors.Join(os.RemoveAll(s.DataDir()), os.RemoveAll(s.socketDir()), os.RemoveAll(s.LogFile()))
}

// NewDatabase creates a database from template0 and returns its connection URI. Options are clauses of
// CREATE DATABASE as they are written there, such as "ENCODING 'LATIN1'" or "LOCALE 'C'".
func (s *Server) NewDatabase(ctx context.Context, name string, options ...string) (string, error) {
	conn, err := pgconn.Connect(ctx, s.ConnString("postgres"))
	if err != nil {
		return "", fmt.Errorf("create database %q: %w", name, err)
	}
	quoted := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	sql := "CREATE DATABASE " + quoted + " TEMPLATE template0 " + strings.Join(options, " ")
	_, err = conn.Exec(ctx, sql).ReadAll()
	if closeErr := conn.Close(ctx); err == nil {
		err = closeErr
	}
	if err != nil {
		return "", fmt.Errorf("create database %q: %w", name, err)
	}
	return s.ConnString(name), nil
}

func (s *Server) socketDir() string { return filepath.Join(s.dir, "socket") }

// makeDir creates the server's folder and hands it to the account that the server runs as.
func (s *Server) makeDir() error {
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "pgtemp-")
		if err != nil {
			return fmt.Errorf("make a folder for a throwaway server: %w", err)
		}
		s.dir, s.ownDir = dir, true
	}
	dir, err := filepath.Abs(s.dir)
	if err != nil {
		return fmt.Errorf("make the folder %s: %w", s.dir, err)
	}
	s.dir = dir
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return fmt.Errorf("make the folder %s: %w", s.dir, err)
	}
	if err := s.account.mayEnter(s.dir); err != nil {
		return err
	}
	return s.account.own(s.dir)
}

// prepare runs initdb, unless the cluster exists, and writes the settings.
func (s *Server) prepare(ctx context.Context, o Options) error {
	if _, err := os.Stat(filepath.Join(s.DataDir(), "PG_VERSION")); err == nil {
		return nil
	}
	if err := os.MkdirAll(s.socketDir(), 0o755); err != nil {
		return fmt.Errorf("make the server's socket folder: %w", err)
	}
	if err := s.account.own(s.socketDir()); err != nil {
		return err
	}
	args := append([]string{"-D", s.DataDir(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"}, o.InitdbArgs...)
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), args...)
	cmd.Dir = s.dir
	cmd.Env = s.environment()
	cmd.SysProcAttr = s.account.attributes(false)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb from %s: %w: %s", s.bin, err, strings.TrimSpace(string(out)))
	}
	f, err := os.OpenFile(filepath.Join(s.DataDir(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write the throwaway server's settings: %w", err)
	}
	_, err = f.WriteString(configuration(s.socketDir(), o.Settings))
	return errors.Join(err, f.Close())
}

// configuration renders the lines added to postgresql.conf; the last line for a name wins there.
func configuration(socketDir string, settings map[string]string) string {
	if len(socketDir) > 80 {
		socketDir = "" // sun_path holds 104 to 108 bytes; TCP is enough
	}
	all := map[string]string{
		"listen_addresses":          "127.0.0.1",
		"unix_socket_directories":   socketDir,
		"wal_level":                 "logical",
		"max_wal_senders":           "20",
		"max_replication_slots":     "20",
		"max_prepared_transactions": "10",
		"logging_collector":         "off",
		"log_line_prefix":           "%m [%p] %d ",
	}
	for name, value := range settings {
		all[name] = value
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	var b strings.Builder
	b.WriteString("\n# a throwaway server's own\n")
	for _, name := range names {
		fmt.Fprintf(&b, "%s = '%s'\n", name, strings.ReplaceAll(all[name], "'", "''"))
	}
	return b.String()
}

// environment is what initdb and postgres see: nothing of the caller's PG* variables, which would steer them.
func (s *Server) environment() []string {
	return []string{"LC_ALL=C.UTF-8", "HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "TZ=UTC"}
}

// run starts postgres and waits until it accepts a connection, dies, or ctx ends.
func (s *Server) run(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	logFile, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the throwaway server's log: %w", err)
	}
	defer logFile.Close()
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.DataDir(), "-p", strconv.Itoa(s.port))
	cmd.Dir = s.dir
	cmd.Env = s.environment()
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = s.account.attributes(s.detach)
	proc, err := startProcess(cmd)
	if err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	if err := s.awaitReady(ctx, proc); err != nil {
		return errors.Join(err, proc.killAll())
	}
	s.proc = proc
	return nil
}

func (s *Server) awaitReady(ctx context.Context, proc *process) error {
	config, err := pgconn.ParseConfig(s.ConnString("postgres"))
	if err != nil {
		return fmt.Errorf("connect to the throwaway server: %w", err)
	}
	config.ConnectTimeout = 5 * time.Second
	for {
		conn, err := pgconn.ConnectConfig(ctx, config)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-proc.done:
			return fmt.Errorf("the server in %s ended at its start; its log ends with:\n%s", s.dir, s.logTail())
		case <-ctx.Done():
			return fmt.Errorf("wait for the server in %s: %w; its log ends with:\n%s", s.dir, context.Cause(ctx), s.logTail())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// logTail returns the last lines of the server's log.
func (s *Server) logTail() string {
	b, err := os.ReadFile(s.LogFile())
	if err != nil {
		return err.Error()
	}
	const most = 2048
	if len(b) > most {
		b = b[len(b)-most:]
	}
	return strings.TrimSpace(string(b))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}
