package snapshot

import (
	"context"
	"io"
	"runtime"
	"time"

	"github.com/google/uuid"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// DefaultPartBytes is how many bytes of a table, as it is stored on the source, make one part.
const DefaultPartBytes = 256 << 20

// PartSink takes the objects that hold a snapshot's rows. It must be safe for concurrent use: Take calls it from
// Options.Jobs goroutines at once.
type PartSink interface {
	// PutPart stores one object. It calls write exactly once, with where the object's bytes go, and passes its error on.
	// When it returns nil the object is durable under the name it returns, relative to the source's folder. The
	// object's id is in its header.
	PutPart(ctx context.Context, id uuid.UUID, write func(w io.Writer) error) (name string, err error)
}

// Options says what Take copies and how. The zero value copies everything with min(4, cores) workers and joins no log.
type Options struct {
	// ID is the snapshot's; the nil UUID: one is made.
	ID uuid.UUID
	// Jobs is the number of workers and of their connections; two more connections are used beside them. 0: min(4, cores).
	Jobs int
	// Selection restricts the tables whose rows are copied. The catalog is always whole.
	Selection catalog.Selection
	// LargeObjects says whether the bytes of large objects are copied.
	LargeObjects LargeObjectChoice
	// Compression of the parts.
	Compression format.Compression
	// PartBytes is about how many bytes of a table, as the source stores it with TOAST, go into one part; small databases are cut
	// finer, so that every worker has something to do. 0: DefaultPartBytes.
	PartBytes int64
	// Joins is the log that the snapshot must be able to join; nil: none.
	Joins *format.LogStart
	// Past is a transaction id before which all must have ended that the snapshot does not see; 0: none. Take waits for that.
	Past uint64
	// Forms reads the forms of all tables as the transaction of q sees them, for the body of a snapshot that joins a log; what
	// it looked from is filled in here. nil: the body has none.
	Forms func(ctx context.Context, q catalog.Querier) (*format.Forms, error)
	// WaitTimeout bounds each wait for a transaction or a lock of somebody else. 0: as long as ctx allows.
	WaitTimeout time.Duration
	// NoRolePasswords leaves the passwords of roles out of the catalog's globals.
	NoRolePasswords bool
	// Sessions are used for the catalog if an earlier snapshot of the same source left some, and left behind; nil: none are.
	Sessions *Sessions
	// Tracer is told of progress; nil: nobody is.
	Tracer Tracer

	// at is called at points where a test wants to act on the source.
	at func(ctx context.Context, point, table string)
}

func (o Options) withDefaults() Options {
	if o.Jobs <= 0 {
		o.Jobs = min(4, runtime.NumCPU())
	}
	if o.PartBytes <= 0 {
		o.PartBytes = DefaultPartBytes
	}
	if o.Tracer == nil {
		o.Tracer = noTracer{}
	}
	if o.at == nil {
		o.at = func(context.Context, string, string) {}
	}
	return o
}

// Taken is a complete snapshot but for its manifest, which the caller writes, the body first and the envelope last.
type Taken struct {
	// Envelope lacks Body, Finished and Inexact.
	Envelope format.Envelope
	// Body is complete.
	Body format.Body
	// Catalog is what Body.Catalog holds as JSON.
	Catalog *catalog.Catalog
	// Skipped are tables whose rows could not be copied; the person must be told.
	Skipped []Skipped
}

// Skipped is a table that is in the catalog and whose rows are not in the snapshot.
type Skipped struct {
	Schema, Name string
	// Reason is for people.
	Reason string
}

// Tracer watches Take. Its methods are called from several goroutines at once, and Take waits for them: they
// should return quickly.
type Tracer interface {
	// TracePlan says what is to be copied. It is called again, and all progress is void, when all begins anew.
	TracePlan(Plan)
	// TraceProgress is called for each chunk of rows and at each part's end.
	TraceProgress(Progress)
	// TraceNote is called when Take waits for somebody, tries again, or leaves something out.
	TraceNote(Note)
}

// Plan is what Take is going to copy.
type Plan struct {
	// Tables is the number of tables, Bytes what they occupy on the source with TOAST and without indexes.
	Tables int
	Bytes  int64
}

// Progress is what has been copied since the last call for the same table.
type Progress struct {
	OID          uint32
	Schema, Name string
	// Rows, and their RawBytes as COPY text.
	Rows, RawBytes int64
	// TotalBytes is the table's share of Plan.Bytes.
	TotalBytes int64
	// SourceBytes is the part of TotalBytes that is done with; given when a part ends.
	SourceBytes int64
	// Done is true when the table's last part is durable.
	Done bool
}

// NoteKind tells notes apart.
type NoteKind int

// The kinds of notes.
const (
	NoteWaiting  NoteKind = iota // for Backends, or for what Text says
	NoteRetrying                 // all begins anew, for what Text says
	NoteRegroup                  // a table is taken in a snapshot of its own
	NoteSkipped                  // a table's rows are left out
)

// Note is an event that a person may want to know of.
type Note struct {
	Kind NoteKind
	// Text says what happens and why, in words.
	Text string
	// Backends are who is waited for, where that is known.
	Backends []Backend
}

// Backend is a session of the source, or a prepared transaction, that is waited for.
type Backend struct {
	// PID is 0 for a prepared transaction, whose name is Prepared.
	PID      int32
	Prepared string
	Database string
	User     string
	// State is pg_stat_activity's, such as "idle in transaction".
	State string
	// Age of its transaction.
	Age time.Duration
}

type noTracer struct{}

func (noTracer) TracePlan(Plan)         {}
func (noTracer) TraceProgress(Progress) {}
func (noTracer) TraceNote(Note)         {}
