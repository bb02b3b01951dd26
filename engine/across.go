package engine

import (
	"context"
	"slices"

	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/engine/internal/trail"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
	"github.com/pgrecall/pgrecall/wal"
)

// across is how the tables of the snapshot became those of the target's catalog.
type across struct {
	// version is whose catalog the target has.
	version *plan.Base
	// snapshot are the tables of the snapshot's catalog, target those of the target's, by oid.
	snapshot, target map[uint32]*catalog.Table
	trails           map[uint32]*trail.Trail
	conflicts        map[uint32]*conflict
	// unseen are the statements before the target that the version does not see; none, unless only some tables are restored.
	unseen []statement
	// objects is the snapshot's catalog.
	objects *catalog.Catalog
	// truncated are the transactions that emptied a table, which gives it another file.
	truncated map[uint32][]uint64
}

// cross follows the tables from the snapshot's catalog to the version's, in one pass over the transactions.
func (p *history) cross(ctx context.Context, version *plan.Base, snapshot, target *catalog.Catalog, samples *format.Body) error {
	a := &across{version: version, snapshot: tablesOf(snapshot), target: tablesOf(target), trails: map[uint32]*trail.Trail{}, conflicts: map[uint32]*conflict{},
		objects: snapshot, truncated: map[uint32][]uint64{}}
	a.unseen = slices.DeleteFunc(p.altering(), func(s statement) bool { return version.Envelope.Groups[0].Visibility.Sees(s.txn.XID) })
	p.across = a
	if err := p.followTables(ctx, func(uint32) bool { return true }); err != nil {
		return err
	}
	p.sequences.know(samples)
	return p.lookAfter(ctx, p.lookedTo())
}

// followTables is the pass over the transactions, for some of the tables.
func (p *history) followTables(ctx context.Context, these func(oid uint32) bool) error {
	for i := range p.segments {
		seg, err := p.held.openSegment(ctx, p.segments[i].Segment)
		if err != nil {
			return err
		}
		p.follow(seg, &p.segments[i], these)
	}
	return nil
}

// lookedTo is up to where nothing may have been changed unannounced: the target, and the catalog's position if that is later.
func (p *history) lookedTo() format.LSN {
	if p.across == nil || p.watched() {
		return p.choice.Cut
	}
	return max(p.choice.Cut, position(p.across.version))
}

// follow takes in a segment's transactions, as far as they are about these tables.
func (p *history) follow(seg *wal.Segment, past *pastSegment, these func(oid uint32) bool) {
	txns, layouts, messages := seg.Transactions(), seg.Layouts(), seg.Messages()
	if p.watched() {
		messages = nil // nobody announces DDL
	}
	said, counts := map[uint32][]*wal.DDLTable{}, map[uint32][]trail.Count{}
	for i := range txns {
		t := &txns[i]
		clear(said)
		clear(counts)
		for len(messages) > 0 && int(messages[0].Txn) == i {
			if d, err := wal.ParseDDL(messages[0].Content); messages[0].Prefix == format.PrefixDDL && err == nil {
				for k := range d.Tables {
					if !these(d.Tables[k].OID) {
						continue
					}
					if d.Tables[k].Columns == nil && len(d.Tables) <= toldInFull {
						d.Tables[k].Columns = []wal.DDLColumn{} // it never had any
					}
					said[d.Tables[k].OID] = append(said[d.Tables[k].OID], &d.Tables[k])
				}
			}
			messages = messages[1:]
		}
		if t.EndLSN <= past.past || t.EndLSN > p.choice.Cut {
			continue
		}
		for _, c := range t.Tables {
			l := &layouts[c.Layout]
			if !these(l.Table) {
				continue
			}
			if c.Truncated > 0 {
				p.across.truncated[l.Table] = append(p.across.truncated[l.Table], t.XID)
			}
			counts[l.Table] = append(counts[l.Table], trail.Count{Layout: l, Records: c.Inserted + c.Updated + c.Deleted + c.Truncated})
		}
		for oid := range said {
			p.across.step(p, t, oid, said[oid], counts[oid])
		}
		for oid := range counts {
			if said[oid] == nil {
				p.across.step(p, t, oid, nil, counts[oid])
			}
		}
	}
}

// toldInFull is how many tables a message tells with their columns (wal.DDLTable).
const toldInFull = 200

// step takes in what a transaction did to a table that the target has.
func (a *across) step(p *history, txn *format.Transaction, oid uint32, said []*wal.DDLTable, counts []trail.Count) {
	if a.conflicts[oid] != nil || a.target[oid] == nil || !a.target[oid].HasRows() {
		return
	}
	data := p.data(oid)
	if data != nil && p.sees(data, txn.XID) || data == nil && p.seenByAll(txn.XID) {
		return
	}
	if data != nil && len(counts) > 0 {
		p.straddle(data, txn)
	}
	if c := a.trail(p, oid).Transaction(*txn, said, counts); c != nil {
		a.conflicts[oid] = &conflict{c.Txn, c.What}
	}
}

// trail returns that of a table of the target, which begins with the form in the snapshot, or the copy, if nothing was taken in yet.
func (a *across) trail(p *history, oid uint32) *trail.Trail {
	t := a.trails[oid]
	if t == nil {
		if data := p.data(oid); data != nil {
			was := a.snapshot[oid]
			if c := p.copies[oid]; c != nil {
				was = c.tables[oid]
			}
			t = trail.Of(data, was.Columns, was.LiveIdentity)
		} else {
			t = trail.Made(a.target[oid].Schema + "." + a.target[oid].Name)
		}
		a.trails[oid] = t
	}
	return t
}

// made says whether a table of the target was made after the snapshot, so that all its rows are in the log, if no copy has it.
func (p *history) made(oid uint32) bool {
	return p.across != nil && p.across.snapshot[oid] == nil && p.across.target[oid] != nil
}

// tablesAt are the tables with rows as they are at the target: the snapshot's, and those made since, with the names and columns of
// the target's catalog.
func (p *history) tablesAt(target *catalog.Catalog) []*format.TableData {
	var tables []*format.TableData
	if p.across == nil {
		for i := range p.body.Tables {
			tables = append(tables, &p.body.Tables[i])
		}
		return tables
	}
	for i := range target.Tables {
		t := &target.Tables[i]
		data := p.data(t.OID)
		if !t.HasRows() || data == nil && (!p.made(t.OID) || t.Persistence != "p") {
			continue
		}
		now := format.TableData{OID: t.OID}
		if data != nil {
			now = *data
		}
		now.Schema, now.Name, now.Columns = t.Schema, t.Name, nil
		for c := range t.CopyColumns() {
			now.Columns = append(now.Columns, format.Column{Attnum: c.Attnum, Name: c.Name, Type: c.Type, Typmod: c.Typmod, TypeName: c.TypeName})
		}
		tables = append(tables, &now)
	}
	return tables
}

func tablesOf(c *catalog.Catalog) map[uint32]*catalog.Table {
	tables := make(map[uint32]*catalog.Table, len(c.Tables))
	for i := range c.Tables {
		tables[c.Tables[i].OID] = &c.Tables[i]
	}
	return tables
}
