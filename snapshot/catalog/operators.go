package catalog

import "context"

// Operator is an operator. One without Function is a shell: another operator names it as its partner and nobody has
// defined it yet.
type Operator struct {
	Object
	Left       string `json:",omitzero"` // "NONE" of a prefix operator
	Right      string `json:",omitzero"`
	Function   string `json:",omitzero"` // quoted, schema-qualified where it is not the system's; so are the next two
	Restrict   string `json:",omitzero"`
	Join       string `json:",omitzero"`
	Hashes     bool   `json:",omitzero"`
	Merges     bool   `json:",omitzero"`
	Commutator string `json:",omitzero"` // as in OPERATOR(commutator)
	Negator    string `json:",omitzero"`
	Partners   []Ref  `json:",omitzero"` // commutator and negator, where they are in the model
}

type operatorRow struct {
	Operator
	CommutatorOID uint32
	NegatorOID    uint32
}

// readOperators reads operators. A shell that no operator names is left: nothing can use it, and no statement makes it.
func (r *reader) readOperators(ctx context.Context) error {
	rows, err := collect[operatorRow](ctx, r, "reading operators", `
SELECT o.oid, n.nspname::text AS schema, o.oprname::text AS name, pg_get_userbyid(o.oprowner)::text AS owner,
       coalesce(note.description, '') AS comment,
       CASE WHEN o.oprleft <> 0 THEN format_type(o.oprleft, NULL) ELSE 'NONE' END AS left, format_type(o.oprright, NULL) AS right,
       {function o.oprcode} AS function, {function o.oprrest} AS restrict, {function o.oprjoin} AS join, o.oprcanhash AS hashes,
       o.oprcanmerge AS merges,
       coalesce(quote_ident(cn.nspname) || '.' || c.oprname, '') AS commutator, coalesce(quote_ident(gn.nspname) || '.' || g.oprname, '') AS negator,
       o.oprcom AS commutator_oid, o.oprnegate AS negator_oid
FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace {note pg_operator o}
LEFT JOIN pg_operator c ON c.oid = o.oprcom LEFT JOIN pg_namespace cn ON cn.oid = c.oprnamespace
LEFT JOIN pg_operator g ON g.oid = o.oprnegate LEFT JOIN pg_namespace gn ON gn.oid = g.oprnamespace
WHERE {user n} AND {own pg_operator o}
  AND (o.oprcode <> 0 OR EXISTS (SELECT FROM pg_operator p WHERE p.oprcode <> 0 AND o.oid IN (p.oprcom, p.oprnegate)))
ORDER BY n.nspname, o.oprname, 6, 7`)
	ours := map[uint32]bool{}
	for _, o := range rows {
		ours[o.OID] = true
	}
	for i := range rows {
		o := &rows[i]
		for _, partner := range []uint32{o.CommutatorOID, o.NegatorOID} {
			if partner != o.OID && ours[partner] {
				o.Partners = append(o.Partners, Ref{ClassOperator, partner})
			}
		}
		r.c.Operators = append(r.c.Operators, o.Operator)
	}
	return err
}

func (o *Operator) ref() Ref        { return Ref{ClassOperator, o.OID} }
func (o *Operator) rank() int       { return rankOperator }
func (o *Operator) variant() string { return o.types() }
func (o *Operator) types() string   { return o.Left + ", " + o.Right }

// SQLName is the operator's name as SQL text: operators' names are never quoted.
func (o *Operator) SQLName() string { return QuoteIdent(o.Schema) + "." + o.Name }

// address finds an operator that is more than a shell, and a shell whatever it has become.
func (o *Operator) address() address {
	a := schemaAddress("OPERATOR", "pg_operator", "opr", Name{o.Schema, o.Name})
	a.name = o.SQLName() + " (" + o.types() + ")"
	a.oid += " AND CASE WHEN o.oprleft = 0 THEN 'NONE' ELSE pg_catalog.format_type(o.oprleft, NULL) END = " + quoteLiteral(o.Left) +
		" AND pg_catalog.format_type(o.oprright, NULL) = " + quoteLiteral(o.Right)
	if o.Function != "" {
		a.oid += " AND o.oprcode <> 0"
	}
	return a
}

// prepare lets an operator be followed by its partners: it makes a shell of one that is not there yet, in the partner's
// schema. A shell comes with the operator that names it.
func (o *Operator) prepare(p *planner, n *node) {
	n.along = append(n.along, o.Partners...)
	for _, partner := range o.Partners {
		if other := p.nodes[partner]; other != nil {
			n.schemas = append(n.schemas, other.key[0])
			if other.object.(*Operator).Function == "" {
				other.needs = append(other.needs, n.ref)
			}
		}
	}
}

func (o *Operator) create(p *planner, _ *node) {
	if o.Function == "" {
		// The operator that names it has made it; this only gives Drops something to drop.
		p.make(o, "COMMENT ON OPERATOR "+o.address().name+" IS NULL")
		return
	}
	sql := "CREATE OPERATOR " + o.SQLName() + " (\n\tFUNCTION = " + o.Function
	clause := func(name, value string) {
		if value != "" {
			sql += ",\n\t" + name + " = " + value
		}
	}
	partner := func(name, operator string) {
		if operator != "" {
			clause(name, "OPERATOR("+operator+")")
		}
	}
	if o.Left != "NONE" {
		clause("LEFTARG", o.Left)
	}
	clause("RIGHTARG", o.Right)
	partner("COMMUTATOR", o.Commutator)
	partner("NEGATOR", o.Negator)
	clause("RESTRICT", o.Restrict)
	clause("JOIN", o.Join)
	if o.Hashes {
		sql += ",\n\tHASHES"
	}
	if o.Merges {
		sql += ",\n\tMERGES"
	}
	p.make(o, sql+"\n)")
}
