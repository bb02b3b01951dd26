package wal

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Missing is one thing that the server or the role lacks.
type Missing struct {
	// What is missing; Advice says what to do and who can do it.
	What   string
	Advice string
	// Right: the role lacks it, not the server.
	Right bool
}

// RefusedError says that Init changed nothing, because it could not have been completed.
type RefusedError struct {
	Missing []Missing
}

// Error implements error.
func (e *RefusedError) Error() string {
	var parts []string
	for _, m := range e.Missing {
		parts = append(parts, m.What+": "+m.Advice)
	}
	return "refused, nothing was changed: " + strings.Join(parts, "; ")
}

// OtherDatabaseError says that the database is not the one that the source's log was started on.
type OtherDatabaseError struct {
	// Log and Database describe the two: system identifier and database oid.
	Log, Database string
}

// Error implements error.
func (e *OtherDatabaseError) Error() string {
	return fmt.Sprintf("this is another database (%s) than the one that the repository knows under this name (%s): "+
		"connect to that one, or give this one another source name", e.Database, e.Log)
}

// WaitError says that others took longer than the wait was allowed to.
type WaitError struct {
	Step    Step
	Waiting []Backend
	Timeout time.Duration
}

// Error implements error.
func (e *WaitError) Error() string {
	return fmt.Sprintf("waited %s for %s: let them end, or end them, and run it again", e.Timeout, describeBackends(e.Waiting))
}

// LockError names the tables whose lock could not be had.
type LockError struct {
	Tables []LockedTable
}

// LockedTable is a table and who held it at the last try.
type LockedTable struct {
	Schema, Name string
	Holders      []Backend
}

// Error implements error.
func (e *LockError) Error() string {
	var parts []string
	for i, t := range e.Tables {
		if i == 10 {
			parts = append(parts, fmt.Sprintf("and %d more", len(e.Tables)-i))
			break
		}
		part := quote(t.Schema, t.Name)
		if len(t.Holders) > 0 {
			part += " (held by " + describeBackends(t.Holders) + ")"
		}
		parts = append(parts, part)
	}
	return "no lock could be had to give a replica identity to " + strings.Join(parts, ", ") +
		": nothing is published, and no statement of the application fails; run it again when they are free"
}

// Codes of PostgreSQL's errors (documentation, appendix A).
const (
	codeLockNotAvailable = "55P03"
	codeNoPrivilege      = "42501"
	codeNoTable          = "42P01"
	codeNoSchema         = "3F000"
	codeNoObject         = "42704"
	codeInUse            = "55006"
	codeUnique           = "23505"
	codeBadBytes         = "22021" // character_not_in_repertoire
	codeNoEquivalent     = "22P05" // untranslatable_character
	codeInternal         = "XX000"
)

// hasCode reports whether the server answered with one of the codes.
func hasCode(err error, codes ...string) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	for _, c := range codes {
		if e.Code == c {
			return true
		}
	}
	return false
}

// lockTimedOut reports whether a lock was not to be had in time.
func lockTimedOut(err error) bool { return hasCode(err, codeLockNotAvailable) }
