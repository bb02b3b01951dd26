package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/pgrecall/pgrecall/bench/fidelity"
	"github.com/pgrecall/pgrecall/bench/majors"
	"github.com/spf13/cobra"
)

func newFidelity() *cobra.Command {
	c := &cobra.Command{
		Use:   "fidelity",
		Short: "Copy a database with every kind of object by snapshot and restore, on each major version, and compare",
		Args:  cobra.NoArgs,
	}
	o := fidelity.Options{Log: os.Stderr}
	c.Flags().StringVar(&o.Fixture, "fixture", "snapshot/catalog/testdata", "`folder` of the database's SQL files")
	return compared(c, &o, majors.Supported(), fidelity.Fixture)
}

func newRegression() *cobra.Command {
	c := &cobra.Command{
		Use:   "regression",
		Short: "Copy what PostgreSQL's own regression tests leave behind by snapshot and restore, and compare",
		Args:  cobra.NoArgs,
	}
	o := fidelity.Options{Log: os.Stderr}
	c.Flags().IntVar(&o.Tests, "tests", 0,
		"run the tests of another `major version`, where the mirror has no sources of the server's (default: its own)")
	c.Flags().BoolVar(&o.Follow, "follow", false, "follow the tests from an empty database on, and restore from the log")
	return compared(c, &o, majors.WithDebian(), fidelity.Regression)
}

// compared completes a command that compares copies on several major versions.
func compared(c *cobra.Command, o *fidelity.Options, all []int, try func(context.Context, fidelity.Options) ([]*fidelity.Result, error)) *cobra.Command {
	var servers map[string]string
	var details string
	f := c.Flags()
	f.IntSliceVar(&o.Majors, "major", all, "`major versions`, separated by commas")
	f.StringToStringVar(&servers, "servers", nil, "`MAJOR=FOLDER` of server programs to use, instead of fetching them")
	f.StringVar(&o.PGDump, "pg-dump", "", "the pg_dump `program` that judges, not older than the servers (default: fetched)")
	f.StringVar(&o.Cache, "cache", "", "`folder` for fetched programs (default: as for throwaway servers)")
	f.StringVar(&o.Mirror, "mirror", "", "`URL` of Debian's mirror (default: the one apt-get uses)")
	f.IntVar(&o.Into, "into", 0, "restore into a server of this newer `major version`, and tell what is not the same there")
	f.StringVar(&details, "details", "", "write all that differs to this `file` (default: after the table)")
	f.BoolVar(&o.Keep, "keep", false, "leave the servers running, to be looked at")
	c.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		o.Servers = map[int]string{}
		for name, folder := range servers {
			major, err := strconv.Atoi(name)
			if err != nil {
				return fmt.Errorf("--servers %s: write MAJOR=FOLDER", name)
			}
			o.Servers[major] = folder
		}
		results, err := try(cmd.Context(), *o)
		return errors.Join(err, printResults(cmd.OutOrStdout(), details, results))
	}
	return c
}

// printResults prints the table, and what differs, and says with an error if something does that should not.
func printResults(w io.Writer, details string, results []*fidelity.Result) (err error) {
	if err := fidelity.PrintTable(w, results); err != nil {
		return err
	}
	if details != "" {
		file, err := os.Create(details)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		w = file
	}
	for _, r := range results {
		r.PrintDetails(w)
		if !r.OK() {
			err = errors.Join(err, fmt.Errorf("PostgreSQL %d: the copy by %s is not the source", r.Major, r.Way))
		}
	}
	return err
}
