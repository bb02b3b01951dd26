package format_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pgrecall/pgrecall/format"
)

// bytesOf draws bytes with many that rows treat in a special way.
func bytesOf() *rapid.Generator[[]byte] {
	special := rapid.SampledFrom([]byte("\t\n\r\b\f\v\\\\Nu.,x\x00\x01\x7f\x80\xff"))
	return rapid.OneOf(rapid.SliceOfN(special, 0, 12), rapid.SliceOfN(rapid.Byte(), 0, 40))
}

func TestFieldsOfARowComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// A nil value is null.
		values := rapid.SliceOfN(rapid.OneOf(bytesOf(), rapid.Just[[]byte](nil)), 1, 8).Draw(t, "values")
		var row []byte
		for i, v := range values {
			if i > 0 {
				row = append(row, '\t')
			}
			if v == nil {
				row = append(row, format.Null...)
			} else {
				row = format.AppendField(row, v)
			}
		}
		if bytes.IndexByte(row, '\n') >= 0 {
			t.Fatalf("the row holds a newline: %q", row)
		}
		fields := format.SplitRow(nil, row)
		if len(fields) != len(values) {
			t.Fatalf("%d fields, want %d: %q", len(fields), len(values), row)
		}
		for i, f := range fields {
			got, null, err := format.UnescapeField([]byte("before"), f)
			if err != nil || null != (values[i] == nil) || string(got) != "before"+string(values[i]) {
				t.Fatalf("field %q is %q, %v, %v; want %q", f, got, null, err, values[i])
			}
		}
	})
}

func TestContentHashKnowsNoOrderAndTakesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(bytesOf(), 0, 10).Draw(t, "rows")
		var all format.ContentHash
		for _, r := range rows {
			all.AddRow(r)
		}
		cut := rapid.IntRange(0, len(rows)).Draw(t, "cut")
		var first, second format.ContentHash
		for _, r := range slices.Backward(rows[:cut]) {
			first.AddRow(r)
		}
		for _, r := range slices.Backward(rows[cut:]) {
			second.AddRow(r)
		}
		second.Add(first)
		if second != all {
			t.Fatalf("%v in another order, want %v", second, all)
		}
		for _, r := range rows[cut:] {
			second.SubRow(r)
		}
		if second != first {
			t.Fatalf("%v after taking back, want %v", second, first)
		}
		var text format.ContentHash
		b, err := all.MarshalText()
		if err != nil || text.UnmarshalText(b) != nil || text != all {
			t.Fatalf("%v comes back as %v", all, text)
		}
	})
}

func TestContentHashCountsEqualRows(t *testing.T) {
	var once, twice, other format.ContentHash
	once.AddRow([]byte("1\ta"))
	twice.AddRow([]byte("1\ta"))
	twice.AddRow([]byte("1\ta"))
	other.AddRow([]byte("1\tb"))
	if once == twice || once == other || twice == (format.ContentHash{}) {
		t.Errorf("hashes of other rows are equal: %v, %v, %v", once, twice, other)
	}
	// XXH3-128 of the empty input, as its reference implementation gives it: high 99aa06d3014798d8,
	// low 6001c324468d497f.
	var empty format.ContentHash
	empty.AddRow(nil)
	if want := "7f498d4624c30160d8984701d306aa99"; empty.String() != want {
		t.Errorf("the hash of an empty row is %v, want %s", empty, want)
	}
}

func drawRecord(t *rapid.T) format.Record {
	row := rapid.Map(bytesOf(), func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte(`\n`)) })
	r := format.Record{
		Op:     rapid.SampledFrom([]format.Op{format.Insert, format.Update, format.Delete, format.Truncate}).Draw(t, "op"),
		Txn:    rapid.Uint32().Draw(t, "txn"),
		Layout: rapid.Uint32().Draw(t, "layout"),
	}
	switch r.Op {
	case format.Truncate:
		r.RestartSequences = rapid.Bool().Draw(t, "restart")
	case format.Update:
		r.OldKind = rapid.SampledFrom([]byte{format.OldNone, format.OldKey, format.OldFull}).Draw(t, "old kind")
	case format.Delete:
		r.OldKind = rapid.SampledFrom([]byte{format.OldKey, format.OldFull}).Draw(t, "old kind")
	}
	if r.OldKind != format.OldNone {
		r.Old = row.Draw(t, "old")
	}
	if r.Op == format.Insert || r.Op == format.Update {
		r.New = row.Draw(t, "new")
	}
	return r
}

func TestRecordsOfALaneComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOf(rapid.Custom(drawRecord)).Draw(t, "records")
		var lane []byte
		for _, r := range records {
			lane = format.AppendRecord(lane, r)
		}
		rest := lane
		for i, want := range records {
			var got format.Record
			var err error
			if got, rest, err = format.NextRecord(rest); err != nil {
				t.Fatal(err)
			}
			same := got.Op == want.Op && got.Txn == want.Txn && got.Layout == want.Layout && got.OldKind == want.OldKind &&
				got.RestartSequences == want.RestartSequences && bytes.Equal(got.Old, want.Old) && bytes.Equal(got.New, want.New)
			if !same {
				t.Fatalf("record %d is %+v, want %+v", i, got, want)
			}
		}
		if len(rest) != 0 {
			t.Fatalf("%d bytes are left", len(rest))
		}
		if n := len(lane); n > 0 {
			cut := rapid.IntRange(0, n-1).Draw(t, "cut")
			b, seen := lane[:cut], 0
			for len(b) > 0 {
				var err error
				if _, b, err = format.NextRecord(b); err != nil {
					break
				}
				seen++
			}
			if seen == len(records) {
				t.Fatal("a lane cut short gives all its records")
			}
		}
	})
}

func TestAnImpossibleRecordIsNeverWritten(t *testing.T) {
	for name, r := range map[string]format.Record{
		"unknown operation":          {Op: 'X'},
		"delete without old row":     {Op: format.Delete},
		"insert with old row":        {Op: format.Insert, OldKind: format.OldKey},
		"unknown kind of old row":    {Op: format.Update, OldKind: 'N'},
		"newline in the new row":     {Op: format.Insert, New: []byte("a\nb")},
		"newline in the old row":     {Op: format.Delete, OldKind: format.OldFull, Old: []byte("\n")},
		"insert restarts a sequence": {Op: format.Insert, RestartSequences: true},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it was written")
				}
			}()
			format.AppendRecord(nil, r)
		})
	}
}

func TestTransactionsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []format.Transaction
		at := format.LSN(rapid.Uint64Max(1<<62).Draw(t, "from"))
		for range rapid.IntRange(0, 6).Draw(t, "transactions") {
			x := format.Transaction{XID: rapid.Uint64().Draw(t, "xid"), Origin: rapid.Bool().Draw(t, "origin"),
				Time: time.UnixMicro(rapid.Int64Range(-1<<55, 1<<55).Draw(t, "time")).UTC()}
			x.CommitLSN = at + format.LSN(rapid.Uint32().Draw(t, "between"))
			x.EndLSN = x.CommitLSN + format.LSN(rapid.Uint32Min(1).Draw(t, "length"))
			at = x.EndLSN
			for range rapid.IntRange(0, 3).Draw(t, "tables") {
				x.Tables = append(x.Tables, format.TableCount{Layout: rapid.Uint32().Draw(t, "layout"), Inserted: rapid.Uint64().Draw(t, "inserted"),
					Updated: rapid.Uint64().Draw(t, "updated"), Deleted: rapid.Uint64().Draw(t, "deleted"), Truncated: rapid.Uint64().Draw(t, "truncated")})
			}
			want = append(want, x)
		}
		got, err := format.ParseTransactions(format.AppendTransactions(nil, want))
		if err != nil {
			t.Fatal(err)
		}
		same := slices.EqualFunc(got, want, func(a, b format.Transaction) bool {
			return a.XID == b.XID && a.CommitLSN == b.CommitLSN && a.EndLSN == b.EndLSN && a.Time.Equal(b.Time) &&
				a.Origin == b.Origin && slices.Equal(a.Tables, b.Tables)
		})
		if !same {
			t.Fatalf("%+v, want %+v", got, want)
		}
	})
}

func TestSegmentNamesComeBackAndSortByTheirBeginning(t *testing.T) {
	draw := rapid.Custom(func(t *rapid.T) format.SegmentName {
		n := format.SegmentName{From: format.LSN(rapid.Uint64Max(1<<63).Draw(t, "from")), MinXID: rapid.Uint64Max(1<<63).Draw(t, "xid")}
		n.To = n.From + format.LSN(rapid.Uint32Min(1).Draw(t, "length"))
		n.MaxXID = n.MinXID + uint64(rapid.Uint32().Draw(t, "xids"))
		if rapid.Bool().Draw(t, "local") {
			n.MinTime = time.UnixMicro(rapid.Int64Range(0, 1<<57).Draw(t, "time")).UTC()
			n.MaxTime = n.MinTime.Add(time.Duration(rapid.Uint32().Draw(t, "duration")) * time.Microsecond)
		}
		return n
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		if parsed, err := format.ParseSegmentName(a.String()); err != nil || parsed != a {
			t.Fatalf("the name %v comes back as %v, %v", a, parsed, err)
		}
		if a.From < b.From && a.String() >= b.String() {
			t.Fatalf("%v sorts after %v", a, b)
		}
	})
}

func TestAVisibilitySeesWhatHadFinished(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xmin := rapid.Uint64Range(1, 50).Draw(t, "xmin")
		v := format.Visibility{Xmin: xmin, Xmax: xmin + rapid.Uint64Range(0, 20).Draw(t, "width")}
		running := map[uint64]bool{}
		for xid := v.Xmin; xid < v.Xmax; xid++ {
			if rapid.Bool().Draw(t, "running") {
				running[xid] = true
				v.InProgress = append(v.InProgress, xid)
			}
		}
		again, err := format.ParseVisibility(v.String())
		if err != nil || again.String() != v.String() {
			t.Fatalf("%v comes back as %v, %v", v, again, err)
		}
		for xid := range v.Xmax + 10 {
			if want := xid < v.Xmax && !running[xid]; again.Sees(xid) != want {
				t.Fatalf("%v sees %d: %v, want %v", v, xid, !want, want)
			}
		}
	})
}
