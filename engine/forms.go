package engine

import (
	"slices"
	"time"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal"
)

// formTrail follows the forms of the source's tables along a log: what each look at them changed (format.Forms), and
// which message of the log explains that. What none explains is DDL that nobody announced; where it lies is known only
// as an interval between two looks.
type formTrail struct {
	// looks in order. The first may be a snapshot's, whose position says nothing of the log.
	looks    []*format.Forms
	snapshot bool
	// watched: no event trigger puts DDL into the log, so that messages that say so are others'.
	watched bool
	// known are the forms as of the last look; nil: they are not known.
	known     map[uint32]format.Form
	announced wal.Announcements
	// open are the changes that no message explains so far; found those of them whose message would have been read.
	open, found []unannounced
	// told are the changes of what tables hold, and rewrites of them, that a message explains.
	told    []unannounced
	reached format.LSN // the end of the log that was read
	// broken says that a look is missing in the log.
	broken error
}

// unannounced is a change that no message of the log explains.
type unannounced struct {
	wal.FormChange
	kind         unannouncedKind
	schema, name string
	look         int // which look found it
	// pending: a statement that explains it may be on its way into the log still.
	pending bool
	// refiled: the rows are in another file since, as after a rewrite.
	refiled bool
}

// unannouncedKind says what changed.
type unannouncedKind int

const (
	tableAltered   unannouncedKind = iota
	tableRewritten                 // perhaps: only the rows of the catalog that describe its columns are new
	tableMade
	tableGone
	rolesRenamed // one was renamed, made, or dropped
	objectsRenamed
)

// newFormTrail begins with a snapshot's forms; nil: with nothing known.
func newFormTrail(snapshot *format.Forms) *formTrail {
	f := &formTrail{}
	if snapshot != nil {
		f.snapshot = true
		f.look(snapshot)
	}
	return f
}

// begun says whether a look was taken in.
func (f *formTrail) begun() bool { return len(f.looks) > 1 || len(f.looks) == 1 && !f.snapshot }

// lacks says whether the look before l, the first, may be later than the snapshot.
func (f *formTrail) lacks(l *format.Forms) bool {
	return f.snapshot && !l.Complete && l.After > f.looks[0].LSN && f.later(l)
}

// take takes in a segment. Segments come in the order of the chain.
func (f *formTrail) take(seg *wal.Segment) {
	txns := seg.Transactions()
	for _, m := range seg.Messages() {
		if m.Prefix == format.PrefixDDL && !f.watched && !seg.Head().Publication.Watched {
			f.announced.Add(txns[m.Txn].XID, m.Content)
		}
	}
	head := seg.Head()
	f.reached = max(f.reached, head.To)
	if head.Forms != nil && f.later(head.Forms) {
		if f.begun() && !head.Forms.Complete && head.Forms.After != f.looks[len(f.looks)-1].Until && f.broken == nil {
			f.broken = integrityf("segment %v tells which tables changed after %v, and the one before it what they were up to %v: a segment is missing",
				seg.Name(), head.Forms.After, f.looks[len(f.looks)-1].Until)
		}
		f.look(head.Forms)
	}
	f.settle()
}

// later says whether a look comes after the last one. Where looking costs much heads repeat one; and those before the
// snapshot's tell nothing of what came after it. Positions tell it, and where they cannot, visibilities: a crash of
// the source gives transaction ids again, and not the positions that were flushed.
func (f *formTrail) later(l *format.Forms) bool {
	if len(f.looks) == 0 {
		return true
	}
	last := f.looks[len(f.looks)-1]
	if !f.begun() {
		return l.LSN >= last.Until || l.Visibility.Includes(last.Visibility)
	}
	// Much can be written before anything is flushed.
	return l.LSN != last.LSN || l.Until != last.Until || l.Visibility.String() != last.Visibility.String()
}

// look takes in a look: what differs from what is known is open.
func (f *formTrail) look(l *format.Forms) {
	f.looks = append(f.looks, l)
	switch {
	case f.known != nil:
		f.compare(l)
	case l.Complete:
		f.known = map[uint32]format.Form{}
	case len(f.looks) > 1:
		for _, t := range l.Tables { // whatever it was, it changed
			f.suspect(tableAltered, t, wal.FormChange{Content: true, Versions: true, Storage: true}, nil)
		}
	}
	if f.known == nil {
		return
	}
	for _, t := range l.Tables {
		if f.known[t.Table] = t; t.Gone() {
			delete(f.known, t.Table)
		}
	}
}

func (f *formTrail) compare(l *format.Forms) {
	listed := map[uint32]bool{}
	for _, t := range l.Tables {
		listed[t.Table] = true
		old, had := f.known[t.Table]
		c := wal.FormChange{Content: old.Content != t.Content, Versions: old.Versions != t.Versions, Storage: old.StoredAnew(t)}
		switch {
		case t.Gone() && had:
			f.suspect(tableGone, old, c, old.Parents)
		case t.Gone() || !c.Content && !c.Versions:
		case !had:
			f.suspect(tableMade, t, c, nil)
		case c.Content:
			f.suspect(tableAltered, t, c, old.Parents)
		default:
			f.suspect(tableRewritten, t, c, old.Parents)
		}
	}
	if l.Complete {
		for _, oid := range sortedKeys(f.known) {
			if old := f.known[oid]; !listed[oid] {
				f.suspect(tableGone, old, wal.FormChange{Content: true, Versions: true, Storage: true}, old.Parents)
				delete(f.known, oid)
			}
		}
	}
	last := f.looks[len(f.looks)-2]
	if last.Roles != l.Roles && last.Roles != "" && l.Roles != "" {
		f.suspect(rolesRenamed, format.Form{}, wal.FormChange{}, nil)
	}
	if last.Names != l.Names && last.Names != "" && l.Names != "" {
		f.suspect(objectsRenamed, format.Form{}, wal.FormChange{}, nil)
	}
}

// suspect opens a change that the last look found in a table.
func (f *formTrail) suspect(kind unannouncedKind, t format.Form, c wal.FormChange, parents []uint32) {
	at := len(f.looks) - 1
	c.Table, c.Parents, c.Since = t.Table, slices.Concat(parents, t.Parents), t.Since
	c.Lower, c.Upper = f.looks[at-1].Visibility, f.looks[at].Visibility
	if kind == tableGone {
		c.Since = 0
	}
	f.open = append(f.open, unannounced{FormChange: c, kind: kind, schema: t.Schema, name: t.Name, look: at, refiled: f.known[t.Table].Refiled(t)})
}

// settle closes the changes that are explained, and those whose message would have been read.
func (f *formTrail) settle() {
	f.open = slices.DeleteFunc(f.open, func(u unannounced) bool {
		if f.explained(&u) {
			if u.kind == tableAltered && u.Versions || u.kind == tableRewritten && u.Storage { // not only its name or its privileges
				f.told = append(f.told, u)
			}
			return true
		}
		if f.looks[u.look].Until > f.reached {
			return false
		}
		f.found = append(f.found, u)
		return true
	})
}

func (f *formTrail) explained(u *unannounced) bool {
	switch u.kind {
	case rolesRenamed:
		return false // no event trigger tells of roles
	case objectsRenamed:
		return f.announced.AnyWithin(u.Lower, u.Upper)
	}
	return f.announced.Explain(&u.FormChange)
}

// after returns the latest look at whose position the change had not been committed yet, so that all up to there is
// exact; nil: there is none. Who made the change has an id of Since or more, or at least is not seen by the look before
// that found it; a look whose xmax is not beyond that id was there before the id.
func (f *formTrail) after(u *unannounced) *format.Forms {
	oldest := u.Lower.Xmin
	if u.Since != 0 && !u.Lower.Sees(u.Since) {
		oldest = u.Since
	}
	for i := u.look - 1; i >= 0; i-- {
		if f.looks[i].Visibility.Xmax <= oldest && (i > 0 || !f.snapshot) {
			return f.looks[i]
		}
	}
	return nil
}

// concerns says whether the change may lie before a position.
func (f *formTrail) concerns(u *unannounced, at format.LSN) bool {
	from := f.after(u)
	return from == nil || from.LSN < at
}

// before returns the changes, in order, that may lie before a position.
func (f *formTrail) before(at format.LSN) (changes []unannounced) {
	for i, u := range slices.Concat(f.found, f.open) {
		if u.pending = i >= len(f.found); f.concerns(&u, at) {
			changes = append(changes, u)
		}
	}
	slices.SortStableFunc(changes, func(a, b unannounced) int { return a.look - b.look })
	return changes
}

// toldBefore returns the changes that messages explain, of looks before a position.
func (f *formTrail) toldBefore(at format.LSN) []unannounced {
	return slices.DeleteFunc(slices.Clone(f.told), func(u unannounced) bool { return f.looks[u.look].Until > at })
}

// unwatched returns the last look where none was taken after a position, so that what was done between them and not
// announced is not known yet; nil: one was.
func (f *formTrail) unwatched(at format.LSN) *format.Forms {
	last := f.looks[len(f.looks)-1]
	if f.begun() && last.LSN >= at {
		return nil
	}
	return last
}

// settled says whether no look to come can tell more of what lies before a position: one was taken after it, and
// another after all had ended that was running at the first; and whether each change found is explained or not.
func (f *formTrail) settled(at format.LSN) bool {
	if slices.ContainsFunc(f.open, func(u unannounced) bool { return f.concerns(&u, at) }) {
		return false
	}
	for i, first := range f.looks {
		if first.LSN >= at && (i > 0 || !f.snapshot) {
			return slices.ContainsFunc(f.looks[i:], func(l *format.Forms) bool { return l.Visibility.Xmin >= first.Visibility.Xmax })
		}
	}
	return false
}

// family returns the tables that a changed table belongs to, itself first.
func (f *formTrail) family(u *unannounced) []uint32 {
	all := slices.Concat([]uint32{u.Table}, u.Parents)
	for i := 1; i < len(all); i++ {
		for _, parent := range f.known[all[i]].Parents {
			if !slices.Contains(all, parent) {
				all = append(all, parent)
			}
		}
	}
	return all
}

// String says what was done with a table, or whose names changed.
func (k unannouncedKind) String() string {
	switch k {
	case tableAltered:
		return "altered: its name, its columns, what their types are made of, or whether it is published"
	case tableRewritten:
		return "altered, and perhaps rewritten: its columns were described anew in the catalog"
	case tableMade:
		return "made"
	case tableGone:
		return "dropped"
	case rolesRenamed:
		return "roles"
	}
	return "objects"
}

// interval is where a change lies: after the position From, and before To. From is 0 where no position is known to be
// before it.
type interval struct {
	From, To         format.LSN
	FromTime, ToTime time.Time
}

func (f *formTrail) interval(u *unannounced) interval {
	to := f.looks[u.look]
	i := interval{To: to.Until, ToTime: to.Time}
	if from := f.after(u); from != nil {
		i.From, i.FromTime = from.LSN, from.Time
	}
	return i
}
