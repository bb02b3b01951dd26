//go:build unix

package pgtemp

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a running postmaster.
type process struct {
	pid  int
	done chan struct{} // closed when the postmaster has been waited for
}

// startProcess starts cmd and waits for its end in a goroutine of its own, which keeps its thread: the kernel
// sends a parent's death signal when the thread that forked ends, not the program (prctl(2), PR_SET_PDEATHSIG).
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer close(p.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // a postmaster's exit status says nothing that its log does not
		}
	}()
	return p, <-started
}

func (p *process) signal(sig syscall.Signal) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := syscall.Kill(p.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// killAll kills the postmaster and its children and waits until they are gone. The children have left the
// postmaster's process group (InitPostmasterChild calls setsid), so each is killed by its id, while the
// postmaster is stopped and cannot start more.
func (p *process) killAll() error {
	select {
	case <-p.done:
		return nil // children of a postmaster that died before notice it themselves and end
	default:
	}
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	children, err := childrenOf(p.pid)
	for _, pid := range children {
		if killErr := syscall.Kill(pid, syscall.SIGKILL); killErr != nil && !errors.Is(killErr, syscall.ESRCH) {
			err = errors.Join(err, fmt.Errorf("kill process %d: %w", pid, killErr))
		}
	}
	if killErr := syscall.Kill(-p.pid, syscall.SIGKILL); killErr != nil && !errors.Is(killErr, syscall.ESRCH) {
		err = errors.Join(err, killErr, p.signal(syscall.SIGKILL))
	}
	<-p.done
	for _, pid := range children {
		// Not our children, so there is no event to wait for; SIGKILL takes effect within moments.
		for isAlive(pid) {
			time.Sleep(time.Millisecond)
		}
	}
	return err
}

// executable reports whether path is a file that may be run.
func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
