package wal

import (
	"slices"
	"strings"

	"github.com/pgrecall/pgrecall/format"
)

// FormChange is a difference between two looks at the form of one table.
type FormChange struct {
	Table uint32
	// Parents are those of the table, before the change and after it, as far as they are known.
	Parents []uint32
	// Content: what the form stands for differs. Versions: the row versions of the catalog that hold it do.
	Content, Versions bool
	// Storage: the rows are in another file, or labels of their types were written anew.
	Storage bool
	// Since is format.Form's.
	Since uint64
	// Lower and Upper are the visibilities of the looks: who made the change is seen by Upper and not by Lower.
	Lower, Upper format.Visibility
}

// Announcements are what the DDL messages of a stretch of the log say that their transactions may have touched. The zero
// value holds none.
type Announcements struct {
	all     []announcement
	byTable map[uint32][]int // those that name a table
	loose   []int            // those that may have touched what they do not name
}

// announcement is one message.
type announcement struct {
	xid     uint64
	touched []uint32
	// anything: it may have touched any table. content: it can change the forms' content without naming the table, as
	// a schema's new name does. versions: it can so change the row versions alone, as column privileges and lost defaults do, which move
	// no row to another file.
	anything, content, versions bool
}

// Add takes in a message with the prefix format.PrefixDDL of the transaction xid. One that cannot be read may have
// touched anything.
func (a *Announcements) Add(xid uint64, message string) {
	d, err := ParseDDL(message)
	if err == nil && d.Idle() || d.Internal || d.RefreshOnly() || !d.Incomplete && (d.Tag == "COMMENT" || d.Tag == "SECURITY LABEL") {
		return // these write nothing that a form stands for
	}
	a.add(announcement{
		xid: xid, touched: d.TouchedTables(), anything: err != nil || d.Incomplete,
		content: d.Tag == "ALTER SCHEMA" || d.Tag == "ALTER EXTENSION",
		versions: strings.HasPrefix(d.Tag, "DROP ") ||
			slices.ContainsFunc(d.Objects, func(o DDLObject) bool { return o.OID == 0 }), // GRANT does not say on what
	})
}

func (a *Announcements) add(one announcement) {
	if a.byTable == nil {
		a.byTable = make(map[uint32][]int)
	}
	i := len(a.all)
	a.all = append(a.all, one)
	for _, table := range one.touched {
		a.byTable[table] = append(a.byTable[table], i)
	}
	if one.anything || one.content || one.versions {
		a.loose = append(a.loose, i)
	}
}

// Explain reports whether messages tell of the change: transactions that ended between the two looks touched the table,
// or one it was a child of, in the way it changed; and one of them can have written the oldest of the new row versions.
func (a *Announcements) Explain(c *FormChange) bool {
	unnamed := !c.Content && !c.Storage
	explained := a.find(c, func(one *announcement, named bool) bool {
		return named || one.content && !c.Versions || one.versions && unnamed
	})
	if !explained || c.Since == 0 || c.Lower.Sees(c.Since) {
		return explained
	}
	return a.find(c, func(one *announcement, named bool) bool {
		return one.xid <= c.Since && (named || one.versions && !c.Storage) // a subtransaction's id is above that of its transaction
	})
}

// find reports whether there is a message between the two looks for which ok is true; named tells it whether it names the
// table, or may have touched any.
func (a *Announcements) find(c *FormChange, ok func(one *announcement, named bool) bool) bool {
	naming := func(i int) bool { return a.all[i].within(c.Lower, c.Upper) && ok(&a.all[i], true) }
	if slices.ContainsFunc(a.byTable[c.Table], naming) {
		return true
	}
	for _, parent := range c.Parents {
		if slices.ContainsFunc(a.byTable[parent], naming) {
			return true
		}
	}
	return slices.ContainsFunc(a.loose, func(i int) bool {
		return a.all[i].within(c.Lower, c.Upper) && ok(&a.all[i], a.all[i].anything)
	})
}

// AnyWithin reports whether there is a message of a transaction that upper sees and lower does not.
func (a *Announcements) AnyWithin(lower, upper format.Visibility) bool {
	return slices.ContainsFunc(a.all, func(one announcement) bool { return one.within(lower, upper) })
}

func (a *announcement) within(lower, upper format.Visibility) bool {
	return !lower.Sees(a.xid) && upper.Sees(a.xid)
}

// forget drops the messages of transactions that seen sees.
func (a *Announcements) forget(seen format.Visibility) {
	if len(a.all) == 0 {
		return
	}
	left := slices.DeleteFunc(a.all, func(one announcement) bool { return seen.Sees(one.xid) })
	*a = Announcements{}
	for _, one := range left {
		a.add(one)
	}
}
