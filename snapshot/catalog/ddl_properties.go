package catalog

import (
	"fmt"
	"strings"
)

// make adds the statement that creates an object under its own name, and what every object may have.
func (p *planner) make(m creatable, sql string) {
	p.makeToDrop(m, sql, "")
}

// makeToDrop is make for an object that goes by a statement of its own.
func (p *planner) makeToDrop(m creatable, sql, drop string) {
	at, o := m.address(), m.head()
	p.add(Statement{Kind: at.kind, Name: at.name, OID: o.OID, SQL: sql, at: at, drop: drop})
	p.addProperties(p.described(m))
	p.dependOnExtensions(Statement{Kind: at.kind, Name: at.name, OID: o.OID}, at.kind+" "+at.name, o.DependsOnExtensions)
}

// described tells an object under its own name.
func (p *planner) described(m creatable) described {
	at, o := m.address(), m.head()
	d := described{
		kind: at.kind, schema: o.Schema, sql: at.name, name: at.name, oid: o.OID,
		owner: o.Owner, comment: o.Comment, labels: o.SecurityLabels, acl: o.ACL,
	}
	switch at.kind {
	case "DOMAIN":
		d.onACL = "TYPE"
	case "SERVER":
		d.onACL = "FOREIGN SERVER"
	}
	return d
}

// described is an object as COMMENT, GRANT and ALTER … OWNER name it.
type described struct {
	kind    string // "FUNCTION"
	schema  string // that it is in, or empty
	sql     string // "public.f(integer)"
	name    string // for people
	oid     uint32
	table   uint32
	owner   string
	comment string
	labels  []SecurityLabel
	acl     ACL
	onACL   string // kind in GRANT, where it differs
	stage   int    // of comments and labels; 0: at once
	grants  int    // stage of grants; 0: StageGrants

	keepOwner bool   // it stays its maker's
	optional  string // of grants and comments: Statement.Optional
}

// addProperties adds what every object may have: owner, comment, security labels, grants.
func (p *planner) addProperties(d described) {
	p.addOwner(d)
	p.addComment(d)
	p.addGrants(d, "")
}

// dangling reports whether an owner is a role that was dropped all the same, which has no name (pg_get_userbyid() in
// src/backend/utils/adt/ruleutils.c).
func dangling(owner string) bool { return strings.HasPrefix(owner, "unknown (OID=") }

// addOwner gives an object to its owner.
func (p *planner) addOwner(d described) {
	if dangling(d.owner) {
		p.leaveOut("owner of "+strings.ToLower(d.kind)+" "+d.name, "the role does not exist on the source: %s", d.owner)
		return
	}
	if d.owner != "" && !d.keepOwner && !p.o.NoOwner {
		p.add(Statement{Kind: d.kind, Name: d.name, OID: d.oid, Table: d.table,
			SQL: "ALTER " + d.kind + " " + d.sql + " OWNER TO " + QuoteIdent(d.owner)})
	}
}

// addComment adds an object's comment and security labels.
func (p *planner) addComment(d described) {
	if d.comment != "" && !p.o.NoComments {
		p.addNote(d, "COMMENT", "COMMENT ON "+d.kind+" "+d.sql+" IS "+strings.TrimSpace(quoteLiteral(d.comment)))
	}
	if p.o.NoSecurityLabels {
		return
	}
	for _, l := range d.labels {
		p.addNote(d, "SECURITY LABEL", "SECURITY LABEL FOR "+QuoteIdent(l.Provider)+" ON "+d.kind+" "+d.sql+
			" IS "+strings.TrimSpace(quoteLiteral(l.Label)))
	}
}

func (p *planner) addNote(d described, kind, sql string) {
	s := Statement{Kind: kind, Name: d.name, OID: d.oid, Table: d.table, SQL: sql, Optional: d.optional}
	if d.stage == 0 {
		p.add(s)
		return
	}
	if d.table != 0 {
		s.Locks = []uint32{d.table}
	}
	p.addAt(d.stage, s)
}

// addGrants adds the grants on an object or, if column is set, on its column.
// They come late: an owner without INSERT of their own can still load the rows, and
// materialized views are refreshed with all rights in place.
func (p *planner) addGrants(d described, column string) {
	if p.o.NoPrivileges {
		return
	}
	kind := d.onACL
	if kind == "" {
		kind = d.kind
	}
	acl := d.acl
	if p.o.Copy {
		// Who granted may have no rights in the copy's schema: there the owner grants all.
		acl.Items = grantedBy(acl.Items, d.owner)
	}
	sql, err := acl.grants(privileged{kind: kind, name: d.sql, column: column, schema: d.schema, owner: d.owner})
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("grants on %s: %w", d.name, err)
	}
	if d.grants == 0 {
		d.grants = StageGrants
	}
	for _, text := range sql {
		s := Statement{Kind: "ACL", Name: d.name, OID: d.oid, Table: d.table, SQL: text, Locks: []uint32{d.oid}, Optional: d.optional}
		if strings.HasPrefix(text, "DO ") {
			s.Locks = append(s.Locks, p.schemas[d.schema]) // whose list it may change
		}
		p.addAt(d.grants, s)
	}
}
