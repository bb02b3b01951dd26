package engine

import (
	"context"
	"fmt"
	"slices"
)

// judgeUnannounced returns an ErrWindow that names the first change nobody announced which the target may include.
func (c *crossing) judgeUnannounced(ctx context.Context) error {
	for _, u := range c.unannounced() {
		if what := c.hindered(&u); what != "" {
			return c.refuseUnannounced(ctx, &u, what)
		}
	}
	return nil
}

// unannounced returns the changes nobody announced that the target may include.
func (c *crossing) unannounced() []unannounced {
	if c.past.forms == nil || c.past.choice.Instant {
		return nil
	}
	changes := slices.DeleteFunc(c.past.forms.before(c.past.lookedTo()), c.beyond)
	if c.lenient {
		// Statements that change a table's columns were refused: those that are left do not say what did.
		changes = append(changes, c.past.forms.toldBefore(c.past.choice.Cut)...)
	}
	if c.past.across == nil {
		return changes
	}
	// What a statement made of a table is told by it, but not that the table was also written anew.
	other := func(u unannounced) bool {
		emptied := func(xid uint64) bool { return !u.Lower.Sees(xid) && u.Upper.Sees(xid) }
		return !u.refiled || c.wanted[u.Table] == nil || slices.ContainsFunc(c.past.across.truncated[u.Table], emptied)
	}
	for _, u := range slices.DeleteFunc(c.past.forms.toldBefore(c.past.choice.Cut), other) {
		u.kind = tableRewritten
		changes = append(changes, u)
	}
	return changes
}

// namesOf are the types of columns whose values a change of names makes others; nil: it is none of names.
func namesOf(kind unannouncedKind) []string {
	switch kind {
	case rolesRenamed:
		return roleTypes
	case objectsRenamed:
		return objectTypes
	}
	return nil
}

// hindered says what a change hinders and how; empty: nothing that is to be restored.
func (c *crossing) hindered(u *unannounced) string {
	if types := namesOf(u.kind); types != nil {
		for _, oid := range sortedKeys(c.wanted) {
			if t := c.wanted[oid]; !c.past.began(oid, u) && holds(c.catalog, t, types) {
				return fmt.Sprintf("table %s.%s holds names of %s, and one was made, renamed or dropped", t.Schema, t.Name, u.kind)
			}
		}
		return ""
	}
	if c.certain() {
		if c.wanted[u.Table] == nil || c.rowless || c.empty[u.Table] || u.kind == tableRewritten && !u.refiled { // a default, a privilege
			return ""
		}
		return fmt.Sprintf("table %s.%s was %s", u.schema, u.name, u.kind)
	}
	wanted := func(oid uint32) bool {
		_, named := c.named[oid]
		return named || c.wanted[oid] != nil
	}
	if c.past.goneAt(u) {
		return ""
	}
	if c.whole && !c.ofExtension(u.Table) || slices.ContainsFunc(c.past.forms.family(u), wanted) {
		return fmt.Sprintf("table %s.%s was %s", u.schema, u.name, u.kind)
	}
	return ""
}

// goneAt says whether a change is certain to be before the target, and of a table that the target has no more.
func (p *history) goneAt(u *unannounced) bool {
	return p.across != nil && p.across.target[u.Table] == nil && p.forms.interval(u).To <= p.choice.Cut &&
		p.across.version.Envelope.Groups[0].Visibility.Includes(u.Upper)
}

// refuseUnannounced is the error for a target that may lie across a change nobody announced, with the nearest exact points.
func (c *crossing) refuseUnannounced(ctx context.Context, u *unannounced, what string) error {
	in, base := c.past.forms.interval(u), c.past.choice.Base
	since, before := "the snapshot", "none of this snapshot"
	if base.Single() {
		before = fmt.Sprintf("--snapshot %v", base.Envelope.ID)
	}
	if in.From != 0 {
		since = fmt.Sprintf("--lsn %v (%s)", in.From, stamp(in.FromTime))
	}
	if in.From >= base.From {
		before = fmt.Sprintf("--lsn %v", in.From)
	}
	if c.past.watched() {
		return windowf("the target lies across a change of a table, and without event triggers its rows cannot be brought across: %s, after %s and before --lsn %v (%s); nearest exact point before: %s; after: %s",
			what, since, in.To, stamp(in.ToTime), before, c.after(ctx, in.To))
	}
	open := ""
	if u.pending {
		open = fmt.Sprintf(" yet (it ends at %v; if the statement was run just now, try again in a while)", c.past.forms.reached)
	}
	return windowf("the target lies across a change that nobody announced: %s, after %s and before --lsn %v (%s), and no statement in the log tells of it%s, as where event triggers were off; nearest exact point before: %s; after: %s",
		what, since, in.To, stamp(in.ToTime), open, before, c.after(ctx, in.To))
}
