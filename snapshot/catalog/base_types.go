package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// BaseType is what CREATE TYPE says of a base type. Functions are quoted and schema-qualified where they are not the
// system's, and empty where there is none.
type BaseType struct {
	Input       string  `json:",omitzero"`
	Output      string  `json:",omitzero"`
	Receive     string  `json:",omitzero"`
	Send        string  `json:",omitzero"`
	ModifierIn  string  `json:",omitzero"`
	ModifierOut string  `json:",omitzero"`
	Analyze     string  `json:",omitzero"`
	Subscript   string  `json:",omitzero"`
	Length      int16   `json:",omitzero"` // -1: variable
	ByValue     bool    `json:",omitzero"`
	Alignment   string  `json:",omitzero"` // c, s, i, d
	Storage     string  `json:",omitzero"` // p, e, x, m
	Category    string  `json:",omitzero"`
	Preferred   bool    `json:",omitzero"`
	Default     *string `json:",omitzero"` // nil: null
	Element     string  `json:",omitzero"`
	Delimiter   string  `json:",omitzero"`
	Collatable  bool    `json:",omitzero"`
}

type baseTypeRow struct {
	OID uint32
	BaseType
}

func (r *reader) readBaseTypes(ctx context.Context) error {
	var err error
	r.baseTypes, err = collect[baseTypeRow](ctx, r, "reading base types", `
SELECT t.oid, {function t.typinput} AS input, {function t.typoutput} AS output, {function t.typreceive} AS receive, {function t.typsend} AS send,
       {function t.typmodin} AS modifier_in, {function t.typmodout} AS modifier_out, {function t.typanalyze} AS analyze,
       {function t.typsubscript} AS subscript, t.typlen AS length, t.typbyval AS by_value, t.typalign::text AS alignment,
       t.typstorage::text AS storage,
       t.typcategory::text AS category, t.typispreferred AS preferred, t.typdefault AS default, t.typdelim::text AS delimiter,
       t.typcollation <> 0 AS collatable,
       CASE WHEN t.typelem <> 0 THEN format_type(t.typelem, NULL) ELSE '' END AS element
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype = 'b' AND {user n} AND {own pg_type t} AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)`)
	return err
}

// baseSQL makes a base type of its shell.
func baseSQL(t *Type) string {
	b := t.BaseType
	var clauses []string
	clause := func(name, value string) {
		if value != "" {
			clauses = append(clauses, name+" = "+value)
		}
	}
	flag := func(name string, is bool) {
		if is {
			clauses = append(clauses, name)
		}
	}
	literal := func(s string) string { return strings.TrimSpace(quoteLiteral(s)) }
	clause("INPUT", b.Input)
	clause("OUTPUT", b.Output)
	clause("RECEIVE", b.Receive)
	clause("SEND", b.Send)
	clause("TYPMOD_IN", b.ModifierIn)
	clause("TYPMOD_OUT", b.ModifierOut)
	clause("ANALYZE", b.Analyze)
	clause("SUBSCRIPT", b.Subscript)
	if b.Length == -1 {
		clause("INTERNALLENGTH", "VARIABLE")
	} else {
		clause("INTERNALLENGTH", itoa(b.Length))
	}
	flag("PASSEDBYVALUE", b.ByValue)
	clause("ALIGNMENT", map[string]string{"c": "char", "s": "int2", "i": "int4", "d": "double"}[b.Alignment])
	clause("STORAGE", map[string]string{"p": "plain", "e": "external", "x": "extended", "m": "main"}[b.Storage])
	if b.Category != "U" {
		clause("CATEGORY", literal(b.Category))
	}
	if b.Default != nil {
		clause("DEFAULT", literal(*b.Default))
	}
	clause("ELEMENT", b.Element)
	if b.Delimiter != "," {
		clause("DELIMITER", literal(b.Delimiter))
	}
	flag("PREFERRED", b.Preferred)
	flag("COLLATABLE", b.Collatable)
	return "CREATE TYPE " + t.SQLName() + " (\n\t" + strings.Join(clauses, ",\n\t") + "\n)"
}

// classShell stands for the shell of a type that functions take which the type names: a base type's input and output
// functions, a range type's canonical function.
const classShell Class = "shell"

// prepareShell lets a type that names functions which take or give it begin as a shell, which is all that these need.
func (t *Type) prepareShell(p *planner, n *node) {
	shell := Ref{classShell, t.OID}
	for _, ref := range t.Depends {
		f := p.nodes[ref]
		if f == nil || ref.Class != ClassFunction || !slices.Contains(f.needs, n.ref) {
			continue
		}
		for i := range f.needs {
			if f.needs[i] == n.ref {
				f.needs[i] = shell
			}
		}
		n.circle = append(n.circle, f)
	}
	if len(n.circle) == 0 {
		return
	}
	slices.SortFunc(n.circle, compareNodes)
	n.needs = append(n.needs, shell)
	p.nodes[shell] = &node{ref: shell, rank: rankType, object: t, key: []string{t.Schema, t.Name, "shell"},
		emit: func() {
			p.add(Statement{Kind: "SHELL TYPE", Name: t.Schema + "." + t.Name, OID: t.OID, SQL: "CREATE TYPE " + t.SQLName()})
		}}
}

// dropCircle drops a type together with the functions that it names and that take it, which can only go at once:
// DROP OWNED without CASCADE does that, and refuses where anything else depends on them. It needs a role that owns them
// and nothing else, which exists within the statement alone. Whoever may make such types is a superuser. Other types need
// no statement of their own.
func dropCircle(t *Type, circle []*node) string {
	if len(circle) == 0 {
		return ""
	}
	functions := make([]string, len(circle))
	for i, f := range circle {
		functions[i] = "(" + f.object.address().oid + ")"
	}
	const role = "pgrecall_drop"
	return "DO " + dollarQuote(fmt.Sprintf(`
DECLARE f text;
BEGIN
	CREATE ROLE %[1]s;
	ALTER TYPE %[2]s OWNER TO %[1]s;
	FOR f IN SELECT p.oid::pg_catalog.regprocedure FROM pg_catalog.pg_proc p WHERE p.oid IN (
		%[3]s) LOOP
		EXECUTE 'ALTER FUNCTION ' || f || ' OWNER TO %[1]s';
	END LOOP;
	DROP OWNED BY %[1]s RESTRICT;
	DROP ROLE %[1]s;
END`, role, t.SQLName(), strings.Join(functions, ",\n\t\t")))
}
