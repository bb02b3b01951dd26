package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// create makes a schema where the target lacks it: one that is there keeps
// its owner and grants. Only public, which every new database has, gets the source's.
func (s *Schema) create(p *planner, _ *node) {
	at := s.address()
	was := p.at.ifMissing
	defer func() { p.at.ifMissing = was }()
	p.at.ifMissing = at.exists()
	p.add(Statement{Kind: "SCHEMA", Name: s.Name, OID: s.OID, SQL: "CREATE SCHEMA " + QuoteIdent(s.Name), at: at})
	d := described{kind: "SCHEMA", sql: QuoteIdent(s.Name), name: s.Name, oid: s.OID, owner: s.Owner, comment: s.Comment,
		labels: s.SecurityLabels, acl: s.ACL, grants: StageSchemaGrants}
	if s.Name != "public" {
		p.addProperties(d)
		return
	}
	p.at.ifMissing = was
	p.addPublicSchema(s, d)
}

// addPublicSchema makes a new database's public schema the source's. Whatever made the target, its privileges are taken to
// be those of 15 and later, as owned by the source's owner: all may use it, and no more. So does pg_dump, whichever
// server it reads (getNamespaces() in src/bin/pg_dump/pg_dump.c): a database of 14 gets back what PUBLIC may do.
func (p *planner) addPublicSchema(s *Schema, d described) {
	owner := aclQuote(s.Owner)
	d.acl.Initial = []string{owner + "=UC/" + owner, "=U/" + owner}
	if s.ACL.Items == nil {
		d.acl.Items = d.acl.Initial[:1] // it was dropped and made again
	}
	creates := func(item string) bool { return strings.HasPrefix(item, "=") && strings.Contains(item, "C") }
	if p.c.ServerVersion < 150000 && !slices.ContainsFunc(d.acl.Items, creates) {
		d.acl.Initial[1] = "=UC/" + owner // a target of 14 lets all create in it
	}
	if s.Owner != "pg_database_owner" {
		p.addOwner(d)
	}
	switch s.Comment {
	case "standard public schema":
		d.comment = ""
	case "":
		p.add(Statement{Kind: "COMMENT", Name: s.Name, OID: s.OID, SQL: "COMMENT ON SCHEMA public IS NULL"})
	}
	p.addComment(d)
	p.addGrants(d, "")
}

func (s *Schema) address() address { return plainAddress("SCHEMA", "pg_namespace", "nspname", s.Name) }

func (l *Collation) create(p *planner, _ *node) {
	var options []string
	option := func(name, value string) {
		if value != "" {
			options = append(options, name+" = "+quoteLiteral(value))
		}
	}
	switch l.Provider {
	case "i":
		options = append(options, "provider = icu")
	case "b":
		options = append(options, "provider = builtin")
	default:
		options = append(options, "provider = libc")
	}
	if !l.Deterministic {
		options = append(options, "deterministic = false")
	}
	if l.Provider == "c" {
		option("lc_collate", l.Collate)
		option("lc_ctype", l.Ctype)
	} else {
		option("locale", l.Locale)
		option("rules", l.Rules)
	}
	p.make(l, "CREATE COLLATION "+l.SQLName()+" ("+strings.Join(options, ", ")+")")
}

func (l *Collation) address() address {
	return schemaAddress("COLLATION", "pg_collation", "coll", Name{l.Schema, l.Name})
}

func (f *Function) create(p *planner, _ *node) {
	// A restore replaces nothing.
	definition := strings.TrimSpace(f.Definition)
	if rest, ok := strings.CutPrefix(definition, "CREATE OR REPLACE "); ok {
		definition = "CREATE " + rest
	}
	p.make(f, definition)
}

func (f *Function) address() address {
	name := Name{f.Schema, f.Name}
	if f.Kind != "p" {
		return functionAddress("FUNCTION", name, f.Types)
	}
	a := functionAddress("PROCEDURE", name, f.Types)
	if f.Input != "" {
		a.name = name.SQL() + "(" + f.Input + ")"
	}
	return a
}

// dependOnExtensions adds ALTER … DEPENDS ON EXTENSION for each extension.
func (p *planner) dependOnExtensions(s Statement, object string, extensions []string) {
	for _, e := range extensions {
		s.SQL = "ALTER " + object + " DEPENDS ON EXTENSION " + QuoteIdent(e)
		p.addAt(StageEnable, s)
	}
}

func (t *Type) create(p *planner, n *node) {
	var sql string
	switch t.Kind {
	case TypeEnum:
		labels := make([]string, len(t.Labels))
		for i, l := range t.Labels {
			labels[i] = "\n\t" + strings.TrimSpace(quoteLiteral(l))
		}
		sql = "CREATE TYPE " + t.SQLName() + " AS ENUM (" + strings.Join(labels, ",") + "\n)"
	case TypeComposite:
		columns := make([]string, len(t.Columns))
		for i, c := range t.Columns {
			columns[i] = "\n\t" + QuoteIdent(c.Name) + " " + c.TypeName + collateSQL(c.Collation)
		}
		sql = "CREATE TYPE " + t.SQLName() + " AS (" + strings.Join(columns, ",") + "\n)"
	case TypeDomain:
		sql = p.domainSQL(t, n)
	case TypeRange:
		sql = rangeSQL(t)
	case TypeBase:
		sql = baseSQL(t)
	case TypeShell:
		sql = "CREATE TYPE " + t.SQLName()
	}
	p.makeToDrop(t, sql, dropCircle(t, n.circle))
	name := t.Schema + "." + t.Name
	for _, c := range t.Columns {
		p.addComment(described{kind: "COLUMN", sql: t.SQLName() + "." + QuoteIdent(c.Name), name: name + "." + c.Name, oid: t.OID,
			comment: c.Comment, labels: c.SecurityLabels})
	}
	if t.DefaultDropped {
		p.add(Statement{Kind: "DOMAIN", Name: t.SQLName(), OID: t.OID, SQL: "ALTER DOMAIN " + t.SQLName() + " DROP DEFAULT"})
	}
	p.addDomainParts(t, n)
}

func (t *Type) address() address {
	kind := "TYPE"
	if t.Kind == TypeDomain {
		kind = "DOMAIN"
	}
	return schemaAddress(kind, "pg_type", "typ", Name{t.Schema, t.Name})
}

func collateSQL(collation string) string {
	if collation == "" {
		return ""
	}
	return " COLLATE " + collation
}

func (p *planner) domainSQL(t *Type, n *node) string {
	var b strings.Builder
	b.WriteString("CREATE DOMAIN " + t.SQLName() + " AS " + t.Base + collateSQL(t.Collation))
	if t.Default != "" {
		b.WriteString("\n\tDEFAULT " + t.Default)
	}
	named := false
	for _, k := range t.Constraints {
		if k.Kind == "n" {
			named = true
			b.WriteString("\n\tCONSTRAINT " + QuoteIdent(k.Name) + " NOT NULL")
		}
		if k.Kind == "c" && k.Validated && !n.detached(Ref{ClassConstraint, k.OID}) {
			b.WriteString("\n\tCONSTRAINT " + QuoteIdent(k.Name) + " " + k.Definition)
		}
	}
	if t.NotNull && !named {
		b.WriteString("\n\tNOT NULL")
	}
	return b.String()
}

// addDomainParts adds the comments of a domain's constraints, and those that old
// values need not fulfil.
func (p *planner) addDomainParts(t *Type, n *node) {
	for i := range t.Constraints {
		k := &t.Constraints[i]
		d := described{kind: "CONSTRAINT", sql: QuoteIdent(k.Name) + " ON DOMAIN " + t.SQLName(),
			name: k.Name + " on " + t.Schema + "." + t.Name, oid: k.OID, comment: k.Comment}
		switch {
		case k.Kind == "c" && !k.Validated:
			d.stage = StageGrants
			was := p.at
			p.at.section, p.at.stage = PostData, StageForeignKeys
			p.addDomainConstraint(t, k)
			p.at = was
		case n.detached(Ref{ClassConstraint, k.OID}):
			d.stage = StageGrants
		}
		p.addComment(d)
	}
}

func (p *planner) addDomainConstraint(t *Type, k *Constraint) {
	p.add(Statement{Kind: "CHECK CONSTRAINT", Name: k.Name + " on " + t.Schema + "." + t.Name, OID: k.OID,
		SQL:    "ALTER DOMAIN " + t.SQLName() + " ADD CONSTRAINT " + QuoteIdent(k.Name) + " " + k.Definition,
		undo:   "ALTER DOMAIN " + t.SQLName() + " DROP CONSTRAINT IF EXISTS " + QuoteIdent(k.Name),
		undoIf: schemaAddress("", "pg_type", "typ", Name{t.Schema, t.Name}).exists()})
}

func rangeSQL(t *Type) string {
	options := []string{"subtype = " + t.Subtype}
	option := func(name, value string) {
		if value != "" {
			options = append(options, name+" = "+value)
		}
	}
	if t.Multirange != "" {
		option("multirange_type_name", qualified(t.MultirangeIn, t.Multirange))
	}
	option("subtype_opclass", t.SubtypeOpclass)
	option("collation", t.Collation)
	option("canonical", t.Canonical)
	option("subtype_diff", t.SubtypeDiff)
	return "CREATE TYPE " + t.SQLName() + " AS RANGE (\n\t" + strings.Join(options, ",\n\t") + "\n)"
}

func (q *Sequence) create(p *planner, _ *node) {
	name, ok := p.s.Sequences[q.OID]
	if !ok {
		name = Name{q.Schema, q.Name}
	}
	sql := "CREATE "
	if q.Persistence == "u" {
		sql += "UNLOGGED "
	}
	p.add(Statement{Kind: "SEQUENCE", Name: name.String(), OID: q.OID, Table: q.OwnerTable, at: relationAddress("SEQUENCE", name),
		SQL: sql + "SEQUENCE " + name.SQL() + " AS " + q.Type + " " + sequenceOptions(q)})
	p.addProperties(described{kind: "SEQUENCE", schema: name.Schema, sql: name.SQL(), name: name.String(), oid: q.OID, table: q.OwnerTable,
		owner: q.Owner, comment: q.Comment, labels: q.SecurityLabels, acl: q.ACL})
}

func (q *Sequence) address() address { return relationAddress("SEQUENCE", Name{q.Schema, q.Name}) }

func sequenceOptions(q *Sequence) string {
	sql := fmt.Sprintf("START WITH %d INCREMENT BY %d MINVALUE %d MAXVALUE %d CACHE %d", q.Start, q.Increment, q.Min, q.Max, q.Cache)
	if q.Cycle {
		sql += " CYCLE"
	}
	return sql
}

// ownSequences ties sequences to the columns they belong to.
func (p *planner) ownSequences() {
	for i := range p.c.Sequences {
		q := &p.c.Sequences[i]
		t := p.tables[q.OwnerTable]
		name, ok := p.s.Sequences[q.OID]
		if t == nil || q.Identity || !ok || !p.selected[t.OID] {
			continue
		}
		if c := t.column(q.OwnerColumn); c != nil {
			p.add(Statement{Kind: "SEQUENCE OWNED BY", Name: name.String(), OID: q.OID, Table: t.OID,
				SQL: "ALTER SEQUENCE " + name.SQL() + " OWNED BY " + p.table(t.OID).SQL() + "." + QuoteIdent(c.Name)})
		}
	}
}

func (v *View) create(p *planner, n *node) {
	sql := "CREATE VIEW "
	if v.Kind == "m" {
		sql = "CREATE MATERIALIZED VIEW "
	}
	sql += v.SQLName()
	if v.AccessMethod != "" {
		sql += " USING " + QuoteIdent(v.AccessMethod)
	}
	if options := optionsSQL(v.Options, v.ToastOptions); options != "" {
		sql += " WITH (" + options + ")"
	}
	if v.Tablespace != "" && !p.o.NoTablespaces {
		sql += " TABLESPACE " + QuoteIdent(v.Tablespace)
	}
	sql += " AS\n" + v.Definition
	if v.Kind == "m" {
		sql += "\n WITH NO DATA"
	}
	p.add(Statement{Kind: v.sqlKind(), Name: v.Schema + "." + v.Name, OID: v.OID, SQL: sql, at: v.address()})
	p.addViewProperties(v)
	p.addViewDefaults(v, n)
}

func (v *View) address() address { return relationAddress(v.sqlKind(), Name{v.Schema, v.Name}) }

func (v *View) sqlKind() string {
	if v.Kind == "m" {
		return "MATERIALIZED VIEW"
	}
	return "VIEW"
}

func (p *planner) addViewProperties(v *View) {
	name := v.Schema + "." + v.Name
	d := described{kind: v.sqlKind(), schema: v.Schema, sql: v.SQLName(), name: name, oid: v.OID, owner: v.Owner, comment: v.Comment,
		labels: v.SecurityLabels, acl: v.ACL, onACL: "TABLE"}
	p.addProperties(d)
	for i := range v.Columns {
		c := &v.Columns[i]
		p.addComment(described{kind: "COLUMN", sql: v.SQLName() + "." + QuoteIdent(c.Name), name: name + "." + c.Name, oid: v.OID,
			comment: c.Comment, labels: c.SecurityLabels})
		d.acl = c.ACL
		p.addGrants(d, c.Name)
		if v.Kind == "m" {
			p.alterColumn(c, Statement{Kind: v.sqlKind(), Name: name, OID: v.OID}, "ALTER MATERIALIZED VIEW "+v.SQLName())
		}
	}
	p.dependOnExtensions(Statement{Kind: v.sqlKind(), Name: name, OID: v.OID}, v.sqlKind()+" "+v.SQLName(), v.DependsOnExtensions)
}

func (p *planner) addViewDefaults(v *View, n *node) {
	for i := range v.Columns {
		if c := &v.Columns[i]; c.DefaultOID != 0 && !n.detached(Ref{ClassDefault, c.DefaultOID}) {
			p.setViewDefault(v, c)
		}
	}
}

func (p *planner) setViewDefault(v *View, c *Column) {
	p.add(Statement{Kind: "DEFAULT", Name: v.Schema + "." + v.Name + "." + c.Name, OID: v.OID,
		SQL: "ALTER VIEW " + v.SQLName() + " ALTER COLUMN " + QuoteIdent(c.Name) + " SET DEFAULT " + c.Default})
}

// createDummyView makes a view of NULLs with the columns of the real one.
func (p *planner) createDummyView(v *View) {
	columns := make([]string, len(v.Columns))
	for i, c := range v.Columns {
		columns[i] = "\n\tNULL::" + c.TypeName + collateSQL(c.Collation) + " AS " + QuoteIdent(c.Name)
	}
	dummy := "VIEW " + v.SQLName() + " AS\nSELECT" + strings.Join(columns, ",")
	at := relationAddress("VIEW", Name{v.Schema, v.Name})
	p.add(Statement{Kind: "VIEW", Name: v.Schema + "." + v.Name, OID: v.OID, at: at, SQL: "CREATE " + dummy,
		undo: "CREATE OR REPLACE " + dummy, undoIf: at.exists()})
	p.addViewProperties(v)
}

func (p *planner) replaceView(v *View, n *node) {
	sql := "CREATE OR REPLACE VIEW " + v.SQLName()
	if options := optionsSQL(v.Options, nil); options != "" {
		sql += " WITH (" + options + ")"
	}
	p.add(Statement{Kind: "VIEW", Name: v.Schema + "." + v.Name, OID: v.OID, SQL: sql + " AS\n" + v.Definition})
	p.addViewDefaults(v, n)
}
