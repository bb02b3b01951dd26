package engine

import "testing"

// TestAStreamTellsWhatItMadeDurable holds the numbers of two streams against what lies in the repository.
func TestAStreamTellsWhatItMadeDurable(t *testing.T) {
	place, db := protect(t, schema...)
	exec(t, db, "DELETE FROM users WHERE id = 1", "DELETE FROM users WHERE id = 2", "DELETE FROM users WHERE id = 3")
	first := drain(t, place, db)
	exec(t, db, "DELETE FROM users WHERE id = 4")
	second := drain(t, place, db)
	opened, err := place.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	source, err := opened.source(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	h, err := hold(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	var want StreamResult
	past := h.chains[0].Log.ConsistentPoint
	for _, s := range h.chains[0].Segments {
		seg, err := h.openSegment(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		want.Segments++
		want.StoredBytes += s.Size
		want.Transactions += int64(len(seg.Transactions()))
		past = s.To
	}
	got := StreamResult{Segments: first.Segments + second.Segments, StoredBytes: first.StoredBytes + second.StoredBytes, Transactions: first.Transactions + second.Transactions}
	if got.Segments != want.Segments || got.StoredBytes != want.StoredBytes || got.Transactions != want.Transactions || got.Transactions < 4 {
		t.Errorf("told of %+v, and there is %+v", got, want)
	}
	if first.From != h.chains[0].Log.ConsistentPoint || first.To != second.From || second.To != past {
		t.Errorf("from %v to %v, and from %v to %v; the log ends at %v", first.From, first.To, second.From, second.To, past)
	}
}
