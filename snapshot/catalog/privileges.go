package catalog

import (
	"context"
	"strings"
)

// readPrivileges reads privileges on what is not there yet, and what is needed to understand those of objects.
func (r *reader) readPrivileges(ctx context.Context) error {
	var err error
	// An entry for the whole database replaces the built-in default, one for a schema adds to it.
	r.c.DefaultPrivileges, err = collect[DefaultPrivileges](ctx, r, "reading default privileges", `
SELECT pg_get_userbyid(d.defaclrole)::text AS role, coalesce(n.nspname::text, '') AS schema, d.defaclobjtype::text AS kind,
       d.defaclacl::text[] AS acl_items,
       CASE WHEN n.oid IS NULL THEN acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's'::"char" ELSE d.defaclobjtype END,
         d.defaclrole)::text[] END AS acl_initial
FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
WHERE n.nspname IS NULL OR n.nspname !~ '^(pg_temp_|pg_toast_temp_|pgrecall$)' ORDER BY 1, 2, 3`)
	if err != nil {
		return err
	}
	if err := r.readRegranted(ctx); err != nil {
		return err
	}
	rows, err := collect[struct{ Name string }](ctx, r, "reading the names of roles", `
SELECT rolname::text AS name FROM pg_roles WHERE rolname ~ '^[0-9]+$'`)
	r.numericRoles = map[string]bool{}
	for _, row := range rows {
		r.numericRoles[row.Name] = true
	}
	return err
}

// forgetDroppedRoles takes out of the lists what was granted to roles that no longer exist: a list names such a role by
// its oid (aclitemout() in PostgreSQL's acl.c). What such a role granted to others its owner is said to have granted.
func (a *assembly) forgetDroppedRoles() {
	gone := func(role string) bool {
		return role != "" && strings.Trim(role, "0123456789") == "" && !a.numericRoles[role]
	}
	a.eachACL(func(acl *ACL, owner string) {
		acl.Items, acl.Initial = withoutRoles(acl.Items, owner, gone), withoutRoles(acl.Initial, owner, gone)
	})
}

func withoutRoles(items []string, owner string, gone func(role string) bool) []string {
	kept := items[:0:0]
	for _, text := range items {
		item, err := parseACLItem(text) // what is not understood is left for DDL to tell
		switch {
		case err != nil || !gone(item.grantee) && !gone(item.grantor):
			kept = append(kept, text)
		case !gone(item.grantee):
			kept = append(kept, grantedBy([]string{text}, owner)...)
		}
	}
	if items != nil && kept == nil {
		kept = []string{}
	}
	return kept
}

// eachACL visits the list of every object and column, with the object's owner.
func (a *assembly) eachACL(visit func(acl *ACL, owner string)) {
	columns := func(columns []Column, owner string) {
		for i := range columns {
			visit(&columns[i].ACL, owner)
		}
	}
	for o := range a.c.objects() {
		head := o.head()
		visit(&head.ACL, head.Owner)
		switch o := o.(type) {
		case *Table:
			columns(o.Columns, head.Owner)
		case *View:
			columns(o.Columns, head.Owner)
		}
	}
	for i := range a.c.Implicit {
		visit(&a.c.Implicit[i].ACL, a.c.Implicit[i].Owner)
	}
	for i := range a.c.DefaultPrivileges {
		d := &a.c.DefaultPrivileges[i]
		visit(&d.ACL, d.Role)
	}
	for i := range a.c.LargeObjects.Groups {
		visit(&a.c.LargeObjects.Groups[i].ACL, a.c.LargeObjects.Groups[i].Owner)
	}
	for i := range a.c.Regranted {
		visit(&a.c.Regranted[i].ACL, a.c.Regranted[i].Owner)
	}
	visit(&a.c.Database.ACL, a.c.Database.Owner)
	for i := range a.c.Globals.Tablespaces {
		t := &a.c.Globals.Tablespaces[i]
		visit(&t.ACL, t.Owner)
	}
	for i := range a.c.Globals.Parameters {
		visit(&a.c.Globals.Parameters[i].ACL, a.c.Globals.Bootstrap)
	}
}

// defaultKinds are the words of ALTER DEFAULT PRIVILEGES for pg_default_acl's kinds.
const defaultKinds = "r=TABLES S=SEQUENCES f=FUNCTIONS T=TYPES n=SCHEMAS L=LARGE_OBJECTS "

func (p *planner) addDefaultPrivileges() {
	if p.o.NoPrivileges {
		return
	}
	for i := range p.c.DefaultPrivileges {
		d := &p.c.DefaultPrivileges[i]
		_, kind, _ := strings.Cut(defaultKinds, d.Kind+"=")
		kind, _, _ = strings.Cut(kind, " ")
		prefix := "ALTER DEFAULT PRIVILEGES FOR ROLE " + QuoteIdent(d.Role)
		if d.Schema != "" {
			prefix += " IN SCHEMA " + QuoteIdent(d.Schema)
		}
		sql, err := d.ACL.grants(privileged{kind: strings.ReplaceAll(kind, "_", " "), owner: d.Role})
		if err != nil {
			p.fail("default privileges of %s: %w", d.Role, err)
		}
		for _, text := range sql {
			p.addAt(StagePublications, Statement{Kind: "DEFAULT ACL", Name: d.Role, SQL: prefix + " " + text, Locks: []uint32{0}})
		}
	}
}
