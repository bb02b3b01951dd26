package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/engine"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newRestore(s *session) *cobra.Command {
	var o engine.RestoreOptions
	var target engine.TargetFlags
	var schemaOnly, dataOnly bool
	var renames []string
	var all databases
	c := &cobra.Command{
		Use:   "restore --to CONNINFO",
		Short: "Restore everything, or tables, to a recovery target, into any server",
		Long: `Restores the whole database, or the tables that --table names, as of a recovery
target (by default the latest point) into the database that --to names. The plan
is checked first; what exists on the target is never touched unless --clean says so.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.needRepo(); err != nil {
				return err
			}
			if o.To == "" {
				return usagef("name the target with --to: a connection URI or key/value string (PG* variables alone are never enough)")
			}
			var err error
			if o.Scope, err = scope(schemaOnly, dataOnly); err != nil {
				return err
			}
			if o.Rename, err = parseRenames(renames); err != nil {
				return err
			}
			if o.Target, err = parseTarget(target); err != nil {
				return err
			}
			if err := all.check(); err != nil {
				return err
			}
			o.Place, o.Tracer = s.place(), s.console()
			if all.all {
				r, err := engine.RestoreDatabases(cmd.Context(), o, all.exclude)
				if r == nil {
					return err
				}
				return errors.Join(s.result(r, func(w io.Writer) error { return printRestores(w, r) }), err)
			}
			r, err := engine.Restore(cmd.Context(), o)
			if r == nil {
				return err
			}
			return errors.Join(err, s.result(r, func(w io.Writer) error { return printRestore(w, r) }))
		},
	}
	f := c.Flags()
	f.StringVar(&o.To, "to", "", "the target: a connection `URI` or key/value string")
	f.StringArrayVarP(&o.Tables, "table", "t", nil, "only tables that match the `pattern`, as psql's; repeatable")
	f.BoolVar(&o.TablesOnly, "table-only", false,
		"the tables without the types, functions and so on that they need, which have to be there")
	f.StringArrayVar(&o.ExcludeTableData, "exclude-table-data", nil, "no rows of tables that match the `pattern`; repeatable")
	f.StringVar(&o.IntoSchema, "into-schema", "", "put copies of the tables into this `schema`, beside the live ones")
	f.StringArrayVar(&renames, "rename", nil, "`T=NEW`: restore table T under another name; repeatable")
	f.BoolVarP(&schemaOnly, "schema-only", "s", false, "the objects, without rows")
	f.BoolVarP(&dataOnly, "data-only", "a", false, "the rows, into tables that exist")
	f.BoolVarP(&o.Clean, "clean", "c", false,
		"drop the planned objects first where they are there, never CASCADE (with --data-only: TRUNCATE; with --create: the database)")
	f.BoolVarP(&o.Create, "create", "C", false, "make the database that --to names")
	f.BoolVar(&o.OverwriteSource, "overwrite-source", false, "allow --clean against the source itself")
	f.BoolVarP(&o.NoOwner, "no-owner", "O", false, "leave ownership to the restoring role")
	f.BoolVarP(&o.NoPrivileges, "no-privileges", "x", false, "leave out grants")
	f.BoolVar(&o.NoSecurityLabels, "no-security-labels", false, "leave out security labels, for a target without their provider")
	f.BoolVar(&o.NoSuperuserObjects, "no-superuser-objects", false,
		"leave out what only a superuser may make on the target, and what needs it")
	f.BoolVarP(&o.NoLargeObjects, "no-large-objects", "B", false, "leave large objects out")
	f.BoolVar(&o.CatalogOfSnapshot, "catalog-of-snapshot", false,
		"rows as of the target, objects as of the snapshot, where DDL that changed no table's layout lies between")
	f.IntVarP(&o.Jobs, "jobs", "j", 0, "connections that load (default min(4, cores))")
	f.BoolVar(&o.DryRun, "dry-run", false, "check and print the plan, change nothing")
	addGlobals(f, &o)
	all.add(f, "every source, each into the database of its own name, which is made where it is not there; --to names any database of "+
		"the target")
	addObjects(f, &o.ObjectOptions)
	addTarget(f, &target)
	return s.addJSON(c)
}

// addObjects adds the flags that leave something out.
func addObjects(f *pflag.FlagSet, o *engine.ObjectOptions) {
	f.StringArrayVarP(&o.ExcludeTables, "exclude-table", "T", nil,
		"leave out tables that match the `pattern`, and what needs them; repeatable")
	f.BoolVar(&o.NoComments, "no-comments", false, "leave out comments")
	f.BoolVar(&o.NoPublications, "no-publications", false, "leave out publications")
	f.BoolVar(&o.NoSubscriptions, "no-subscriptions", false, "leave out subscriptions")
}

func scope(schemaOnly, dataOnly bool) (engine.RestoreScope, error) {
	switch {
	case schemaOnly && dataOnly:
		return 0, usagef("--schema-only and --data-only: give one")
	case schemaOnly:
		return engine.RestoreSchemaOnly, nil
	case dataOnly:
		return engine.RestoreDataOnly, nil
	}
	return engine.RestoreAll, nil
}

func parseRenames(renames []string) (map[string]string, error) {
	m := make(map[string]string, len(renames))
	for _, r := range renames {
		from, to, ok := strings.Cut(r, "=")
		if !ok || from == "" || to == "" {
			return nil, usagef("--rename %q: write T=NEW", r)
		}
		if _, twice := m[from]; twice {
			return nil, usagef("--rename %q: %s is renamed twice", r, from)
		}
		m[from] = to
	}
	return m, nil
}

func printRestore(w io.Writer, r *engine.RestoreResult) error {
	if r.Plan.GlobalsOnly {
		printGlobals(w, r.Plan.Globals, r.DryRun)
		return nil
	}
	if r.DryRun {
		return printPlan(w, r.Plan)
	}
	printGlobals(w, r.Plan.Globals, false)
	rows := []string{}
	for _, t := range r.Tables {
		rows = append(rows, fmt.Sprintf("  %s\t%s\t%s", t.As, plural(int(t.Rows), "row"), plural(int(t.Folded), "change")+" folded in"))
	}
	if err := columns(w, rows...); err != nil {
		return err
	}
	seconds := 0.0
	var phases []string
	for _, p := range r.Phases {
		seconds += p.Seconds
		phases = append(phases, fmt.Sprintf("%s %.2fs", p.Name, p.Seconds))
	}
	what := fmt.Sprintf("%s, %s", plural(len(r.Tables), "table"), plural(int(r.Rows), "row"))
	if len(r.Tables) == 0 {
		what = plural(r.Plan.Statements, "statement") + " without rows"
	}
	if r.LargeObjects > 0 {
		what += ", " + plural(r.LargeObjects, "large object")
	}
	fmt.Fprintf(w, "restored %s in %.2fs (%s)\n", what, seconds, strings.Join(phases, ", "))
	fmt.Fprintf(w, "read %s, %s; folded %s\n",
		plural(int(r.Reading.Objects), "object"), size(r.Reading.Bytes), plural(int(r.Folded), "change"))
	fmt.Fprintf(w, "reached %s\n", point(r.Reached))
	printLeftOut(w, r.Plan)
	for _, what := range r.NotDone {
		fmt.Fprintf(w, "NOT done: %s\n", oneLine(what))
	}
	for _, what := range r.Contradicted {
		fmt.Fprintf(w, "contradicted by rows: %s\n", oneLine(what))
	}
	if len(r.PutBack) > 0 {
		fmt.Fprintln(w, "to put missing rows back into the live tables:")
		for _, sql := range r.PutBack {
			fmt.Fprintln(w, terminated(sql))
		}
	}
	return nil
}

func printPlan(w io.Writer, p engine.RestorePlan) error {
	fmt.Fprintf(w, "plan: %s as of %s\n", p.Source, p.Target)
	rows := []string{
		"into\t" + fmt.Sprintf("%s on %s:%d (system %s)", p.To.Database, p.To.Host, p.To.Port, p.To.SystemID),
		"snapshot\t" + p.Snapshot.String(),
		"reaches\t" + point(p.Reaches),
		"reads\t" + fmt.Sprintf("%s, %s, at most %s", plural(p.Parts, "part"), plural(p.Segments, "segment"), size(p.Bytes)),
		"runs\t" + plural(p.Statements, "statement"),
	}
	if p.Log != uuid.Nil {
		rows = append(rows, "log\t"+p.Log.String())
	}
	if p.Version != uuid.Nil {
		rows = append(rows, "catalog\t"+p.Version.String())
	}
	if err := columns(w, rows...); err != nil {
		return err
	}
	printGlobals(w, p.Globals, true)
	if p.DropDatabase != "" {
		fmt.Fprintln(w, terminated(p.DropDatabase))
	}
	if p.CreateDatabase != "" {
		fmt.Fprintln(w, terminated(p.CreateDatabase))
	}
	for _, sql := range p.DatabaseStatements {
		fmt.Fprintln(w, terminated(sql))
	}
	for _, drop := range p.Drops {
		fmt.Fprintln(w, terminated(drop))
	}
	if p.LargeObjects > 0 {
		fmt.Fprintf(w, "makes %s", plural(p.LargeObjects, "large object"))
		if n := p.Unlinks.Len(); n > 0 {
			fmt.Fprintf(w, ", and first unlinks %d that are there: %s", n, p.Unlinks.Few(20))
		}
		fmt.Fprintln(w)
	}
	tables := []string{"table\tas\trows in the snapshot\tbytes\tparts"}
	for _, t := range p.Tables {
		tables = append(tables, fmt.Sprintf("%s.%s\t%s\t%s\t%s\t%d", t.Schema, t.Name, t.As, humanize.Comma(t.Rows),
			size(t.Bytes), t.Parts))
	}
	if err := columns(w, tables...); err != nil {
		return err
	}
	printLeftOut(w, p)
	return nil
}

func printLeftOut(w io.Writer, p engine.RestorePlan) {
	for _, what := range p.Followed {
		fmt.Fprintf(w, "followed: %s\n", what)
	}
	for _, what := range p.LeftOut {
		fmt.Fprintf(w, "left out: %s\n", what)
	}
	for _, what := range p.NotIncluded {
		fmt.Fprintf(w, "NOT included (after the snapshot): %s\n", oneLine(what))
	}
}
