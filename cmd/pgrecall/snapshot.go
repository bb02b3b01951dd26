package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/snapshot"
	"github.com/spf13/cobra"
)

func newSnapshot(s *session) *cobra.Command {
	var o engine.SnapshotOptions
	var excluded []string
	var all databases
	var objects, noObjects bool
	c := &cobra.Command{
		Use:   "snapshot",
		Short: "Take a consistent snapshot: catalog and rows",
		Long: `Takes a consistent snapshot of the source with parallel COPY. After init it joins
the log; without init it is a full dump of its own. The snapshot's id is the last
line of the output.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.needRepo(); err != nil {
				return err
			}
			if err := all.check(); err != nil {
				return err
			}
			switch {
			case objects && noObjects:
				return usagef("--large-objects and --no-large-objects: give one")
			case objects:
				o.LargeObjects = snapshot.LargeObjectsAlways
			case noObjects:
				o.LargeObjects = snapshot.LargeObjectsNever
			}
			o.ExcludeTables = append(o.ExcludeTables, excluded...)
			o.Place, o.Tracer = s.place(), s.console()
			if all.all {
				r, err := engine.SnapshotDatabases(cmd.Context(), o, all.exclude)
				if r == nil {
					return err
				}
				return errors.Join(s.result(r, func(w io.Writer) error { return printSnapshots(w, r) }), err)
			}
			r, err := engine.Snapshot(cmd.Context(), o)
			if err != nil {
				return err
			}
			return s.result(r, func(w io.Writer) error { return printSnapshot(w, r) })
		},
	}
	addDB(c, &o.DB)
	f := c.Flags()
	f.IntVarP(&o.Jobs, "jobs", "j", 0, "COPY workers (default min(4, cores))")
	f.StringArrayVarP(&o.Tables, "table", "t", nil, "only tables that match the `pattern`, as psql's; repeatable")
	f.StringArrayVarP(&o.ExcludeTables, "exclude-table", "T", nil,
		"leave out the rows of tables that match the `pattern`; repeatable (what the tables are is always in)")
	f.StringArrayVar(&excluded, "exclude-table-data", nil, "the same: no rows of tables that match the `pattern`; repeatable")
	f.BoolVarP(&o.SchemaOnly, "schema-only", "s", false, "no rows at all")
	f.StringArrayVarP(&o.Schemas, "schema", "n", nil, "only schemas that match the `pattern`; repeatable")
	f.BoolVarP(&objects, "large-objects", "b", false, "copy large objects also where --table or --schema chooses")
	f.BoolVarP(&noObjects, "no-large-objects", "B", false, "leave large objects out")
	f.StringVar(&o.Compression, "compression", "lz4", "`lz4, zstd or none`")
	f.DurationVar(&o.WaitTimeout, "wait-timeout", 0, "how long to wait for a transaction or a lock of somebody else; 0 waits until it ends")
	all.add(f, "every database of the server, each as a source of its own; --db names any of them")
	addNoRolePasswords(f, &o.NoRolePasswords)
	return s.addJSON(c)
}

func printSnapshot(w io.Writer, r *engine.SnapshotResult) error {
	what := plural(r.Tables, "table")
	if r.LargeObjects > 0 {
		what += ", " + plural(r.LargeObjects, "large object")
	}
	fmt.Fprintf(w, "%s, %s in %s; %s stored of %s (ratio %s) in %v\n", what,
		plural(int(r.Rows), "row"), plural(r.Parts, "part"), size(r.StoredBytes), size(r.RawBytes),
		ratio(r.RawBytes, r.StoredBytes), r.Finished.Sub(r.Started).Round(time.Millisecond))
	if r.Log == uuid.Nil {
		fmt.Fprintln(w, "joins no log: it can be restored as of its own instant only (init begins a log)")
	} else {
		fmt.Fprintf(w, "serves recovery points from LSN %s on\n", r.LSN)
	}
	if len(r.Unsupported) > 0 {
		fmt.Fprintf(w, "NOT in this snapshot: %s\n", plural(len(r.Unsupported), "object"))
		for _, what := range r.Unsupported {
			fmt.Fprintf(w, "  %s\n", what)
		}
	}
	for _, what := range r.Unread {
		fmt.Fprintf(w, "NOT in this snapshot: %s by the role of the connection\n", what)
	}
	fmt.Fprintln(w, r.ID)
	return nil
}
