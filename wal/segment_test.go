package wal

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal/pgoutput"
)

func text(values ...string) pgoutput.Tuple {
	var t pgoutput.Tuple
	for _, v := range values {
		t = append(t, pgoutput.Column{Kind: pgoutput.Text, Text: []byte(v)})
	}
	return t
}

func testRelation(oid uint32, columns ...string) *relation {
	r := &relation{layout: format.Layout{Table: oid, Schema: "public", Name: "t", ReplicaIdentity: "d"}}
	for _, c := range columns {
		r.layout.Columns = append(r.layout.Columns, format.LayoutColumn{Name: c, Type: 25, Typmod: -1})
	}
	return r
}

// buildSegment builds a segment of two transactions and the beginning of a third,
// and lets spoil change it before it is written.
func buildSegment(t testing.TB, spoil func(*segmentBuilder, *format.SegmentHead)) (format.SegmentName, []byte) {
	t.Helper()
	b, err := newSegmentBuilder(t.TempDir(), format.None, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	one, two := testRelation(1, "a", "b"), testRelation(2, "c")
	at := time.UnixMicro(1_000_000).UTC()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	b.begin(format.Transaction{XID: 7, CommitLSN: 110, Time: at})
	must(b.change(one, format.Insert, 0, nil, text("1", "x")))
	must(b.change(two, format.Insert, 0, nil, text("y")))
	b.message(format.Message{LSN: 105, Prefix: "pgrecall.mark", Content: "m"})
	b.commit(120)
	b.begin(format.Transaction{XID: 5, CommitLSN: 130, Time: at.Add(time.Second)})
	must(b.change(one, format.Update, 'K', text("1", "x"), text("2", "x")))
	must(b.truncate(two, true))
	b.commit(140)
	b.begin(format.Transaction{XID: 9, CommitLSN: 150, Time: at})
	must(b.change(one, format.Insert, 0, nil, text("3", "written")))
	must(b.flush(b.lanes[1])) // some of it is written before it turns out to be incomplete
	must(b.change(one, format.Insert, 0, nil, text("4", "held")))
	must(b.change(two, format.Insert, 0, nil, text("held")))
	b.message(format.Message{LSN: 145, Prefix: "pgrecall.mark", Content: "incomplete"})
	b.rollback()
	name := b.name()
	last := b.transactions[1]
	head := &format.SegmentHead{Log: uuid.New(), Last: format.LastCommit{XID: last.XID, CommitLSN: last.CommitLSN, EndLSN: last.EndLSN, Time: last.Time, Hash: "00"}}
	if spoil != nil {
		spoil(b, head)
	}
	r, err := b.finish(head, at)
	must(err)
	raw, err := io.ReadAll(r)
	must(err)
	return name, raw
}

func segmentRecords(t testing.TB, s *Segment, table uint32) ([]string, error) {
	t.Helper()
	var got []string
	err := s.Records(t.Context(), table, func(r format.Record) error {
		got = append(got, describeRecord(s.Layouts()[r.Layout], r))
		return nil
	})
	return got, err
}

func TestASegmentReadsAsItWasBuiltWithoutWhatDidNotCommit(t *testing.T) {
	name, raw := buildSegment(t, nil)
	s, err := openSegment(t.Context(), name, raw)
	if err != nil {
		t.Fatal(err)
	}
	one, err := segmentRecords(t, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	wantChanges(t, one, "public.t I (1|x)", "public.t U K(1|x) (2|x)")
	two, err := segmentRecords(t, s, 2)
	if err != nil {
		t.Fatal(err)
	}
	wantChanges(t, two, "public.t I (y)", "public.t T restart")
	if none, err := segmentRecords(t, s, 3); len(none) > 0 || err != nil {
		t.Errorf("of a table it does not hold: %v, %v", none, err)
	}
	if m := s.Messages(); len(m) != 1 || m[0].Content != "m" || m[0].Txn != 0 {
		t.Errorf("messages are %+v", m)
	}
	if h := s.Head(); h.From != 100 || h.To != 140 || h.Resume != 120 {
		t.Errorf("head is %+v", h)
	}
	if name.MinXID != 5 || name.MaxXID != 7 || !slices.Equal(s.Tables(), []uint32{1, 2}) {
		t.Errorf("name is %s, tables %v", name, s.Tables())
	}
	stop := errors.New("enough")
	if err := s.Records(t.Context(), 1, func(format.Record) error { return stop }); err != stop {
		t.Errorf("error is %v", err)
	}
}

func TestASegmentUnderAnotherNameIsCorrupt(t *testing.T) {
	name, raw := buildSegment(t, nil)
	for what, change := range map[string]func(*format.SegmentName){
		"from":     func(n *format.SegmentName) { n.From-- },
		"to":       func(n *format.SegmentName) { n.To++ },
		"min time": func(n *format.SegmentName) { n.MinTime = n.MinTime.Add(-time.Second) },
		"max time": func(n *format.SegmentName) { n.MaxTime = n.MaxTime.Add(time.Second) },
		"min xid":  func(n *format.SegmentName) { n.MinXID-- },
		"max xid":  func(n *format.SegmentName) { n.MaxXID++ },
	} {
		wrong := name
		change(&wrong)
		if _, err := openSegment(t.Context(), wrong, raw); !errors.Is(err, format.ErrCorrupt) {
			t.Errorf("%s: error is %v", what, err)
		}
	}
}

func TestASegmentWhosePartsDisagreeIsCorrupt(t *testing.T) {
	for what, spoil := range map[string]func(*segmentBuilder, *format.SegmentHead){
		"no transactions":       func(b *segmentBuilder, _ *format.SegmentHead) { b.transactions = nil },
		"a transaction missing": func(b *segmentBuilder, _ *format.SegmentHead) { b.transactions = b.transactions[1:] },
		"the last one is other": func(_ *segmentBuilder, h *format.SegmentHead) { h.Last.XID++ },
		"its time is other":     func(_ *segmentBuilder, h *format.SegmentHead) { h.Last.Time = time.UnixMicro(0).UTC() },
		"resumes elsewhere":     func(b *segmentBuilder, _ *format.SegmentHead) { b.resume-- },
		"begins later":          func(b *segmentBuilder, _ *format.SegmentHead) { b.from = 111 },
		"a layout missing":      func(b *segmentBuilder, _ *format.SegmentHead) { b.layouts = b.layouts[:1] },
		"a layout of another":   func(b *segmentBuilder, _ *format.SegmentHead) { b.layouts[0].Table = 3 },
		"a column less":         func(b *segmentBuilder, _ *format.SegmentHead) { b.layouts[0].Columns = b.layouts[0].Columns[1:] },
		"a row more":            func(b *segmentBuilder, _ *format.SegmentHead) { b.transactions[0].Tables[0].Inserted++ },
		"an operation is other": func(b *segmentBuilder, _ *format.SegmentHead) {
			b.transactions[1].Tables[0].Updated, b.transactions[1].Tables[0].Deleted = 0, 1
		},
		"a message of nobody":    func(b *segmentBuilder, _ *format.SegmentHead) { b.messages[0].Txn = 2 },
		"commits elsewhere":      func(b *segmentBuilder, _ *format.SegmentHead) { b.transactions[0].CommitLSN = 105 },
		"a table's lane is lost": func(b *segmentBuilder, _ *format.SegmentHead) { delete(b.lanes, 2) },
	} {
		name, raw := buildSegment(t, spoil)
		s, err := openSegment(t.Context(), name, raw)
		for _, table := range []uint32{1, 2, 3} {
			if err == nil {
				_, err = segmentRecords(t, s, table)
			}
		}
		if !errors.Is(err, format.ErrCorrupt) {
			t.Errorf("%s: error is %v", what, err)
		} else if !strings.Contains(err.Error(), name.String()) {
			t.Errorf("%s: the error does not name the object: %v", what, err)
		}
	}
}

func TestEveryFlippedByteOfASegmentIsFound(t *testing.T) {
	name, raw := buildSegment(t, nil)
	for i := range raw {
		spoiled := slices.Clone(raw)
		spoiled[i] ^= 0x10
		s, err := openSegment(t.Context(), name, spoiled)
		for _, table := range []uint32{1, 2} {
			if err == nil {
				_, err = segmentRecords(t, s, table)
			}
		}
		if !errors.Is(err, format.ErrCorrupt) {
			t.Fatalf("byte %d: error is %v", i, err)
		}
	}
}
