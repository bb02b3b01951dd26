package wal

import (
	"bytes"
	"context"
	"fmt"

	"github.com/pgrecall/pgrecall/format"
)

// Segment is an open segment. It is safe for concurrent use.
type Segment struct {
	object       *format.Reader
	head         format.SegmentHead
	layouts      []format.Layout
	transactions []format.Transaction
	messages     []format.Message
}

// OpenSegment reads what a segment holds besides its lanes and checks that its
// parts agree. An error that is format.ErrCorrupt is about its bytes. The caller
// that found the segment by its name checks the name with CheckName.
func OpenSegment(ctx context.Context, r *format.Reader) (*Segment, error) {
	s := &Segment{object: r}
	for i, c := range r.Chunks() {
		if c.Kind == format.ChunkLane {
			continue
		}
		raw, err := r.ReadChunk(ctx, i, nil)
		if err != nil {
			return nil, err
		}
		n := 0
		switch c.Kind {
		case format.ChunkLayouts:
			err = format.DecodeDocument(raw, &s.layouts)
			n = len(s.layouts)
		case format.ChunkTransactions:
			s.transactions, err = format.ParseTransactions(raw)
			n = len(s.transactions)
		case format.ChunkMessages:
			err = format.DecodeDocument(raw, &s.messages)
			n = len(s.messages)
		case format.ChunkDocument:
			err = format.DecodeDocument(raw, &s.head)
		}
		if err == nil && n != c.Rows {
			err = fmt.Errorf("%d entries where %d are said to be", n, c.Rows)
		}
		if err != nil {
			return nil, s.corrupt(i, 0, err)
		}
	}
	if err := s.check(); err != nil {
		return nil, s.corrupt(-1, 0, err)
	}
	return s, nil
}

func (s *Segment) corrupt(chunk int, table uint32, err error) error {
	return &format.CorruptError{Object: s.object.Object().Name, Chunk: chunk, Table: table, Failure: format.FailSegment, Err: err}
}

// check compares the parts with each other.
func (s *Segment) check() error {
	if len(s.transactions) == 0 {
		return fmt.Errorf("it holds no transaction")
	}
	resume := s.head.From
	if n := len(s.transactions); n > 1 {
		resume = s.transactions[n-2].EndLSN
	}
	last := &s.transactions[len(s.transactions)-1]
	switch l := &s.head.Last; {
	case s.transactions[0].CommitLSN < s.head.From:
		return fmt.Errorf("its first commit, at %s, lies before its beginning, %s", s.transactions[0].CommitLSN, s.head.From)
	case s.head.To != last.EndLSN, s.head.Resume != resume:
		return fmt.Errorf("it says that it ends at %s and %s, its transactions end at %s and %s",
			s.head.To, s.head.Resume, last.EndLSN, resume)
	case l.XID != last.XID, l.CommitLSN != last.CommitLSN, l.EndLSN != last.EndLSN, !l.Time.Equal(last.Time):
		return fmt.Errorf("its last transaction is %d, its head says %d", last.XID, l.XID)
	}
	for i := range s.transactions {
		for _, c := range s.transactions[i].Tables {
			if int(c.Layout) >= len(s.layouts) {
				return fmt.Errorf("transaction %d changes layout %d of %d", i, c.Layout, len(s.layouts))
			}
		}
	}
	for i := range s.messages {
		if i > 0 && s.messages[i].Txn < s.messages[i-1].Txn || int(s.messages[i].Txn) >= len(s.transactions) {
			return fmt.Errorf("message %d is out of order: it belongs to transaction %d", i, s.messages[i].Txn)
		}
	}
	return nil
}

// CheckName checks that the segment was stored under the name that its contents
// ask for: a segment under another's name would be taken for that one. The error
// is format.ErrCorrupt.
func (s *Segment) CheckName(name format.SegmentName) error {
	if own := s.Name().String(); own != name.String() {
		return s.corrupt(-1, 0, fmt.Errorf("it is stored under the name %s, its contents are those of %s", name, own))
	}
	return nil
}

// Name returns the name that the segment's contents ask for.
func (s *Segment) Name() format.SegmentName {
	return segmentName(s.head.From, s.head.To, s.transactions)
}

// Head returns where the segment stands in its log.
func (s *Segment) Head() format.SegmentHead { return s.head }

// Layouts returns the layouts that records name by ordinal. The caller does not change them.
func (s *Segment) Layouts() []format.Layout { return s.layouts }

// Transactions returns the committed transactions in commit order. The caller does not change them.
func (s *Segment) Transactions() []format.Transaction { return s.transactions }

// Messages returns pgrecall's own messages in order. The caller does not change them.
func (s *Segment) Messages() []format.Message { return s.messages }

// Tables returns the oids of the tables that the segment has records of, in the
// order of their first chunk. Only transactions' counts tell which are complete.
func (s *Segment) Tables() []uint32 {
	seen := make(map[uint32]bool)
	var tables []uint32
	for _, c := range s.object.Chunks() {
		if c.Kind == format.ChunkLane && !seen[c.Table] {
			seen[c.Table] = true
			tables = append(tables, c.Table)
		}
	}
	return tables
}

// Records calls fn with each record of one table, in commit order, and reads no
// other table's chunks. Records of transactions that the segment does not complete
// are left out. A record is valid until fn returns. It stops with fn's error.
// Records that contradict the segment's layouts or transactions are an error that
// is format.ErrCorrupt; since counts are compared at the end, what fn was given is
// right only when Records returns nil.
func (s *Segment) Records(ctx context.Context, table uint32, fn func(format.Record) error) error {
	v := laneVisitor{segment: s, table: table, fn: fn, counts: make([]format.TableCount, len(s.layouts))}
	var buf []byte
	for i, c := range s.object.Chunks() {
		if c.Kind != format.ChunkLane || c.Table != table {
			continue
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		var err error
		if buf, err = s.object.ReadChunk(ctx, i, buf[:0]); err != nil {
			return err
		}
		if err := v.chunk(i, &c, buf); err != nil {
			return err
		}
	}
	return v.end()
}

// laneVisitor goes through the records of one table.
type laneVisitor struct {
	segment *Segment
	table   uint32
	fn      func(format.Record) error
	last    uint32 // transaction of the last record
	counts  []format.TableCount
}

func (v *laneVisitor) chunk(i int, c *format.Chunk, b []byte) error {
	s := v.segment
	for n := 0; n < c.Rows; n++ {
		r, rest, err := format.NextRecord(b)
		if err == nil {
			err = v.check(&r, c)
		}
		if err != nil {
			return s.corrupt(i, v.table, fmt.Errorf("record %d: %w", n, err))
		}
		b, v.last = rest, r.Txn
		if int(r.Txn) >= len(s.transactions) {
			continue
		}
		count(&v.counts[r.Layout], r.Op)
		if err := v.fn(r); err != nil {
			return err
		}
	}
	if len(b) > 0 {
		return s.corrupt(i, v.table, fmt.Errorf("%d bytes left over after %d records", len(b), c.Rows))
	}
	return nil
}

func (v *laneVisitor) check(r *format.Record, c *format.Chunk) error {
	s := v.segment
	if int(r.Layout) >= len(s.layouts) || s.layouts[r.Layout].Table != v.table {
		return fmt.Errorf("layout %d is not one of the table's", r.Layout)
	}
	if r.Txn < v.last || int(r.Txn) > len(s.transactions) {
		return fmt.Errorf("transaction %d after %d", r.Txn, v.last)
	}
	if int(r.Txn) < len(s.transactions) {
		if l := s.transactions[r.Txn].CommitLSN; l < c.FirstLSN || l > c.LastLSN {
			return fmt.Errorf("its commit, at %s, is not within the chunk's, %s to %s", l, c.FirstLSN, c.LastLSN)
		}
	}
	n := len(s.layouts[r.Layout].Columns)
	if r.OldKind != format.OldNone && !hasFields(r.Old, n) ||
		(r.Op == format.Insert || r.Op == format.Update) && !hasFields(r.New, n) {
		return fmt.Errorf("a row has not the %d columns of layout %d", n, r.Layout)
	}
	return nil
}

// hasFields reports whether a row has n fields.
func hasFields(row []byte, n int) bool {
	if n == 0 {
		return len(row) == 0
	}
	return bytes.Count(row, []byte{'\t'}) == n-1
}

// end compares what was seen with what the transactions say.
func (v *laneVisitor) end() error {
	s := v.segment
	for i := range s.transactions {
		for _, c := range s.transactions[i].Tables {
			if s.layouts[c.Layout].Table != v.table {
				continue
			}
			n := &v.counts[c.Layout]
			n.Inserted -= c.Inserted
			n.Updated -= c.Updated
			n.Deleted -= c.Deleted
			n.Truncated -= c.Truncated
		}
	}
	for i := range v.counts {
		if v.counts[i] != (format.TableCount{}) {
			return s.corrupt(-1, v.table, fmt.Errorf("the table's records are not those that the transactions count"))
		}
	}
	return nil
}
