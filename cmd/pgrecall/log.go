package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/pgrecall/pgrecall/engine"
	"github.com/spf13/cobra"
)

func newLog(s *session) *cobra.Command {
	var o engine.LogOptions
	var since, until string
	c := &cobra.Command{
		Use:   "log",
		Short: "Tell what happened: transactions, rows changed per table, DDL, marks",
		Long: `Tells of each transaction in commit order: when it committed, its id, and how many
rows it inserted (+), updated (~) and deleted (-) in which table. That is how one
finds the bad transaction: restore --before-xid takes the id.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.needRepo(); err != nil {
				return err
			}
			now := time.Now()
			var err error
			if o.Since, err = parseBound(since, now); err != nil {
				return fmt.Errorf("--since: %w", err)
			}
			if o.Until, err = parseBound(until, now); err != nil {
				return fmt.Errorf("--until: %w", err)
			}
			o.Place, o.Tracer = s.place(), s.console()
			return engine.Log(cmd.Context(), o, func(e engine.LogEntry) error {
				return s.result(e, func(w io.Writer) error { return printLogEntry(w, e) })
			})
		},
	}
	f := c.Flags()
	f.StringArrayVarP(&o.Tables, "table", "t", nil, "only transactions that changed tables matching the `pattern`; repeatable")
	f.StringVar(&since, "since", "", "only from this `time` on, like \"10m ago\"")
	f.StringVar(&until, "until", "", "only up to this `time`")
	f.Int64Var(&o.MinRows, "min-rows", 0, "only transactions that changed at least so many rows")
	return s.addJSON(c)
}

func parseBound(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return engine.ParseTime(text, now, time.Local)
}

func printLogEntry(w io.Writer, e engine.LogEntry) error {
	origin := ""
	if e.Origin {
		origin = " (replicated; the time is its origin's)"
	}
	lines := []string{fmt.Sprintf("%s  xid %d  %s%s", when(e.Time), e.XID, e.LSN, origin)}
	if len(e.Unannounced) > 0 {
		lines[0] = fmt.Sprintf("%s  CHANGED WITHOUT A STATEMENT IN THE LOG  %s to %s", when(e.Time), e.LSN, e.EndLSN)
	}
	for _, c := range e.Unannounced {
		if c.Name == "" {
			lines = append(lines, "    "+c.What)
		} else {
			lines = append(lines, fmt.Sprintf("    %s.%s  %s", c.Schema, c.Name, c.What))
		}
	}
	for _, t := range e.Tables {
		var counts []string
		for _, n := range []struct {
			sign string
			rows uint64
		}{{"+", t.Inserted}, {"~", t.Updated}, {"-", t.Deleted}} {
			if n.rows > 0 {
				counts = append(counts, n.sign+humanize.Comma(int64(n.rows)))
			}
		}
		if t.Truncated > 0 {
			counts = append(counts, "TRUNCATE")
		}
		lines = append(lines, fmt.Sprintf("    %s.%s  %s", t.Schema, t.Name, strings.Join(counts, " ")))
	}
	for _, d := range e.DDL {
		lines = append(lines, fmt.Sprintf("    %s %s  by %s: %s", d.Tag, strings.Join(d.Objects, ", "), d.User, oneLine(d.Statement)))
	}
	for _, m := range e.Marks {
		lines = append(lines, fmt.Sprintf("    mark %q", m))
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// oneLine folds a statement's white space, so that it fits a listing.
func oneLine(statement string) string { return strings.Join(strings.Fields(statement), " ") }
