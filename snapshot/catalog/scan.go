package catalog

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// collect runs one query into structs; columns go to the fields of the same name.
func collect[T any](ctx context.Context, r *reader, what, sql string, args ...any) (out []T, err error) {
	err = scan(ctx, r, what, sql, func(row *T) { out = append(out, *row) }, args...)
	return out, err
}

// scan runs one query and gives each row to fn, in a struct that is used again. A catalog can have millions of rows, so
// where each column goes is found out once for each query.
func scan[T any](ctx context.Context, r *reader, what, sql string, fn func(*T), args ...any) error {
	rows, err := r.q.Query(ctx, expand(sql), args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer rows.Close()
	var row, empty T
	targets, err := targetsOf(rows.FieldDescriptions(), reflect.ValueOf(&row).Elem())
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	for rows.Next() {
		row = empty
		if err := rows.Scan(targets...); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		fn(&row)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// targetsOf are the addresses of the fields that the columns go to.
func targetsOf(columns []pgconn.FieldDescription, row reflect.Value) ([]any, error) {
	fields := map[string]any{}
	addFields(fields, row)
	targets := make([]any, len(columns))
	for i, c := range columns {
		var ok bool
		if targets[i], ok = fields[fieldName(c.Name)]; !ok {
			return nil, fmt.Errorf("%s has no field for column %q", row.Type(), c.Name)
		}
	}
	return targets, nil
}

// addFields adds the addresses of a struct's fields and of those that it embeds; the outermost of a name counts.
func addFields(fields map[string]any, of reflect.Value) {
	for i := range of.NumField() {
		f := of.Type().Field(i)
		name := fieldName(f.Name)
		if tag := f.Tag.Get("db"); tag != "" {
			name = fieldName(tag)
		}
		if _, taken := fields[name]; !f.Anonymous && f.IsExported() && !taken {
			fields[name] = of.Field(i).Addr().Interface()
		}
	}
	for i := range of.NumField() {
		if of.Type().Field(i).Anonymous {
			addFields(fields, of.Field(i))
		}
	}
}

// fieldName makes owner_table of a query and OwnerTable of a struct the same.
func fieldName(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }
