package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/format"
)

var (
	noon  = time.Date(2024, 12, 24, 12, 0, 0, 0, time.UTC)
	logA  = uuid.MustParse("01900000-0000-7000-8000-00000000000a")
	logB  = uuid.MustParse("01900000-0000-7000-8000-00000000000b")
	snap1 = uuid.MustParse("01900000-0000-7000-8000-000000000001")
	snap2 = uuid.MustParse("01910000-0000-7000-8000-000000000002")
)

func at(minutes float64) time.Time {
	return noon.Add(time.Duration(minutes * float64(time.Minute)))
}

// txn is a transaction of xid that commits at lsn (its record is 8 long) and minute.
func txn(xid uint64, lsn format.LSN, minute float64) format.Transaction {
	return format.Transaction{XID: xid, CommitLSN: lsn, EndLSN: lsn + 8, Time: at(minute)}
}

// segment names what the transactions give.
func segment(from, to format.LSN, txns ...format.Transaction) (Segment, []format.Transaction) {
	s := Segment{SegmentName: format.SegmentName{From: from, To: to}, Object: fmt.Sprintf("%v-%v", from, to)}
	for _, t := range txns {
		if s.MinXID == 0 || t.XID < s.MinXID {
			s.MinXID = t.XID
		}
		s.MaxXID = max(s.MaxXID, t.XID)
		if t.Origin {
			continue
		}
		if s.MinTime.IsZero() || t.Time.Before(s.MinTime) {
			s.MinTime = t.Time
		}
		if t.Time.After(s.MaxTime) {
			s.MaxTime = t.Time
		}
	}
	return s, txns
}

func span(from, to format.LSN) Segment {
	s, _ := segment(from, to)
	return s
}

func TestFollowEndsAtTheFirstHole(t *testing.T) {
	start := format.LogStart{Log: logA, ConsistentPoint: 100}
	for _, c := range []struct {
		name     string
		segments []Segment
		gaps     []format.Gap
		chain    string
		holes    string
	}{
		{"nothing", nil, nil, "0/64:", ""},
		{"in any order", []Segment{span(200, 300), span(100, 200)}, nil, "0/12C: 100-200 200-300", ""},
		{"the longest supersedes", []Segment{span(100, 200), span(200, 300), span(100, 300), span(300, 400)}, nil, "0/190: 100-300 300-400", ""},
		{"overlap is legal", []Segment{span(100, 250), span(200, 300)}, nil, "0/12C: 100-250 200-300", ""},
		{"a lost segment", []Segment{span(100, 200), span(250, 300), span(300, 400)}, nil, "0/C8: 100-200", "200-250 lost"},
		{"a lost first segment", []Segment{span(200, 300)}, nil, "0/64:", "100-200 lost"},
		{"a recorded gap", []Segment{span(100, 200), span(250, 300)}, []format.Gap{{From: 200, To: 250}}, "0/C8: 100-200", "200-250 recorded"},
		{"a recorded gap at the end", []Segment{span(100, 200)}, []format.Gap{{From: 200}}, "0/C8: 100-200", "200-0 recorded"},
		{"a recorded gap that does not explain the hole", []Segment{span(100, 200), span(250, 300)}, []format.Gap{{From: 250, To: 260}}, "0/C8: 100-200", "200-250 lost, 250-260 recorded"},
		{"a recorded gap within meeting segments", []Segment{span(100, 200), span(200, 300), span(300, 400)}, []format.Gap{{From: 250, To: 260}}, "0/FA: 100-200 200-300", "250-260 recorded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			chain, holes := Follow(Log{Start: start, Segments: c.segments, Gaps: c.gaps})
			got := chain.To.String() + ":"
			for _, s := range chain.Segments {
				got += fmt.Sprintf(" %d-%d", s.From, s.To)
			}
			if got != c.chain {
				t.Errorf("chain %q, want %q", got, c.chain)
			}
			var text []string
			for _, h := range holes {
				kind := "lost"
				if h.Recorded != nil {
					kind = "recorded"
				}
				text = append(text, fmt.Sprintf("%d-%d %s", h.From, h.To, kind))
			}
			if got := strings.Join(text, ", "); got != c.holes {
				t.Errorf("holes %q, want %q", got, c.holes)
			}
		})
	}
}

// world is a repository: one log of four segments and two snapshots, the second with a long-running transaction 20
// open, whose commit record lies below the snapshot's position.
type world struct {
	envelopes []*format.Envelope
	chains    []Chain
	txns      map[string][]format.Transaction
	read      int
}

func newWorld() *world {
	w := &world{txns: map[string][]format.Transaction{}}
	var segments []Segment
	add := func(from, to format.LSN, txns ...format.Transaction) {
		s, ts := segment(from, to, txns...)
		w.txns[s.Object] = ts
		segments = append(segments, s)
	}
	add(100, 200, txn(10, 120, 1), txn(11, 150, 2))
	add(200, 300, txn(12, 220, 3), txn(20, 250, 4))
	far := txn(22, 330, 0)
	far.Origin, far.Time = true, at(1e6)
	add(300, 400, txn(21, 310, 5), far, txn(23, 350, 6))
	add(400, 500, txn(1<<32|21, 450, 7))
	start := format.LogStart{Log: logA, SystemID: "1", DatabaseOID: 5, Timeline: 1, ConsistentPoint: 100, Visibility: format.Visibility{Xmin: 9, Xmax: 10}}
	chain, _ := Follow(Log{Start: start, Segments: segments})
	w.chains = []Chain{chain}
	w.envelopes = []*format.Envelope{
		envelope(snap1, logA, format.Group{Visibility: format.Visibility{Xmin: 10, Xmax: 10}, LSN: 110, Time: at(0.5)}),
		envelope(snap2, logA,
			format.Group{Visibility: format.Visibility{Xmin: 20, Xmax: 21, InProgress: []uint64{20}}, LSN: 260, Time: at(4.5)},
			format.Group{Visibility: format.Visibility{Xmin: 21, Xmax: 21}, LSN: 270, Time: at(4.6)}),
	}
	return w
}

func envelope(id, log uuid.UUID, groups ...format.Group) *format.Envelope {
	return &format.Envelope{ID: id, Log: log, SystemID: "1", DatabaseOID: 5, Timeline: 1, Groups: groups}
}

func (w *world) bases() []Base { return Bases(w.envelopes, w.chains) }

func (w *world) transactions(s Segment) ([]format.Transaction, error) {
	w.read++
	return w.txns[s.Object], nil
}

func describe(choices []Choice, err error) string {
	if err != nil {
		switch {
		case errors.Is(err, ErrUnreachable):
			return "unreachable"
		case errors.Is(err, ErrAmbiguous):
			return "ambiguous"
		}
		return err.Error()
	}
	c := choices[0]
	got := fmt.Sprintf("snapshot %d to %d:", c.Base.Envelope.ID[15], c.Cut)
	if c.Instant {
		got += " instant"
	}
	for _, s := range c.Segments() {
		got += fmt.Sprintf(" %d-%d", s.From, s.To)
	}
	return got
}

func TestTargets(t *testing.T) {
	lsn := func(l format.LSN) func(*world) ([]Choice, error) {
		return func(w *world) ([]Choice, error) { return AtLSN(w.bases(), l) }
	}
	when := func(minute float64) func(*world) ([]Choice, error) {
		return func(w *world) ([]Choice, error) { return AtTime(w.bases(), at(minute), w.transactions) }
	}
	xid := func(x uint64, before bool) func(*world) ([]Choice, error) {
		return func(w *world) ([]Choice, error) {
			f, err := FindXID(w.chains, x, w.transactions)
			if err != nil {
				return nil, err
			}
			return AtTransaction(w.bases(), f, before)
		}
	}
	named := func(prefix string) func(*world) ([]Choice, error) {
		return func(w *world) ([]Choice, error) { return OfSnapshot(w.bases(), prefix) }
	}
	for _, c := range []struct {
		name   string
		choose func(*world) ([]Choice, error)
		want   string
	}{
		{"latest", func(w *world) ([]Choice, error) { return Latest(w.bases()) }, "snapshot 2 to 500: 200-300 300-400 400-500"},
		{"an LSN before every snapshot", lsn(109), "unreachable"},
		{"the LSN of the first snapshot", lsn(110), "snapshot 1 to 110: 100-200"},
		{"an LSN between the groups of the second", lsn(265), "snapshot 1 to 265: 100-200 200-300"},
		{"the LSN of the second's last group reads the segment of the transaction it does not see", lsn(270), "snapshot 2 to 270: 200-300"},
		{"the durable end", lsn(500), "snapshot 2 to 500: 200-300 300-400 400-500"},
		{"an LSN past the durable end", lsn(501), "unreachable"},
		{"a time before every snapshot", when(0.4), "unreachable"},
		{"a time between commits", when(2.5), "snapshot 1 to 220: 100-200 200-300"},
		{"the time of a commit includes it", when(3), "snapshot 1 to 250: 100-200 200-300"},
		{"a time before the second snapshot takes the first", when(4.55), "snapshot 1 to 310: 100-200 200-300 300-400"},
		{"a time after the second snapshot; a commit time of elsewhere does not stop it", when(5.5), "snapshot 2 to 350: 200-300 300-400"},
		{"a time with no later commit is not proven", when(7), "unreachable"},
		{"a transaction", xid(21, false), "ambiguous"},
		{"a transaction of 64 bits", xid(1<<32|21, false), "snapshot 2 to 458: 200-300 300-400 400-500"},
		{"a transaction of 32 bits", xid(23, false), "snapshot 2 to 358: 200-300 300-400"},
		{"before a transaction", xid(23, true), "snapshot 2 to 350: 200-300 300-400"},
		{"before the first transaction", xid(10, true), "snapshot 1 to 120: 100-200"},
		{"a transaction below the second snapshot's position that it does not see", xid(20, false), "snapshot 1 to 258: 100-200 200-300"},
		{"a transaction of no log", xid(99, false), "unreachable"},
		{"a snapshot of one instant", named("0190"), "snapshot 1 to 110: instant"},
		{"a snapshot of two instants", named("0191"), "snapshot 2 to 270: 200-300"},
		{"two snapshots", named("019"), "ambiguous"},
		{"no snapshot", named("f"), "unreachable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := describe(c.choose(newWorld())); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestATimeIsFoundByNamesAlmostAlone(t *testing.T) {
	w := newWorld()
	if _, err := AtTime(w.bases()[:1], at(6.5), w.transactions); err != nil {
		t.Fatal(err)
	}
	if w.read != 1 {
		t.Errorf("%d segments read, want only that of the cut", w.read)
	}
}

func TestASnapshotJoinsOnlyItsOwnLogAndOnlyIfItBeganAfterTheSlot(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*format.Envelope)
		serves string
	}{
		{"as it is", func(*format.Envelope) {}, "snapshot 1 to 500: 100-200 200-300 300-400 400-500"},
		{"a transaction older than the slot is still running", func(e *format.Envelope) { e.Groups[0].Visibility.Xmin = 9 }, "snapshot 1 to 110: instant"},
		{"another log", func(e *format.Envelope) { e.Log = logB }, "snapshot 1 to 110: instant"},
		{"no log", func(e *format.Envelope) { e.Log = uuid.Nil }, "snapshot 1 to 110: instant"},
		{"another timeline", func(e *format.Envelope) { e.Timeline = 2 }, "snapshot 1 to 110: instant"},
		{"another database", func(e *format.Envelope) { e.DatabaseOID = 6 }, "snapshot 1 to 110: instant"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.envelopes = w.envelopes[:1]
			c.change(w.envelopes[0])
			if got := describe(Latest(w.bases())); got != c.serves {
				t.Errorf("got  %s\nwant %s", got, c.serves)
			}
		})
	}
}

func TestWindows(t *testing.T) {
	w := newWorld()
	w.envelopes = append(w.envelopes, envelope(uuid.MustParse("01920000-0000-7000-8000-000000000003"), uuid.Nil,
		format.Group{Visibility: format.Visibility{Xmin: 30, Xmax: 30}, LSN: 600, Time: at(20)}))
	got := ""
	for _, x := range Windows(w.bases()) {
		got += fmt.Sprintf("snapshot %d: %d to %d, minute %v to %v; ", x.Snapshot[15], x.From, x.To, x.FromTime.Sub(noon).Minutes(), x.ToTime.Sub(noon).Minutes())
	}
	want := "snapshot 1: 110 to 500, minute 0.5 to 7; snapshot 3: 600 to 600, minute 20 to 20; "
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestASnapshotOfSeveralInstantsNeedsItsLog(t *testing.T) {
	w := newWorld()
	w.envelopes = w.envelopes[1:]
	w.chains[0].Segments, w.chains[0].To = w.chains[0].Segments[:1], 200
	if got := describe(Latest(w.bases())); got != "unreachable" {
		t.Errorf("latest: %s", got)
	}
	if got := describe(OfSnapshot(w.bases(), snap2.String())); got != "unreachable" {
		t.Errorf("by id: %s", got)
	}
}
