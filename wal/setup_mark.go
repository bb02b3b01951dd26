package wal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
)

// ErrMarkExists is wrapped by Mark's error where the name was used before.
var ErrMarkExists = errors.New("a mark of this name exists already")

// ErrMarkName is wrapped by Mark's error where no mark can have the name.
var ErrMarkName = errors.New("1 to 200 bytes of UTF-8 without control characters make a mark's name")

// ErrNotSetUp is wrapped by the error of what needs Init to have been there.
var ErrNotSetUp = errors.New("the source is not set up: run init first")

// longestMark is the greatest length of a mark's name, in bytes.
const longestMark = 200

// Marked is a mark in the log.
type Marked struct {
	Name string
	// XID is the transaction of the mark; its commit is the point.
	XID uint64
	// LSN is the WAL insert position read after the commit, so at or beyond its end.
	LSN format.LSN
	// Time is the source's clock just before the commit, UTC.
	Time time.Time
}

// Mark puts a named point into the log, in a transaction of its own. The name is 1 to 200 bytes of UTF-8 without
// control characters. A name used before is an error that wraps ErrMarkExists, and nothing is done. The role must be
// the one that ran Init, a member of it, or a superuser. conn must be in no transaction.
func Mark(ctx context.Context, conn *pgx.Conn, name string) (*Marked, error) {
	if err := checkMark(name); err != nil {
		return nil, fmt.Errorf("mark %q: %w: %w", name, err, ErrMarkName)
	}
	m := &Marked{Name: name}
	var xid string
	err := inTx(ctx, conn, func(tx pgx.Tx) error {
		// The mark may be waited for: it must be in the WAL on disk at once.
		if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = local"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO pgrecall.marks (name, made) VALUES ($1, clock_timestamp())", name); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT pg_current_xact_id()::text, clock_timestamp()
			FROM pg_logical_emit_message(true, $1::text, $2::text)`, format.PrefixMark, name).Scan(&xid, &m.Time)
	})
	switch {
	case hasCode(err, codeUnique):
		return nil, fmt.Errorf("mark %q: %w", name, ErrMarkExists)
	case hasCode(err, codeNoTable, codeNoSchema):
		return nil, fmt.Errorf("mark %q: %w", name, ErrNotSetUp)
	case hasCode(err, codeNoPrivilege):
		return nil, fmt.Errorf("mark %q: connect as the role that ran init, or as a superuser: %w", name, err)
	case err != nil:
		return nil, fmt.Errorf("mark %q: %w", name, err)
	}
	m.Time = m.Time.UTC()
	if m.XID, err = strconv.ParseUint(xid, 10, 64); err != nil {
		return nil, fmt.Errorf("mark %q: read its transaction id: %w", name, err)
	}
	var lsn string
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_current_wal_insert_lsn()::text").Scan(&lsn); err != nil {
		return nil, fmt.Errorf("mark %q: it is set; read the position after it: %w", name, err)
	}
	m.LSN, err = format.ParseLSN(lsn)
	return m, err
}

func checkMark(name string) error {
	switch {
	case name == "":
		return errors.New("a mark needs a name")
	case len(name) > longestMark:
		return fmt.Errorf("the name is longer than %d bytes", longestMark)
	case !utf8.ValidString(name):
		return errors.New("the name is not UTF-8")
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return errors.New("the name holds a control character")
		}
	}
	return nil
}
