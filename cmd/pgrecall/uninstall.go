package main

import (
	"fmt"
	"io"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/spf13/cobra"
)

func newUninstall(s *session) *cobra.Command {
	var o engine.UninstallOptions
	c := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove from the source all that init put there",
		Long: `Removes the event triggers, the publication, the slot and the schema pgrecall from
the source. Replica identities that init set stay, and are printed with the SQL that
undoes them. The repository is not touched.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Place, o.Tracer = s.place(), s.console()
			r, err := engine.Uninstall(cmd.Context(), o)
			if err != nil {
				return err
			}
			return s.result(r, func(w io.Writer) error { return printUninstall(w, r) })
		},
	}
	addDB(c, &o.DB)
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "print the SQL and change nothing")
	return s.addJSON(c)
}

func printUninstall(w io.Writer, r *engine.UninstallResult) error {
	if r.DryRun {
		printSQL(w, r.Changes)
	} else {
		for _, change := range r.Changes {
			fmt.Fprintf(w, "removed: %s\n", change.What)
		}
		if len(r.Changes) == 0 {
			fmt.Fprintln(w, "nothing to remove")
		}
	}
	for _, what := range r.Kept {
		fmt.Fprintf(w, "-- kept: %s\n", what)
	}
	if len(r.Left) > 0 {
		fmt.Fprintln(w, "-- left as they are; to undo them:")
		printSQL(w, r.Left)
	}
	return nil
}
