package engine

import (
	"context"
	"errors"
	"io"
)

// CatFormat is how Cat writes rows.
type CatFormat string

// The formats of Cat.
const (
	// CatCopy is COPY's text format.
	CatCopy CatFormat = "copy"
	// CatCSV is COPY's CSV format with a header line; NULL is empty and an empty string is "".
	CatCSV CatFormat = "csv"
	// CatSQL is one INSERT per row.
	CatSQL CatFormat = "sql"
)

// CatOptions say which rows to write.
type CatOptions struct {
	Place
	// Table is a psql pattern that matches exactly one table.
	Table  string
	Target Target
	// Format is CatCopy where empty.
	Format CatFormat
	Out    io.Writer
	// TempDir holds the changed rows while they are folded; empty is the system's.
	TempDir string
	Tracer  Tracer
}

// CatResult says what was written.
type CatResult struct {
	Source  string   `json:"source"`
	Schema  string   `json:"schema"`
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
	Rows    int64    `json:"rows"`
	Reached Point    `json:"reached"`
	Reading Reading  `json:"reading"`
}

// Cat writes the rows of one table at a target to Out; it needs no server. The bytes are in the source's encoding.
func Cat(ctx context.Context, o CatOptions) (*CatResult, error) {
	return nil, errors.ErrUnsupported
}
