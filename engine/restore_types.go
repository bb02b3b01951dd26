package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// valueType is what decides how the text of a type's value is read.
type valueType struct {
	Schema, Name string
	Kind         string   // pg_type.typtype; a table's row type is a composite one
	Labels       []string // enum
	Columns      []string // composite: name and type of each, in order
	Base         string   // domain: its type, and its collation where that is not the type's own
	NotNull      bool     // domain
	Checks       []string // domain
	Range        string   // subtype, operator class, canonical function and collation
	Input        string   // base type: what its input function runs, and the delimiter in arrays
}

// checkTypes makes sure that the types which the target has already, and which the tables' columns are made of, take
// the text of a value for the value that it was: COPY would fail in the middle where an enum lacks a label, and take
// (1,2) for another value where a composite type has its columns in another order.
func (r *restore) checkTypes(ctx context.Context) error {
	if r.o.Create {
		return nil
	}
	wanted := r.givenTypes()
	there, err := r.target.types(ctx, wanted)
	if err != nil {
		return err
	}
	var others []string
	for _, w := range wanted {
		i := slices.IndexFunc(there, func(t valueType) bool { return t.Schema == w.Schema && t.Name == w.Name })
		if i < 0 {
			continue // it is made
		}
		if what := w.misreadBy(&there[i]); what != "" {
			others = append(others, fmt.Sprintf("%s (%s)", typeName(w.Schema, w.Name), what))
		}
	}
	if len(others) == 0 {
		return nil
	}
	return fmt.Errorf("the target has types that are others than the source's, and values would be refused or misread: %s; alter them, or restore into another database (--create makes one)",
		fewOf(others, 12))
}

// givenTypes returns the types that columns to be restored are made of and that the restore does not make anew itself.
func (r *restore) givenTypes() []valueType {
	reached := reachedTypes{within: typesWithin(r.catalog), seen: map[string]bool{}}
	for i := range r.catalog.Tables {
		if t := &r.catalog.Tables[i]; r.script.Tables[t.OID] != (catalog.Name{}) {
			for _, column := range t.Columns {
				reached.add(column.TypeName)
			}
		}
	}
	made := map[uint32]bool{}
	for _, s := range r.script.Statements {
		if r.o.Scope != RestoreDataOnly && !s.IfMissing && (s.Kind == "TYPE" || s.Kind == "DOMAIN") {
			made[s.OID] = true
		}
	}
	var given []valueType
	for i := range r.catalog.Types {
		if t := &r.catalog.Types[i]; reached.seen[typeName(t.Schema, t.Name)] && !made[t.OID] {
			given = append(given, valueTypeOf(r.catalog, t))
		}
	}
	for i := range r.catalog.Tables {
		t := &r.catalog.Tables[i]
		own := r.script.Tables[t.OID] == catalog.Name{Schema: t.Schema, Name: t.Name} && r.o.Scope != RestoreDataOnly
		if reached.seen[typeName(t.Schema, t.Name)] && !own {
			given = append(given, valueType{Schema: t.Schema, Name: t.Name, Kind: catalog.TypeComposite, Columns: columnTexts(t.Columns)})
		}
	}
	return given
}

func valueTypeOf(c *catalog.Catalog, t *catalog.Type) valueType {
	v := valueType{Schema: t.Schema, Name: t.Name, Kind: t.Kind, Labels: t.Labels, NotNull: t.NotNull, Columns: columnTexts(t.Columns)}
	switch t.Kind {
	case catalog.TypeDomain:
		v.Base = strings.TrimSpace(t.Base + " " + t.Collation)
		for _, k := range t.Constraints {
			if k.Kind == "c" {
				v.Checks = append(v.Checks, k.Definition)
			}
		}
	case catalog.TypeBase:
		v.Input = inputText(inputFunction(c, t), t.BaseType.Delimiter)
	case catalog.TypeRange:
		v.Range = strings.Join(strings.Fields(t.Subtype+" "+t.SubtypeOpclass+" "+t.Canonical+" "+t.Collation), " ")
	}
	return v
}

// inputFunction is the definition of a base type's input function; empty if an extension made it.
func inputFunction(c *catalog.Catalog, t *catalog.Type) string {
	for i := range c.Functions {
		if f := &c.Functions[i]; strings.HasPrefix(f.Types, "cstring") && f.SQLName() == t.BaseType.Input {
			return f.Definition
		}
	}
	return ""
}

// inputText reduces the definition of an input function to what it runs: the same library may be in another folder.
func inputText(definition, delimiter string) string {
	_, runs, ok := strings.Cut(definition, "\nAS ")
	if !ok {
		return ""
	}
	return strings.TrimSpace(runs[strings.LastIndex(runs, "/")+1:]) + " " + delimiter
}

func columnTexts(columns []catalog.Column) []string {
	var texts []string
	for _, c := range columns {
		texts = append(texts, catalog.QuoteIdent(c.Name)+" "+c.TypeName)
	}
	return texts
}

// types returns what the target has under the names of the given ones, written as the catalog's reader writes it.
func (t *target) types(ctx context.Context, named []valueType) ([]valueType, error) {
	if len(named) == 0 {
		return nil, nil
	}
	var schemas, names []string
	for _, n := range named {
		schemas, names = append(schemas, n.Schema), append(names, n.Name)
	}
	rows, err := t.conn.Query(ctx, `
		SELECT n.nspname::text AS schema, t.typname::text AS name, t.typtype::text AS kind, t.typnotnull AS not_null,
			ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
			ARRAY(SELECT quote_ident(a.attname) || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a
				WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
			CASE t.typtype WHEN 'd' THEN concat_ws(' ', pg_catalog.format_type(t.typbasetype, t.typtypmod),
				CASE WHEN t.typcollation <> b.typcollation THEN quote_ident(ln.nspname) || '.' || quote_ident(l.collname) END) ELSE '' END AS base,
			ARRAY(SELECT pg_catalog.pg_get_constraintdef(k.oid) FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c') AS checks,
			concat_ws(' ', pg_catalog.format_type(r.rngsubtype, NULL),
				CASE WHEN NOT o.opcdefault THEN quote_ident(opn.nspname) || '.' || quote_ident(o.opcname) END,
				quote_ident(cn.nspname) || '.' || quote_ident(c.proname),
				CASE WHEN r.rngcollation <> s.typcollation THEN quote_ident(ln.nspname) || '.' || quote_ident(l.collname) END) AS range,
			CASE t.typtype WHEN 'b' THEN pg_catalog.pg_get_functiondef(t.typinput) ELSE '' END AS input, t.typdelim::text AS delimiter
		FROM unnest($1::text[], $2::text[]) w (schema, name)
		JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema JOIN pg_catalog.pg_type t ON t.typnamespace = n.oid AND t.typname = w.name
		LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
		LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid LEFT JOIN pg_catalog.pg_type s ON s.oid = r.rngsubtype
		LEFT JOIN pg_catalog.pg_opclass o ON o.oid = r.rngsubopc LEFT JOIN pg_catalog.pg_namespace opn ON opn.oid = o.opcnamespace
		LEFT JOIN pg_catalog.pg_proc c ON c.oid = r.rngcanonical LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = c.pronamespace
		LEFT JOIN pg_catalog.pg_collation l ON l.oid = CASE t.typtype WHEN 'd' THEN t.typcollation ELSE r.rngcollation END
		LEFT JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace`, schemas, names)
	if err != nil {
		return nil, fmt.Errorf("look at the types of the target: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[struct {
		valueType
		Delimiter string
	}])
	if err != nil {
		return nil, fmt.Errorf("look at the types of the target: %w", err)
	}
	var there []valueType
	for _, f := range found {
		f.Input = inputText(f.Input, f.Delimiter)
		there = append(there, f.valueType)
	}
	return there, nil
}

// misreadBy says why values of the type cannot be loaded into a type of the target's as they were; empty: they can.
// What an enum has more, or a domain does not check, does not matter to the values that were there.
func (w *valueType) misreadBy(is *valueType) string {
	if w.Kind != is.Kind {
		return fmt.Sprintf("it is %s there, and was %s", kindText(is.Kind), kindText(w.Kind))
	}
	switch w.Kind {
	case catalog.TypeEnum:
		if lacking := less(w.Labels, is.Labels); len(lacking) > 0 {
			return "it lacks the label " + quoteText(lacking[0])
		}
	case catalog.TypeComposite:
		if !slices.Equal(w.Columns, is.Columns) {
			return fmt.Sprintf("it has the columns (%s) there, and had (%s)", strings.Join(is.Columns, ", "), strings.Join(w.Columns, ", "))
		}
	case catalog.TypeBase:
		if w.Input != is.Input && w.Input != "" {
			return fmt.Sprintf("it is read by %s there, and was by %s", is.Input, w.Input)
		}
	case catalog.TypeRange:
		if w.Range != is.Range {
			return fmt.Sprintf("it is a range of %s there, and was one of %s", is.Range, w.Range)
		}
	case catalog.TypeDomain:
		more := less(withoutNotValid(is.Checks), withoutNotValid(w.Checks))
		switch {
		case w.Base != is.Base:
			return fmt.Sprintf("it is a domain over %s there, and was one over %s", is.Base, w.Base)
		case is.NotNull && !w.NotNull:
			return "it is NOT NULL there"
		case len(more) > 0:
			return "it has another constraint there: " + more[0]
		}
	}
	return ""
}

func kindText(kind string) string {
	switch kind {
	case catalog.TypeEnum:
		return "an enum"
	case catalog.TypeComposite:
		return "a composite type"
	case catalog.TypeDomain:
		return "a domain"
	case catalog.TypeRange:
		return "a range"
	case catalog.TypeBase:
		return "a base type"
	}
	return "a type of another kind"
}

// less returns those of a that are not in b.
func less(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// withoutNotValid: new values are held to such a constraint all the same.
func withoutNotValid(checks []string) []string {
	var texts []string
	for _, c := range checks {
		texts = append(texts, strings.TrimSuffix(c, " NOT VALID"))
	}
	return texts
}
