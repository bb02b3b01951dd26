// Package transaction measures how one large transaction is followed: the memory of `pgrecall stream`, what the source spills
// or sends of it, and how long others wait that commit meanwhile and just after it.
package transaction

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/engine/pgtemp"
)

// Options say how large the transaction is and what follows it.
type Options struct {
	// Rows of about 100 bytes are inserted.
	Rows int
	// Program is the pgrecall binary; empty builds it.
	Program string
	// Dir holds repository and temporary files; empty is a temporary folder. PostgreSQL is the folder of the
	// server's programs; empty searches.
	Dir, PostgreSQL string
}

// run is a source that is followed.
type run struct {
	program, repository, db string
	out                     io.Writer
}

// Run makes a source, follows it with a process, and prints what it measures.
func Run(ctx context.Context, o Options, out io.Writer) (err error) {
	dir, err := os.MkdirTemp(o.Dir, "pgrecall-transaction-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &run{program: o.Program, repository: filepath.Join(dir, "repository"), out: out}
	if r.program == "" {
		r.program = filepath.Join(dir, "pgrecall")
		if err := command(ctx, "go", "build", "-o", r.program, "github.com/pgrecall/pgrecall/cmd/pgrecall").Run(); err != nil {
			return fmt.Errorf("build pgrecall: %w", err)
		}
	}
	server, err := pgtemp.Start(ctx, pgtemp.Options{BinDir: o.PostgreSQL, Settings: map[string]string{
		"fsync": "off", "full_page_writes": "off", "max_wal_size": "8GB", "shared_buffers": "256MB"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Remove()) }()
	r.db = server.ConnString("postgres")
	conn, err := pgx.Connect(ctx, r.db)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "CREATE TABLE numbers (id int PRIMARY KEY, a text, b text, n numeric)"); err != nil {
		return err
	}
	if err := r.pgrecall(ctx, "init").Run(); err != nil {
		return fmt.Errorf("pgrecall init: %w", err)
	}
	return r.measure(ctx, conn, o.Rows)
}

func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.Stderr = os.Stderr
	return c
}

func (r *run) pgrecall(ctx context.Context, args ...string) *exec.Cmd {
	return command(ctx, r.program, append(args, "--repo", r.repository, "--db", r.db)...)
}

// follow starts a stream, and returns when it follows.
func (r *run) follow(ctx context.Context) (*exec.Cmd, error) {
	stream := r.pgrecall(ctx, "stream", "--flush-interval", "1s")
	stream.Stderr = nil
	said, err := stream.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := stream.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "following") {
			go io.Copy(io.Discard, said)
			return stream, nil
		}
	}
	return nil, errors.Join(errors.New("pgrecall stream does not follow the source"), stream.Wait())
}

// measure inserts the rows in one transaction.
func (r *run) measure(ctx context.Context, conn *pgx.Conn, rows int) error {
	stream, err := r.follow(ctx)
	if err != nil {
		return err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx) // does nothing after Commit
	err = r.step("inserting", func() error {
		_, err := tx.Exec(ctx, "INSERT INTO numbers SELECT i, md5(i::text), md5(i::text), i * 1.5 FROM generate_series(1, $1::int) i", rows)
		return err
	})
	if err != nil {
		return err
	}
	if err := r.step("another, before it commits", r.pgrecall(ctx, "mark", "before", "--wait").Run); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	if err := r.step("another, after it committed", r.pgrecall(ctx, "mark", "after", "--wait").Run); err != nil {
		return err
	}
	if err := stream.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := stream.Wait(); err != nil {
		return fmt.Errorf("pgrecall stream: %w", err)
	}
	if used, ok := stream.ProcessState.SysUsage().(*syscall.Rusage); ok {
		fmt.Fprintf(r.out, "%-30s %10.0f MiB, %.1f s of CPU\n", "pgrecall stream", float64(used.Maxrss)/1024, // kilobytes on Linux
			(stream.ProcessState.UserTime() + stream.ProcessState.SystemTime()).Seconds())
	}
	var spilled, streamed int64
	err = conn.QueryRow(ctx, "SELECT sum(spill_bytes)::bigint, sum(stream_bytes)::bigint FROM pg_stat_replication_slots").Scan(&spilled, &streamed)
	if err == nil {
		fmt.Fprintf(r.out, "%-30s %10d MiB\n%-30s %10d MiB\n", "the source spilled", spilled>>20, "the source sent under way", streamed>>20)
	}
	return err
}

// step prints how long something takes.
func (r *run) step(what string, do func() error) error {
	began := time.Now()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	_, err := fmt.Fprintf(r.out, "%-30s %10.1f s\n", what, time.Since(began).Seconds())
	return err
}
