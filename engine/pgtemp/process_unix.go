//go:build unix && !linux

package pgtemp

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// dieWithParent does nothing where the kernel has no such signal.
func dieWithParent(*syscall.SysProcAttr) {}

// childrenOf lists the processes whose parent is pid.
func childrenOf(pid int) ([]int, error) {
	out, err := exec.Command("pgrep", "-P", strconv.Itoa(pid)).Output()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) { // 1: no process matched
		return nil, fmt.Errorf("list the server's processes with pgrep: %w", err)
	}
	var children []int
	for _, field := range strings.Fields(string(out)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("list the server's processes with pgrep: %w", err)
		}
		children = append(children, child)
	}
	return children, nil
}

// isAlive reports whether a process exists.
func isAlive(pid int) bool { return syscall.Kill(pid, 0) == nil }
