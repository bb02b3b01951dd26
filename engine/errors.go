package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgrecall/pgrecall/format"
)

// The kinds of failure a caller decides by; test with errors.Is. Everything else is an ordinary failure.
var (
	// ErrUsage: what was asked for makes no sense as asked; nothing was done.
	ErrUsage = errors.New("wrong usage")
	// ErrWindow: the recovery target is outside the recovery window, or nothing matches; nothing was changed.
	ErrWindow = errors.New("recovery target not reachable")
	// ErrIntegrity: the repository does not hold what it must, or what was loaded is not what was saved.
	ErrIntegrity = errors.New("integrity failure")
	// ErrBlocker: Check found something that prevents protection.
	ErrBlocker = errors.New("blocker found")
)

// failure is an error of one of the kinds above; its text does not repeat the kind.
type failure struct {
	kind error
	err  error
}

func (f *failure) Error() string   { return f.err.Error() }
func (f *failure) Unwrap() []error { return []error{f.kind, f.err} }

// usagef, windowf and integrityf make an error of their kind; the format may hold %w.
func usagef(text string, args ...any) error {
	return &failure{ErrUsage, fmt.Errorf(text, args...)}
}

func windowf(text string, args ...any) error {
	return &failure{ErrWindow, fmt.Errorf(text, args...)}
}

func integrityf(text string, args ...any) error {
	return &failure{ErrIntegrity, fmt.Errorf(text, args...)}
}

// ExitCode maps an error to the exit code of the command line: 0 done, 1 failed, 2 wrong usage, 3 the
// recovery target is outside the window or nothing matches, 4 integrity failure, 5 Check found a
// blocker, 130 interrupted.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrIntegrity), errors.Is(err, format.ErrCorrupt):
		return 4
	case errors.Is(err, ErrWindow):
		return 3
	case errors.Is(err, ErrUsage):
		return 2
	case errors.Is(err, ErrBlocker):
		return 5
	case errors.Is(err, context.Canceled):
		return 130
	}
	return 1
}
