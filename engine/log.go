package engine

import (
	"context"
	"errors"
	"time"

	"github.com/pgrecall/pgrecall/format"
)

// LogOptions say which transactions to tell of.
type LogOptions struct {
	Place
	// Tables are psql's patterns; empty is every table. With patterns, transactions without a matching table are left out.
	Tables []string
	// Since and Until bound the commit time; zero is unbounded.
	Since, Until time.Time
	// MinRows leaves out transactions that changed fewer rows (of the matching tables); 0 is no bound. Truncates and DDL always count.
	MinRows int64
	Tracer  Tracer
}

// LogEntry is one transaction.
type LogEntry struct {
	XID uint64 `json:"xid"`
	// Time is the commit time; where Origin is true it is another server's and proves nothing here.
	Time   time.Time  `json:"time"`
	Origin bool       `json:"origin,omitempty"`
	LSN    format.LSN `json:"lsn"`
	EndLSN format.LSN `json:"end_lsn"`
	Tables []LogTable `json:"tables,omitempty"`
	DDL    []LogDDL   `json:"ddl,omitempty"`
	Marks  []string   `json:"marks,omitempty"`
}

// LogTable counts one table's changes in one transaction; Truncated counts commands, not rows.
type LogTable struct {
	Schema    string `json:"schema"`
	Name      string `json:"name"`
	Inserted  uint64 `json:"inserted"`
	Updated   uint64 `json:"updated"`
	Deleted   uint64 `json:"deleted"`
	Truncated uint64 `json:"truncated"`
}

// LogDDL is one command that changed objects.
type LogDDL struct {
	Tag       string   `json:"tag"`
	Objects   []string `json:"objects,omitempty"`
	Statement string   `json:"statement"`
	User      string   `json:"user,omitempty"`
}

// Log tells what happened, transaction by transaction in commit order, to each. An error of each ends it and is
// returned. No matching transaction is an ErrWindow.
func Log(ctx context.Context, o LogOptions, each func(LogEntry) error) error {
	return errors.ErrUnsupported
}
