package main

import (
	"github.com/pgrecall/pgrecall/engine/demo"
	"github.com/spf13/cobra"
)

func newDemo(s *session) *cobra.Command {
	o := demo.Options{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Tell the whole story on a throwaway server: protect, lose, find, restore, compare",
		Long: `Starts a throwaway PostgreSQL server, protects a documentation service's database
under a live write load, deletes all of its users, finds that in the log, and
restores the users beside the live table and the whole database into a second one.
Both are compared with the truth row for row. Everything is removed at the end.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out = s.stdout
			return demo.Run(cmd.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.Keep, "keep", false, "leave the server running, with commands to try next")
	return c
}
