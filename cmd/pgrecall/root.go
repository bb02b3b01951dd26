package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// session is one run of the program: the flags every command shares, and where it prints.
type session struct {
	stdout, stderr io.Writer
	started        bool // the flags were read and the command began

	repo, source, logFormat string
	quiet, json             bool

	con *console
}

// place is the repository and the source in it, as the flags name them.
func (s *session) place() engine.Place {
	return engine.Place{Repository: s.repo, Source: s.source}
}

// needRepo refuses a command line that names no repository.
func (s *session) needRepo() error {
	if s.repo == "" {
		return usagef("name the repository with --repo or PGRECALL_REPO")
	}
	return nil
}

// console returns the one place where notes, progress and errors are written.
func (s *session) console() *console {
	if s.con == nil {
		s.con = newConsole(s.stderr, s.logFormat == "json", s.quiet)
	}
	return s.con
}

// printJSON writes a result as one JSON document.
func (s *session) printJSON(v any) error {
	e := json.NewEncoder(s.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// result writes v as JSON where --json was given, else by human.
func (s *session) result(v any, human func(io.Writer) error) error {
	s.console().settle()
	if s.json {
		return s.printJSON(v)
	}
	return human(s.stdout)
}

// usagef is an error of the command line itself.
func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }
func (e *usageError) Unwrap() error { return engine.ErrUsage }

func newRoot(s *session) *cobra.Command {
	root := &cobra.Command{
		Use:   "pgrecall",
		Short: "Continuous logical backup for PostgreSQL: any table, any second, into any server",
		Long: `pgrecall copies a PostgreSQL database once, follows its changes from then on,
and brings any table, or all of them, back to any second in the recovery window,
into any PostgreSQL server of the same or a newer major version.

Connections are named as libpq does: a URI or key/value string, completed from
the PG* variables, the password file and service files.

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 the recovery target is outside the
window, or nothing matches; 4 integrity failure; 5 check found a blocker;
130 interrupted.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			s.started = true
			if err := refuseSenseless(cmd.Flags()); err != nil {
				return err
			}
			if s.logFormat != "text" && s.logFormat != "json" {
				return usagef("--log-format %q: text or json", s.logFormat)
			}
			return nil
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&s.repo, "repo", os.Getenv("PGRECALL_REPO"), "the repository: a path or a file:/// `URL`; also PGRECALL_REPO")
	flags.StringVar(&s.source, "source", "",
		"the source's `name` (default: with --db the database's name, else the repository's only source; list and verify: every source)")
	flags.StringVar(&s.logFormat, "log-format", "text", "how notes are written to standard error: `text or json`")
	flags.BoolVarP(&s.quiet, "quiet", "q", false, "no notes and no progress, only warnings and errors")
	root.AddCommand(
		newInit(s), newCheck(s), newSnapshot(s), newStream(s), newMark(s), newLog(s), newCat(s),
		newList(s), newShow(s), newSchema(s), newRestore(s), newVerify(s), newUninstall(s), newDemo(s),
	)
	return root
}

// refuseSenseless refuses flags that were given without a value, as by a script whose variable is not set: an empty
// --at would restore the latest point, an empty --table everything. An empty --db is libpq's way to say that the
// PG* variables tell all. No number and no duration is negative.
func refuseSenseless(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		value := f.Value.String()
		empty, number := value == "", f.Value.Type() != "string"
		if list, ok := f.Value.(pflag.SliceValue); ok {
			empty, number = slices.Contains(list.GetSlice(), ""), false
		}
		switch {
		case err != nil:
		case empty && f.Name != "db":
			err = usagef("--%s was given without a value; leave it out, or name one", f.Name)
		case number && strings.HasPrefix(value, "-"):
			err = usagef("--%s %s: it cannot be negative", f.Name, value)
		}
	})
	return err
}

// addJSON gives a command that prints a result the flag --json.
func (s *session) addJSON(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&s.json, "json", false, "print the result as JSON")
	return c
}

// addDB gives a command that connects to the source the flag --db.
func addDB(c *cobra.Command, db *string) {
	c.Flags().StringVar(db, "db", "", "the source: a connection `URI` or key/value string, completed from PG* variables")
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
