package engine

import (
	"context"
	"slices"

	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// Where the log cannot bring the rows of a table from the snapshot to the target, as after a rewrite, they begin with a later
// copy of that table: the rows in another snapshot, or in a version of the catalog that has them, of the same log and at or before
// the target. All tables are folded up to the same cut, so that the target stays one instant whatever their rows begin with.
// What is told of a table is judged from its own beginning on.

// rowBase is a snapshot, or a copy of some tables, that the rows of tables begin with instead of the restore's own snapshot.
type rowBase struct {
	*plan.Base
	objects *catalog.Catalog
	tables  map[uint32]*catalog.Table // those of its catalog
	// unlisted are the tables that were in no list of a publication then (format.Form).
	unlisted map[uint32]string
}

// baseOf is what the rows of a table begin with.
func (p *history) baseOf(oid uint32) *plan.Base {
	if c := p.copies[oid]; c != nil {
		return c.Base
	}
	return p.choice.Base
}

// beginAnew lets the rows of tables begin with their newest copies at or before the target, and says whether it found any.
func (p *history) beginAnew(ctx context.Context, tables []uint32) (bool, error) {
	lacking := slices.Clone(tables)
	anew := map[uint32]bool{}
	for _, b := range slices.Backward(p.catalogs()) {
		if len(lacking) == 0 {
			break
		}
		if !p.mayCopy(b) || b.From > p.choice.Cut {
			continue
		}
		body, err := p.held.source.Body(ctx, b.Envelope)
		if err != nil {
			return false, err
		}
		found := slices.DeleteFunc(copiesIn(body, lacking), func(t *format.TableData) bool {
			own := p.data(t.OID)
			return own != nil && !b.Envelope.Groups[t.Group].Visibility.Includes(p.visibility(own))
		})
		if len(found) == 0 {
			continue
		}
		if noted, err := p.held.noted(ctx, &plan.Choice{Base: b}); err != nil {
			return false, err
		} else if !noted {
			continue
		}
		base := &rowBase{Base: b, unlisted: unlistedTables(body)}
		if base.objects, err = takeCatalog(body); err != nil {
			return false, err
		}
		base.tables = tablesOf(base.objects)
		for _, t := range found {
			if base.tables[t.OID] == nil {
				return false, integrityf("snapshot %v has rows of table %s, and its catalog no such table", b.Envelope.ID, nameOf(t))
			}
			p.begin(base, t)
			anew[t.OID] = true
		}
		lacking = slices.DeleteFunc(lacking, func(oid uint32) bool { return anew[oid] })
	}
	if len(anew) == 0 {
		return false, nil
	}
	return true, p.followTables(ctx, func(oid uint32) bool { return anew[oid] })
}

// mayCopy says whether a base may have rows that those of tables begin with instead of the restore's own snapshot.
func (p *history) mayCopy(b *plan.Base) bool {
	return b.Envelope.ID != p.choice.Base.Envelope.ID && (!b.Envelope.CatalogVersion || b.Envelope.CopiedTables > 0)
}

// copiesIn are those of the tables whose rows a body has.
func copiesIn(body *format.Body, tables []uint32) (found []*format.TableData) {
	for i := range body.Tables {
		if slices.Contains(tables, body.Tables[i].OID) {
			found = append(found, &body.Tables[i])
		}
	}
	return found
}

// begin lets the rows of a table begin with a copy: nothing that the log was read to tell of it holds any longer.
func (p *history) begin(b *rowBase, t *format.TableData) {
	if p.copies == nil {
		p.copies = map[uint32]*rowBase{}
	}
	p.copies[t.OID], p.rows[t.OID] = b, t
	delete(p.straddlers, t.OID)
	delete(p.across.trails, t.OID)
	delete(p.across.conflicts, t.OID)
	delete(p.across.truncated, t.OID)
}

// began says whether the rows of a table, and the target's catalog, are after a change that nobody announced; what the catalog is after is
// known otherwise where nobody announces any.
func (p *history) began(oid uint32, u *unannounced) bool {
	c, t := p.copies[oid], p.data(oid)
	return c != nil && p.visibility(t).Includes(u.Upper) && (p.watched() || p.across.version.Envelope.Groups[0].Visibility.Includes(u.Upper))
}
