package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Fingerprint is a hash, 32 hex digits, over the rows of every catalog that Read reads. Equal fingerprints, one inside the snapshot of a
// Read and one taken with a fresh snapshot after it, mean that no DDL committed in between.
//
// Rows count by oid and xmin, that is by version. pg_class counts by the columns that DDL sets: TRUNCATE, VACUUM FULL and
// CLUSTER give a table new files and so a new row of pg_class, and change nothing that a model holds but Table.FileNode; of what
// has no file the version counts too.
// Temporary objects and what pgrecall made do not count, nor do the globals: what Read tells of them is as of the snapshot
// whatever happens meanwhile. Of roles the names count, for functions of the server answer with the latest, and only of
// roles that the database names: others come and go all the time. Nor do large objects: applications make them all the
// time, and they are read as of the snapshot. It costs about as much as scanning the catalogs once.
func Fingerprint(ctx context.Context, q Querier) (string, error) {
	r := &reader{q: q, c: &Catalog{}}
	if err := r.readVersion(ctx); err != nil {
		return "", err
	}
	rows, err := collect[struct {
		Catalog string
		Rows    int64
		Sum     string
	}](ctx, r, "taking the catalog's fingerprint", r.fingerprintSQL())
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, row := range rows {
		fmt.Fprintf(h, "%s %d %s\n", row.Catalog, row.Rows, row.Sum)
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// The roles that objects and settings of this database name: as pg_shdepend knows them, and those that it does not list
// (https://www.postgresql.org/docs/current/catalog-pg-shdepend.html: none for what initdb made; initial privileges since 17 alone).
const rolesHere = `pg_roles x CROSS JOIN (SELECT oid FROM pg_database WHERE datname = current_database()) here
	WHERE x.oid < 16384 OR x.oid IN (SELECT d.refobjid FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass
			AND NOT (d.classid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_class t WHERE t.oid = d.objid AND t.relpersistence = 't'))
			AND (d.dbid = here.oid OR d.classid = 'pg_database'::regclass AND d.objid = here.oid))
		OR x.oid IN (SELECT s.setrole FROM pg_db_role_setting s WHERE s.setdatabase = here.oid)
		OR x.oid IN (SELECT unnest(ARRAY[a.grantor, a.grantee]) FROM pg_init_privs p, aclexplode(p.initprivs) a)`

func (r *reader) fingerprintSQL() string {
	class := []string{"c.oid", "c.relname", "c.relnamespace", "c.reltype", "c.reloftype", "c.relowner", "c.relam", "c.reltablespace",
		"c.relpersistence", "c.relkind", "c.relnatts", "c.relrowsecurity", "c.relforcerowsecurity", "c.relispopulated",
		"c.relreplident", "c.relispartition", "c.relacl", "c.reloptions", "c.relpartbound", "CASE WHEN c.relkind IN ('v', 'c', 'f', 'p') THEN c.xmin END"}
	// Rows are told apart by key and xmin; the sum does not depend on their order.
	parts := []struct{ catalog, key, from string }{
		{"pg_class", strings.Join(class, ", "), "pg_class c JOIN rel ON rel.oid = c.oid"},
		{"toast options", "c.oid, c.reltoastrelid, toast.reloptions",
			"pg_class c JOIN rel ON rel.oid = c.oid JOIN pg_class toast ON toast.oid = c.reltoastrelid"},
		{"pg_attribute", "x.attrelid, x.attnum, x.xmin", "pg_attribute x JOIN rel ON rel.oid = x.attrelid WHERE x.attnum > 0"},
		{"pg_attrdef", "x.oid, x.xmin", "pg_attrdef x JOIN rel ON rel.oid = x.adrelid"},
		{"pg_constraint", "x.oid, x.xmin", "pg_constraint x JOIN nsp ON nsp.oid = x.connamespace"},
		{"pg_index", "x.indexrelid, x.xmin", "pg_index x JOIN rel ON rel.oid = x.indrelid"},
		{"pg_inherits", "x.inhrelid, x.inhparent, x.inhseqno, x.inhdetachpending", "pg_inherits x JOIN rel ON rel.oid = x.inhrelid"},
		{"pg_trigger", "x.oid, x.xmin", "pg_trigger x JOIN rel ON rel.oid = x.tgrelid"},
		{"pg_rewrite", "x.oid, x.xmin", "pg_rewrite x JOIN rel ON rel.oid = x.ev_class"},
		{"pg_policy", "x.oid, x.xmin", "pg_policy x JOIN rel ON rel.oid = x.polrelid"},
		{"pg_sequence", "x.seqrelid, x.xmin", "pg_sequence x JOIN rel ON rel.oid = x.seqrelid"},
		{"pg_partitioned_table", "x.partrelid, x.xmin", "pg_partitioned_table x JOIN rel ON rel.oid = x.partrelid"},
		{"pg_type", "x.oid, x.xmin", "pg_type x JOIN nsp ON nsp.oid = x.typnamespace"},
		{"pg_proc", "x.oid, x.xmin", "pg_proc x JOIN nsp ON nsp.oid = x.pronamespace"},
		{"pg_depend", "x.objid, x.refobjid, x.refobjsubid, x.deptype", `pg_depend x JOIN rel ON rel.oid = x.objid
			WHERE x.classid = 'pg_class'::regclass AND x.objsubid = 0 AND x.refobjsubid > 0 AND x.deptype IN ('a', 'i')`},
		{"members", "x.classid, x.objid, x.refobjid, x.deptype", "pg_depend x WHERE x.deptype IN ('e', 'x')"},
		{"pg_description", "x.classoid, x.objoid, x.objsubid, x.xmin",
			"pg_description x WHERE (x.objoid >= 16384 OR x.classoid = 'pg_namespace'::regclass) AND x.classoid <> 'pg_largeobject'::regclass"},
		{"pg_shdescription", "x.xmin", `pg_shdescription x WHERE x.classoid = 'pg_database'::regclass
			AND x.objoid = (SELECT oid FROM pg_database WHERE datname = current_database())`},
		{"pg_database", "x.oid, x.xmin", "pg_database x WHERE x.datname = current_database()"},
		{"pg_db_role_setting", "x.setrole, x.xmin",
			"pg_db_role_setting x WHERE x.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())"},
		{"roles with something here", "x.oid, x.rolname", rolesHere},
		{"pg_namespace", "x.oid, x.xmin", "pg_namespace x JOIN nsp ON nsp.oid = x.oid"},
		{"pg_event_trigger", "x.oid, x.xmin", "pg_event_trigger x WHERE x.evtname !~ '^pgrecall'"},
		{"pg_publication", "x.oid, x.xmin", "pg_publication x WHERE x.pubname !~ '^pgrecall'"},
		{"pg_publication_rel", "x.oid, x.xmin", "pg_publication_rel x JOIN pg_publication p ON p.oid = x.prpubid WHERE p.pubname !~ '^pgrecall'"},
		{"pg_seclabel", "x.objoid, x.classoid, x.objsubid, x.xmin", "pg_seclabel x WHERE x.classoid <> 'pg_largeobject'::regclass"},
		{"pg_shseclabel", "x.objoid, x.xmin", "pg_shseclabel x WHERE x.classoid = 'pg_subscription'::regclass"},
		{"pg_ts_config_map", "x.mapcfg, x.maptokentype, x.mapseqno, x.xmin", "pg_ts_config_map x WHERE x.mapcfg >= 16384"},
		{"pg_foreign_table", "x.ftrelid, x.xmin", "pg_foreign_table x"},
		{"pg_user_mappings", "x.umid, x.srvid, x.umuser, x.umoptions", "pg_user_mappings x"},
		{"pg_subscription", r.subscriptionColumns(), "pg_subscription s WHERE " + ours},
	}
	if r.may.UserMappings {
		parts = append(parts, struct{ catalog, key, from string }{"pg_user_mapping", "x.oid, x.xmin", "pg_user_mapping x"})
	}
	if r.c.ServerVersion >= 150000 {
		parts = append(parts, struct{ catalog, key, from string }{"pg_publication_namespace", "x.oid, x.xmin",
			"pg_publication_namespace x JOIN pg_publication p ON p.oid = x.pnpubid WHERE p.pubname !~ '^pgrecall'"})
	}
	for _, whole := range []string{"pg_enum", "pg_extension", "pg_collation", "pg_cast", "pg_default_acl", "pg_statistic_ext",
		"pg_operator", "pg_opclass", "pg_opfamily", "pg_amop", "pg_amproc", "pg_conversion", "pg_ts_parser", "pg_ts_dict",
		"pg_ts_template", "pg_ts_config",
		"pg_foreign_data_wrapper", "pg_foreign_server", "pg_language", "pg_transform", "pg_am", "pg_tablespace"} {
		parts = append(parts, struct{ catalog, key, from string }{whole, "x.oid, x.xmin", whole + " x WHERE x.oid >= 16384"})
	}
	// What initdb and extensions made counts with its privileges.
	for _, x := range []struct{ catalog, oid, acl string }{{"pg_class", "oid", "relacl"}, {"pg_attribute", "attrelid", "attacl"},
		{"pg_proc", "oid", "proacl"},
		{"pg_type", "oid", "typacl"}, {"pg_namespace", "oid", "nspacl"}, {"pg_language", "oid", "lanacl"}, {"pg_init_privs", "objoid", "initprivs"}} {
		parts = append(parts, struct{ catalog, key, from string }{x.catalog + " privileges", "x." + x.oid + ", x." + x.acl,
			x.catalog + " x WHERE x." + x.acl + " IS NOT NULL AND (x." + x.oid + " < 16384 OR x." + x.oid +
				" IN (SELECT m.objid FROM pg_depend m WHERE m.deptype = 'e'))"})
	}
	parts = append(parts, struct{ catalog, key, from string }{"pg_range", "x.rngtypid, x.xmin", "pg_range x WHERE x.rngtypid >= 16384"},
		struct{ catalog, key, from string }{"pg_aggregate", "x.aggfnoid, x.xmin", "pg_aggregate x WHERE x.aggfnoid >= 16384"})
	var b strings.Builder
	b.WriteString(expand(`WITH nsp AS MATERIALIZED (SELECT n.oid FROM pg_namespace n WHERE {user n}),
rel AS MATERIALIZED (SELECT c.oid FROM pg_class c JOIN nsp ON nsp.oid = c.relnamespace WHERE c.relpersistence <> 't')
`))
	for i, p := range parts {
		if i > 0 {
			b.WriteString("\nUNION ALL ")
		}
		fmt.Fprintf(&b, "SELECT '%s' AS catalog, count(*) AS rows, coalesce(sum(hashtextextended(ROW(%s)::text, 0)::numeric), 0)::text "+
			"AS sum FROM %s",
			p.catalog, p.key, p.from)
	}
	return b.String()
}
