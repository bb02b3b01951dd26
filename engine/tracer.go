package engine

import "time"

// Tracer watches a use case from outside: the library itself never prints or logs. Both methods are called
// from many goroutines at once and must return quickly; a nil Tracer in an options struct hears nothing.
type Tracer interface {
	// Note is one thing worth a line, in the order it happened.
	Note(Note)
	// Progress is the state of long work, called often.
	Progress(Progress)
}

// Level says how much a Note matters.
type Level int

// The levels of a Note.
const (
	// LevelInfo is the ordinary course of things.
	LevelInfo Level = iota
	// LevelWarn is something the person should know: a wait, a limit, a thing left out.
	LevelWarn
	// LevelAlert is a gap, or anything else that lessens the protection.
	LevelAlert
)

// String returns "info", "warn" or "alert".
func (l Level) String() string {
	switch l {
	case LevelWarn:
		return "warn"
	case LevelAlert:
		return "alert"
	}
	return "info"
}

// Note is one thing worth a line.
type Note struct {
	Level Level
	Text  string
}

// Progress is the state of one table, or of the whole where Table is empty, within a phase.
type Progress struct {
	// Phase is "snapshot", "data", "post-data", "analyze", "verify" or "verify the log".
	Phase string
	// Table is schema.name, or empty for the whole.
	Table string
	// Rows and Bytes (of COPY text) are done so far; in "post-data" and "analyze" Rows are statements.
	Rows, Bytes int64
	// TotalRows and TotalBytes are the expected ends, 0 where unknown; a snapshot's are estimates.
	TotalRows, TotalBytes int64
	// Done is true in the last report.
	Done bool
	// Elapsed is the time since the phase, or the table, began.
	Elapsed time.Duration
}

// silent is the Tracer of those who want none.
type silent struct{}

func (silent) Note(Note)         {}
func (silent) Progress(Progress) {}

// tracing returns t, or a Tracer that hears nothing.
func tracing(t Tracer) Tracer {
	if t == nil {
		return silent{}
	}
	return t
}
