package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// address finds a created object again on a target.
type address struct {
	class string // "pg_class"
	oid   string // SQL expression: its oid there, or NULL
	kind  string // as DROP and COMMENT name it: "TABLE"; empty if it goes with something else
	name  string // as DROP and COMMENT name it: "public.users"
}

// exists is an SQL expression that is true if the object is there.
func (a address) exists() string { return "(" + a.oid + ") IS NOT NULL" }

func relationAddress(kind string, n Name) address {
	return address{"pg_class", "pg_catalog.to_regclass(" + quoteLiteral(n.SQL()) + ")::oid", kind, n.SQL()}
}

// plainAddress is of an object found by name alone, in a catalog without schemas.
func plainAddress(kind, catalog, column, name string) address {
	return address{catalog, "SELECT oid FROM pg_catalog." + catalog + " WHERE " + column + " = " + quoteLiteral(name), kind, QuoteIdent(name)}
}

// schemaAddress is of an object found by schema and name; the columns' names begin with prefix.
func schemaAddress(kind, catalog, prefix string, n Name) address {
	return address{catalog, "SELECT o.oid FROM pg_catalog." + catalog + " o JOIN pg_catalog.pg_namespace n ON n.oid = o." + prefix +
		"namespace WHERE n.nspname = " +
		quoteLiteral(n.Schema) + " AND o." + prefix + "name = " + quoteLiteral(n.Name), kind, n.SQL()}
}

func functionAddress(kind string, n Name, types string) address {
	a := schemaAddress(kind, "pg_proc", "pro", n)
	a.oid += " AND pg_catalog.oidvectortypes(o.proargtypes) = " + quoteLiteral(types)
	a.name += "(" + types + ")"
	return a
}

// Drops gives the statements that remove from a target exactly the objects the
// script makes, never with CASCADE: first what ties them to each other (foreign keys, cycles), then each
// of them, last made first. What is made with IfMissing stays.
//
// A statement is to be run only if its Exists, asked before the first one runs, is true or empty.
// Where something else depends on an object the server refuses the drop; DropDependents
// tells it beforehand. A type that names functions which take it goes together with them.
func (s Script) Drops() []Statement {
	var drops []Statement
	for _, made := range s.Statements {
		if made.undo != "" && !made.IfMissing {
			drops = append(drops, Statement{Kind: made.Kind, Name: made.Name, OID: made.OID, Table: made.Table, SQL: made.undo, Exists: made.undoIf})
		}
	}
	for _, made := range slices.Backward(s.Statements) {
		if made.at.kind != "" && !made.IfMissing {
			drop := made.drop
			if drop == "" {
				// IF EXISTS: it may have gone with one dropped before it.
				drop = "DROP " + made.at.kind + " IF EXISTS " + made.at.name
			}
			drops = append(drops, Statement{Kind: made.Kind, Name: made.Name, OID: made.OID, Table: made.Table, SQL: drop,
				Exists: made.Exists, at: made.at})
		}
	}
	return drops
}

// DropSQL gives the Drops of the script that DDL makes with the same options.
func (c *Catalog) DropSQL(o DDLOptions) ([]Statement, error) {
	s, err := c.DDL(o)
	if err != nil {
		return nil, err
	}
	return s.Drops(), nil
}

// Dependent is an object outside a set that depends on one in it.
type Dependent struct {
	What string // "view public.active"
	On   string // "table public.users"
}

// DropDependents lists what depends on the objects that the statements of Drops remove, on the target that q is
// connected to, and is not removed itself: views, foreign keys, functions of tables' row types, children, partitions.
func DropDependents(ctx context.Context, q Querier, drops []Statement) ([]Dependent, error) {
	drops = slices.DeleteFunc(slices.Clone(drops), func(d Statement) bool { return d.at.oid == "" })
	var roots roots
	for batch := range slices.Chunk(drops, 500) {
		expressions := make([]string, len(batch))
		for i, d := range batch {
			expressions[i] = "coalesce((" + d.at.oid + "), 0)"
			roots.classes = append(roots.classes, d.at.class)
		}
		rows, err := q.Query(ctx, "SELECT ARRAY["+strings.Join(expressions, ", ")+"]::oid[]")
		if err != nil {
			return nil, fmt.Errorf("looking for the objects to drop: %w", err)
		}
		found, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[[]uint32])
		if err != nil {
			return nil, fmt.Errorf("looking for the objects to drop: %w", err)
		}
		roots.oids = append(roots.oids, found...)
	}
	return dependents(ctx, q, roots)
}

// roots are objects on a server: their catalogs, and in these their oids; 0: it is not there.
type roots struct {
	classes []string
	oids    []uint32
}

// dependents finds everything that would go along with the roots ("part":
// automatic and internal dependencies, but no partitions) and then what depends on any of it.
func dependents(ctx context.Context, q Querier, roots roots) ([]Dependent, error) {
	if len(roots.oids) == 0 {
		return nil, nil
	}
	found, err := collect[Dependent](ctx, &reader{q: q}, "looking for what depends on the objects to drop", `
WITH RECURSIVE part (class, oid) AS (
  SELECT ('pg_catalog.' || r.class)::regclass::oid, r.oid FROM unnest($1::text[], $2::oid[]) r (class, oid) WHERE r.oid <> 0
  UNION
  SELECT d.classid, d.objid FROM part JOIN pg_catalog.pg_depend d ON d.refclassid = part.class AND d.refobjid = part.oid
  WHERE d.deptype IN ('a', 'i', 'P', 'S')
    AND NOT (d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'P', 'S')
             AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = d.objid AND c.relkind IN ('r', 'p', 'f')))
)
SELECT DISTINCT pg_catalog.pg_describe_object(coalesce(v.class, d.classid), coalesce(v.oid, d.objid), 0) AS what,
       pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0) AS "on"
FROM part JOIN pg_catalog.pg_depend d ON d.refclassid = part.class AND d.refobjid = part.oid
LEFT JOIN LATERAL (SELECT 'pg_catalog.pg_class'::regclass::oid AS class, w.ev_class AS oid FROM pg_catalog.pg_rewrite w
                   WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND w.oid = d.objid AND w.rulename = '_RETURN') v ON true
WHERE d.deptype <> 'x' AND NOT EXISTS (SELECT FROM part o WHERE o.class = d.classid AND o.oid = d.objid)
ORDER BY 1, 2`, roots.classes, roots.oids)
	return found, err
}
