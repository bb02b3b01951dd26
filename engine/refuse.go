package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
	"github.com/pgrecall/pgrecall/wal"
)

// crossing is the question whether the statements between a snapshot and a target let the target be restored from
// that snapshot.
type crossing struct {
	past    *history
	catalog *catalog.Catalog
	// wanted are the tables whose rows are to be restored, by oid; named are these and those without rows of their
	// own, as partitioned tables are.
	wanted map[uint32]*format.TableData
	named  map[uint32]catalog.Name
	// whole: all of the database, so that every object counts.
	whole bool
	// patterns are what chose the tables.
	patterns []string
	// lenient accepts objects as of the snapshot where no layout changed.
	lenient bool
	// rowless: no row of any table is restored.
	rowless bool
	// empty are tables that were asked for without their rows.
	empty map[uint32]bool
	// reaches says whether what was asked for can be restored from another target; nil: that is not asked.
	reaches func(context.Context, Target) bool
	// tables are those of the catalog, once they were looked for.
	tables map[uint32]*catalog.Table
	// barriers are those of the wanted tables that have one, and barrier is one of all tables, nil if there is none, after the judgement.
	barriers map[uint32]*barrier
	barrier  *barrier
}

// judge returns the statements whose effect is not included, or an ErrWindow that names the first that cannot be crossed.
func (c *crossing) judge(ctx context.Context) (notIncluded []string, err error) {
	statements := c.past.statements
	if c.past.across != nil {
		statements = c.past.across.unseen
	}
	for i := range statements {
		s := &statements[i]
		hinders, why := c.hinders(s)
		if hinders {
			return nil, c.refuse(ctx, s.txn, why, s.broken == nil && !tampers(&s.DDL) && !s.Incomplete)
		}
		if why != "" {
			notIncluded = append(notIncluded, why)
		}
	}
	if c.past.across != nil {
		return notIncluded, c.judgeAcross(ctx)
	}
	partitioned := c.partitioned()
	for _, oid := range sortedKeys(c.past.tables) {
		t := c.past.tables[oid]
		// A table that the snapshot does not know may be a new partition of one that is wanted.
		unknown := partitioned && c.past.data(oid) == nil
		if t.conflict == nil || !c.whole && c.wanted[oid] == nil && !unknown || c.ofExtension(oid) ||
			c.empty[oid] && c.past.data(oid) == nil || c.certain() && c.wanted[oid] == nil {
			continue
		}
		if unknown && !c.whole {
			what := fmt.Sprintf("table %s.%s was made after the snapshot and has rows; it may be a partition of what is restored", t.layout.Schema, t.layout.Name)
			return nil, c.refuse(ctx, t.conflict.txn, what, false)
		}
		what := fmt.Sprintf("table %s.%s: %s, and no statement in the log says why", t.layout.Schema, t.layout.Name, t.conflict.what)
		return nil, c.refuse(ctx, t.conflict.txn, what, false)
	}
	barred := map[uint32]*barrier{}
	c.barredUnlisted(func(oid uint32, b *barrier) { barred[oid] = b })
	if err := c.straddled(ctx, func(oid uint32, b *barrier) { barred[oid] = b }); err != nil {
		return nil, err
	}
	if b := firstOf(barred); b != nil && c.past.watched() {
		return nil, c.refuseRows(ctx, b.why)
	} else if b != nil {
		return nil, c.refuse(ctx, b.txn, b.why, false)
	}
	return notIncluded, c.judgeUnannounced(ctx)
}

// ofExtension says whether a table belongs to an extension and its rows are not in the snapshot, which the plan says of
// every restore of the whole database.
func (c *crossing) ofExtension(oid uint32) bool {
	configures := func(t catalog.Table) bool { return t.OID == oid && t.Extension != "" && c.past.data(oid) == nil }
	return slices.ContainsFunc(c.catalog.Unsupported, func(u catalog.Unsupported) bool { return u.Table == oid }) ||
		slices.ContainsFunc(c.catalog.Tables, configures)
}

// hinders says whether a statement prevents the restore, and describes it; an empty description is of one that
// changed nothing that is restored.
func (c *crossing) hinders(s *statement) (bool, string) {
	switch {
	case s.broken != nil:
		return true, fmt.Sprintf("an unreadable DDL message (%v)", s.broken)
	case tampers(&s.DDL):
		return true, "the publication pgrecall was changed, so that changes may be missing from there on: " + c.describe(s, nil)
	case !s.ChangesCatalog():
		return false, ""
	}
	tables := c.touched(s)
	described := c.describe(s, tables)
	switch {
	case s.Incomplete:
		return true, described + " (its message is incomplete: it may have touched any object)"
	case c.whole && !c.lenient:
		return true, described
	case !c.whole && c.mayChoose(s):
		return true, described + " (it may have made what was asked for)"
	case !c.whole && len(tables) == 0:
		return false, described
	case !c.lenient:
		return true, described
	}
	return c.changesLayout(s, tables), described
}

// mayChoose says whether a statement left a table that the patterns choose and that the catalog does not know, or by another name; or one
// that may be a new partition of what is restored, as no message tells whose partition a table is.
func (c *crossing) mayChoose(s *statement) bool {
	patterns, err := parsePatterns(c.patterns)
	if err != nil {
		return true
	}
	if c.tables == nil {
		c.tables = tablesOf(c.catalog)
	}
	return slices.ContainsFunc(s.Tables, func(t wal.DDLTable) bool {
		known := c.tables[t.OID]
		if known != nil && known.Schema == t.Schema && known.Name == t.Name {
			return false
		}
		return known == nil && c.past.across != nil && c.partitioned() ||
			slices.ContainsFunc(patterns, func(p *catalog.Pattern) bool { return p.Match(t.Schema, t.Name) })
	})
}

// tampers says whether a statement was somebody's change of our publication, which the log does not otherwise show.
func tampers(d *wal.DDL) bool {
	ours := func(o wal.DDLObject) bool {
		return o.Type == "publication" && strings.Trim(o.Identity, `"`) == wal.Publication
	}
	// A table of its list: "public.users in publication pgrecall" (getObjectIdentityParts in src/backend/catalog/objectaddress.c).
	listed := func(o wal.DDLObject) bool {
		return strings.HasPrefix(o.Type, "publication ") && strings.HasSuffix(o.Identity, " in publication "+wal.Publication)
	}
	return slices.ContainsFunc(d.Dropped, ours) || !d.Internal && (strings.HasPrefix(d.Tag, "ALTER PUBLICATION") && slices.ContainsFunc(d.Objects, ours) ||
		slices.ContainsFunc(slices.Concat(d.Objects, d.Dropped), listed))
}

// touched returns the wanted tables that a statement touched after their snapshot; for a whole restore also those
// that the snapshot does not know.
func (c *crossing) touched(s *statement) []uint32 {
	var tables []uint32
	for _, oid := range s.TouchedTables() {
		t := c.wanted[oid]
		_, named := c.named[oid]
		if t != nil && c.unseen(t, s.txn.XID) || t == nil && (named || c.whole) {
			tables = append(tables, oid)
		}
	}
	if strings.HasPrefix(s.Tag, "ALTER ") || strings.HasPrefix(s.Tag, "DROP ") {
		for _, oid := range sortedKeys(c.wanted) {
			if t := c.wanted[oid]; c.unseen(t, s.txn.XID) && holdsNames(c.catalog, t) {
				tables = append(tables, oid)
			}
		}
	}
	slices.Sort(tables)
	return slices.Compact(tables)
}

// unseen says whether a transaction is in the table's future: not in its rows in the snapshot, or not in its
// definition, which is as of the first group even where the rows are of a later one.
func (c *crossing) unseen(t *format.TableData, xid uint64) bool {
	return !c.past.sees(t, xid) || !c.past.choice.Base.Envelope.Groups[0].Visibility.Sees(xid)
}

// partitioned says whether a partitioned table is to be restored.
func (c *crossing) partitioned() bool {
	for i := range c.catalog.Tables {
		if _, named := c.named[c.catalog.Tables[i].OID]; named && c.catalog.Tables[i].Kind == "p" {
			return true
		}
	}
	return false
}

// changesLayout says whether any of the tables is not, after the statement, what the snapshot says of it.
func (c *crossing) changesLayout(s *statement, tables []uint32) bool {
	if s.Rewrite || len(s.Kept.Identity)+len(s.Kept.Published)+len(s.Kept.Unpublished) > 0 {
		return true
	}
	for _, oid := range tables {
		i := slices.IndexFunc(s.Tables, func(t wal.DDLTable) bool { return t.OID == oid })
		if i < 0 || s.Tables[i].ByType || s.Tables[i].Columns == nil || !c.sameColumns(&s.Tables[i]) {
			return true // dropped, or made of an altered type, or changed
		}
	}
	return false
}

// sameColumns compares a table as a statement left it with the snapshot's catalog.
func (c *crossing) sameColumns(t *wal.DDLTable) bool {
	i := slices.IndexFunc(c.catalog.Tables, func(k catalog.Table) bool { return k.OID == t.OID })
	if i < 0 {
		return false
	}
	k := &c.catalog.Tables[i]
	if k.Kind == "p" {
		return false // its columns do not tell whether a partition came or went
	}
	if k.Schema != t.Schema || k.Name != t.Name || k.Kind != t.Kind || k.LiveIdentity != t.Identity || k.Persistence != t.Persistence {
		return false
	}
	var live []wal.DDLColumn
	for _, column := range t.Columns {
		if !column.Dropped {
			live = append(live, column)
		}
	}
	return slices.EqualFunc(live, k.Columns, func(a wal.DDLColumn, b catalog.Column) bool {
		return a.Attnum == b.Attnum && a.Name == b.Name && a.Type == b.Type && a.Typmod == b.Typmod && a.Generated == b.Generated
	})
}

// describe names a statement for people: who, when, on what, and its text, shortened.
func (c *crossing) describe(s *statement, tables []uint32) string {
	var on []string
	for _, oid := range tables {
		if t := c.past.data(oid); t != nil {
			on = append(on, t.Schema+"."+t.Name)
		}
	}
	if len(on) == 0 {
		for _, o := range slices.Concat(s.Objects, s.Dropped) {
			if o.Identity != "" {
				on = append(on, o.Type+" "+o.Identity)
			}
		}
	}
	text := s.Tag
	if len(on) > 0 {
		text += " on " + strings.Join(slices.Compact(on[:min(len(on), 4)]), ", ")
	}
	text += fmt.Sprintf(" in transaction %d (%s)", s.txn.XID, stamp(s.txn.Time))
	if s.Statement != "" {
		text += ": " + shorten(s.Statement, 120)
	}
	return text
}

// refuse is the error for a target that lies across a statement, with the nearest exact points.
func (c *crossing) refuse(ctx context.Context, txn format.Transaction, what string, lenientMay bool) error {
	before, after := c.before(ctx, txn), c.after(ctx, txn.EndLSN)
	hint := ""
	if lenientMay && c.whole && !c.lenient {
		hint = "; --catalog-of-snapshot accepts objects as of the snapshot where no table's layout changed"
	}
	if c.past.nearest != nil {
		return windowf("the target lies across a statement, and no version of the catalog was taken at the target, as where one statement follows the other: %s; nearest exact point before: %s; after: %s%s",
			what, before, after, hint)
	}
	return windowf("the target lies across a statement that this version cannot fold: %s; nearest exact point before: %s; after: %s%s", what, before, after, hint)
}

// shorten makes one line of at most n runes.
func shorten(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + " …"
	}
	return s
}
