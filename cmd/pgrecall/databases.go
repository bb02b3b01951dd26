package main

import (
	"fmt"
	"io"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/spf13/pflag"
)

// databases are the flags of commands that work on all databases of a server.
type databases struct {
	all     bool
	exclude []string
}

func (d *databases) add(f *pflag.FlagSet, what string) {
	f.BoolVar(&d.all, "all-databases", false, what)
	f.StringArrayVar(&d.exclude, "exclude-database", nil, "with --all-databases: leave out databases that match the `pattern`; repeatable")
}

func (d *databases) check() error {
	if len(d.exclude) > 0 && !d.all {
		return usagef("--exclude-database goes with --all-databases")
	}
	return nil
}

func printSnapshots(w io.Writer, r *engine.SnapshotDatabasesResult) error {
	for _, d := range r.Databases {
		fmt.Fprintf(w, "database %s: ", d.Database)
		if d.Snapshot == nil {
			fmt.Fprintf(w, "FAILED, no new snapshot: %s\n", oneLine(d.Error))
			continue
		}
		if err := printSnapshot(w, d.Snapshot); err != nil {
			return err
		}
	}
	for _, what := range r.LeftOut {
		fmt.Fprintf(w, "left out: %s\n", what)
	}
	fmt.Fprintf(w, "%s, %d failed\n", plural(len(r.Databases), "database"), r.Failed)
	return nil
}

func printRestores(w io.Writer, r *engine.RestoreDatabasesResult) error {
	if r.Globals != nil {
		if err := printRestore(w, r.Globals); err != nil {
			return err
		}
	}
	for _, d := range r.Databases {
		fmt.Fprintf(w, "database %s: ", d.Database)
		if d.Restore == nil {
			fmt.Fprintf(w, "FAILED, not restored: %s\n", oneLine(d.Error))
			continue
		}
		fmt.Fprintln(w)
		if err := printRestore(w, d.Restore); err != nil {
			return err
		}
	}
	if !r.DryRun {
		fmt.Fprintf(w, "%s, %d failed\n", plural(len(r.Databases), "database"), r.Failed)
	}
	return nil
}
