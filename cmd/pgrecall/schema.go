package main

import (
	"github.com/pgrecall/pgrecall/engine"
	"github.com/spf13/cobra"
)

func newSchema(s *session) *cobra.Command {
	var o engine.SchemaOptions
	var target engine.TargetFlags
	var db string
	c := &cobra.Command{
		Use:   "schema",
		Short: "Write the objects of a database, or of the repository at any target, as SQL",
		Long: `Writes the objects of a live database (--db), or of the repository at a recovery
target, to standard output as SQL that psql runs into an empty database: a backup
of the schema alone, and a look at what a restore would do. The same objects give
the same bytes. Passwords of user mappings and subscriptions are in it,
and of roles with --globals-only.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Target, err = parseTarget(target); err != nil {
				return err
			}
			o.Live = cmd.Flags().Changed("db")
			if !o.Live {
				if err := s.needRepo(); err != nil {
					return err
				}
			}
			o.DB, o.Place, o.Tracer = db, s.place(), s.console()
			return engine.Schema(cmd.Context(), o, s.stdout)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.Sections, "section", nil, "only `pre-data, data or post-data`; repeatable (default pre-data and post-data)")
	f.StringArrayVarP(&o.Tables, "table", "t", nil, "only tables that match the `pattern`, as psql's; repeatable")
	f.BoolVarP(&o.NoOwner, "no-owner", "O", false, "leave out ownership")
	f.BoolVarP(&o.NoPrivileges, "no-privileges", "x", false, "leave out grants")
	f.BoolVar(&o.NoTablespaces, "no-tablespaces", false, "leave out tablespaces")
	f.BoolVar(&o.NoSecurityLabels, "no-security-labels", false, "leave out security labels")
	addObjects(f, &o.ObjectOptions)
	f.BoolVar(&o.GlobalsOnly, "globals-only", false,
		"roles, memberships, role settings and tablespaces, which the databases of a server share, and no objects")
	addNoRolePasswords(f, &o.NoRolePasswords)
	f.BoolVar(&o.CatalogOfSnapshot, "catalog-of-snapshot", false,
		"objects as of the snapshot, where DDL that changed no table's layout lies between it and the target")
	addTarget(f, &target)
	addDB(c, &db)
	return c
}
