package oracle

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/pgrecall/pgrecall/engine"
)

// ddlHistory is what the migrations made of the catalog, in the order of their commits: no two commit at a time.
type ddlHistory struct {
	dir string

	// mu is held from before each commit until what it made is read.
	mu      sync.Mutex
	records []record
	// own are the rows of the tables that only one migrator writes, by its first schema; those that are missing are not known.
	own map[string]*truth

	countMu sync.Mutex
	kinds   map[string]*tally
	// refused are what statements of migrations that failed were told.
	refused []string
}

func newHistory(dir string, first objects) *ddlHistory {
	return &ddlHistory{dir: dir, records: []record{{objects: first}}, own: map[string]*truth{}, kinds: map[string]*tally{}}
}

// A record is the catalog from one migration's commit until the next one's.
type record struct {
	xid   uint64 // 0: before the first migration
	what  string
	burst bool
	// silent: its transaction wrote nothing that is logged, so that the log may not have it.
	silent bool
	// objects are nil if they could not be read.
	objects objects
	// own are the rows of the tables that only migrators write; nil if they could not be read.
	own *truth
}

// tally is how often a kind of migration was committed, and how often it failed.
type tally struct{ done, failed int }

func (h *ddlHistory) count(kind string, err error) {
	h.countMu.Lock()
	defer h.countMu.Unlock()
	t := h.kinds[kind]
	if t == nil {
		t = &tally{}
		h.kinds[kind] = t
	}
	if err == nil {
		t.done++
		return
	}
	t.failed++
	h.refused = append(h.refused, kind+": "+err.Error())
}

// String tells how often each kind of migration was committed and failed.
func (h *ddlHistory) String() string {
	h.countMu.Lock()
	defer h.countMu.Unlock()
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(h.kinds)) {
		t := h.kinds[kind]
		text := fmt.Sprintf("%s %d", kind, t.done)
		if t.failed > 0 {
			text += fmt.Sprintf(" (%d failed)", t.failed)
		}
		kinds = append(kinds, text)
	}
	return strings.Join(kinds, ", ")
}

// length is the number of records so far.
func (h *ddlHistory) length() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.records)
}

// seen returns the objects that the catalog has for the session's snapshot: those of the last migration that it sees.
func (h *ddlHistory) seen(ctx context.Context, s *session) (objects, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var xids []string
	for _, r := range h.records[1:] {
		xids = append(xids, fmt.Sprint(r.xid))
	}
	rows, err := s.rows(ctx, `SELECT pg_catalog.pg_visible_in_snapshot(x,
		pg_catalog.pg_current_snapshot()) FROM pg_catalog.unnest($1::xid8[]) WITH ORDINALITY AS x (x, n) ORDER BY n`,
		"{"+strings.Join(xids, ",")+"}")
	if err != nil {
		return nil, err
	}
	last := 0
	for i, row := range rows {
		if row[0] == "t" {
			last = i + 1
		}
	}
	if h.records[last].objects == nil {
		return nil, fmt.Errorf("%w: the catalog of this moment could not be read", errDisturbed)
	}
	return h.records[last].objects, nil
}

// ownTruth is what is known of the rows of all migrators' own tables, nil if not of all.
func (h *ddlHistory) ownTruth() *truth {
	if len(h.own) < migrators {
		return nil
	}
	all := &truth{tables: map[string]Sum{}, files: map[string]string{}, partial: true}
	for _, own := range h.own {
		maps.Copy(all.tables, own.tables)
		maps.Copy(all.files, own.files)
	}
	return all
}

// record keeps the catalog, and the rows of the tables that only the migrator writes, as they are now; h.mu is held.
func (m *migrator) record(ctx context.Context, what string, burst bool, xid string) error {
	h := m.history
	r := record{what: brief(what), burst: burst, silent: strings.HasPrefix(what, "temporary table")}
	if _, err := fmt.Sscan(xid, &r.xid); err != nil {
		return err
	}
	var err error
	r.objects, h.own[m.own], err = m.readState(ctx, filepath.Join(h.dir, fmt.Sprint(len(h.records))))
	if err != nil && !ordinary(err) {
		return fmt.Errorf("read what a migration made: %w", err)
	}
	if err != nil { // as behind a lock of another migration under way
		r.objects = nil
		delete(h.own, m.own)
	}
	r.own = h.ownTruth()
	h.records = append(h.records, r)
	return nil
}

func (m *migrator) readState(ctx context.Context, dir string) (objects, *truth, error) {
	settings := truthSettings()
	settings["lock_timeout"] = "2s"
	s, err := connect(ctx, m.db, settings)
	if err != nil {
		return nil, nil, err
	}
	defer s.close(ctx)
	found, err := readObjects(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	tables, err := ordinaryTables(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	tables = slices.DeleteFunc(tables, func(t table) bool { return !strings.HasPrefix(t.name, m.own) })
	own, err := readTables(ctx, s, tables, dir)
	return found, own, err
}

// points returns points just after and just before migrations, of those from a record on: about n on single ones, and half as
// many amid bursts. Of the rows their truth has those of the migrators' own tables.
func (h *ddlHistory) points(d dice, from, n int) []*point {
	h.mu.Lock()
	defer h.mu.Unlock()
	var single, burst []*point
	for i := max(from, 1) + 1; i < len(h.records); i++ {
		r, before := h.records[i], h.records[i-1]
		if r.silent {
			continue
		}
		p := &point{name: fmt.Sprintf("xid %d (%s)", r.xid, r.what), target: engine.Target{Kind: engine.TargetXID, XID: r.xid}, kind: pointOfDDL}
		state := r
		if d.chance(50) {
			p.name, p.target.Kind, state = "before "+p.name, engine.TargetBeforeXID, before
		}
		if state.objects == nil || state.own == nil {
			continue
		}
		own := *state.own
		own.objects = state.objects
		p.truth = &own
		if r.burst || before.burst && i+1 < len(h.records) && h.records[i+1].burst {
			p.kind = pointInBurst
			burst = append(burst, p)
		} else {
			single = append(single, p)
		}
	}
	return append(pickPoints(d, single, n), pickPoints(d, burst, (n+1)/2)...)
}

// pickPoints picks n at random, in their order.
func pickPoints(d dice, of []*point, n int) []*point {
	for len(of) > n {
		i := d.IntN(len(of))
		of = slices.Delete(of, i, i+1)
	}
	return of
}
