package wal

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pgrecall/pgrecall/format"
)

// GapError says that the log cannot go on where it ended: changes are missing, or
// may be. Following again from the same state gives the same error. The caller
// records the gap and starts a new log with a new snapshot.
type GapError struct {
	Reason string
	From   format.LSN // durable end of the log
	To     format.LSN // where the source's changes can be had again; 0: not known
}

// Error implements error.
func (e *GapError) Error() string {
	return fmt.Sprintf("the log has a gap after %s: %s", e.From, e.Reason)
}

// SlotBusyError says that another session receives from the slot.
type SlotBusyError struct {
	Slot string
	PID  int32 // process id of the holder's server process; 0: not known

	// About the holder; empty or zero where the role may not see it.
	Application string
	User        string
	Client      netip.Addr // invalid: a Unix socket, or not known
	Since       time.Time  // when the holder connected
}

// Error implements error.
func (e *SlotBusyError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "replication slot %q is in use", e.Slot)
	if e.PID != 0 {
		fmt.Fprintf(&b, " by server process %d", e.PID)
	}
	if e.Application != "" {
		fmt.Fprintf(&b, ", application %q", e.Application)
	}
	if e.User != "" {
		fmt.Fprintf(&b, ", user %q", e.User)
	}
	if e.Client.IsValid() {
		fmt.Fprintf(&b, ", from %s", e.Client)
	}
	if !e.Since.IsZero() {
		fmt.Fprintf(&b, ", connected since %s", e.Since.UTC().Format(time.RFC3339))
	}
	b.WriteString(": only one receiver can follow a source; stop that one first")
	return b.String()
}

// sinkError marks what the sink answered: it ends Run instead of a reconnect.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return e.err.Error() }
func (e *sinkError) Unwrap() error { return e.err }

// protocolError marks bytes from the server that the protocol does not allow.
type protocolError struct{ err error }

func (e *protocolError) Error() string { return e.err.Error() }
func (e *protocolError) Unwrap() error { return e.err }

func protocolErrorf(f string, args ...any) error {
	return &protocolError{fmt.Errorf(f, args...)}
}

// nameError marks a name that cannot be kept; only renaming helps.
type nameError struct{ err error }

func (e *nameError) Error() string { return e.err.Error() }
func (e *nameError) Unwrap() error { return e.err }

// transient reports whether a connection lost with err is worth another try.
// Everything is, but what the caller must decide and what another try cannot change.
func transient(err error) bool {
	for _, final := range []any{
		new(*GapError), new(*PoisonError), new(*sinkError), new(*protocolError), new(*nameError), new(*SynchronousError),
	} {
		if errors.As(err, final) {
			return false
		}
	}
	return true
}

// refused reports whether a first connection failed for a reason that waiting does
// not change: everything but a server that is starting, stopping or full.
func refused(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return true
	}
	switch pg.Code {
	case "57P03", "57P01", "57P02", "53300": // cannot_connect_now, shutdowns, too_many_connections
		return false
	}
	return true
}
