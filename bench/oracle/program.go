package oracle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// endPatience is how long a process may take to flush and end after SIGTERM.
const endPatience = 2 * time.Minute

// program is the pgrecall binary: stream and snapshot run as processes of their own, so that they can be killed.
type program struct {
	path       string
	repository string
	db         string
	log        string // file for what they say

	streamKills, snapshotKills, snapshots atomic.Int64
	// crashes counts the ends and the starts of the source server: odd while it is down.
	crashes atomic.Int64

	mu      sync.Mutex
	trouble []string // processes that ended by themselves with an error
}

// buildProgram compiles cmd/pgrecall of the module that the working folder is in.
func buildProgram(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "pgrecall")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/pgrecall/pgrecall/cmd/pgrecall").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build pgrecall: %w: %s", err, bytes.TrimSpace(out))
	}
	return path, nil
}

// running is one process.
type running struct {
	cmd    *exec.Cmd
	stderr *tail
	done   chan struct{} // closed when it has ended, and err is set
	err    error
	before int64 // crashes of the source when it was started
}

func (p *program) start(args ...string) (*running, error) {
	args = append(args, "--repo", p.repository, "--db", p.db, "--source", sourceName)
	r := &running{cmd: exec.Command(p.path, args...), stderr: &tail{}, done: make(chan struct{}), before: p.crashes.Load()}
	r.cmd.Stderr = io.MultiWriter(r.stderr, noting{p, args[0]})
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // out of reach of the terminal's Ctrl-C
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start pgrecall %s: %w", args[0], err)
	}
	go func() {
		defer close(r.done)
		r.err = r.cmd.Wait()
		p.note(fmt.Sprintf("%s %s: ended: %v", time.Now().Format("15:04:05.000"), args[0], r.err))
	}()
	return r, nil
}

func (r *running) kill() {
	_ = r.cmd.Process.Kill() // one that has ended cannot be killed
	<-r.done
}

// interrupt asks the process to end, and kills it if it does not.
func (r *running) interrupt() error {
	_ = r.cmd.Process.Signal(syscall.SIGTERM) // one that has ended needs no signal
	select {
	case <-r.done:
	case <-time.After(endPatience):
		r.kill()
	}
	return r.err
}

// note appends to the log of the processes.
func (p *program) note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, err := os.OpenFile(p.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return // the log is for people only
	}
	defer f.Close()
	_, _ = f.WriteString(text + "\n")
}

// noting appends what a process says to the log of the processes.
type noting struct {
	p    *program
	what string
}

func (n noting) Write(text []byte) (int, error) {
	n.p.note(fmt.Sprintf("%s %s: %s", time.Now().Format("15:04:05.000"), n.what, bytes.TrimSpace(text)))
	return len(text), nil
}

// complain notes that a process ended with an error by itself, unless the server crashed meanwhile.
func (p *program) complain(what string, r *running) {
	if now := p.crashes.Load(); now == r.before && now%2 == 0 {
		p.troubled(what, r)
	}
}

func (p *program) troubled(what string, r *running) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trouble = append(p.trouble, fmt.Sprintf("%s ended by itself: %v: %s", what, r.err, r.stderr))
}

// stream keeps `pgrecall stream` running until ctx ends, and kills it after a random time of every on average (0: never).
func (p *program) stream(ctx context.Context, d dice, every time.Duration) error {
	for ctx.Err() == nil {
		r, err := p.start("stream", "--flush-interval", pick(d, "100ms", "300ms", "1s"), "--segment-size", pick(d, "65536", "1000000", "67108864"))
		if err != nil {
			return err
		}
		var killTime <-chan time.Time
		if every > 0 {
			killTime = time.After(time.Duration(d.ExpFloat64() * float64(every)))
		}
		select {
		case <-killTime:
			r.kill()
			p.streamKills.Add(1)
		case <-ctx.Done():
			// Before it follows, the signal may find it with nothing to end, or not even listening.
			if err := r.interrupt(); err != nil && strings.Contains(r.stderr.String(), "following") {
				p.complain("stream, asked to end,", r)
			}
		case <-r.done:
			// The server may not have noticed yet that the stream before this one is dead; and a first connection may be refused. But
			// a stream that follows goes on over a crash of the server.
			said := r.stderr.String()
			if strings.Contains(said, "following") && !strings.Contains(said, "is in use") {
				p.troubled("stream", r)
			} else if !strings.Contains(said, "is in use") {
				p.complain("stream", r)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil
}

// snapshots takes one snapshot after another until ctx ends, and kills about half of them at a random moment.
func (p *program) snapshotsWhile(ctx context.Context, d dice, pause time.Duration, kill bool) error {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Duration(d.ExpFloat64() * float64(pause))):
		}
		r, err := p.start("snapshot", "--jobs", pick(d, "1", "2", "3"))
		if err != nil {
			return err
		}
		var killTime <-chan time.Time
		if kill && d.chance(50) {
			killTime = time.After(time.Duration(d.Int64N(int64(1500 * time.Millisecond))))
		}
		select {
		case <-killTime:
			r.kill()
			p.snapshotKills.Add(1)
		case <-ctx.Done():
			r.kill()
			p.snapshotKills.Add(1)
		case <-r.done:
			p.snapshots.Add(1)
			if r.err != nil {
				p.complain("snapshot", r)
			}
		}
	}
	return nil
}

// finish runs a command to its end.
func (p *program) finish(ctx context.Context, args ...string) error {
	r, err := p.start(args...)
	if err != nil {
		return err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		r.kill()
		return context.Cause(ctx)
	}
	if r.err != nil {
		return fmt.Errorf("pgrecall %s: %w: %s", strings.Join(args, " "), r.err, r.stderr)
	}
	return nil
}

// drain brings all that was committed into the repository. The last killed stream may hold the slot a moment longer.
func (p *program) drain(ctx context.Context) error {
	deadline := time.Now().Add(recoveryPatience)
	for {
		err := p.finish(ctx, "stream", "--once")
		if err == nil || !strings.Contains(err.Error(), "slot") || time.Now().After(deadline) {
			return err
		}
		if ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailBytes = 2000

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if len(t.text) > 2*tailBytes {
		t.text = append(t.text[:0], t.text[len(t.text)-tailBytes:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := t.text
	if len(text) > tailBytes {
		text = text[len(text)-tailBytes:]
	}
	return strings.TrimSpace(string(text))
}
