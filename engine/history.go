package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
	"github.com/pgrecall/pgrecall/wal"
)

// inLog says whether a segment lies in the folder of its log.
func inLog(s plan.Segment, head format.SegmentHead) bool {
	return strings.HasPrefix(s.Object, "log/"+head.Log.String()+"/")
}

// history is the log between a snapshot and a cut, as one pass over the segments' transactions, messages and layouts
// tells it; the changes themselves are read later, table by table.
type history struct {
	held     *holding
	choice   plan.Choice
	body     *format.Body
	rows     map[uint32]*format.TableData // the tables of the body
	segments []pastSegment
	// reached is the last transaction at or before the cut.
	reached Point
	// statements are the DDL after the snapshot, in order.
	statements []statement
	sequences  sequences
	// sampled are, by their ends, the segments read so far, as far as they tell of sequences.
	sampled map[format.LSN]format.SegmentHead
	tables  map[uint32]*pastTable
	// stored are the tables' stored generated columns.
	stored map[uint32]map[string]bool
	// forms are what nobody announced; nil: the snapshot does not know the tables' forms.
	forms *formTrail
	// across is how the tables came to the catalog of a version; nil: the catalog is the snapshot's.
	across *across
	// copies are what the rows of tables begin with that are not the snapshot's.
	copies map[uint32]*rowBase
	// straddlers are the transactions that were under way when the rows of a table were copied.
	straddlers map[uint32]straddler
	// nearest is set where there is no catalog of the target.
	nearest *nearestPoints
}

// pastSegment is a segment that holds transactions to apply.
type pastSegment struct {
	plan.Segment
	// past is the predecessor's end: transactions that end at or before it were in that one.
	past format.LSN
	// lanes are the tables with records in it.
	lanes map[uint32]bool
}

// pastTable is what the log tells of one table after its snapshot.
type pastTable struct {
	layout format.Layout
	// changes is the number of records to fold.
	changes uint64
	// conflict says why the changes cannot be folded, nil where they can.
	conflict *conflict
}

// conflict is a change of a table's form that no statement announced.
type conflict struct {
	txn  format.Transaction
	what string
}

// statement is a DDL message and its transaction.
type statement struct {
	wal.DDL
	txn format.Transaction
	// broken says why the message cannot be read; then it may have touched anything.
	broken error
}

// newHistory makes the one pass. It reads no change of any table.
func newHistory(ctx context.Context, h *holding, c plan.Choice, body *format.Body, objects *catalog.Catalog) (*history, error) {
	p := &history{held: h, choice: c, body: body, rows: map[uint32]*format.TableData{}, tables: map[uint32]*pastTable{}, stored: storedColumns(objects),
		sampled: map[format.LSN]format.SegmentHead{}, straddlers: map[uint32]straddler{}}
	p.reached = point(c.Base.From, 0, c.Base.FromTime)
	for i := range body.Tables {
		p.rows[body.Tables[i].OID] = &body.Tables[i]
	}
	p.sequences = newSequences(body.Sequences, c.Cut)
	if body.Forms != nil && !c.Instant {
		p.forms = newFormTrail(body.Forms)
		p.forms.watched = p.watched()
	}
	segments := c.Segments()
	var publication format.Publication
	for i, s := range segments {
		seg, err := h.openSegment(ctx, s)
		if err != nil {
			return nil, err
		}
		head := seg.Head()
		if i > 0 && head.Publication != publication {
			return nil, windowf("the publication, or what puts DDL into the log, was changed or made anew on the source between %v and %v: changes may be missing from there on; the last exact point before is --lsn %v",
				s.From, s.To, s.From)
		}
		publication = head.Publication
		if publication.Watched != watchedLog(c.Base.Chain) {
			return nil, integrityf("segment %s and the start of its log say differently whether DDL is announced in it", s.SegmentName)
		}
		p.noteSamples(head)
		past := pastSegment{Segment: s, lanes: map[uint32]bool{}}
		if i > 0 {
			past.past = segments[i-1].To
		}
		if err := p.scan(seg, &past); err != nil {
			return nil, err
		}
		p.segments = append(p.segments, past)
		if err := p.look(ctx, seg); err != nil {
			return nil, err
		}
	}
	if err := p.sampleSequences(ctx); err != nil {
		return nil, err
	}
	return p, p.lookAfter(ctx, c.Cut)
}

// look takes in what a segment tells of the forms of tables. A log that lagged behind was looked at after the snapshot
// with segments of before it too: then those come first.
func (p *history) look(ctx context.Context, seg *wal.Segment) error {
	if p.forms == nil {
		return nil
	}
	first, earlier := seg.Head(), []*wal.Segment{}
	chain := p.choice.Base.Chain.Segments
	i := slices.IndexFunc(chain, func(s plan.Segment) bool { return s.To == first.To })
	for oldest := first.Forms; !p.forms.begun() && oldest != nil && p.forms.lacks(oldest) && i > 0; {
		i--
		before, err := p.held.openSegment(ctx, chain[i])
		if err != nil {
			return err
		}
		if forms := before.Head().Forms; forms != nil {
			oldest = forms
		}
		earlier = append(earlier, before)
	}
	for _, before := range slices.Backward(earlier) {
		p.forms.take(before)
	}
	p.forms.take(seg)
	return p.forms.broken
}

// lookAfter looks in the segments behind a position for what the looks there tell of the time before it. A damaged one ends
// what is known, as the end of the log would.
func (p *history) lookAfter(ctx context.Context, at format.LSN) error {
	if p.forms == nil {
		return nil
	}
	chain := p.choice.Base.Chain.Segments
	reached := p.forms.reached
	if reached == 0 && len(chain) > 0 { // nothing is to be applied
		reached = min(p.choice.Cut, chain[len(chain)-1].From)
	}
	for _, s := range chain {
		if s.To <= reached {
			continue
		}
		if p.watched() && p.forms.settledAt(at) || !p.watched() && p.forms.settled(at) {
			return nil
		}
		seg, err := p.held.openSegment(ctx, s)
		if errors.Is(err, format.ErrCorrupt) || errors.Is(err, ErrIntegrity) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.look(ctx, seg); err != nil {
			return err
		}
	}
	return nil
}

// scan takes in the transactions, layouts and messages of a segment.
func (p *history) scan(seg *wal.Segment, past *pastSegment) error {
	txns, layouts := seg.Transactions(), seg.Layouts()
	for _, table := range seg.Tables() {
		past.lanes[table] = true
	}
	for i := range txns {
		t := &txns[i]
		if t.EndLSN <= past.past || t.EndLSN > p.choice.Cut {
			continue
		}
		if t.EndLSN > p.choice.Base.From {
			p.reached = point(t.EndLSN, t.XID, t.Time)
		}
		for _, count := range t.Tables {
			p.count(t, &layouts[count.Layout], count)
		}
	}
	for _, m := range seg.Messages() {
		t := txns[m.Txn]
		if m.Prefix != format.PrefixDDL || t.EndLSN <= past.past || t.EndLSN > p.choice.Cut || p.seenByAll(t.XID) || p.watched() {
			continue
		}
		s := statement{txn: t}
		s.DDL, s.broken = wal.ParseDDL(m.Content)
		p.statements = append(p.statements, s)
	}
	return nil
}

// seenByAll says whether every group of the snapshot sees the transaction.
func (p *history) seenByAll(xid uint64) bool {
	for i := range p.choice.Base.Envelope.Groups {
		if !p.choice.Base.Envelope.Groups[i].Visibility.Sees(xid) {
			return false
		}
	}
	return true
}

// data returns the table's entry of the snapshot, or of the copy that its rows begin with; nil: there is none.
func (p *history) data(oid uint32) *format.TableData { return p.rows[oid] }

// sees says whether the table's rows in the snapshot, or the copy, are after the transaction.
func (p *history) sees(t *format.TableData, xid uint64) bool { return p.visibility(t).Sees(xid) }

// visibility is of the table's rows in the snapshot, or the copy.
func (p *history) visibility(t *format.TableData) format.Visibility {
	return p.baseOf(t.OID).Envelope.Groups[t.Group].Visibility
}

// count takes in one table's changes in one transaction.
func (p *history) count(t *format.Transaction, layout *format.Layout, c format.TableCount) {
	if layout.Schema == wal.Schema {
		return
	}
	known := p.tables[layout.Table]
	data := p.data(layout.Table)
	if data == nil {
		if known == nil && !p.seenByAll(t.XID) {
			p.tables[layout.Table] = &pastTable{layout: *layout, conflict: &conflict{*t, "it is not in the snapshot"}}
		}
		return
	}
	if p.sees(data, t.XID) {
		return
	}
	p.straddle(data, t)
	if known == nil {
		known = &pastTable{layout: *layout}
		p.tables[layout.Table] = known
	}
	known.changes += c.Inserted + c.Updated + c.Deleted + c.Truncated
	if known.conflict != nil {
		return
	}
	copied, _ := p.copied(layout)
	if what := differs(data, &copied); what != "" {
		known.conflict = &conflict{*t, what}
	}
}

// differs says in what the layout of a table's changes is not that of its rows in the snapshot; empty means in nothing.
func differs(d *format.TableData, l *format.Layout) string {
	if len(d.Columns) != len(l.Columns) {
		return fmt.Sprintf("it has %d columns in the log and %d in the snapshot", len(l.Columns), len(d.Columns))
	}
	var key []int16
	for i, c := range l.Columns {
		had := d.Columns[i]
		if c.Name != had.Name || c.Type != had.Type || c.Typmod != had.Typmod {
			return fmt.Sprintf("its column %q differs from column %q of the snapshot in name or type", c.Name, had.Name)
		}
		if c.Key {
			key = append(key, had.Attnum)
		}
	}
	switch d.Identity.Kind {
	case format.IdentityKey:
		// FULL logs whole old rows, from which the key is taken as well; it marks every column as key.
		want := slices.Sorted(slices.Values(d.Identity.Attnums))
		if l.ReplicaIdentity != "f" && (l.ReplicaIdentity == "n" || !slices.Equal(key, want)) {
			return fmt.Sprintf("its replica identity was switched (to %q)", l.ReplicaIdentity)
		}
	case format.IdentityFull:
		if l.ReplicaIdentity != "f" {
			return fmt.Sprintf("its replica identity was switched (from FULL to %q)", l.ReplicaIdentity)
		}
	}
	return ""
}
