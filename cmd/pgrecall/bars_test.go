package main

import (
	"io"
	"testing"
	"time"

	"github.com/pgrecall/pgrecall/engine"
)

func TestBarsEndWhateverWasToldOfThem(t *testing.T) {
	b := newBars(io.Discard)
	for i := range 3 * tableBars {
		name := string(rune('a' + i))
		b.update(engine.Progress{Phase: "data", Table: name, Rows: 1, Bytes: 10, TotalBytes: 1000})
		b.update(engine.Progress{Phase: "data", Rows: 1, Bytes: 10, TotalBytes: 0})
		if i != 5 { // one that never ends
			b.update(engine.Progress{Phase: "data", Table: name, Rows: 1, Bytes: 20, TotalBytes: 20, Done: true})
		}
	}
	if len(b.open) != 2 {
		t.Errorf("%d bars are open, want the whole's and that of the table that never ended", len(b.open))
	}
	b.update(engine.Progress{Phase: "data", Bytes: 30, TotalBytes: 30, Done: true})
	b.update(engine.Progress{Phase: "post-data", Rows: 1, TotalRows: 2})
	closed := make(chan struct{})
	go func() {
		b.close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatal("the bars never ended")
	}
}

func TestProgressLinesTellRowsBytesRateAndTheTimeToGo(t *testing.T) {
	got := progressLine(engine.Progress{Phase: "data", Rows: 1000, Bytes: 1 << 20, TotalBytes: 4 << 20, Elapsed: 2 * time.Second})
	if want := "data: 1,000 rows, 1.0 MiB, 512 KiB/s, 6s to go (25%)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	got = progressLine(engine.Progress{Phase: "post-data", Rows: 3, TotalRows: 12, Elapsed: 2 * time.Second})
	if want := "post-data: 3 of 12 (25%)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
