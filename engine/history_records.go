package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgrecall/pgrecall/engine/internal/trail"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal/fold"
)

// changed is the number of records to fold into a table.
func (p *history) changed(oid uint32) uint64 {
	if p.across != nil && p.across.trails[oid] != nil {
		return p.across.trails[oid].Records()
	}
	if t := p.tables[oid]; t != nil {
		return t.changes
	}
	return 0
}

// changes returns the stretches of the log in which a table of the target had one form, and how to read their records: with
// each that the target includes and the table's rows in the snapshot do not, in commit order.
func (p *history) changes(t *format.TableData) (stages []trail.Stage, read func(context.Context, func(int, format.Record) error) error, err error) {
	if p.across != nil && t.OID != format.LargeObjectTable {
		followed := p.across.trail(p, t.OID)
		reader := followed.Reader()
		read = func(ctx context.Context, fn func(int, format.Record) error) error {
			return p.records(ctx, t, followed.Base(), func(l *format.Layout, end format.LSN) (int, []bool, error) {
				stage, left, err := reader.Place(l, end)
				if err != nil {
					return 0, nil, &failure{ErrWindow, err}
				}
				return stage, left, nil
			}, fn)
		}
		return followed.Stages(t.Columns), read, nil
	}
	stage := trail.Stage{Records: p.changed(t.OID)}
	if stage.Records == 0 {
		stage.Fold.Columns = len(t.Columns)
		return []trail.Stage{stage}, func(context.Context, func(int, format.Record) error) error { return nil }, nil
	}
	if stage.Fold, err = fold.For(t); err != nil {
		return nil, nil, &failure{ErrIntegrity, err}
	}
	read = func(ctx context.Context, fn func(int, format.Record) error) error {
		return p.records(ctx, t, t, func(l *format.Layout, _ format.LSN) (int, []bool, error) {
			layout, left := p.copied(l)
			if what := differs(t, &layout); what != "" {
				return 0, nil, integrityf("table %s.%s: %s, and the segment's transactions do not tell it", t.Schema, t.Name, what)
			}
			return 0, left, nil
		}, fn)
	}
	return []trail.Stage{stage}, read, nil
}

// place says to which stage the records of a layout belong in a transaction that ends at a position, and which fields are to be left
// out of their rows.
type place func(l *format.Layout, end format.LSN) (stage int, left []bool, err error)

// records calls fn with each record of a table that the target includes and its rows in the snapshot, if base is there, do not, in
// commit order. It reads no other table's chunks.
func (p *history) records(ctx context.Context, t, base *format.TableData, at place, fn func(int, format.Record) error) error {
	for _, s := range p.segments {
		if !s.lanes[t.OID] {
			continue
		}
		seg, err := p.held.openSegment(ctx, s.Segment)
		if err != nil {
			return err
		}
		txns, layouts := seg.Transactions(), seg.Layouts()
		var last struct {
			layout, txn uint32
			known       bool
			stage       int
			left        []bool
		}
		err = seg.Records(ctx, t.OID, func(r format.Record) error {
			txn := &txns[r.Txn]
			if txn.EndLSN <= s.past || txn.EndLSN > p.choice.Cut || base != nil && p.sees(base, txn.XID) {
				return nil
			}
			if !last.known || last.layout != r.Layout || last.txn != r.Txn {
				var err error
				if last.stage, last.left, err = at(&layouts[r.Layout], txn.EndLSN); err != nil {
					return err
				}
				last.layout, last.txn, last.known = r.Layout, r.Txn, true
			}
			if last.left != nil {
				var errOld, errNew error
				r.Old, errOld = without(r.Old, last.left)
				r.New, errNew = without(r.New, last.left)
				if err := errors.Join(errOld, errNew); err != nil {
					return err
				}
			}
			return fn(last.stage, r)
		})
		if err != nil {
			return fmt.Errorf("read the changes of table %s.%s: %w", t.Schema, t.Name, err)
		}
	}
	return nil
}
