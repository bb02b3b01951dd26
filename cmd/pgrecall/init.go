package main

import (
	"fmt"
	"io"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/spf13/cobra"
)

func newInit(s *session) *cobra.Command {
	var o engine.InitOptions
	c := &cobra.Command{
		Use:   "init",
		Short: "Prepare the repository and the source: slot, publication, DDL capture, replica identities",
		Long: `Makes the repository if it is absent, and puts on the source what following it
needs: the schema pgrecall, event triggers, a publication of all tables, a
replication slot, and REPLICA IDENTITY FULL for tables that have no identity.
It says exactly what it changed, and changes nothing the second time.

A role that may make no event triggers, as on some managed services, can follow
its own tables with --without-event-triggers. It needs REPLICATION, CREATE on
the database and the tables' ownership. DDL is then noticed by looking at the
source with each segment, and what lies between two looks is refused.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.needRepo(); err != nil {
				return err
			}
			o.Place, o.Tracer = s.place(), s.console()
			r, err := engine.Init(cmd.Context(), o)
			if err != nil {
				return err
			}
			return s.result(r, func(w io.Writer) error { return printInit(w, r) })
		},
	}
	addDB(c, &o.DB)
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "print the SQL and change nothing")
	c.Flags().BoolVar(&o.WithoutEventTriggers, "without-event-triggers", false, "for a role that may make none: list its tables, and notice DDL by looking")
	c.Flags().BoolVar(&o.FullIdentities, "full-identities", false, "with it: give every table REPLICA IDENTITY FULL, so that no UPDATE or DELETE fails when a key is dropped")
	c.Flags().DurationVar(&o.WaitTimeout, "wait-timeout", 0, "how long to wait for older transactions; 0 waits until they end")
	return s.addJSON(c)
}

func printInit(w io.Writer, r *engine.InitResult) error {
	if r.DryRun {
		printSQL(w, r.Changes)
		return nil
	}
	if len(r.Changes) == 0 {
		fmt.Fprintf(w, "nothing to change: %s is prepared\n", r.Source)
	}
	for _, change := range r.Changes {
		fmt.Fprintf(w, "changed: %s\n", change.What)
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	return columns(w,
		"source\t"+r.Source,
		"repository\t"+r.Repository,
		"slot\t"+r.Slot,
		"publication\t"+r.Publication,
		"log begins at\t"+r.Start.String())
}

// printSQL writes changes as a script that psql could run.
func printSQL(w io.Writer, changes []engine.Change) {
	for _, change := range changes {
		lock := ""
		if change.Lock != "" {
			lock = " (takes " + change.Lock + ")"
		}
		fmt.Fprintf(w, "-- %s%s\n%s\n", change.What, lock, terminated(change.SQL))
	}
}

// terminated returns sql with exactly one semicolon at its end.
func terminated(sql string) string {
	for len(sql) > 0 && (sql[len(sql)-1] == ';' || sql[len(sql)-1] == '\n' || sql[len(sql)-1] == ' ') {
		sql = sql[:len(sql)-1]
	}
	return sql + ";"
}
