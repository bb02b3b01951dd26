package wal

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal/pgoutput"
)

// relation is a table as the server described it in this connection.
type relation struct {
	layout format.Layout // names in UTF-8
	own    bool          // in pgrecall's own schema: no part of the log
	heard  uint64        // how many messages had been received when it was described

	// Where the segment being built keeps it; valid if segment is that one.
	segment *segmentBuilder
	ordinal uint32
}

// layoutState is what a segment being built knows of one of its layouts.
type layoutState struct {
	lane  *lane
	txn   uint64 // running number of the last transaction that changed it
	count int    // its place in that transaction's counts
}

// segmentBuilder gathers transactions into one segment. Calls come in the order
// begin, any of change, truncate and message, then commit or rollback.
type segmentBuilder struct {
	spool *spool
	out   *format.Writer
	from  format.LSN // the predecessor's end

	lanes        map[uint32]*lane
	buffered     int // bytes in lanes
	raw          int64
	layouts      []format.Layout
	states       []layoutState
	byTable      map[uint32][]uint32 // ordinals of a table's layouts, in order
	transactions []format.Transaction
	messages     []format.Message
	resume, to   format.LSN          // ends of the commit before the last, and of the last
	countSlab    []format.TableCount // holds the counts of many transactions

	unfinished
	old, new []byte // rows being made
}

// unfinished is the transaction being received.
type unfinished struct {
	number  uint64 // running number, from 1
	current format.Transaction
	counts  []format.TableCount
	touched []*lane
	said    int // messages of the segment before it
	saying  int // bytes of its messages
}

func newSegmentBuilder(dir string, c format.Compression, from format.LSN) (*segmentBuilder, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make an id for a segment: %w", err)
	}
	s, err := newSpool(dir)
	if err != nil {
		return nil, err
	}
	out, err := format.NewWriter(s, format.KindSegment, id, c)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return &segmentBuilder{
		spool: s, out: out, from: from, resume: from, to: from,
		lanes: make(map[uint32]*lane), byTable: make(map[uint32][]uint32),
	}, nil
}

func (b *segmentBuilder) close() error { return b.spool.close() }

// perTransaction is about what a transaction without rows costs in memory and in
// the segment; it bounds segments of very many of them.
const perTransaction = 64

func (b *segmentBuilder) begin(t format.Transaction) {
	b.number++
	b.current = t
	b.counts = b.counts[:0]
	b.touched = b.touched[:0]
	b.said, b.saying = len(b.messages), 0
}

// commit completes the transaction that begin opened.
func (b *segmentBuilder) commit(end format.LSN) {
	b.current.EndLSN = end
	if len(b.counts) > 0 {
		if cap(b.countSlab)-len(b.countSlab) < len(b.counts) {
			b.countSlab = make([]format.TableCount, 0, max(256, len(b.counts)))
		}
		start := len(b.countSlab)
		b.countSlab = append(b.countSlab, b.counts...)
		b.current.Tables = b.countSlab[start:len(b.countSlab):len(b.countSlab)]
	}
	b.transactions = append(b.transactions, b.current)
	b.resume, b.to = b.to, end
	b.raw += perTransaction
}

// rollback forgets the transaction that begin opened: its rest never came.
func (b *segmentBuilder) rollback() {
	for _, l := range b.touched {
		if l.touched == b.number {
			n := l.rollback()
			b.buffered -= n
			b.raw -= int64(n)
		}
	}
	b.touched = b.touched[:0]
	b.messages = b.messages[:b.said]
}

// change adds a row's change. Old and new are nil where the operation has none.
func (b *segmentBuilder) change(rel *relation, op format.Op, oldKind byte, old, new pgoutput.Tuple) error {
	b.old, b.new = b.old[:0], b.new[:0]
	if oldKind != format.OldNone {
		if len(old) != len(rel.layout.Columns) {
			return columnsError(rel, len(old))
		}
		b.old = appendRow(b.old, old)
	}
	if op != format.Delete {
		if len(new) != len(rel.layout.Columns) {
			return columnsError(rel, len(new))
		}
		b.new = appendRow(b.new, new)
	}
	return b.add(rel, format.Record{Op: op, OldKind: oldKind, Old: b.old, New: b.new})
}

func columnsError(rel *relation, n int) error {
	return fmt.Errorf("the server sent a row of %d columns for table %s.%s, which it described with %d",
		n, rel.layout.Schema, rel.layout.Name, len(rel.layout.Columns))
}

// truncate adds a truncation of one table.
func (b *segmentBuilder) truncate(rel *relation, restart bool) error {
	return b.add(rel, format.Record{Op: format.Truncate, RestartSequences: restart})
}

// mostSaid is how many bytes of messages a transaction may have: they are kept in memory. The DDL capture stays far
// below it.
const mostSaid = 64 << 20

// saidTooMuch takes the place of what goes beyond mostSaid.
const saidTooMuch = `{"tag":"unknown","incomplete":true,"error":"the messages of the transaction are longer than 64 MiB"}`

// message adds a message of the transaction.
func (b *segmentBuilder) message(m format.Message) {
	m.Txn = uint32(len(b.transactions))
	if b.saying += len(m.Content) + perTransaction; b.saying > mostSaid {
		if n := len(b.messages); n > b.said && b.messages[n-1].Content == saidTooMuch {
			return
		}
		m.Prefix, m.Content = format.PrefixDDL, saidTooMuch
	}
	b.messages = append(b.messages, m)
	b.raw += int64(len(m.Prefix) + len(m.Content) + perTransaction)
}

func (b *segmentBuilder) add(rel *relation, r format.Record) error {
	if rel.segment != b {
		b.enter(rel)
	}
	s := &b.states[rel.ordinal]
	if s.txn != b.number {
		s.txn, s.count = b.number, len(b.counts)
		b.counts = append(b.counts, format.TableCount{Layout: rel.ordinal})
	}
	count(&b.counts[s.count], r.Op)

	r.Txn, r.Layout = uint32(len(b.transactions)), rel.ordinal
	l := s.lane
	if l.touched != b.number {
		b.touched = append(b.touched, l)
	}
	grown := l.append(r, b.number, b.current.CommitLSN)
	b.raw += int64(grown)
	b.buffered += grown
	if len(l.buf) >= chunkRaw {
		return b.flush(l)
	}
	if b.buffered >= laneBudget {
		return b.relieve()
	}
	return nil
}

func count(c *format.TableCount, op format.Op) {
	switch op {
	case format.Insert:
		c.Inserted++
	case format.Update:
		c.Updated++
	case format.Delete:
		c.Deleted++
	case format.Truncate:
		c.Truncated++
	}
}

// enter gives the relation a layout and a lane in this segment: the layout it
// already has here, or a new one if it differs.
func (b *segmentBuilder) enter(rel *relation) {
	rel.segment = b
	table := rel.layout.Table
	for _, o := range b.byTable[table] {
		if sameLayout(&b.layouts[o], &rel.layout) {
			rel.ordinal = o
			return
		}
	}
	l := b.lanes[table]
	if l == nil {
		l = &lane{table: table}
		b.lanes[table] = l
	}
	rel.ordinal = uint32(len(b.layouts))
	b.byTable[table] = append(b.byTable[table], rel.ordinal)
	b.layouts = append(b.layouts, rel.layout)
	b.states = append(b.states, layoutState{lane: l})
}

func sameLayout(a, b *format.Layout) bool {
	return a.Table == b.Table && a.Schema == b.Schema && a.Name == b.Name && a.ReplicaIdentity == b.ReplicaIdentity &&
		slices.Equal(a.Columns, b.Columns)
}

func (b *segmentBuilder) flush(l *lane) error {
	b.buffered -= len(l.buf)
	return l.flush(b.out)
}

// relieve writes the fullest lanes until half of the budget is free.
func (b *segmentBuilder) relieve() error {
	for _, l := range largest(b.lanes) {
		if b.buffered <= laneBudget/2 {
			return nil
		}
		if err := b.flush(l); err != nil {
			return err
		}
	}
	return nil
}

// name tells what the segment holds. It has at least one transaction.
func (b *segmentBuilder) name() format.SegmentName {
	return segmentName(b.from, b.to, b.transactions)
}

func segmentName(from, to format.LSN, transactions []format.Transaction) format.SegmentName {
	n := format.SegmentName{From: from, To: to, MinXID: transactions[0].XID, MaxXID: transactions[0].XID}
	for i := range transactions {
		t := &transactions[i]
		n.MinXID, n.MaxXID = min(n.MinXID, t.XID), max(n.MaxXID, t.XID)
		if t.Origin {
			continue
		}
		if n.MinTime.IsZero() || t.Time.Before(n.MinTime) {
			n.MinTime = t.Time
		}
		if t.Time.After(n.MaxTime) {
			n.MaxTime = t.Time
		}
	}
	return n
}

// finish writes what follows the lanes, the head last, and returns the whole
// object. Head's positions are filled in here.
func (b *segmentBuilder) finish(head *format.SegmentHead, now time.Time) (io.ReadSeeker, error) {
	head.Sequences = orEmpty(head.Sequences)
	head.From, head.To, head.Resume, head.Created = b.from, b.to, b.resume, now
	for _, l := range largest(b.lanes) {
		if err := b.flush(l); err != nil {
			return nil, err
		}
	}
	if err := b.document(format.ChunkLayouts, len(b.layouts), orEmpty(b.layouts)); err != nil {
		return nil, err
	}
	transactions := format.AppendTransactions(nil, b.transactions)
	if err := b.out.WriteChunk(format.Chunk{Kind: format.ChunkTransactions, Rows: len(b.transactions)}, transactions); err != nil {
		return nil, err
	}
	if err := b.document(format.ChunkMessages, len(b.messages), orEmpty(b.messages)); err != nil {
		return nil, err
	}
	if err := b.document(format.ChunkDocument, 0, head); err != nil {
		return nil, err
	}
	if _, err := b.out.Close(); err != nil {
		return nil, err
	}
	return b.spool.reader()
}

// orEmpty makes JSON's [] of no elements instead of null.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func (b *segmentBuilder) document(kind format.ChunkKind, rows int, v any) error {
	raw, err := format.EncodeDocument(v)
	if err != nil {
		return fmt.Errorf("write the %v of a segment: %w", kind, err)
	}
	return b.out.WriteChunk(format.Chunk{Kind: kind, Rows: rows}, raw)
}

// appendRow appends a tuple as a row of COPY text.
func appendRow(dst []byte, t pgoutput.Tuple) []byte {
	for i := range t {
		if i > 0 {
			dst = append(dst, '\t')
		}
		switch t[i].Kind {
		case pgoutput.Null:
			dst = append(dst, format.Null...)
		case pgoutput.Unchanged:
			dst = append(dst, format.Unchanged...)
		default:
			dst = format.AppendField(dst, t[i].Text)
		}
	}
	return dst
}
