package catalog

import "context"

// Implicit is an object that comes with another one and has properties of its own: the array type of a type, the row type of a
// table, a range's multirange type, constructors and cast.
type Implicit struct {
	OID     uint32
	Of      Ref    // what it comes with
	Kind    string // "TYPE", "FUNCTION" or "CAST"
	Schema  string `json:",omitzero"` // empty of a cast
	Name    string // as COMMENT ON kind name has it
	Owner   string
	Comment string `json:",omitzero"`
	ACL     `json:"ACL,omitzero"`
	// OwnOwner says that Owner is not who owns a new one.
	OwnOwner bool `json:",omitzero"`
	// Before17 says that its owner and privileges are its range's from PostgreSQL 17 on.
	Before17 bool `json:",omitzero"`
}

type implicitRow struct {
	Implicit
	Class    string
	OfClass  string
	OfObject uint32
}

// readImplicit reads what such objects have of their own. A range's constructors belong to the bootstrap superuser
// (makeRangeConstructors in src/backend/commands/typecmds.c). Until PostgreSQL 16 a multirange type is owned by who made the range, whoever
// owns that later.
func (r *reader) readImplicit(ctx context.Context) error {
	var err error
	multirange := r.since(17, "false", "t.typtype = 'm'")
	r.implicit, err = collect[implicitRow](ctx, r, "reading what comes with types", `
SELECT DISTINCT ON (i.kind, i.name) i.class::text AS class, i.oid, d.refclassid::regclass::text AS of_class, d.refobjid AS of_object,
       i.kind, i.name, pg_get_userbyid(i.owner)::text AS owner,
       coalesce(n.nspname::text, '') AS schema, coalesce(note.description, '') AS comment, i.own_owner, i.before17, i.acl::text[] AS acl_items,
       CASE WHEN i.acl IS NOT NULL THEN acldefault(CASE i.kind WHEN 'TYPE' THEN 'T'::"char" ELSE 'f' END, i.owner)::text[] END AS acl_initial
FROM (SELECT 'pg_type'::regclass AS class, t.oid, t.typnamespace AS schema, 'TYPE' AS kind, format_type(t.oid, NULL) AS name,
  t.typowner AS owner, t.typacl AS acl,
             `+multirange+` AS own_owner, `+multirange+` AS before17
      FROM pg_type t WHERE t.typacl IS NOT NULL OR `+multirange+` OR t.oid IN (SELECT objoid FROM pg_description WHERE classoid = 'pg_type'::regclass)
      UNION ALL
      SELECT 'pg_proc'::regclass, p.oid, p.pronamespace, 'FUNCTION', p.oid::regprocedure::text, p.proowner, p.proacl, p.proowner <> 10,
             false FROM pg_proc p
      WHERE p.oid >= 16384 AND p.oid IN (SELECT objid FROM pg_depend WHERE classid = 'pg_proc'::regclass AND deptype = 'i')
      UNION ALL
      SELECT 'pg_cast'::regclass, c.oid, NULL, 'CAST', '(' || format_type(c.castsource, NULL) || ' AS ' || format_type(c.casttarget,
        NULL) || ')', 10, NULL, false, false
      FROM pg_cast c WHERE c.oid >= 16384
     ) i
JOIN pg_depend d ON d.classid = i.class AND d.objid = i.oid AND d.deptype = 'i' AND d.refclassid IN ('pg_type'::regclass, 'pg_class'::regclass)
LEFT JOIN pg_namespace n ON n.oid = i.schema
LEFT JOIN pg_description note ON note.classoid = i.class AND note.objoid = i.oid AND note.objsubid = 0
WHERE i.oid >= 16384 AND (n.oid IS NULL OR {user n}) AND (note.description IS NOT NULL OR i.acl IS NOT NULL OR i.own_owner)
ORDER BY i.kind, i.name, d.refclassid, d.refobjid`)
	return err
}

// attachImplicit keeps those that come with an object of the model.
func (a *assembly) attachImplicit() {
	for _, row := range a.implicit {
		of, ok := a.resolve(Ref{Class(row.OfClass), row.OfObject})
		if ok && of.Class != ClassExtension {
			row.Of = of
			a.c.Implicit = append(a.c.Implicit, row.Implicit)
		}
	}
}

// addImplicit adds the properties of what comes with the objects of the script.
func (p *planner) addImplicit() {
	for i := range p.c.Implicit {
		m := &p.c.Implicit[i]
		n := p.nodes[m.Of]
		if n == nil || p.o.Copy && m.Of.Class == ClassRelation {
			continue
		}
		was := p.at
		p.at = place{section: PostData, stage: StageGrants, ifMissing: n.exists}
		from := len(p.s.Statements)
		d := described{kind: m.Kind, schema: m.Schema, sql: m.Name, name: m.Name, oid: m.OID, comment: m.Comment, acl: m.ACL}
		if d.owner = m.Owner; m.OwnOwner {
			p.addOwner(d)
		}
		p.addGrants(d, "")
		for j := from; j < len(p.s.Statements) && m.Before17; j++ {
			s := &p.s.Statements[j]
			s.SQL = olderOnly(170000, s.SQL)
		}
		p.addComment(d)
		for j := from; j < len(p.s.Statements); j++ {
			p.s.Statements[j].Locks = []uint32{m.OID}
		}
		p.at = was
	}
}

// olderOnly makes of a statement one that does nothing on servers from a version on.
func olderOnly(version int, sql string) string {
	return "DO " + dollarQuote("BEGIN IF pg_catalog.current_setting('server_version_num')::integer < "+itoa(version)+" THEN EXECUTE "+
		quoteLiteral(sql)+"; END IF; END")
}
