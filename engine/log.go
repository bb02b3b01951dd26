package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
	"github.com/pgrecall/pgrecall/wal"
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
	// Unannounced are changes that no statement in the log tells of. The entry is no transaction then: XID is 0, and they
	// were made after LSN, where that is not 0, and before EndLSN; Time is when they were found.
	Unannounced []LogChange `json:"unannounced,omitempty"`
}

// LogChange is a change that nobody announced: of a table, or of names of roles or objects that columns hold.
type LogChange struct {
	Schema string `json:"schema,omitempty"`
	Name   string `json:"name,omitempty"`
	What   string `json:"what"`
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
	opened, err := o.open(ctx)
	if err != nil {
		return err
	}
	source, err := opened.source(ctx, o.Source)
	if err != nil {
		return err
	}
	patterns, err := parsePatterns(o.Tables)
	if err != nil {
		return err
	}
	h, err := hold(ctx, source)
	if err != nil {
		return err
	}
	r := &logReader{options: o, patterns: patterns, each: each}
	for _, l := range h.logs {
		if err := r.log(ctx, h, l); err != nil {
			return err
		}
	}
	if r.found == 0 {
		return windowf("nothing matches: no transaction in the log of %q is as asked for", source.Name)
	}
	return nil
}

// parsePatterns reads psql's patterns of tables.
func parsePatterns(texts []string) ([]*catalog.Pattern, error) {
	var patterns []*catalog.Pattern
	for _, text := range texts {
		p, err := catalog.ParsePattern(text)
		if err != nil {
			return nil, usagef("--table %q: %w", text, err)
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}

// logReader tells the transactions of segments that are as asked for.
type logReader struct {
	options  LogOptions
	patterns []*catalog.Pattern
	each     func(LogEntry) error
	found    int
}

// log goes through a log's segments in order. What lies behind a hole happened all the same.
func (r *logReader) log(ctx context.Context, h *holding, l plan.Log) error {
	segments := slices.Clone(l.Segments)
	slices.SortFunc(segments, func(a, b plan.Segment) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(b.To, a.To))
	})
	past := l.Start.ConsistentPoint
	trail := newFormTrail(nil)
	var left *plan.Segment // the last one that was left out
	for i, s := range segments {
		if s.To <= past {
			continue // superseded by a longer one
		}
		if r.outside(s) {
			past, left = s.To, &segments[i]
			continue
		}
		if left != nil { // what the tables were before
			seg, err := h.openSegment(ctx, *left)
			if err != nil {
				return err
			}
			trail.take(seg)
			left = nil
		}
		seg, err := h.openSegment(ctx, s)
		if err != nil {
			return err
		}
		if err := r.segment(seg, past); err != nil {
			return err
		}
		trail.take(seg)
		if err := r.unannounced(trail, trail.found); err != nil {
			return err
		}
		past, trail.found = s.To, nil
	}
	return r.unannounced(trail, trail.open)
}

// unannounced tells of the changes that no statement explains, an entry for each look that found any.
func (r *logReader) unannounced(trail *formTrail, changes []unannounced) error {
	for len(changes) > 0 {
		n := 1
		for n < len(changes) && changes[n].look == changes[0].look {
			n++
		}
		in := trail.interval(&changes[0])
		e := LogEntry{Time: in.ToTime.UTC(), LSN: in.From, EndLSN: in.To}
		for _, u := range changes[:n] {
			switch {
			case u.kind == rolesRenamed || u.kind == objectsRenamed:
				e.Unannounced = append(e.Unannounced, LogChange{What: "names of " + u.kind.String() + ", which columns hold"})
			case r.matches(u.schema, u.name):
				e.Unannounced = append(e.Unannounced, LogChange{Schema: u.schema, Name: u.name, What: u.kind.String()})
			}
		}
		changes = changes[n:]
		if len(e.Unannounced) == 0 || !r.options.Since.IsZero() && e.Time.Before(r.options.Since) ||
			!r.options.Until.IsZero() && in.FromTime.After(r.options.Until) {
			continue
		}
		r.found++
		if err := r.each(e); err != nil {
			return err
		}
	}
	return nil
}

// segment tells the transactions of a segment that end after past.
func (r *logReader) segment(seg *wal.Segment, past format.LSN) error {
	messages := seg.Messages()
	for i, t := range seg.Transactions() {
		n := 0
		for n < len(messages) && int(messages[n].Txn) == i {
			n++
		}
		own := messages[:n]
		messages = messages[n:]
		if t.EndLSN <= past {
			continue
		}
		entry, ok := r.entry(&t, seg.Layouts(), own)
		if !ok {
			continue
		}
		r.found++
		if err := r.each(entry); err != nil {
			return err
		}
	}
	return nil
}

// outside says by its name alone that a segment has nothing between Since and Until. Times of origins are in no name.
func (r *logReader) outside(s plan.Segment) bool {
	if s.MaxTime.IsZero() {
		return false
	}
	return !r.options.Since.IsZero() && s.MaxTime.Before(r.options.Since) ||
		!r.options.Until.IsZero() && s.MinTime.After(r.options.Until)
}

// entry is a transaction for people, and whether it is asked for.
func (r *logReader) entry(t *format.Transaction, layouts []format.Layout, messages []format.Message) (LogEntry, bool) {
	e := LogEntry{XID: t.XID, Time: t.Time.UTC(), Origin: t.Origin, LSN: t.CommitLSN, EndLSN: t.EndLSN}
	if !r.options.Since.IsZero() && t.Time.Before(r.options.Since) || !r.options.Until.IsZero() && t.Time.After(r.options.Until) {
		return e, false
	}
	var rows uint64
	var truncated bool
	for _, c := range t.Tables {
		l := &layouts[c.Layout]
		if l.Schema == wal.Schema || !r.matches(l.Schema, l.Name) {
			continue
		}
		rows += c.Inserted + c.Updated + c.Deleted
		truncated = truncated || c.Truncated > 0
		e.Tables = append(e.Tables, LogTable{Schema: l.Schema, Name: l.Name, Inserted: c.Inserted, Updated: c.Updated, Deleted: c.Deleted, Truncated: c.Truncated})
	}
	for _, m := range messages {
		r.message(&e, m)
	}
	switch {
	case len(r.patterns) > 0 && len(e.Tables) == 0 && len(e.DDL) == 0:
		return e, false
	case len(e.Tables)+len(e.DDL)+len(e.Marks) == 0:
		return e, false // a heartbeat
	}
	return e, r.options.MinRows <= 0 || rows >= uint64(r.options.MinRows) || truncated || len(e.DDL) > 0
}

// message adds what a message tells.
func (r *logReader) message(e *LogEntry, m format.Message) {
	switch m.Prefix {
	case format.PrefixMark:
		e.Marks = append(e.Marks, m.Content)
	case format.PrefixDDL:
		d, err := wal.ParseDDL(m.Content)
		if err != nil {
			e.DDL = append(e.DDL, LogDDL{Tag: "unreadable", Statement: err.Error()})
			return
		}
		if d.Internal || !r.touches(&d) {
			return
		}
		ddl := LogDDL{Tag: d.Tag, Statement: d.Statement, User: d.User}
		for _, o := range append(d.Objects, d.Dropped...) {
			ddl.Objects = append(ddl.Objects, o.Type+" "+o.Identity)
		}
		e.DDL = append(e.DDL, ddl)
	}
}

// matches says whether a table is asked for.
func (r *logReader) matches(schema, name string) bool {
	for _, p := range r.patterns {
		if p.Match(schema, name) {
			return true
		}
	}
	return len(r.patterns) == 0
}

// touches says whether a command may have changed a table that is asked for.
func (r *logReader) touches(d *wal.DDL) bool {
	if len(r.patterns) == 0 || d.Incomplete {
		return true
	}
	for _, t := range d.Tables {
		if r.matches(t.Schema, t.Name) {
			return true
		}
	}
	return false
}
