package oracle

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unique"
)

// objectsQuery lists what a restored database must have besides rows, one line each. Definitions are the server's own words. %s is
// where the replica identities stand that tables had before pgrecall gave them another. Positions of columns are left
// out where a child of an inheritance has its own before those that its parent got later: no statement can make them so.
const objectsQuery = `
WITH ours AS (SELECT oid, nspname, nspowner,
	nspacl FROM pg_catalog.pg_namespace WHERE nspname NOT LIKE 'pg\_%%' AND nspname NOT IN ('information_schema', 'pgrecall')),
	identities AS (%s),
	rels AS (SELECT c.*, n.nspname, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name,
		EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) AND NOT c.relispartition AS child
		FROM pg_catalog.pg_class c JOIN ours n ON n.oid = c.relnamespace WHERE c.relpersistence <> 't'),
	granted AS (
		SELECT 'schema ' || quote_ident(nspname) AS what, coalesce(nspacl, acldefault('n', nspowner)) AS acl FROM ours
		UNION ALL SELECT 'relation ' || name, coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char",
			relowner)) FROM rels WHERE relkind IN ('r', 'p', 'v', 'm', 'S')
		UNION ALL SELECT 'column ' || r.name || ' ' || quote_ident(a.attname),
			a.attacl FROM rels r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid WHERE a.attacl IS NOT NULL
		UNION ALL SELECT 'routine ' || p.oid::regprocedure, coalesce(p.proacl, acldefault('f',
			p.proowner)) FROM pg_catalog.pg_proc p JOIN ours n ON n.oid = p.pronamespace
		UNION ALL SELECT 'type ' || pg_catalog.format_type(t.oid, NULL),
			t.typacl FROM pg_catalog.pg_type t JOIN ours n ON n.oid = t.typnamespace WHERE t.typacl IS NOT NULL)
SELECT format('schema %%I owner %%s', nspname, nspowner::regrole) FROM ours
UNION ALL SELECT format('relation %%s kind %%s owner %%s persistence %%s identity %%s options %%s bound %%s key %%s security %%s %%s populated %%s of %%s',
	name, relkind, relowner::regrole,
	relpersistence, coalesce(i.original, relreplident), reloptions, pg_catalog.pg_get_expr(relpartbound, oid), pg_catalog.pg_get_partkeydef(oid),
	relrowsecurity, relforcerowsecurity, relispopulated, nullif(reloftype, 0)::regtype) FROM rels LEFT JOIN identities i ON i.relid = oid
UNION ALL SELECT format('column %%s %%s %%I %%s collation %%s default %%s not null %%s identity %%s generated %%s storage %%s compression %%s options %%s',
	r.name,
	CASE WHEN NOT r.child THEN row_number() OVER (PARTITION BY r.oid ORDER BY a.attnum) END, a.attname, pg_catalog.format_type(a.atttypid,
		a.atttypmod), nullif(a.attcollation, 0)::regcollation,
	pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attnotnull, a.attidentity, a.attgenerated, a.attstorage, a.attcompression, a.attoptions)
	FROM rels r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND r.relkind NOT IN ('i', 'I')
	LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attnum > 0 AND NOT a.attisdropped
UNION ALL SELECT format('constraint %%s %%I %%s', coalesce(r.name, pg_catalog.format_type(nullif(o.contypid, 0), NULL)), o.conname,
	pg_catalog.pg_get_constraintdef(o.oid))
	FROM pg_catalog.pg_constraint o JOIN ours n ON n.oid = o.connamespace LEFT JOIN rels r ON r.oid = o.conrelid
UNION ALL SELECT 'index ' || pg_catalog.pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisreplident THEN ' identity' ELSE '' END ||
	CASE WHEN i.indisclustered THEN ' clustered' ELSE '' END || CASE WHEN i.indisvalid THEN '' ELSE ' invalid' END
	FROM pg_catalog.pg_index i JOIN rels r ON r.oid = i.indexrelid
UNION ALL SELECT format('trigger %%s enabled %%s', pg_catalog.pg_get_triggerdef(t.oid),
	t.tgenabled) FROM pg_catalog.pg_trigger t JOIN rels r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
UNION ALL SELECT format('rule %%s enabled %%s', pg_catalog.pg_get_ruledef(w.oid),
	w.ev_enabled) FROM pg_catalog.pg_rewrite w JOIN rels r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'
UNION ALL SELECT format('policy %%I on %%s %%s %%s for %%s using %%s check %%s', p.polname, r.name, p.polpermissive, p.polcmd,
	(SELECT array_agg(m::regrole::text ORDER BY 1) FROM unnest(p.polroles) m WHERE m <> 0),
	pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck,
		p.polrelid)) FROM pg_catalog.pg_policy p JOIN rels r ON r.oid = p.polrelid
UNION ALL SELECT format('statistics %%s owner %%s', pg_catalog.pg_get_statisticsobjdef(e.oid),
	e.stxowner::regrole) FROM pg_catalog.pg_statistic_ext e JOIN ours n ON n.oid = e.stxnamespace
UNION ALL SELECT format('inherits %%s from %%s', r.name, inhparent::regclass) FROM pg_catalog.pg_inherits JOIN rels r ON r.oid = inhrelid
UNION ALL SELECT format('type %%I.%%I %%s owner %%s base %%s not null %%s default %%s', n.nspname, t.typname, t.typtype,
	t.typowner::regrole, pg_catalog.format_type(nullif(t.typbasetype, 0), t.typtypmod), t.typnotnull, t.typdefault)
	FROM pg_catalog.pg_type t JOIN ours n ON n.oid = t.typnamespace WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relpersistence = 't')
UNION ALL SELECT format('label %%s %%s', e.enumtypid::regtype, string_agg(quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder))
	FROM pg_catalog.pg_enum e JOIN pg_catalog.pg_type t ON t.oid = e.enumtypid JOIN ours n ON n.oid = t.typnamespace GROUP BY e.enumtypid
UNION ALL SELECT format('sequence %%s %%s %%s %%s %%s %%s %%s cache %%s of %%s', r.name, s.seqtypid::regtype, seqstart, seqincrement,
	seqmin, seqmax, seqcycle, seqcache,
	(SELECT pg_catalog.pg_describe_object(refclassid, refobjid,
		refobjsubid) FROM pg_catalog.pg_depend WHERE classid = 'pg_class'::regclass AND objid = r.oid AND deptype IN ('a',
		'i') AND refobjsubid > 0))
	FROM pg_catalog.pg_sequence s JOIN rels r ON r.oid = s.seqrelid
UNION ALL SELECT format('view %%s %%s', r.name, pg_catalog.pg_get_viewdef(r.oid)) FROM rels r WHERE r.relkind IN ('v', 'm')
UNION ALL SELECT format('routine owner %%s %%s', p.proowner::regrole,
	pg_catalog.pg_get_functiondef(p.oid)) FROM pg_catalog.pg_proc p JOIN ours n ON n.oid = p.pronamespace WHERE p.prokind <> 'a'
UNION ALL SELECT format('%%s grants %%s %%s %%s', g.what, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
	a.privilege_type, a.is_grantable) FROM granted g, aclexplode(g.acl) a
UNION ALL SELECT format('default privileges of %%s in %%s on %%s: %%s', defaclrole::regrole, nullif(defaclnamespace, 0)::regnamespace,
	defaclobjtype, (SELECT array_agg(x::text ORDER BY 1) FROM unnest(defaclacl) x)) FROM pg_catalog.pg_default_acl
UNION ALL SELECT format('comment on %%s %%s: %%s', o.type, o.identity, d.description) FROM pg_catalog.pg_description d,
	pg_catalog.pg_identify_object(d.classoid, d.objoid, d.objsubid) o
	WHERE d.objoid >= 16384 AND (o.schema IS NULL OR o.schema IN (SELECT nspname FROM ours)) AND NOT o.identity ~ 'pgrecall'
`

// Where the replica identities from before pgrecall are.
const (
	identitiesOfSource = `SELECT relid, original FROM pgrecall.identities`
	identitiesOfCopy   = `SELECT NULL::oid AS relid, NULL::"char" AS original WHERE false`
)

// objects are the lines of a database's objects, sorted. Equal lines of several databases share their memory.
type objects []unique.Handle[string]

// readObjects lists the objects of a database.
func readObjects(ctx context.Context, s *session) (objects, error) {
	protected, err := s.value(ctx, "SELECT pg_catalog.to_regclass('pgrecall.identities') IS NOT NULL")
	if err != nil {
		return nil, err
	}
	identities := identitiesOfCopy
	if protected == "t" {
		identities = identitiesOfSource
	}
	rows, err := s.rows(ctx, fmt.Sprintf(objectsQuery, identities))
	if err != nil {
		return nil, err
	}
	all := make(objects, len(rows))
	for i, row := range rows {
		all[i] = unique.Make(row[0])
	}
	slices.SortFunc(all, func(a, b unique.Handle[string]) int { return strings.Compare(a.Value(), b.Value()) })
	return all, nil
}

// compareObjects returns one line for each object that only one side has, or has more often.
func compareObjects(want, got objects) []string {
	count := make(map[unique.Handle[string]]int)
	for _, line := range want {
		count[line]++
	}
	for _, line := range got {
		count[line]--
	}
	var differences []string
	for line, n := range count {
		for ; n > 0; n-- {
			differences = append(differences, "not restored: "+line.Value())
		}
		for ; n < 0; n++ {
			differences = append(differences, "restored and not there before: "+line.Value())
		}
	}
	slices.Sort(differences)
	return differences
}

// unvalidated leaves out of the differences foreign keys that differ in nothing but that the copy's are NOT VALID.
func unvalidated(differences []string) []string {
	const lost, extra = "not restored: ", "restored and not there before: "
	return slices.DeleteFunc(slices.Clone(differences), func(d string) bool {
		line, isLost := strings.CutPrefix(d, lost)
		if isLost {
			return slices.Contains(differences, extra+line+" NOT VALID")
		}
		line, isValid := strings.CutSuffix(strings.TrimPrefix(d, extra), " NOT VALID")
		return isValid && slices.Contains(differences, lost+line)
	})
}
