package main

import (
	"fmt"
	"io"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/spf13/cobra"
)

func newCheck(s *session) *cobra.Command {
	var o engine.CheckOptions
	c := &cobra.Command{
		Use:   "check",
		Short: "Look at the source: settings, rights, identities, slot, and what cannot be exact",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Place, o.Tracer = s.place(), s.console()
			r, err := engine.Check(cmd.Context(), o)
			if r == nil {
				return err
			}
			if printErr := s.result(r, func(w io.Writer) error { return printCheck(w, r) }); err == nil {
				return printErr
			}
			return err
		},
	}
	addDB(c, &o.DB)
	return s.addJSON(c)
}

func printCheck(w io.Writer, r *engine.CheckResult) error {
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%-8s %s: %s\n", f.Severity, f.What, f.Detail)
		if f.Do != "" {
			fmt.Fprintf(w, "         -> %s\n", f.Do)
		}
	}
	fmt.Fprintf(w, "%s, %s\n", plural(r.Blockers, "blocker"), plural(r.Warnings, "warning"))
	return nil
}
