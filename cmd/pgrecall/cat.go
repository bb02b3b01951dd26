package main

import (
	"bufio"
	"fmt"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/spf13/cobra"
)

func newCat(s *session) *cobra.Command {
	var o engine.CatOptions
	var target engine.TargetFlags
	var format string
	c := &cobra.Command{
		Use:   "cat --table TABLE",
		Short: "Write the rows of a table at any recovery target to standard output; needs no server",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.needRepo(); err != nil {
				return err
			}
			if o.Table == "" {
				return usagef("name the table with --table")
			}
			var err error
			if o.Target, err = parseTarget(target); err != nil {
				return err
			}
			out := bufio.NewWriterSize(s.stdout, 1<<20)
			o.Place, o.Tracer, o.Format, o.Out = s.place(), s.console(), engine.CatFormat(format), out
			r, err := engine.Cat(cmd.Context(), o)
			if err != nil {
				return err
			}
			if err := out.Flush(); err != nil {
				return fmt.Errorf("write the rows: %w", err)
			}
			s.console().Note(engine.Note{Text: fmt.Sprintf("%s.%s: %s as of %s", r.Schema, r.Table,
				plural(int(r.Rows), "row"), point(r.Reached))})
			return nil
		},
	}
	f := c.Flags()
	f.StringVarP(&o.Table, "table", "t", "", "the table, as a psql `pattern` that matches one; a partitioned one is written whole")
	f.StringVar(&format, "format", "copy", "`copy, csv or sql`")
	addTarget(f, &target)
	return c
}
