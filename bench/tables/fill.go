package tables

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// together is how many tables are made in one transaction: each takes several locks until its end, and
// max_locks_per_transaction bounds them.
const together = 100

// perSchema is how many tables share a schema.
const perSchema = 5000

// fill makes n tables, batch by batch.
func fill(ctx context.Context, uri string, n int) error {
	conn, err := pgx.Connect(ctx, uri)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for first := 0; first < n; first += together {
		var sql strings.Builder
		for i := first; i < min(n, first+together); i++ {
			if i%perSchema == 0 {
				fmt.Fprintf(&sql, "CREATE SCHEMA s%d;", i/perSchema)
			}
			table := fmt.Sprintf("s%d.t%d", i/perSchema, i)
			fmt.Fprintf(&sql, `CREATE TABLE %s (id bigserial PRIMARY KEY, name text NOT NULL, made timestamptz DEFAULT now(), amount numeric(12,2),
				flag boolean DEFAULT false, n integer, note varchar(40), doc jsonb, day date, raw bytea);
				CREATE INDEX ON %[1]s (name, n); COMMENT ON TABLE %[1]s IS 'table %[2]d of many';`, table, i)
		}
		// One message of several statements is one transaction.
		if _, err := conn.PgConn().Exec(ctx, sql.String()).ReadAll(); err != nil {
			return fmt.Errorf("make tables from %d on: %w", first, err)
		}
	}
	_, err = conn.Exec(ctx, "VACUUM ANALYZE pg_catalog.pg_class, pg_catalog.pg_attribute, pg_catalog.pg_depend, pg_catalog.pg_index, "+
		"pg_catalog.pg_constraint, pg_catalog.pg_type, pg_catalog.pg_attrdef")
	return err
}
