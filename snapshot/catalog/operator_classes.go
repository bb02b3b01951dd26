package catalog

import (
	"context"
	"fmt"
	"strings"
)

// OperatorFamily is an operator family, or what was added by ALTER OPERATOR FAMILY to one that is not the user's.
type OperatorFamily struct {
	Object
	Method  string         `json:",omitzero"` // its index access method
	Foreign bool           `json:",omitzero"` // the system's or an extension's: only Members are the user's
	Members []FamilyMember `json:",omitzero"` // those that belong to the family itself, to none of its classes
}

// OperatorClass is an operator class.
type OperatorClass struct {
	Object
	Method  string         `json:",omitzero"`
	Type    string         `json:",omitzero"`
	Default bool           `json:",omitzero"`
	Family  string         `json:",omitzero"` // its family's name as SQL text
	Storage string         `json:",omitzero"` // where it is not Type
	Members []FamilyMember `json:",omitzero"` // those that go with the class
}

// FamilyMember is an operator or a support function of an operator family.
type FamilyMember struct {
	OID     uint32
	Class   Class  `json:",omitzero"` // ClassFamilyOperator or ClassFamilyFunction
	Number  int16  `json:",omitzero"` // strategy, or number of the support function
	Left    string `json:",omitzero"`
	Right   string `json:",omitzero"`
	Name    string `json:",omitzero"` // of the operator or function, with the types of its arguments
	OrderBy string `json:",omitzero"` // the family of an ordering operator, as SQL text
	Depends []Ref  `json:",omitzero"`
}

type memberRow struct {
	FamilyMember
	FamilyOID uint32
	ClassOID  uint32 // 0: it belongs to the family itself
	// The family where it is not the user's.
	Schema string
	Family string
	Method string
}

func (r *reader) readOperatorClasses(ctx context.Context) error {
	var err error
	r.c.OperatorFamilies, err = collect[OperatorFamily](ctx, r, "reading operator families", `
SELECT f.oid, n.nspname::text AS schema, f.opfname::text AS name, pg_get_userbyid(f.opfowner)::text AS owner,
       coalesce(note.description, '') AS comment, a.amname::text AS method
FROM pg_opfamily f JOIN pg_namespace n ON n.oid = f.opfnamespace JOIN pg_am a ON a.oid = f.opfmethod {note pg_opfamily f}
WHERE {user n} AND {own pg_opfamily f} ORDER BY n.nspname, f.opfname, a.amname`)
	if err != nil {
		return err
	}
	r.c.OperatorClasses, err = collect[OperatorClass](ctx, r, "reading operator classes", `
SELECT c.oid, n.nspname::text AS schema, c.opcname::text AS name, pg_get_userbyid(c.opcowner)::text AS owner,
       coalesce(note.description, '') AS comment, a.amname::text AS method, format_type(c.opcintype, NULL) AS type, c.opcdefault AS default,
       quote_ident(fn.nspname) || '.' || quote_ident(f.opfname) AS family,
       CASE WHEN c.opckeytype <> 0 THEN format_type(c.opckeytype, NULL) ELSE '' END AS storage
FROM pg_opclass c JOIN pg_namespace n ON n.oid = c.opcnamespace JOIN pg_am a ON a.oid = c.opcmethod
JOIN pg_opfamily f ON f.oid = c.opcfamily JOIN pg_namespace fn ON fn.oid = f.opfnamespace {note pg_opclass c}
WHERE {user n} AND {own pg_opclass c} ORDER BY n.nspname, c.opcname, a.amname`)
	if err != nil {
		return err
	}
	return r.readFamilyMembers(ctx)
}

// readFamilyMembers reads operators and functions of families with the class or family that each is tied to (storeOperators
// in src/backend/commands/opclasscmds.c). Of a family that is not the user's only those count that are: none of their parts
// is an extension's, and where the family is an extension's, one is the user's own.
func (r *reader) readFamilyMembers(ctx context.Context) error {
	var err error
	r.familyMembers, err = collect[memberRow](ctx, r, "reading the members of operator families", `
WITH member AS (
  SELECT 'pg_amop'::regclass AS class, m.oid, m.amopfamily AS family, m.amopstrategy AS number, m.amoplefttype AS "left", m.amoprighttype AS "right",
         m.amopopr::regoperator::text AS name, m.amopsortfamily AS order_by, 'pg_operator'::regclass AS part_class, m.amopopr::oid AS part
  FROM pg_amop m WHERE m.oid >= 16384
  UNION ALL
  SELECT 'pg_amproc'::regclass, m.oid, m.amprocfamily, m.amprocnum, m.amproclefttype, m.amprocrighttype,
         m.amproc::oid::regprocedure::text, 0, 'pg_proc'::regclass, m.amproc::oid
  FROM pg_amproc m WHERE m.oid >= 16384
), extension AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e')
SELECT m.oid, m.class::text AS class, m.number, format_type(m.left, NULL) AS left, format_type(m.right, NULL) AS right, m.name,
       coalesce(quote_ident(sn.nspname) || '.' || quote_ident(s.opfname), '') AS order_by,
       m.family AS family_oid, coalesce(c.oid, 0::oid) AS class_oid, n.nspname::text AS schema, f.opfname::text AS family, a.amname::text AS method
FROM member m JOIN pg_opfamily f ON f.oid = m.family JOIN pg_namespace n ON n.oid = f.opfnamespace JOIN pg_am a ON a.oid = f.opfmethod
LEFT JOIN pg_depend d ON d.classid = m.class AND d.objid = m.oid AND d.refclassid = 'pg_opclass'::regclass AND d.deptype IN ('i', 'a')
LEFT JOIN pg_opclass c ON c.oid = d.refobjid
LEFT JOIN pg_opfamily s ON s.oid = m.order_by LEFT JOIN pg_namespace sn ON sn.oid = s.opfnamespace
WHERE ({user n} AND {own pg_opfamily f})
   OR c.oid IN (SELECT c.oid FROM pg_opclass c JOIN pg_namespace n ON n.oid = c.opcnamespace WHERE {user n} AND {own pg_opclass c})
   OR (NOT EXISTS (SELECT FROM extension e WHERE (e.classid, e.objid) IN ((m.part_class, m.part), ('pg_type'::regclass, m.left),
     ('pg_type'::regclass, m.right)))
       AND ({own pg_opfamily f} OR greatest(m.part, m.left, m.right) >= 16384))
ORDER BY n.nspname, f.opfname, a.amname, m.class::text, m.number, 4, 5`)
	return err
}

// attachMembers gives every member to its class or family, making one that stands for a family of the system's or an extension's.
func (a *assembly) attachMembers() {
	classes, families := map[uint32]int{}, map[uint32]int{}
	for i := range a.c.OperatorClasses {
		classes[a.c.OperatorClasses[i].OID] = i
	}
	for i := range a.c.OperatorFamilies {
		families[a.c.OperatorFamilies[i].OID] = i
	}
	for _, m := range a.familyMembers {
		if i, ok := classes[m.ClassOID]; ok {
			a.c.OperatorClasses[i].Members = append(a.c.OperatorClasses[i].Members, m.FamilyMember)
			continue
		}
		i, ok := families[m.FamilyOID]
		if !ok {
			i = len(a.c.OperatorFamilies)
			families[m.FamilyOID] = i
			a.c.OperatorFamilies = append(a.c.OperatorFamilies, OperatorFamily{
				Object: Object{OID: m.FamilyOID, Schema: m.Schema, Name: m.Family}, Method: m.Method, Foreign: true})
		}
		a.c.OperatorFamilies[i].Members = append(a.c.OperatorFamilies[i].Members, m.FamilyMember)
	}
}

func (f *OperatorFamily) ref() Ref        { return Ref{ClassOperatorFamily, f.OID} }
func (c *OperatorClass) ref() Ref         { return Ref{ClassOperatorClass, c.OID} }
func (f *OperatorFamily) rank() int       { return rankOperatorFamily }
func (c *OperatorClass) rank() int        { return rankOperatorClass }
func (f *OperatorFamily) variant() string { return f.Method }
func (c *OperatorClass) variant() string  { return c.Method }

func (f *OperatorFamily) address() address {
	return methodAddress("OPERATOR FAMILY", "pg_opfamily", "opf", Name{f.Schema, f.Name}, f.Method)
}

func (c *OperatorClass) address() address {
	return methodAddress("OPERATOR CLASS", "pg_opclass", "opc", Name{c.Schema, c.Name}, c.Method)
}

// methodAddress is of an object that has a name for each index access method.
func methodAddress(kind, catalog, prefix string, n Name, method string) address {
	a := schemaAddress(kind, catalog, prefix, n)
	a.oid += " AND o." + prefix + "method = (SELECT oid FROM pg_catalog.pg_am WHERE amname = " + quoteLiteral(method) + ")"
	a.name += " USING " + QuoteIdent(method)
	return a
}

// prepare makes the members of a family parts that can wait. What is added to a family that is there anyway goes along
// with its operators.
func (f *OperatorFamily) prepare(p *planner, n *node) {
	for i := range f.Members {
		m := &f.Members[i]
		if !f.Foreign {
			n.parts = append(n.parts, &part{ref: Ref{m.Class, m.OID}, needs: m.Depends, emit: func() { p.addMembers(f, *m) }})
			continue
		}
		n.needs = append(n.needs, m.Depends...)
		for _, ref := range m.Depends {
			if operator := p.nodes[ref]; operator != nil && ref.Class == ClassOperator {
				operator.along = append(operator.along, n.ref)
			}
		}
	}
}

func (f *OperatorFamily) create(p *planner, n *node) {
	if f.Foreign {
		for _, m := range f.Members {
			p.addForeignMember(f, m)
		}
		return
	}
	p.make(f, "CREATE OPERATOR FAMILY "+f.address().name)
	var members []FamilyMember
	for _, m := range f.Members {
		if !n.detached(Ref{m.Class, m.OID}) {
			members = append(members, m)
		}
	}
	if len(members) > 0 {
		p.addMembers(f, members...)
	}
}

// addMembers adds members that belong to the family itself. They come before its classes, as then none of
// them becomes part of one.
func (p *planner) addMembers(f *OperatorFamily, members ...FamilyMember) {
	at := f.address()
	p.add(Statement{Kind: at.kind, Name: at.name, OID: f.OID, SQL: "ALTER " + at.kind + " " + at.name + " ADD" + membersSQL(members)})
}

// addForeignMember adds a member to a family that the script does not make, and Drops take it away again.
func (p *planner) addForeignMember(f *OperatorFamily, m FamilyMember) {
	at, there := f.address(), m.exists(f)
	s := Statement{Kind: at.kind, Name: at.name, OID: f.OID, SQL: "ALTER " + at.kind + " " + at.name + " ADD" + membersSQL([]FamilyMember{m}),
		undo: fmt.Sprintf("ALTER %s %s DROP %s %d (%s, %s)", at.kind, at.name, m.kind(), m.Number, m.Left, m.Right), undoIf: there}
	was := p.at.ifMissing
	if was != "" {
		p.at.ifMissing = there // the family is there anyway
	}
	p.add(s)
	p.at.ifMissing = was
}

func (m *FamilyMember) kind() string {
	if m.Class == ClassFamilyOperator {
		return "OPERATOR"
	}
	return "FUNCTION"
}

// exists is an SQL expression that is true if the family has the member, whatever operator or function it is.
func (m *FamilyMember) exists(f *OperatorFamily) string {
	prefix, number := "amop", "strategy"
	if m.Class == ClassFamilyFunction {
		prefix, number = "amproc", "num"
	}
	return fmt.Sprintf("EXISTS (SELECT FROM pg_catalog.pg_%[1]s WHERE %[1]sfamily = (%[2]s) AND %[1]s%[3]s = %[4]d"+
		" AND pg_catalog.format_type(%[1]slefttype, NULL) = %[5]s AND pg_catalog.format_type(%[1]srighttype, NULL) = %[6]s)",
		prefix, f.address().oid, number, m.Number, quoteLiteral(m.Left), quoteLiteral(m.Right))
}

func (c *OperatorClass) create(p *planner, _ *node) {
	sql := "CREATE OPERATOR CLASS " + c.SQLName()
	if c.Default {
		sql += " DEFAULT"
	}
	sql += " FOR TYPE " + c.Type + " USING " + QuoteIdent(c.Method) + " FAMILY " + c.Family + " AS"
	storage := c.Storage
	if storage == "" && len(c.Members) == 0 {
		storage = c.Type // there must be something in the list; this says nothing
	}
	if storage != "" {
		sql += "\n\tSTORAGE " + storage
		if len(c.Members) > 0 {
			sql += ","
		}
	}
	p.make(c, sql+membersSQL(c.Members))
}

// membersSQL is the list of members as CREATE OPERATOR CLASS and ALTER OPERATOR FAMILY take it. The types are
// always named: without, those of the operator or function would count.
func membersSQL(members []FamilyMember) string {
	items := make([]string, len(members))
	for i, m := range members {
		if m.Class == ClassFamilyOperator {
			items[i] = fmt.Sprintf("\n\tOPERATOR %d %s", m.Number, m.Name)
		} else {
			items[i] = fmt.Sprintf("\n\tFUNCTION %d (%s, %s) %s", m.Number, m.Left, m.Right, m.Name)
		}
		if m.OrderBy != "" {
			items[i] += " FOR ORDER BY " + m.OrderBy
		}
	}
	return strings.Join(items, ",")
}
