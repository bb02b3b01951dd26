package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// GlobalsFingerprint is a hash, 32 hex digits, over the versions of the rows that Globals and Database are read from, other databases'
// left out: no event trigger fires for what is done to them. It tells nothing of what the rows hold, passwords among them. Where
// the role of the session may not read pg_authid, a change of a password alone does not show. Q as for Read.
func GlobalsFingerprint(ctx context.Context, q Querier) (string, error) {
	r := &reader{q: q, c: &Catalog{}}
	if err := r.readVersion(ctx); err != nil {
		return "", err
	}
	may, err := collect[struct{ Authid bool }](ctx, r, "asking who may read roles",
		`SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT') AS authid`)
	if err != nil {
		return "", err
	}
	roles := [2]string{"x.oid, x.xmin", "pg_authid x"}
	if !may[0].Authid {
		roles = [2]string{"x", "pg_roles x"}
	}
	const mine = "(SELECT oid FROM pg_database WHERE datname = current_database())"
	of := func(object, class string) string {
		return "(" + class + " IN ('pg_authid'::regclass, 'pg_tablespace'::regclass) OR " + class + " = 'pg_database'::regclass AND " + object + " = " + mine + ")"
	}
	parts := [][2]string{roles,
		{"x.roleid, x.member, x.grantor, x.xmin", "pg_auth_members x"},
		{"x.oid, x.xmin", "pg_tablespace x"},
		{"x.oid, x.xmin", "pg_database x WHERE x.datname = current_database()"},
		{"x.setdatabase, x.setrole, x.xmin", "pg_db_role_setting x WHERE x.setdatabase IN (0, " + mine + ")"},
		{"x.classoid, x.objoid, x.xmin", "pg_shdescription x WHERE " + of("x.objoid", "x.classoid")},
		{"x.classoid, x.objoid, x.provider, x.xmin", "pg_shseclabel x WHERE " + of("x.objoid", "x.classoid")},
	}
	if r.c.ServerVersion >= 150000 {
		parts = append(parts, [2]string{"x.oid, x.xmin", "pg_parameter_acl x"})
	}
	var sql strings.Builder
	for i, p := range parts {
		if i > 0 {
			sql.WriteString("\nUNION ALL ")
		}
		fmt.Fprintf(&sql, "SELECT %d AS part, count(*) AS rows, coalesce(sum(hashtextextended(ROW(%s)::text, 0)::numeric), 0)::text AS sum FROM %s", i, p[0], p[1])
	}
	rows, err := collect[struct {
		Part, Rows int64
		Sum        string
	}](ctx, r, "taking the fingerprint of what databases share", sql.String()+"\nORDER BY 1")
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, row := range rows {
		fmt.Fprintf(h, "%d %d %s\n", row.Part, row.Rows, row.Sum)
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}
