package catalog

import (
	"slices"
	"strings"
)

// privileged is what privileges are given on, as GRANT names it.
type privileged struct {
	kind   string // "TABLE"; of default privileges "TABLES"
	name   string // empty for default privileges
	column string // the column of a table, or empty
	schema string // the schema that it is in, or empty
	owner  string
}

// grants gives the GRANT and REVOKE that turn a new object's initial privileges into the list, touching only what
// differs: a privilege that a newer server gives initially stays. What others granted follows what they could grant by.
func (a ACL) grants(on privileged) ([]string, error) {
	if a.Items == nil {
		return nil, nil
	}
	before, err := parseACL(a.Initial)
	if err != nil {
		return nil, err
	}
	now, err := parseACL(a.Items)
	if err != nil {
		return nil, err
	}
	c := chain{on: on, now: now, options: map[string][]string{}}
	for _, was := range slices.Backward(before) {
		var is aclItem
		if item := now.of(was.grantee, was.grantor); item != nil {
			is = *item
		}
		c.revoke(was, without(was.held(), is.held()), common(was.grantable, is.privileges))
		c.may(was.grantee, common(was.grantable, is.grantable))
	}
	for _, item := range now {
		if was := before.of(item.grantee, item.grantor); was != nil {
			item.privileges, item.grantable = without(item.privileges, was.held()), without(item.grantable, was.grantable)
		}
		if len(item.held()) > 0 {
			c.todo = append(c.todo, item)
		}
	}
	c.run()
	return c.sql, nil
}

// chain puts grants in an order in which each grantor holds the grant options needed.
type chain struct {
	on      privileged
	now     aclItems
	todo    []aclItem
	options map[string][]string // what a role may grant so far
	lent    []aclItem
	sql     []string
}

func (c *chain) may(role string, privileges []string) {
	c.options[role] = append(c.options[role], privileges...)
}

func (c *chain) run() {
	for len(c.todo) > 0 {
		n := slices.IndexFunc(c.todo, func(i aclItem) bool { return len(c.lacks(i)) == 0 })
		if n < 0 {
			c.lend()
			n = 0
		}
		item := c.todo[n]
		c.todo = slices.Delete(c.todo, n, n+1)
		c.grant(item)
		c.may(item.grantee, item.grantable)
	}
	for _, item := range slices.Backward(c.lent) {
		own := c.now.of(item.grantee, c.on.owner)
		if own == nil {
			own = &aclItem{}
		}
		item.grantable = without(item.grantable, own.grantable)
		c.revoke(item, without(item.grantable, own.privileges), common(item.grantable, own.privileges))
	}
}

// lacks are the privileges of an item that its grantor may not grant yet.
func (c *chain) lacks(i aclItem) []string {
	if i.grantor == c.on.owner {
		return nil
	}
	return without(i.held(), c.options[i.grantor])
}

// lend gives grantors for the time being what they need. Roles can hold their grant options from each other alone: two
// that had them from the owner gave them to each other, and then the owner took his back. As none may grant to its own
// grantor (check_circularity() in PostgreSQL's acl.c) all of them get theirs.
func (c *chain) lend() {
	for _, i := range c.todo {
		loan := aclItem{grantee: i.grantor, grantor: c.on.owner, grantable: c.lacks(i)}
		if len(loan.grantable) > 0 {
			c.lent = append(c.lent, loan)
			c.grant(loan)
			c.may(loan.grantee, loan.grantable)
		}
	}
}

func (c *chain) grant(i aclItem) {
	if len(i.privileges) > 0 {
		c.add(i, "GRANT "+c.on.list(i.privileges)+" ON "+c.on.target()+" TO "+roleSQL(i.grantee))
	}
	if len(i.grantable) > 0 {
		c.add(i, "GRANT "+c.on.list(i.grantable)+" ON "+c.on.target()+" TO "+roleSQL(i.grantee)+" WITH GRANT OPTION")
	}
}

// revoke takes privileges of an item away, and of others the right to grant them on.
func (c *chain) revoke(i aclItem, privileges, options []string) {
	if len(privileges) > 0 {
		c.add(i, "REVOKE "+c.on.list(privileges)+" ON "+c.on.target()+" FROM "+roleSQL(i.grantee))
	}
	if len(options) > 0 {
		c.add(i, "REVOKE GRANT OPTION FOR "+c.on.list(options)+" ON "+c.on.target()+" FROM "+roleSQL(i.grantee))
	}
}

// add adds a statement as the item's grantor gives it: only its own session can record it as grantor.
func (c *chain) add(i aclItem, sql string) {
	if i.grantor != c.on.owner {
		sql = c.on.asRole(i.grantor, sql)
	}
	c.sql = append(c.sql, sql)
}

// asRole runs a GRANT as another role. One that has lost USAGE on the schema, and so could not name the object any more,
// gets it for the time of the statement.
func (on privileged) asRole(role, sql string) string {
	sql = "SET LOCAL ROLE " + QuoteIdent(role) + "; " + sql + "; PERFORM pg_catalog.set_config('role', was, true); "
	declare := "DECLARE was text := pg_catalog.current_setting('role'); "
	if on.schema != "" {
		declare += "blind boolean := NOT pg_catalog.has_schema_privilege(" + quoteLiteral(role) + ", " + quoteLiteral(on.schema) + ", 'USAGE'); "
		usage := "USAGE ON SCHEMA " + QuoteIdent(on.schema)
		sql = "IF blind THEN GRANT " + usage + " TO " + QuoteIdent(role) + "; END IF; " + sql +
			"IF blind THEN REVOKE " + usage + " FROM " + QuoteIdent(role) + "; END IF; "
	}
	return "DO " + dollarQuote(declare+"BEGIN "+sql+"END")
}

// target is what follows ON.
func (on privileged) target() string {
	if on.name == "" {
		return on.kind
	}
	return on.kind + " " + on.name
}

// list is a list of privileges as GRANT takes it. ALL stands for those of PostgreSQL 18: what was all to an older server
// gives nobody the privileges that came later.
func (on privileged) list(privileges []string) string {
	list := slices.Clone(privileges)
	if len(list) > 1 && len(list) == on.known() {
		list = []string{"ALL"}
	}
	if on.column != "" {
		for i := range list {
			list[i] += " (" + QuoteIdent(on.column) + ")"
		}
	}
	return strings.Join(list, ", ")
}

// known is the number of privileges that there are for the kind, where there are several.
func (on privileged) known() int {
	switch on.kind {
	case "TABLE", "TABLES":
		if on.column != "" {
			return len("arwx")
		}
		return len("arwdDxtm")
	case "SEQUENCE", "SEQUENCES":
		return len("rwU")
	case "SCHEMA", "SCHEMAS", "LARGE OBJECT", "LARGE OBJECTS", "PARAMETER":
		return 2
	case "DATABASE":
		return len("CTc")
	}
	return 1
}

func roleSQL(role string) string {
	if role == "" {
		return "PUBLIC"
	}
	return QuoteIdent(role)
}

// dollarQuote quotes a text with a tag that it does not contain.
func dollarQuote(s string) string {
	tag := "$_$"
	for strings.Contains(s, tag) {
		tag = tag[:len(tag)-1] + "_$"
	}
	return tag + s + tag
}
