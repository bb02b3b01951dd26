package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// What a rewrite makes of the rows of a table is not in the log. So a stream copies such a table anew, beside the receiving, as a
// version of the catalog that has its rows too. Which tables these are is what a restore says: whenever there is a version, the
// stream judges what a restore of its point would, from the newest snapshot of the log, and copies what that could not bring
// there. A copy is judged like that as well, once the log has come to it: one that did not see the rewrite yet is taken again.

const (
	// judgeShare is how much of the time passes without judging for the time that it takes; copyShare the same of copies of one table.
	judgeShare, copyShare = 20, 4
	// copyAgain is the time until copies that failed are tried again; it doubles up to copyAgainMost.
	copyAgain, copyAgainMost = time.Minute, time.Hour
	// copyWait bounds the waiting for somebody's lock or transaction.
	copyWait = 10 * time.Minute
	// unlistedRest is how long a table rests that cannot be published yet.
	unlistedRest = 10 * time.Second
)

// copier copies tables of one log. Its methods but ask and wake are for one goroutine.
type copier struct {
	s   *stream
	log *format.LogStart
	// asked holds one element if there may be something to copy, woken one if the log has grown.
	asked, woken chan struct{}
	// rests are when tables that were copied may be copied again.
	rests map[uint32]rest
	// failures in a row.
	failures int
	// alerted is what was alerted of last that no copy ends.
	alerted string
}

// uncopied is a table whose rows the log does not bring to its newest version of the catalog.
type uncopied struct {
	oid       uint32
	name, why string
	quoted    string // the name as SQL
	// past is a transaction id before which all must have ended that the copy does not see, as of those the log may have values
	// in the words of before a statement; 0: none.
	past uint64
}

func newCopier(s *stream, log *format.LogStart) *copier {
	return &copier{s: s, log: log, asked: make(chan struct{}, 1), woken: make(chan struct{}, 1), rests: map[uint32]rest{}}
}

// ask says that there may be tables to copy.
func (c *copier) ask() { tell(c.asked) }

// wake says that the log has grown. A nil copier copies nothing.
func (c *copier) wake() {
	if c != nil {
		tell(c.woken)
	}
}

func tell(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// run copies tables until ctx ends.
func (c *copier) run(ctx context.Context) {
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.asked:
		case <-due.C: // of a table that rested; the first time, of what the last stream left
		}
		began := time.Now()
		tables, ready, err := c.lacking(ctx)
		for err == nil && !ready {
			select {
			case <-ctx.Done():
				return
			case <-c.woken:
			}
			began = time.Now()
			tables, ready, err = c.lacking(ctx)
		}
		judged := time.Since(began)
		if err == nil {
			c.copy(ctx, c.rested(tables))
		}
		if err == nil && len(tables) == 0 {
			c.failures = 0
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			c.failed(err)
			due.Reset(c.again())
		} else if next := c.next(tables); next > 0 {
			due.Reset(next)
		}
		timer := time.NewTimer(judgeShare * judged)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// once copies what lacks now, and says whether it copied anything.
func (c *copier) once(ctx context.Context) bool {
	tables, _, err := c.lacking(ctx)
	if err != nil && ctx.Err() == nil {
		c.failed(err)
	}
	return c.copy(ctx, tables)
}

func (c *copier) failed(err error) {
	c.failures++
	c.s.tracer.Note(Note{LevelAlert, fmt.Sprintf("tables whose rows the log does not follow could not be copied anew; until they are, these tables can be restored only to points before, or from a snapshot taken after: %v", err)})
}

// again is the time until what failed is tried again.
func (c *copier) again() time.Duration {
	return min(cmp.Or(c.s.o.copyAgain, copyAgain)<<min(c.failures-1, 16), copyAgainMost)
}

// rest is until when a table is not copied, and whether that was told.
type rest struct {
	until time.Time
	told  bool
}

// rested returns the tables that may be copied now.
func (c *copier) rested(tables []uncopied) (now []uncopied) {
	for _, t := range tables {
		r := c.rests[t.oid]
		wait := time.Until(r.until)
		if wait <= 0 {
			now = append(now, t)
			continue
		}
		if !r.told {
			c.rests[t.oid] = rest{r.until, true}
			c.s.tracer.Note(Note{LevelWarn, fmt.Sprintf("table %s is to be copied anew so soon after its last copy that it waits for %s, for copies of one table take a fifth of the time at most; until then it cannot be restored to the points since: %s",
				t.name, wait.Round(time.Second), t.why)})
		}
	}
	return now
}

// next is when the first of the tables that rest may be copied; 0: none does.
func (c *copier) next(tables []uncopied) (next time.Duration) {
	for _, t := range tables {
		if wait := time.Until(c.rests[t.oid].until); wait > 0 && (next == 0 || wait < next) {
			next = wait
		}
	}
	return next
}

// copy copies tables, and says whether it copied any: those first that need not wait for any transaction.
func (c *copier) copy(ctx context.Context, tables []uncopied) bool {
	for _, t := range tables {
		c.s.tracer.Note(Note{LevelInfo, fmt.Sprintf("copying table %s anew: %s", t.name, t.why)})
	}
	soon := slices.DeleteFunc(slices.Clone(tables), func(t uncopied) bool { return t.past != 0 })
	later := slices.DeleteFunc(slices.Clone(tables), func(t uncopied) bool { return t.past == 0 })
	copied := c.together(ctx, soon)
	return c.together(ctx, later) || copied
}

// together copies tables in one copy, and where that fails, one by one, so that one that cannot be copied does not keep the others.
func (c *copier) together(ctx context.Context, tables []uncopied) (copied bool) {
	if len(tables) == 0 || ctx.Err() != nil {
		return false
	}
	err := c.take(ctx, tables)
	if err == nil {
		c.failures = 0
		return true
	}
	for _, t := range tables {
		if len(tables) > 1 && ctx.Err() == nil {
			if err = c.take(ctx, []uncopied{t}); err == nil {
				copied = true
				continue
			}
		}
		if ctx.Err() != nil {
			break
		}
		c.failed(fmt.Errorf("table %s: %w", t.name, err))
		c.rests[t.oid] = rest{time.Now().Add(c.again()), true}
	}
	return copied
}

// take takes one copy of tables.
func (c *copier) take(ctx context.Context, tables []uncopied) error {
	if tables = c.listed(ctx, tables); len(tables) == 0 {
		return nil
	}
	began := time.Now()
	o := snapshot.Options{Jobs: max(1, c.s.o.Jobs), Compression: c.s.compression, WaitTimeout: cmp.Or(c.s.o.copyWait, copyWait), NoRolePasswords: c.s.o.NoRolePasswords}
	if c.s.o.Once {
		o.WaitTimeout = min(o.WaitTimeout, onceWait)
	}
	for _, t := range tables {
		o.Selection.OIDs, o.Past = append(o.Selection.OIDs, t.oid), max(o.Past, t.past)
	}
	taken, err := takeVersion(ctx, c.s.source, c.s.config, c.log, o, notesOnly{c.s.tracer})
	if err != nil {
		return err
	}
	for _, t := range tables {
		c.rests[t.oid] = rest{time.Now().Add(copyShare * time.Since(began)), false}
	}
	c.s.tracer.Note(Note{LevelInfo, fmt.Sprintf("took copy %v: %d tables, %d rows", taken.ID, taken.Tables, taken.Rows)})
	c.ask() // whether it saw all
	return nil
}

// listed keeps the publication, where no event trigger does, and returns the tables without those that cannot be in its list yet: a copy of
// them would be in vain, and they rest for a while.
func (c *copier) listed(ctx context.Context, tables []uncopied) []uncopied {
	if !c.log.Published.Watched {
		return tables
	}
	keeper := publicationKeeper{s: c.s, log: c.log}
	defer keeper.close(ctx)
	locked := keeper.keep(ctx)
	return slices.DeleteFunc(slices.Clone(tables), func(t uncopied) bool {
		if !slices.Contains(locked, t.quoted) {
			return false
		}
		c.rests[t.oid] = rest{time.Now().Add(unlistedRest), true}
		return true
	})
}

// begun says whether the log has a version of its catalog that is later than its newest whole snapshot: else there was no DDL.
func (c *copier) begun(h *holding) *plan.Base {
	whole := func(b plan.Base) bool {
		return c.joins(&b) && b.Envelope.Inexact != nil && b.Envelope.Inexact.SkippedTables == 0
	}
	for i := range h.versions {
		if v := &h.versions[i]; c.joins(v) {
			later := slices.ContainsFunc(h.bases, func(b plan.Base) bool { return whole(b) && b.From >= v.From })
			if later {
				return nil
			}
			return v
		}
	}
	return nil
}

func (c *copier) joins(b *plan.Base) bool { return b.Chain != nil && b.Chain.Log.Log == c.log.Log }

// lacking returns the tables to copy. It is not ready while the log has not come to where the last version or copy is noted.
func (c *copier) lacking(ctx context.Context) (tables []uncopied, ready bool, err error) {
	h, err := hold(ctx, c.s.source)
	if err != nil {
		return nil, false, err
	}
	for i := range h.chains {
		ahead := func(e *format.Envelope) bool { return e.Log == c.log.Log && e.Noted > h.chains[i].To }
		if h.chains[i].Log.Log == c.log.Log && slices.ContainsFunc(h.envelopes, ahead) {
			return nil, false, nil
		}
	}
	version := c.begun(h)
	if version == nil {
		return nil, true, nil
	}
	tables, err = c.judge(ctx, version)
	if c.log.Published.Watched && errors.Is(err, ErrWindow) {
		return nil, false, nil // another look may tell what the objects were
	}
	return tables, true, err
}

// judge returns the tables that a restore of the point of a version could not restore for want of a copy.
func (c *copier) judge(ctx context.Context, version *plan.Base) ([]uncopied, error) {
	o := RestoreOptions{Place: c.s.o.Place, Target: Target{Kind: TargetLSN, LSN: version.From}}
	o.Source = c.s.source.Name
	r := newRestore(o)
	choices, err := r.candidates(ctx)
	if errors.Is(err, ErrWindow) {
		return nil, nil // no snapshot is before it
	}
	if err != nil {
		return nil, err
	}
	if _, _, err := r.fitting(ctx, choices); err != nil {
		return nil, err
	}
	if r.past.across == nil {
		return nil, nil // the next version may tell
	}
	q := crossing{past: r.past, catalog: r.catalog, wanted: map[uint32]*format.TableData{}, named: map[uint32]catalog.Name{}, whole: true,
		reaches: func(context.Context, Target) bool { return true }}
	for _, t := range r.past.tablesAt(r.catalog) {
		q.wanted[t.OID] = t
	}
	if err := q.judgeAcross(ctx); err != nil && !errors.Is(err, ErrWindow) {
		return nil, err
	}
	c.alert(&q)
	var tables []uncopied
	for _, oid := range sortedKeys(q.barriers) {
		// What a message leaves open may concern any table, and a change whose message may still come is none yet.
		if b := q.barriers[oid]; !b.anything && (b.unannounced == nil || !b.unannounced.pending) {
			t := uncopied{oid: oid, name: nameOf(q.wanted[oid]), why: b.why, quoted: quoteName(q.wanted[oid].Schema, q.wanted[oid].Name)}
			if b.reworded {
				t.past = version.Envelope.Groups[0].Visibility.Xmax
			}
			tables = append(tables, t)
		}
	}
	return tables, nil
}

// alert tells once of a message that no copy ends, for it leaves open which tables it concerns: only a snapshot of all does.
func (c *copier) alert(q *crossing) {
	why := ""
	if q.barrier != nil && q.barrier.anything {
		why = q.barrier.why
	}
	for _, oid := range sortedKeys(q.barriers) {
		if b := q.barriers[oid]; why == "" && b.anything {
			why = b.why
		}
	}
	if why != "" && why != c.alerted {
		c.s.tracer.Note(Note{LevelAlert,
			fmt.Sprintf("tables cannot be restored to points after this until a snapshot is taken: %s; take one", why)})
	}
	c.alerted = why
}
