package catalog

import (
	"context"
	"strings"
)

// Aggregate is an aggregate function. Functions and operators are quoted, schema-qualified where they are not the system's,
// and empty where there is none.
type Aggregate struct {
	Object
	Kind      string `json:",omitzero"` // "n" plain, "o" ordered-set, "h" hypothetical-set
	Types     string `json:",omitzero"` // the input types, as in GRANT … ON FUNCTION name(types)
	Arguments string `json:",omitzero"` // as in CREATE AGGREGATE: with names, VARIADIC and ORDER BY; empty: (*)
	Signature string `json:",omitzero"` // as in DROP AGGREGATE name(signature)
	Parallel  string `json:",omitzero"` // s safe, r restricted, u unsafe
	SortOp    string `json:",omitzero"` // as in OPERATOR(sort op)

	SFunc       string  `json:",omitzero"`
	SType       string  `json:",omitzero"`
	SSpace      int32   `json:",omitzero"`
	FinalFunc   string  `json:",omitzero"`
	FinalExtra  bool    `json:",omitzero"`
	FinalModify string  `json:",omitzero"` // r read-only, s shareable, w read-write
	CombineFunc string  `json:",omitzero"`
	SerialFunc  string  `json:",omitzero"`
	DeserFunc   string  `json:",omitzero"`
	InitCond    *string `json:",omitzero"` // nil: the state begins as null

	MovingAggregate
}

// MovingAggregate is the second implementation that an aggregate may have for moving window frames.
type MovingAggregate struct {
	MSFunc       string  `json:",omitzero"` // empty: there is none
	MInvFunc     string  `json:",omitzero"`
	MSType       string  `json:",omitzero"`
	MSSpace      int32   `json:",omitzero"`
	MFinalFunc   string  `json:",omitzero"`
	MFinalExtra  bool    `json:",omitzero"`
	MFinalModify string  `json:",omitzero"`
	MInitCond    *string `json:",omitzero"`
}

func (r *reader) readAggregates(ctx context.Context) error {
	var err error
	r.c.Aggregates, err = collect[Aggregate](ctx, r, "reading aggregates", `
SELECT p.oid, n.nspname::text AS schema, p.proname::text AS name, pg_get_userbyid(p.proowner)::text AS owner,
       coalesce(note.description, '') AS comment, a.aggkind::text AS kind, oidvectortypes(p.proargtypes) AS types,
       pg_get_function_arguments(p.oid) AS arguments, pg_get_function_identity_arguments(p.oid) AS signature, p.proparallel::text AS parallel,
       coalesce(quote_ident(sn.nspname) || '.' || s.oprname, '') AS sort_op,
       {function a.aggtransfn} AS s_func, format_type(a.aggtranstype, NULL) AS s_type, a.aggtransspace AS s_space,
       {function a.aggfinalfn} AS final_func, a.aggfinalextra AS final_extra, a.aggfinalmodify::text AS final_modify,
       {function a.aggcombinefn} AS combine_func, {function a.aggserialfn} AS serial_func, {function a.aggdeserialfn} AS deser_func,
       a.agginitval AS init_cond,
       {function a.aggmtransfn} AS ms_func, {function a.aggminvtransfn} AS m_inv_func,
       CASE WHEN a.aggmtranstype <> 0 THEN format_type(a.aggmtranstype, NULL) ELSE '' END AS ms_type, a.aggmtransspace AS ms_space,
       {function a.aggmfinalfn} AS m_final_func, a.aggmfinalextra AS m_final_extra, a.aggmfinalmodify::text AS m_final_modify,
       a.aggminitval AS m_init_cond,
       {acl p.proacl f p.proowner}
FROM pg_proc p JOIN pg_aggregate a ON a.aggfnoid = p.oid JOIN pg_namespace n ON n.oid = p.pronamespace {note pg_proc p}
LEFT JOIN pg_operator s ON s.oid = a.aggsortop LEFT JOIN pg_namespace sn ON sn.oid = s.oprnamespace
WHERE {user n} AND {own pg_proc p}
ORDER BY n.nspname, p.proname, oidvectortypes(p.proargtypes)`)
	return err
}

func (a *Aggregate) ref() Ref        { return Ref{ClassFunction, a.OID} }
func (a *Aggregate) rank() int       { return rankAggregate }
func (a *Aggregate) variant() string { return a.Types }

func (a *Aggregate) address() address {
	at := functionAddress("AGGREGATE", Name{a.Schema, a.Name}, a.Types)
	at.name = a.SQLName() + "(" + a.Signature + ")"
	if a.Signature == "" {
		at.name = a.SQLName() + "(*)"
	}
	return at
}

func (a *Aggregate) create(p *planner, _ *node) {
	arguments := a.Arguments
	if arguments == "" {
		arguments = "*"
	}
	at, d := a.address(), p.described(a)
	p.add(Statement{Kind: at.kind, Name: at.name, OID: a.OID, at: at,
		SQL: "CREATE AGGREGATE " + a.SQLName() + "(" + arguments + ") (\n\t" + strings.Join(a.clauses(), ",\n\t") + "\n)"})
	p.addOwner(d)
	p.addComment(d)
	// GRANT and DEPENDS ON EXTENSION know aggregates as functions.
	function := a.SQLName() + "(" + a.Types + ")"
	d.sql, d.onACL = function, "FUNCTION"
	p.addGrants(d, "")
	p.dependOnExtensions(Statement{Kind: at.kind, Name: at.name, OID: a.OID}, "ROUTINE "+function, a.DependsOnExtensions)
}

// clauses are those of CREATE AGGREGATE that do not say what holds without them.
func (a *Aggregate) clauses() []string {
	var list []string
	clause := func(name, value string) {
		if value != "" {
			list = append(list, name+" = "+value)
		}
	}
	flag := func(name string, is bool) {
		if is {
			list = append(list, name)
		}
	}
	space := func(name string, n int32) {
		if n != 0 {
			clause(name, itoa(n))
		}
	}
	condition := func(name string, value *string) {
		if value != nil {
			clause(name, strings.TrimSpace(quoteLiteral(*value)))
		}
	}
	// An aggregate of a set sorts its state unless it says otherwise (AggregateCreate in src/backend/catalog/pg_aggregate.c).
	usual := map[string]string{"n": "r", "o": "w", "h": "w"}[a.Kind]
	modify := func(name, value string) {
		if value != usual {
			clause(name, map[string]string{"r": "READ_ONLY", "s": "SHAREABLE", "w": "READ_WRITE"}[value])
		}
	}
	clause("SFUNC", a.SFunc)
	clause("STYPE", a.SType)
	space("SSPACE", a.SSpace)
	clause("FINALFUNC", a.FinalFunc)
	flag("FINALFUNC_EXTRA", a.FinalExtra)
	modify("FINALFUNC_MODIFY", a.FinalModify)
	clause("COMBINEFUNC", a.CombineFunc)
	clause("SERIALFUNC", a.SerialFunc)
	clause("DESERIALFUNC", a.DeserFunc)
	condition("INITCOND", a.InitCond)
	clause("MSFUNC", a.MSFunc)
	clause("MINVFUNC", a.MInvFunc)
	clause("MSTYPE", a.MSType)
	space("MSSPACE", a.MSSpace)
	clause("MFINALFUNC", a.MFinalFunc)
	flag("MFINALFUNC_EXTRA", a.MFinalExtra)
	modify("MFINALFUNC_MODIFY", a.MFinalModify)
	condition("MINITCOND", a.MInitCond)
	if a.SortOp != "" {
		clause("SORTOP", "OPERATOR("+a.SortOp+")")
	}
	clause("PARALLEL", map[string]string{"s": "SAFE", "r": "RESTRICTED"}[a.Parallel])
	flag("HYPOTHETICAL", a.Kind == "h")
	return list
}
