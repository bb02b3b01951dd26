package main

import (
	"fmt"
	"io"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/spf13/cobra"
)

func newStream(s *session) *cobra.Command {
	var o engine.StreamOptions
	c := &cobra.Command{
		Use:   "stream",
		Short: "Follow the source's changes into the log",
		Long: `Follows the source until SIGINT or SIGTERM, then makes durable what it has,
acknowledges it, and exits with 0. It reconnects by itself. Nothing is
acknowledged to the source before it is durable in the repository.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.needRepo(); err != nil {
				return err
			}
			o.Place, o.Tracer = s.place(), s.console()
			r, err := engine.Stream(cmd.Context(), o)
			if err != nil {
				return err
			}
			return s.result(r, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s to %s: %s in %s, %s stored\n", r.From, r.To,
					plural(int(r.Transactions), "transaction"), plural(r.Segments, "segment"), size(r.StoredBytes))
				return err
			})
		},
	}
	addDB(c, &o.DB)
	f := c.Flags()
	f.BoolVar(&o.Once, "once", false, "drain to the WAL position at start, then exit")
	f.DurationVar(&o.FlushInterval, "flush-interval", 0, "the greatest age of changes before they are durable (default 10s)")
	f.Int64Var(&o.SegmentSize, "segment-size", 0, "about the greatest size of a segment, in `bytes` of changes (default 64 MiB)")
	f.StringVar(&o.Compression, "compression", "lz4", "`lz4, zstd or none`")
	f.IntVarP(&o.Jobs, "jobs", "j", 0, "COPY workers of the snapshot that follows a gap (default min(4, cores)), and of copies of rewritten tables (default 1)")
	f.BoolVar(&o.NoSnapshot, "no-snapshot", false, "after a gap, leave the new snapshot to somebody else")
	f.BoolVar(&o.NoCopies, "no-copies", false, "copy no table anew whose rows the log does not follow, as after a rewrite;\npoints after it need a new snapshot then")
	addNoRolePasswords(f, &o.NoRolePasswords)
	return s.addJSON(c)
}
