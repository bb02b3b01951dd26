package main

import (
	"fmt"
	"io"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/spf13/cobra"
)

func newVerify(s *session) *cobra.Command {
	var o engine.VerifyOptions
	c := &cobra.Command{
		Use:   "verify",
		Short: "Read everything back, of every source or the one named by --source: every object, every checksum, the log without holes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.needRepo(); err != nil {
				return err
			}
			o.Place, o.Tracer = s.place(), s.console()
			r, err := engine.Verify(cmd.Context(), o)
			if r == nil {
				return err
			}
			if printErr := s.result(r, func(w io.Writer) error { return printVerify(w, r) }); err == nil {
				return printErr
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.Snapshot, "snapshot", "", "only this snapshot: its `ID` or the beginning of it")
	f.BoolVar(&o.Quick, "quick", false, "presence and sizes only")
	f.IntVarP(&o.Jobs, "jobs", "j", 0, "objects read at a time (default min(4, cores))")
	return s.addJSON(c)
}

func printVerify(w io.Writer, r *engine.VerifyResult) error {
	for _, b := range r.Broken {
		where := b.Object
		if b.Chunk >= 0 {
			where += fmt.Sprintf(", chunk %d", b.Chunk)
		}
		if b.Table != "" {
			where += ", table " + b.Table
		}
		fmt.Fprintf(w, "BROKEN %s: %s\n  lost: %s\n", where, b.Reason, b.Lost)
	}
	for _, g := range r.Gaps {
		fmt.Fprintf(w, "recorded gap from %s: %s\n", g.From, g.Reason)
	}
	fmt.Fprintf(w, "%s, %s: %s, %s read, %d broken\n", plural(r.Snapshots, "snapshot"), plural(r.Segments, "segment"),
		plural(int(r.Reading.Objects), "object"), size(r.Reading.Bytes), len(r.Broken))
	return nil
}
