// Command bench runs what is too long for `go test`: the exactness oracle, the comparison of whole databases with their copies, and
// databases of very many tables.
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"

	"github.com/pgrecall/pgrecall/bench/oracle"
	"github.com/pgrecall/pgrecall/bench/tables"
	"github.com/pgrecall/pgrecall/bench/transaction"
	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	root := &cobra.Command{Use: "bench", Short: "Long runs that try pgrecall", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(newOracle(), newFidelity(), newRegression(), newCatalog(), newTransaction())
	err := root.ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func newOracle() *cobra.Command {
	o := oracle.Options{Log: os.Stderr}
	c := &cobra.Command{
		Use:   "oracle",
		Short: "Restore many points of a database under write load and compare each with the truth",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				o.Seed = rand.Uint64N(1 << 32)
			}
			report, err := oracle.Run(cmd.Context(), o)
			fmt.Fprint(cmd.OutOrStdout(), report)
			if err == nil && !report.OK() {
				err = errors.New("not every point was restored exactly")
			}
			return err
		},
	}
	f := c.Flags()
	f.Uint64Var(&o.Seed, "seed", 0, "seed of the workload (default: a random one, printed)")
	f.IntVar(&o.Points, "points", 30, "instants at which the truth is taken")
	f.IntVar(&o.Writers, "writers", 4, "concurrent writers")
	f.DurationVar(&o.Duration, "duration", 0, "spread the points over at least this time (default 1.5s for each)")
	f.DurationVar(&o.KillEvery, "kill-every", 0, "mean time between two kill -9 of stream; negative: none, of snapshot neither (default 3s, with --ddl 20s)")
	f.DurationVar(&o.SnapshotEvery, "snapshot-every", 0, "mean pause between two snapshots (default 4s, with --ddl 20s)")
	f.BoolVar(&o.DDL, "ddl", false, "let migrations run beside the writers")
	f.DurationVar(&o.DDLEvery, "ddl-every", 0, "mean time between two migrations (default 5s)")
	f.DurationVar(&o.BurstEvery, "burst-every", 0, "mean time between two bursts of ten migrations without a pause (default 3m)")
	f.IntVar(&o.Rewrites, "rewrites", 5, "of a hundred migrations that could rewrite a table, or change how values are written, so many do")
	f.Float64Var(&o.MaxRefused, "max-refused", 1, "with --ddl so many of a hundred points may be refused, those amid bursts not counted")
	f.IntVar(&o.Crashes, "crashes", 2, "kill -9 of the whole server so often")
	f.IntVar(&o.Jobs, "jobs", 2, "points restored at a time")
	f.StringVar(&o.Program, "program", "", "the pgrecall binary (default: built with go build)")
	f.StringVar(&o.Dir, "dir", "", "`folder` for servers, repository and truths (default: a temporary one)")
	f.StringVar(&o.PostgreSQL, "postgresql", "", "`folder` of the server programs (default: searched)")
	return c
}

func newTransaction() *cobra.Command {
	var o transaction.Options
	c := &cobra.Command{
		Use:   "transaction",
		Short: "Measure how one large transaction is followed, and how long others wait for it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return transaction.Run(cmd.Context(), o, cmd.OutOrStdout())
		},
	}
	f := c.Flags()
	f.IntVar(&o.Rows, "rows", 10_000_000, "rows of the transaction, of about 100 bytes each")
	f.StringVar(&o.Program, "program", "", "the pgrecall binary (default: built with go build)")
	f.StringVar(&o.Dir, "dir", "", "`folder` for the repository (default: a temporary one)")
	f.StringVar(&o.PostgreSQL, "postgresql", "", "`folder` of the server programs (default: searched)")
	return c
}

func newCatalog() *cobra.Command {
	var o tables.Options
	c := &cobra.Command{
		Use:   "catalog",
		Short: "Measure reading and planning the catalog of very many tables, beside pg_dump",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return tables.Run(cmd.Context(), o, cmd.OutOrStdout()) },
	}
	f := c.Flags()
	f.IntVar(&o.Tables, "tables", 50_000, "how many tables")
	f.BoolVar(&o.Restore, "restore", false, "also take a snapshot, and restore it into an empty database")
	f.StringVar(&o.Dir, "dir", "", "`folder` for the server, which is kept for the next run (default: a temporary one)")
	f.StringVar(&o.PgDump, "pg-dump", "", "the peer's `program` (default: of the server programs)")
	f.StringVar(&o.PostgreSQL, "postgresql", "", "`folder` of the server programs (default: searched)")
	return c
}
