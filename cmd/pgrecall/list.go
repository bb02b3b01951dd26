package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/format"
	"github.com/spf13/cobra"
)

func newList(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List snapshots, the log, recovery windows and gaps of every source, or of the one named by --source",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.needRepo(); err != nil {
				return err
			}
			r, err := engine.List(cmd.Context(), engine.ListOptions{Place: s.place(), Tracer: s.console()})
			if err != nil {
				return err
			}
			return s.result(r, func(w io.Writer) error {
				for _, source := range r.Sources {
					if err := printSource(w, source); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	return s.addJSON(c)
}

func printSource(w io.Writer, s engine.SourceInfo) error {
	fmt.Fprintf(w, "source %s: database %s of system %s, %s stored\n", s.Source, s.Database, s.SystemID, size(s.StoredBytes))
	rows := []string{}
	for _, n := range s.Snapshots {
		rows = append(rows, fmt.Sprintf("  %s\t%s\t%s\t%s\t%s", n.ID, when(n.Time), n.LSN, plural(int(n.Rows), "row"), size(n.StoredBytes)))
	}
	fmt.Fprintf(w, "%s\n", plural(len(s.Snapshots), "snapshot"))
	if err := columns(w, rows...); err != nil {
		return err
	}
	printInexact(w, s.Snapshots)
	if err := printVersions(w, s.Versions); err != nil {
		return err
	}
	for _, l := range s.Logs {
		fmt.Fprintf(w, "log %s: %s to %s, %s, %s\n", l.Log, l.From, l.To, plural(l.Segments, "segment"), size(l.StoredBytes))
		if l.Watched {
			fmt.Fprintln(w, "  without event triggers: DDL is noticed by looking with each segment; targets between two looks that saw different objects, and of tables changed or made until they were copied anew, are refused")
		}
	}
	for _, v := range s.Windows {
		if v.Log == uuid.Nil {
			fmt.Fprintf(w, "recovery point %s (LSN %s), of snapshot %s alone\n", when(v.FromTime), v.From, v.Snapshot)
			continue
		}
		fmt.Fprintf(w, "recovery window %s to %s (LSN %s to %s)\n", when(v.FromTime), when(v.ToTime), v.From, v.To)
	}
	for _, g := range s.Gaps {
		to := "an unknown end"
		if g.To != 0 {
			to = g.To.String()
		}
		fmt.Fprintf(w, "GAP from %s to %s, noted %s: %s\n", g.From, to, when(g.Noted), g.Reason)
	}
	return nil
}

// printVersions tells the copies of tables apart from versions of the catalog alone.
func printVersions(w io.Writer, versions []engine.VersionInfo) error {
	var copies []string
	alone, latest := 0, engine.VersionInfo{}
	for _, v := range versions {
		if v.CopiedTables == 0 {
			alone, latest = alone+1, v
			continue
		}
		copies = append(copies, fmt.Sprintf("  %s\t%s\t%s\t%s, %s\t%s", v.ID, when(v.Time), v.LSN, plural(v.CopiedTables, "table"), plural(int(v.Rows), "row"), size(v.StoredBytes)))
	}
	if alone > 0 {
		fmt.Fprintf(w, "%s of the catalog alone, taken after DDL, the latest %s (LSN %s)\n", plural(alone, "version"), when(latest.Time), latest.LSN)
	}
	if len(copies) == 0 {
		return nil
	}
	noun := "copies"
	if len(copies) == 1 {
		noun = "copy"
	}
	fmt.Fprintf(w, "%d %s of tables that DDL rewrote, which begin anew with it\n", len(copies), noun)
	return columns(w, copies...)
}

// printInexact says what cannot be exact, once for each run of snapshots of which the same is to be said.
func printInexact(w io.Writer, snapshots []engine.SnapshotInfo) {
	before := ""
	for _, n := range snapshots {
		if said := inexact(n.Inexact); said != before {
			fmt.Fprintf(w, "from snapshot %s on: %s\n", n.ID, cmp.Or(said, "all is exact"))
			before = said
		}
	}
}

// inexact says in words what a restore from a snapshot does not bring back as it was; empty: there is nothing.
func inexact(n *format.Inexact) string {
	if n == nil {
		return "what cannot be exact was not counted (show names it)"
	}
	var own, refreshed, missing []string
	count := func(list *[]string, count int64, before, one, after string) {
		if count > 0 {
			*list = append(*list, before+plural(int(count), one)+after)
		}
	}
	count(&own, n.UnloggedTables, "", "unlogged table", "")
	count(&own, n.UnfollowedTables, "", "table", " that no log can follow")
	count(&own, n.LargeObjects, "", "large object", "")
	count(&refreshed, n.MaterializedViews, "", "materialized view", "")
	count(&missing, n.SkippedTables, "the rows of ", "table", "")
	count(&missing, n.SkippedLargeObjects, "", "large object", "")
	count(&missing, n.Unsupported, "", "object", " of kinds not handled or not readable")
	var said []string
	for _, group := range []struct {
		how  string
		what []string
	}{{"not exact at any point but the snapshot's own", own}, {"refreshed by a restore, not copied", refreshed}, {"not in it", missing}} {
		if len(group.what) > 0 {
			said = append(said, group.how+": "+strings.Join(group.what, ", "))
		}
	}
	if len(said) == 0 {
		return ""
	}
	return strings.Join(said, "; ") + " (show names them)"
}
