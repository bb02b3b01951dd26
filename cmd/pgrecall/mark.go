package main

import (
	"fmt"
	"io"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/spf13/cobra"
)

func newMark(s *session) *cobra.Command {
	var o engine.MarkOptions
	c := &cobra.Command{
		Use:   "mark NAME",
		Short: "Put a named recovery point into the log",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.needRepo(); err != nil {
				return err
			}
			o.Place, o.Tracer, o.Name = s.place(), s.console(), args[0]
			r, err := engine.Mark(cmd.Context(), o)
			if err != nil {
				return err
			}
			return s.result(r, func(w io.Writer) error {
				durable := "on its way to the repository"
				if r.Durable {
					durable = "durable in the repository"
				}
				_, err := fmt.Fprintf(w, "mark %q at LSN %s, transaction %d, %s: %s\n", r.Name, r.LSN, r.XID, when(r.Time), durable)
				return err
			})
		},
	}
	addDB(c, &o.DB)
	c.Flags().BoolVar(&o.Wait, "wait", false, "return when the mark is durable in the repository")
	c.Flags().DurationVar(&o.WaitTimeout, "wait-timeout", 0, "how long --wait waits; 0 waits on")
	return s.addJSON(c)
}
