package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
	"github.com/pgrecall/pgrecall/wal"
)

// Decoding writes a value as the catalog was when the row was written: with the labels of an enum, the attributes of a composite
// type, the names of objects of then. No lock on a table keeps others from changing these. So of a transaction that was under way
// when a snapshot, or a copy, was taken, which has to be applied to its rows, some may be written in a form from before a statement
// that the snapshot has seen. Labels that were swapped meanwhile would be loaded swapped.

// straddler is what a table got from transactions that were under way when its rows were copied.
type straddler struct {
	first  format.Transaction // in the log
	oldest uint64
}

// straddle takes in a transaction that wrote to a table and that its rows do not see.
func (p *history) straddle(data *format.TableData, txn *format.Transaction) {
	if txn.XID >= p.visibility(data).Xmax {
		return
	}
	s, known := p.straddlers[data.OID]
	if !known {
		s = straddler{*txn, txn.XID}
	}
	s.oldest = min(s.oldest, txn.XID)
	p.straddlers[data.OID] = s
}

// straddled bars the wanted tables to which such a transaction may have written before a statement that changed how values in them are
// written.
func (c *crossing) straddled(ctx context.Context, bar func(uint32, *barrier)) error {
	if len(c.past.straddlers) == 0 {
		return nil
	}
	within, changeable := typesWithin(c.catalog), changeableTypes(c.catalog)
	holding := holders(c.catalog, c.wanted)
	for _, oid := range sortedKeys(c.wanted) {
		s, has := c.past.straddlers[oid]
		names := slices.Contains(holding, oid)
		if !has || !names && !holdsAny(within, c.wanted[oid], changeable) {
			continue
		}
		if c.past.watched() {
			same, err := c.past.sameSince(ctx, oid, s.oldest)
			if err != nil {
				return err
			}
			if !same {
				bar(oid, &barrier{txn: s.first, why: fmt.Sprintf("transaction %d was under way when table %s was copied, and may have written to it before a change of how its values are written", s.first.XID, nameOf(c.wanted[oid])), reworded: true})
			}
			continue
		}
		found, err := c.past.seenSince(ctx, oid, s.oldest)
		if err != nil {
			return err
		}
		for i := range found {
			if d := &found[i]; d.rewords(oid, names) {
				what := "an unreadable DDL message"
				if d.broken == nil {
					what = c.describe(d, nil)
				}
				bar(oid, &barrier{txn: s.first, why: fmt.Sprintf("transaction %d was under way when table %s was copied, and may have written to it before a statement which changed how its values are written: %s",
					s.first.XID, nameOf(c.wanted[oid]), what), reworded: true})
				break
			}
		}
	}
	return nil
}

// rewords says whether a statement may have changed how values in a table are written; names: it holds names of objects.
func (s *statement) rewords(oid uint32, names bool) bool {
	switch {
	case s.broken != nil || s.Incomplete:
		return true
	case names && (strings.HasPrefix(s.Tag, "ALTER ") || strings.HasPrefix(s.Tag, "DROP ")):
		return true
	}
	return slices.ContainsFunc(s.Tables, func(t wal.DDLTable) bool { return t.OID == oid && t.ByType })
}

// changeableTypes are the types, by name, that a statement can give another text without touching a table.
func changeableTypes(c *catalog.Catalog) (names []string) {
	for i := range c.Types {
		names = append(names, typeName(c.Types[i].Schema, c.Types[i].Name))
	}
	for i := range c.Tables {
		names = append(names, typeName(c.Tables[i].Schema, c.Tables[i].Name))
	}
	return names
}

// seenSince returns the statements that the rows of a table see and that may have been committed after a transaction had got its id: those
// after the last look at the source from before that.
func (p *history) seenSince(ctx context.Context, oid uint32, xid uint64) (found []statement, err error) {
	data, base := p.data(oid), p.baseOf(oid)
	group := &base.Envelope.Groups[data.Group]
	var segments []plan.Segment
	if base.Chain != nil {
		segments = base.Chain.Segments
	}
	var began format.LSN // the transaction got its id after it
	for _, s := range slices.Backward(segments) {
		if s.From >= group.LSN {
			continue
		}
		if began >= s.To {
			break
		}
		seg, err := p.held.openSegment(ctx, s)
		if err != nil {
			return nil, err
		}
		if look := seg.Head().Forms; look != nil && look.Visibility.Xmax <= xid {
			began = max(began, look.LSN)
		}
		txns := seg.Transactions()
		for _, m := range seg.Messages() {
			t := txns[m.Txn]
			if m.Prefix != format.PrefixDDL || !group.Visibility.Sees(t.XID) || t.EndLSN <= began {
				continue
			}
			d := statement{txn: t}
			if d.DDL, d.broken = wal.ParseDDL(m.Content); d.broken != nil || d.ChangesCatalog() {
				found = append(found, d)
			}
		}
	}
	return found, nil
}
