package main

import (
	"fmt"
	"io"
	"time"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/spf13/cobra"
)

func newShow(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "show [SNAPSHOT]",
		Short: "Show a snapshot: tables, rows, bytes, parts, ratio (default: the newest)",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.needRepo(); err != nil {
				return err
			}
			o := engine.ShowOptions{Place: s.place(), Tracer: s.console()}
			if len(args) == 1 {
				o.Snapshot = args[0]
			}
			r, err := engine.Show(cmd.Context(), o)
			if err != nil {
				return err
			}
			return s.result(r, func(w io.Writer) error { return printShow(w, r) })
		},
	}
	return s.addJSON(c)
}

func printShow(w io.Writer, r *engine.ShowResult) error {
	partial, what := "", "snapshot"
	switch {
	case r.CatalogVersion && len(r.Tables) > 0:
		what = "copy of tables"
	case r.CatalogVersion:
		what = "version of the catalog"
	case r.Partial:
		partial = ", partial: some tables were left out"
	}
	fmt.Fprintf(w, "%s %s of %s as of %s, LSN %s%s\n", what, r.ID, r.Source, when(r.Time), r.LSN, partial)
	fmt.Fprintf(w, "PostgreSQL %d, encoding %s, taken in %v\n",
		r.ServerVersion/10000, r.Encoding, r.Finished.Sub(r.Started).Round(time.Millisecond))
	rows := []string{"table\trows\traw\tstored\tratio\tparts\tidentity"}
	for _, t := range r.Tables {
		rows = append(rows, fmt.Sprintf("%s.%s\t%d\t%s\t%s\t%s\t%d\t%s", t.Schema, t.Name, t.Rows, size(t.RawBytes),
			size(t.StoredBytes), ratio(t.RawBytes, t.StoredBytes), t.Parts, t.Identity))
	}
	rows = append(rows, fmt.Sprintf("all\t%d\t%s\t%s\t%s\t%d\t",
		r.Rows, size(r.RawBytes), size(r.StoredBytes), ratio(r.RawBytes, r.StoredBytes), r.Parts))
	if err := columns(w, rows...); err != nil {
		return err
	}
	for _, what := range r.Unfollowed {
		fmt.Fprintf(w, "exact at no point but the snapshot's own: %s\n", what)
	}
	for _, what := range r.Refreshed {
		fmt.Fprintf(w, "refreshed by a restore, not copied: materialized view %s\n", what)
	}
	if g := r.Globals; g != nil {
		fmt.Fprintf(w, "for --globals: %s (%s), %s, %s\n", plural(g.Roles, "role"), plural(g.Passwords, "password"),
			plural(g.Memberships, "membership"), plural(g.Tablespaces, "tablespace"))
		for _, what := range g.Unread {
			fmt.Fprintf(w, "not in it: %s\n", what)
		}
	}
	for _, what := range r.Unsupported {
		fmt.Fprintf(w, "not in it: %s\n", what)
	}
	return nil
}
