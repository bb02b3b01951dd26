package catalog

import "strings"

// NeedKind is a kind of Need.
type NeedKind int

// The kinds of what a script needs.
const (
	NeedOwner      NeedKind = iota // a role that owns something; NoOwner goes without
	NeedGrantee                    // a role that something is granted to, or was granted by; NoPrivileges goes without
	NeedGrantor                    // a role that granted what is not its own, so that the statement runs as that role
	NeedRole                       // a role that is a part of an object, as of a policy
	NeedTablespace                 // NoTablespaces goes without
	NeedExtension                  // the files of an extension
	NeedLocale                     // what a collation is made of: its statement's Trial tells whether it is there
	NeedLibrary                    // the shared library of a C function, likewise
	NeedFile                       // what a text search dictionary reads, as a list of words: likewise, where its template is there
	NeedSuperuser                  // the right to make an object, which superusers have: Need.Trial tells whether others do
)

// Need is something that a script takes for granted: it has to be on the target before the script runs.
type Need struct {
	Kind NeedKind
	Name string
	// For is an object that needs it, for people.
	For string
	// Statement is the index of the statement that makes the object, or -1. Where that is not run, as the target has
	// the object already, nothing is needed.
	Statement int
	// Object is what is made, of NeedExtension and NeedSuperuser.
	Object Ref
	// Trial, of NeedSuperuser, is a statement that is refused with insufficient_privilege to who may not make it. It leaves nothing
	// behind when it is rolled back.
	Trial string
}

// Trial is a statement that fails on a target where the one that makes a collation, a function in C or a text search dictionary would for
// lack of what the database cannot bring along: a locale, ICU, a library, a file. It leaves nothing behind when it is rolled back. It is
// empty for other statements.
func (s *Statement) Trial() string {
	if definition, ok := strings.CutPrefix(s.SQL, "CREATE COLLATION "+s.Name+" "); ok && s.Kind == "COLLATION" {
		return "CREATE COLLATION pg_temp.pgrecall_trial " + definition
	}
	if definition, ok := strings.CutPrefix(s.SQL, "CREATE TEXT SEARCH DICTIONARY "+s.Name+" "); ok && s.Kind == "TEXT SEARCH DICTIONARY" {
		return "CREATE TEXT SEARCH DICTIONARY pg_temp.pgrecall_trial " + definition
	}
	// As pg_get_functiondef() writes it, the library and the symbol are last.
	at := strings.LastIndex(s.SQL, "\nAS '")
	if at < 0 || (s.Kind != "FUNCTION" && s.Kind != "PROCEDURE") || !strings.Contains(s.SQL[:at+1], "\n LANGUAGE c\n") {
		return ""
	}
	return "CREATE FUNCTION pg_temp.pgrecall_trial() RETURNS void LANGUAGE c " + s.SQL[at+1:]
}

// Trials are such statements for the locale of a database.
func (d *Database) Trials() []string {
	literal := func(text string) string { return strings.TrimSpace(quoteLiteral(text)) }
	trials := []string{"CREATE COLLATION pg_temp.pgrecall_trial (provider = libc, lc_collate = " + literal(d.Collate) +
		", lc_ctype = " + literal(d.Ctype) + ")"}
	if d.LocaleProvider == "i" {
		trials = append(trials, "CREATE COLLATION pg_temp.pgrecall_trial (provider = icu, locale = "+literal(d.Locale)+")")
	}
	return trials
}

// needs are gathered from the model, and not from the texts of statements, so that no kind of object is forgotten: whatever
// has an owner and grants is an Object.
type needs struct {
	p    *planner
	made map[Ref]int
	// given are the objects that are given to their owner.
	given map[uint32]bool
	// always holds the needs of objects that are made in any case.
	always map[needed]bool
}

type needed struct {
	kind NeedKind
	name string
}

// gatherNeeds fills in Script.Needs; the statements are in their final order.
func (p *planner) gatherNeeds() {
	n := &needs{p: p, made: map[Ref]int{}, given: map[uint32]bool{}, always: map[needed]bool{}}
	for i, s := range p.s.Statements {
		ref := Ref{Class(s.at.class), s.OID}
		if _, ok := n.made[ref]; !ok {
			n.made[ref] = i
		}
		n.given[s.OID] = n.given[s.OID] || strings.HasPrefix(s.SQL, "ALTER ") && strings.Contains(s.SQL, " OWNER TO ")
	}
	for o := range p.c.objects() {
		if at, ok := n.madeBy(o.ref()); ok {
			n.object(o, at)
		}
	}
	if p.whole() && !p.o.NoPrivileges {
		for i := range p.c.DefaultPrivileges {
			d := &p.c.DefaultPrivileges[i]
			n.add(NeedGrantee, d.Role, "default privileges", -1)
			n.add(NeedGrantor, d.Role, "default privileges", -1)
			n.acl(d.ACL, d.Role, "default privileges", -1)
		}
	}
}

// madeBy finds the statement that makes an object. Those that need no address have none.
func (n *needs) madeBy(r Ref) (int, bool) {
	at, ok := n.made[r]
	if !ok {
		at, ok = n.made[Ref{"", r.OID}]
	}
	return at, ok
}

func (n *needs) object(o object, at int) {
	s := &n.p.s.Statements[at]
	h, what := o.head(), strings.ToLower(s.Kind)+" "+s.Name
	if schema, ok := o.(*Schema); ok && schema.Name == "public" && n.p.whole() {
		at = -1 // the one object that gets its owner and grants where it exists
	}
	if n.given[h.OID] {
		n.add(NeedOwner, h.Owner, what, at)
	}
	n.acl(h.ACL, h.Owner, what, at)
	if trial := superuserTrial(o); trial != "" {
		n.p.s.Needs = append(n.p.s.Needs, Need{Kind: NeedSuperuser, Name: what, For: what, Statement: at, Object: o.ref(), Trial: trial})
	}
	switch o := o.(type) {
	case *UserMapping:
		if o.Name != "public" {
			n.add(NeedRole, o.Name, what, at)
		}
	case *Extension:
		n.p.s.Needs = append(n.p.s.Needs, Need{Kind: NeedExtension, Name: o.Name, For: what, Statement: at, Object: o.ref()})
	case *Collation:
		n.add(NeedLocale, o.SQLName(), what, at)
	case *TextSearchDictionary:
		if o.Options != "" {
			n.add(NeedFile, o.SQLName(), what, at)
		}
	case *Function:
		if trial := s.Trial(); trial != "" {
			n.add(NeedLibrary, trial[strings.LastIndex(trial, " AS ")+4:], what, at)
		}
	case *Table:
		n.relation(o.Columns, o.Indexes, o.Tablespace, h.Owner, what, at)
		for _, y := range o.Policies {
			for _, role := range y.Roles {
				if !n.p.o.Copy {
					n.add(NeedRole, role, "policy "+y.Name+" on "+s.Name, at)
				}
			}
		}
	case *View:
		n.relation(o.Columns, o.Indexes, o.Tablespace, h.Owner, what, at)
	}
}

func (n *needs) relation(columns []Column, indexes []Index, tablespace, owner, what string, at int) {
	n.add(NeedTablespace, tablespace, what, at)
	for i := range columns {
		n.acl(columns[i].ACL, owner, what, at)
	}
	for i := range indexes {
		n.add(NeedTablespace, indexes[i].Tablespace, "index "+indexes[i].Name, at)
	}
}

// acl adds the roles that grants name. The items that an object has from the beginning are not granted.
func (n *needs) acl(a ACL, owner, what string, at int) {
	if n.p.o.NoPrivileges {
		return
	}
	if n.p.o.Copy {
		a.Items = grantedBy(a.Items, owner)
	}
	for _, role := range a.roles() {
		if role != owner {
			n.add(NeedGrantee, role, what, at)
		}
	}
	for _, role := range a.grantors() {
		if role != owner {
			n.add(NeedGrantor, role, what, at)
		}
	}
}

func (n *needs) add(kind NeedKind, name, what string, at int) {
	if name == "" || kind == NeedTablespace && n.p.o.NoTablespaces || n.always[needed{kind, name}] {
		return
	}
	if at < 0 || !n.p.s.Statements[at].IfMissing {
		n.always[needed{kind, name}] = true
	}
	n.p.s.Needs = append(n.p.s.Needs, Need{Kind: kind, Name: name, For: what, Statement: at})
}
