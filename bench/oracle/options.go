package oracle

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
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
	// DDL lets migrations run beside the writers: one each DDLEvery on average (0 is 5 s), and each BurstEvery (0 is 3 min) ten without a
	// pause. Rewrites of a hundred that could rewrite a table, or change how values are written, do.
	DDL                  bool
	DDLEvery, BurstEvery time.Duration
	Rewrites             int
	// MaxRefused is how many of a hundred points with DDL may be refused, those in bursts and those tried again over all of the log aside.
	MaxRefused float64
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
	kill, snapshot := 3*time.Second, 4*time.Second
	if o.DDL {
		kill, snapshot = 20*time.Second, 20*time.Second
	}
	o.KillEvery, o.SnapshotEvery = cmp.Or(o.KillEvery, kill), cmp.Or(o.SnapshotEvery, snapshot)
	o.DDLEvery, o.BurstEvery = cmp.Or(o.DDLEvery, 5*time.Second), cmp.Or(o.BurstEvery, 3*time.Minute)
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
	command := fmt.Sprintf("go run ./bench oracle --seed %d --points %d --writers %d --duration %s --kill-every %s --snapshot-every %s --crashes %d",
		o.Seed, o.Points, o.Writers, o.Duration, o.KillEvery, o.SnapshotEvery, o.Crashes)
	if o.DDL {
		command += fmt.Sprintf(" --ddl --ddl-every %s --burst-every %s --rewrites %d --max-refused %g", o.DDLEvery, o.BurstEvery, o.Rewrites, o.MaxRefused)
	}
	return command
}

// Report is what a run found.
type Report struct {
	Options Options
	// Points is the number of recovery targets tried. Restored of them were equal whole, TablesRestored with one table alone;
	// Refused were refused by the planner. Without DDL that is a failure.
	Points, Restored, TablesRestored, Refused int
	// Contradicted is the number of points, among those restored equal, at which the source's rows contradicted its own constraints.
	Contradicted int
	// OfKind and RefusedOfKind count the same points by how they were chosen, Reasons the refusals by why.
	OfKind, RefusedOfKind [pointKinds]int
	Reasons               map[string]int
	// Migrations tells which were made, and how often.
	Migrations string
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

// OK tells that nothing failed and every point was restored, or with DDL no more were refused than may be.
func (r Report) OK() bool {
	judged, refused := r.OfKind[pointAtRandom]+r.OfKind[pointOfDDL], r.RefusedOfKind[pointAtRandom]+r.RefusedOfKind[pointOfDDL]
	return len(r.Failures) == 0 && r.Points > 0 && r.Restored+r.Refused == r.Points && float64(refused) <= float64(judged)*r.Options.MaxRefused/100
}

// String is the report for people.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "oracle, seed %d: %d points tried, %d restored equal, %d of them with one table alone, %d refused, %d failures\n",
		r.Options.Seed, r.Points, r.Restored, r.TablesRestored, r.Refused, len(r.Failures))
	fmt.Fprintf(&b, "  %d transactions committed, %d rolled back; %d snapshots; killed: stream %d times, snapshot %d times, the server "+
		"%d times; %d moments without a truth\n",
		r.Committed, r.RolledBack, r.Snapshots, r.StreamKills, r.SnapshotKills, r.Crashes, r.Disturbed)
	if r.Contradicted > 0 {
		fmt.Fprintf(&b, "  at %d points the source's own rows contradicted its constraints\n", r.Contradicted)
	}
	if r.Options.DDL {
		for kind, what := range []string{"at random moments", "beside single migrations", "in bursts of migrations", "once more from the first snapshot"} {
			fmt.Fprintf(&b, "  %s: %d points, %d refused\n", what, r.OfKind[kind], r.RefusedOfKind[kind])
		}
		fmt.Fprintf(&b, "  migrations: %s\n", r.Migrations)
		for _, why := range slices.Sorted(maps.Keys(r.Reasons)) {
			fmt.Fprintf(&b, "  refused %d times: %s\n", r.Reasons[why], why)
		}
	}
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
