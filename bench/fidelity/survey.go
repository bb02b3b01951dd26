package fidelity

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// survey is for a restore that failed, which tells of its first statement only: it runs every statement of the source's DDL by
// itself in the empty database `to` and returns those that fail, each with its error. It loads no rows.
func survey(ctx context.Context, from, to string) (failures []string, err error) {
	script, err := ddl(ctx, from)
	if err != nil {
		return nil, err
	}
	conn, err := connect(ctx, to, settings())
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "SET check_function_bodies = off; SET row_security = on"); err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, s := range script.Statements {
		if _, asked := there[s.Exists]; s.IfMissing && !asked {
			var exists bool
			if err := conn.QueryRow(ctx, "SELECT "+s.Exists, pgx.QueryExecModeSimpleProtocol).Scan(&exists); err != nil {
				return nil, fmt.Errorf("%s %s: %w", s.Kind, s.Name, err)
			}
			there[s.Exists] = exists
		}
	}
	for _, s := range script.Statements {
		if s.IfMissing && there[s.Exists] {
			continue
		}
		if _, err := conn.Exec(ctx, s.SQL, pgx.QueryExecModeSimpleProtocol); err != nil {
			failures = append(failures, fmt.Sprintf("%s %s: %v: %s", s.Kind, s.Name, err, clip(s.SQL)))
		}
		if ctx.Err() != nil {
			return failures, context.Cause(ctx)
		}
	}
	return failures, nil
}

// clip is the beginning of a statement on one line.
func clip(sql string) string {
	sql = strings.Join(strings.Fields(sql), " ")
	if len(sql) > 200 {
		sql = sql[:200] + " …"
	}
	return sql
}
