package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/pgrecall/pgrecall/engine"
)

// size writes a number of bytes for people.
func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// when writes a time in UTC and in this machine's zone.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	const form = "2006-01-02 15:04:05.999999"
	utc, local := t.UTC(), t.Local()
	if _, offset := local.Zone(); offset == 0 {
		return utc.Format(form + "Z")
	}
	return utc.Format(form+"Z") + " (" + local.Format(form+"-07:00") + ")"
}

// columns writes rows in aligned columns; cells are separated by tabs.
func columns(w io.Writer, rows ...string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, row)
	}
	return t.Flush()
}

// point writes a recovery point that was reached.
func point(p engine.Point) string {
	text := "LSN " + p.LSN.String()
	if p.XID != 0 {
		text += fmt.Sprintf(", transaction %d", p.XID)
	}
	return text + ", " + when(p.Time)
}

// plural counts things.
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(int64(n)) + " " + one + "s"
}

// ratio tells how much smaller stored bytes are than raw ones.
func ratio(raw, stored int64) string {
	if stored == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", float64(raw)/float64(stored))
}
