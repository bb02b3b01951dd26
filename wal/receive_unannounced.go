package wal

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pgrecall/pgrecall/format"
)

// UnannouncedError says that tables were changed, or what they write, and no message in the log tells of it. It does not
// stop the log: restores of these tables across the interval are refused.
type UnannouncedError struct {
	// Tables are schema-qualified names; none: which is not known.
	Tables []string
	// Names: the names of roles or other objects were changed, which tables with columns of regrole and its kin write.
	Names bool
	// It was done after From, but for what was committing there, and before To.
	From, To         format.LSN
	FromTime, ToTime time.Time
	// Watched: there are no event triggers that would tell of it.
	Watched bool
}

// Error implements error.
func (e *UnannouncedError) Error() string {
	what := "tables"
	switch {
	case e.Names:
		what = "names of roles or objects, which columns of type regrole, aclitem, regclass or the like write,"
	case len(e.Tables) == 1:
		what = "table " + e.Tables[0]
	case len(e.Tables) > 1:
		what = "tables " + strings.Join(e.Tables[:min(len(e.Tables), 20)], ", ")
		if n := len(e.Tables) - 20; n > 0 {
			what += fmt.Sprintf(" and %d more", n)
		}
	}
	if e.Watched {
		return fmt.Sprintf("%s changed on the source between %v (%s) and %v (%s), and without event triggers "+
			"nothing tells how: what was changed can be restored to points before, "+
			"and from a copy or snapshot taken after",
			what, e.From, e.FromTime.Format(time.RFC3339), e.To, e.ToTime.Format(time.RFC3339))
	}
	return fmt.Sprintf("%s changed on the source between %v (%s) and %v (%s), and no statement in the log tells of it, as with "+
		"event_triggers = off: restores across that are refused; take a new snapshot",
		what, e.From, e.FromTime.Format(time.RFC3339), e.To, e.ToTime.Format(time.RFC3339))
}

// unexplained are the changes that no message has explained yet, and the messages that may explain one. It is the loop's.
type unexplained struct {
	announced Announcements
	suspects  []suspect
}

// suspect is a change that nobody has announced so far.
type suspect struct {
	FormChange
	kind     suspectKind
	name     string        // of the table
	from, to *format.Forms // the looks
}

// suspectKind says what changed.
type suspectKind int

const (
	suspectTable   suspectKind = iota
	suspectObjects             // names of objects that are no roles
	suspectRoles
	suspectAny // a table, it is not known which
)

// notice takes in what a look changed.
func (u *unexplained) notice(l *look) {
	if l == nil || l.before == nil {
		return
	}
	suspected := func(kind suspectKind, name string, c FormChange) {
		c.Lower, c.Upper = l.before.Visibility, l.forms.Visibility
		u.suspects = append(u.suspects, suspect{FormChange: c, kind: kind, name: name, from: l.before, to: l.forms})
	}
	for _, oid := range slices.Sorted(maps.Keys(l.changed)) {
		f := l.changed[oid]
		c := FormChange{Table: oid, Parents: f.parents, Content: true, Versions: true, Storage: true, Since: f.since}
		old, had := l.old[oid]
		if l.old != nil && !had {
			c.Since = 0 // a new table, and its type's rows may be older
		}
		if had && !f.gone {
			c.Parents = slices.Concat(old.parents, f.parents)
			c.Content, c.Versions, c.Storage = old.content != f.content, old.versions != f.versions, old.storage != f.storage
			if !c.Content && !c.Versions { // emptied, or vacuumed
				continue
			}
		}
		suspected(suspectTable, f.schema+"."+f.name, c)
	}
	if l.old == nil && l.before.Digest != l.forms.Digest && len(l.changed) == 0 {
		suspected(suspectAny, "", FormChange{})
	}
	if l.before.Roles != l.forms.Roles && l.before.Roles != "" && l.forms.Roles != "" {
		suspected(suspectRoles, "", FormChange{})
	}
	if l.before.Names != l.forms.Names && l.before.Names != "" && l.forms.Names != "" {
		suspected(suspectObjects, "", FormChange{})
	}
}

// settle returns those changes that no message explains, now that all is received up to received, and forgets what is
// settled. Messages of transactions that seen sees are needed no longer where nothing is left open.
func (u *unexplained) settle(received format.LSN, seen format.Visibility) (told []*UnannouncedError) {
	var open []suspect
	for _, s := range u.suspects {
		switch {
		case s.explainedBy(&u.announced):
		case s.to.Until > received:
			open = append(open, s)
		default:
			told = s.tell(told)
		}
	}
	u.suspects = open
	if len(open) == 0 {
		u.announced.forget(seen)
	}
	return told
}

func (s *suspect) explainedBy(a *Announcements) bool {
	switch s.kind {
	case suspectTable:
		return a.Explain(&s.FormChange)
	case suspectRoles:
		return false // roles are no objects of a database, and no event trigger tells of them
	}
	return a.AnyWithin(s.Lower, s.Upper)
}

// tell adds the suspect to what is told of its interval.
func (s *suspect) tell(told []*UnannouncedError) []*UnannouncedError {
	names := s.kind == suspectRoles || s.kind == suspectObjects
	if n := len(told); n > 0 && s.kind == suspectTable && !told[n-1].Names && told[n-1].To == s.to.Until {
		told[n-1].Tables = append(told[n-1].Tables, s.name)
		return told
	}
	e := &UnannouncedError{Names: names, From: s.from.LSN, To: s.to.Until, FromTime: s.from.Time, ToTime: s.to.Time}
	if s.kind == suspectTable {
		e.Tables = []string{s.name}
	}
	return append(told, e)
}

// tellUnexplained warns of the changes that no message explains; at last also of those whose message may still come.
func (s *session) tellUnexplained(seen format.Visibility, last bool) {
	received := s.received
	if last {
		received = ^format.LSN(0)
	}
	for _, e := range s.unexplained.settle(received, seen) {
		e.Watched = s.Start.Published.Watched
		s.Tracer.Warning(e)
	}
}
