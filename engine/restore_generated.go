package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// Generated columns are in no backup: the target computes them from the rows, by the expressions and functions that it has. Where
// those are there already, and are others than the source's, the values are others too.

// generated is a generated column of a table to load.
type generated struct {
	as     catalog.Name // the table on the target
	column *catalog.Column
}

func (g *generated) String() string {
	return g.as.String() + "." + g.column.Name
}

// checkGenerated tells of generated columns that will have other values, and refuses where they would have none.
func (r *restore) checkGenerated(ctx context.Context) error {
	if r.o.Create || r.o.Scope == RestoreSchemaOnly {
		return nil
	}
	var columns []generated
	models := r.models()
	for _, t := range r.ordinary() {
		if model := models[t.OID]; model != nil {
			for i := range model.Columns {
				if c := &model.Columns[i]; c.Generated != "" {
					columns = append(columns, generated{r.script.Tables[t.OID], c})
				}
			}
		}
	}
	if len(columns) == 0 {
		return nil
	}
	if r.o.Scope == RestoreDataOnly {
		if err := r.compareExpressions(ctx, columns); err != nil {
			return err
		}
	}
	return r.compareFunctions(ctx, columns)
}

// compareExpressions compares the columns with those of tables that exist. The same expression may be written otherwise by another
// major version, so that a difference is told and no more.
func (r *restore) compareExpressions(ctx context.Context, columns []generated) error {
	var schemas, tables, names []string
	for _, g := range columns {
		schemas, tables, names = append(schemas, g.as.Schema), append(tables, g.as.Name), append(names, g.column.Name)
	}
	rows, err := r.target.conn.Query(ctx, `SELECT a.attname IS NOT NULL AS there, coalesce(a.attgenerated::text, '') AS generated,
			coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '') AS expression
		FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY w (s, t, c, i) JOIN pg_catalog.pg_namespace n ON n.nspname = w.s
		JOIN pg_catalog.pg_class k ON k.relnamespace = n.oid AND k.relname = w.t
		LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = k.oid AND a.attname = w.c AND a.attnum > 0 AND NOT a.attisdropped
		LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = k.oid AND d.adnum = a.attnum ORDER BY w.i`, schemas, tables, names)
	if err != nil {
		return fmt.Errorf("look at the generated columns of the target: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[struct {
		There                 bool
		Generated, Expression string
	}])
	if err != nil {
		return fmt.Errorf("look at the generated columns of the target: %w", err)
	}
	var plain []string
	for i, f := range found {
		g := &columns[i]
		switch {
		case !f.There:
			r.computes(g, "the target's table has no such column")
		case f.Generated == "":
			plain = append(plain, g.String())
		case f.Expression != g.column.Default:
			r.computes(g, fmt.Sprintf("the target computes it as %s, the source did as %s", f.Expression, g.column.Default))
		}
	}
	if len(plain) > 0 {
		return fmt.Errorf("columns that the source computes are ordinary ones on the target, and no backup has their values: %s; restore the tables into another schema with --into-schema, where they are computed",
			fewOf(plain, 12))
	}
	return nil
}

// compareFunctions looks at the functions that the expressions call and that the target has already. What those call in turn is not
// known: PostgreSQL keeps no dependency of it.
func (r *restore) compareFunctions(ctx context.Context, columns []generated) error {
	made := map[uint32]bool{}
	for i, s := range r.script.Statements {
		if r.o.Scope != RestoreDataOnly && s.Kind == "FUNCTION" && !(s.IfMissing && r.target.exists[i]) {
			made[s.OID] = true
		}
	}
	callers := map[uint32][]*generated{}
	for i := range columns {
		for _, d := range columns[i].column.DefaultDepends {
			if d.Class == catalog.ClassFunction {
				callers[d.OID] = append(callers[d.OID], &columns[i])
			}
		}
	}
	var functions []*catalog.Function
	var signatures []string
	for i := range r.catalog.Functions {
		if f := &r.catalog.Functions[i]; !made[f.OID] && callers[f.OID] != nil {
			functions, signatures = append(functions, f), append(signatures, f.SQLName()+"("+f.Types+")")
		}
	}
	rows, err := r.target.conn.Query(ctx, `SELECT coalesce(pg_catalog.pg_get_functiondef(pg_catalog.to_regprocedure(w.f)), '')
		FROM unnest($1::text[]) WITH ORDINALITY w (f, i) ORDER BY w.i`, signatures)
	if err != nil {
		return fmt.Errorf("look at the functions of the target: %w", err)
	}
	definitions, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look at the functions of the target: %w", err)
	}
	for i, f := range functions {
		if definitions[i] == "" || strings.TrimSpace(definitions[i]) == strings.TrimSpace(f.Definition) {
			continue
		}
		for _, g := range callers[f.OID] {
			r.computes(g, "the target has another function "+signatures[i]+" than the source had")
		}
	}
	return nil
}

// computes tells why the target may compute other values for a column.
func (r *restore) computes(g *generated, why string) {
	r.plan.LeftOut = append(r.plan.LeftOut, fmt.Sprintf("values of generated column %s as they were: %s", g, why))
}
