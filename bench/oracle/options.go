package oracle

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Options say what a run does. Only Seed need be given: zero values are those of a short run.
type Options struct {
	// Seed makes the workload, the moments of the points and of the kills. How they interleave is up to the machine.
	Seed uint64
	// Points is the number of instants at which the truth is taken; 0 is 30. Every tenth holds the writers for a
	// moment and gives four targets: a mark, a time, a transaction and before it.
	Points int
	// Writers is the number of concurrent writers; 0 is 4.
	Writers int
	// Duration spreads the points over at least this time; 0 is 1.5 s for each.
	Duration time.Duration
	// KillEvery is the mean time after which `stream` is killed; 0 is 3 s, negative never kills, neither stream nor snapshot.
	KillEvery time.Duration
	// SnapshotEvery is the mean pause between two snapshots; 0 is 4 s. About half of them are killed.
	SnapshotEvery time.Duration
	// Crashes is how often the whole source server is killed with kill -9 and started again.
	Crashes int
	// Jobs is how many points are restored at a time; 0 is 2.
	Jobs int
	// Program is the pgrecall binary; empty builds it with `go build` from the module of the working folder.
	Program string
	// Dir holds the servers, the repository and the truths; empty is a temporary folder. It is removed after a run without
	// failures, and kept, and named in the report, after one with.
	Dir string
	// PostgreSQL is the folder of the server programs; empty searches.
	PostgreSQL string
	// Log gets a line for what happens; nil is silent.
	Log io.Writer
}

func (o Options) withDefaults() Options {
	if o.Points == 0 {
		o.Points = 30
	}
	if o.Writers == 0 {
		o.Writers = 4
	}
	if o.Duration == 0 {
		o.Duration = time.Duration(o.Points) * 1500 * time.Millisecond
	}
	if o.KillEvery == 0 {
		o.KillEvery = 3 * time.Second
	}
	if o.SnapshotEvery == 0 {
		o.SnapshotEvery = 4 * time.Second
	}
	if o.Jobs == 0 {
		o.Jobs = 2
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	return o
}

// Repeat is the command line that repeats the run.
func (o Options) Repeat() string {
	o = o.withDefaults()
	return fmt.Sprintf("go run ./bench oracle --seed %d --points %d --writers %d --duration %s --kill-every %s --snapshot-every %s --crashes %d",
		o.Seed, o.Points, o.Writers, o.Duration, o.KillEvery, o.SnapshotEvery, o.Crashes)
}

// Report is what a run found.
type Report struct {
	Options Options
	// Points is the number of recovery targets tried. Restored of them were equal whole, TablesRestored with one table alone;
	// Refused were refused by the planner, which is a failure too.
	Points, Restored, TablesRestored, Refused int
	// Disturbed is the number of moments at which no truth could be had.
	Disturbed int
	// Committed transactions, and those rolled back.
	Committed, RolledBack int64
	// Snapshots completed after the first; kills of snapshot, of stream, of the server.
	Snapshots, SnapshotKills, StreamKills, Crashes int
	// Failures say what differs, point by point.
	Failures []string
	// Dir is where the run's folder is kept, empty if it was removed.
	Dir string
}

// OK tells that nothing failed and every point was restored.
func (r Report) OK() bool { return len(r.Failures) == 0 && r.Points > 0 && r.Restored == r.Points }

// String is the report for people.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "oracle, seed %d: %d points tried, %d restored equal, %d of them with one table alone, %d refused, %d failures\n",
		r.Options.Seed, r.Points, r.Restored, r.TablesRestored, r.Refused, len(r.Failures))
	fmt.Fprintf(&b, "  %d transactions committed, %d rolled back; %d snapshots; killed: stream %d times, snapshot %d times, the server "+
		"%d times; %d moments without a truth\n",
		r.Committed, r.RolledBack, r.Snapshots, r.StreamKills, r.SnapshotKills, r.Crashes, r.Disturbed)
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "  FAILED %s\n", f)
	}
	if r.Dir != "" {
		fmt.Fprintf(&b, "  kept: %s\n", r.Dir)
	}
	if !r.OK() {
		fmt.Fprintf(&b, "  repeat: %s\n", r.Options.Repeat())
	}
	return b.String()
}
