package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/spf13/pflag"
)

// addGlobals adds the flags that say what a restore does about roles and tablespaces.
func addGlobals(f *pflag.FlagSet, o *engine.RestoreOptions) {
	f.BoolVar(&o.Globals, "globals", false,
		"make the roles, memberships, role settings and tablespaces that the target lacks, before all else")
	f.BoolVar(&o.GlobalsOnly, "globals-only", false, "make those and restore nothing else; --to names any database of the target")
	f.BoolVar(&o.OverwriteGlobals, "overwrite-globals", false,
		"with --globals: also alter roles and tablespaces that exist, to what they are on the source")
	f.BoolVar(&o.NoTablespaces, "no-tablespaces", false, "put everything where the target does")
	addNoRolePasswords(f, &o.NoRolePasswords)
}

func addNoRolePasswords(f *pflag.FlagSet, no *bool) {
	f.BoolVar(no, "no-role-passwords", false, "leave the passwords of roles out")
}

func printGlobals(w io.Writer, g *engine.PlannedGlobals, dryRun bool) {
	if g == nil {
		return
	}
	if dryRun {
		for _, sql := range g.Statements {
			fmt.Fprintln(w, terminated(sql))
		}
	} else {
		fmt.Fprintf(w, "made %s%s, %s%s, as of %s\n", plural(len(g.Roles), "role"), listed(g.Roles),
			plural(len(g.Tablespaces), "tablespace"), listed(g.Tablespaces), when(g.AsOf))
	}
	for _, what := range g.Differs {
		fmt.Fprintf(w, "left as it is on the target: %s\n", what)
	}
	if len(g.Differs) > 0 {
		fmt.Fprintln(w, "(--overwrite-globals alters what exists)")
	}
	for _, what := range g.LeftOut {
		fmt.Fprintf(w, "left out: %s\n", what)
	}
}

// listed is a short list in brackets, or nothing.
func listed(names []string) string {
	if len(names) == 0 || len(names) > 12 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}
