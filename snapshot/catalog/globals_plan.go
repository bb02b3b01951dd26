package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// GlobalsOptions say how globals go onto a target. The zero value makes what is missing there.
type GlobalsOptions struct {
	// As is the role of the target that restores.
	As string
	// Parameters are those that the target knows.
	Parameters Parameters
	// Overwrite gives roles and tablespaces that exist on the target what they have on the source: attributes, passwords,
	// comments, settings, memberships, grants. It takes nothing away that the source does not have.
	Overwrite bool

	NoPrivileges     bool
	NoTablespaces    bool
	NoRolePasswords  bool
	NoSecurityLabels bool
}

// GlobalsPlan is how globals go onto a target.
type GlobalsPlan struct {
	// Tablespaces are CREATE TABLESPACE, each to be run outside of transactions, before Statements. Where one of them or a
	// Statement fails, those made are to be dropped: they are empty.
	Tablespaces []Statement
	// Locations are the directories of Tablespaces, empty for one within the data directory.
	Locations []string
	// Statements belong into one transaction.
	Statements []Statement
	// Roles and TablespaceNames are what is made.
	Roles           []string
	TablespaceNames []string
	// Differs tells what the target has and has otherwise, which stays as it is there.
	Differs []string
	LeftOut []LeftOut
	// Forbidden is what the role that restores may not do.
	Forbidden []string
}

// Plan compares globals with those of a target. The rule, without Overwrite: what is made is made as it is on the source,
// and what exists on the target is not altered, whether it is a role, its password or what all roles have set; it is told
// where it differs. A membership counts as part of the roles it ties: it is made if one of them is.
//
// Errors: the role that restores is not on the target; an access control list cannot be read.
func (g *Globals) Plan(target *Globals, o GlobalsOptions) (*GlobalsPlan, error) {
	p := &globalsPlanner{
		g: g, t: target, o: o, plan: &GlobalsPlan{},
		made: map[string]bool{}, there: map[string]*Role{}, granted: map[string][]Membership{},
	}
	for i := range target.Roles {
		p.there[target.Roles[i].Name] = &target.Roles[i]
	}
	for _, m := range target.Memberships {
		p.granted[m.Member] = append(p.granted[m.Member], m)
	}
	if p.as = p.there[o.As]; p.as == nil {
		return nil, fmt.Errorf("the role %q that restores is not among the target's", o.As)
	}
	p.roles()
	p.memberships()
	p.settings()
	p.tablespaces()
	p.parameters()
	return p.plan, p.err
}

// Script makes the globals on a server that initdb has just made: all of them, in an order in which they can be made one by one.
func (g *Globals) Script(o GlobalsOptions) (Script, error) {
	first := Role{
		Object: Object{Name: g.Bootstrap}, Super: true, Inherit: true, CreateRole: true, CreateDB: true, Login: true,
		Replication: true, BypassRLS: true, ConnLimit: -1,
	}
	o.As, o.Overwrite = g.Bootstrap, true
	p, err := g.Plan(&Globals{ServerVersion: g.ServerVersion, Bootstrap: g.Bootstrap, Roles: []Role{first}}, o)
	if err != nil {
		return Script{}, err
	}
	return Script{Statements: slices.Concat(p.Tablespaces, p.Statements), LeftOut: p.LeftOut}, nil
}

// globalsPlanner makes one GlobalsPlan: from the source's globals, g, onto the target's, t.
type globalsPlanner struct {
	g, t *Globals
	o    GlobalsOptions
	plan *GlobalsPlan
	made map[string]bool // roles
	as   *Role           // who restores
	err  error

	// there are the target's roles, granted its memberships by member.
	there   map[string]*Role
	granted map[string][]Membership
}

func (p *globalsPlanner) run(s ...Statement) { p.plan.Statements = append(p.plan.Statements, s...) }

func (p *globalsPlanner) leaveOut(what, format string, a ...any) {
	p.plan.LeftOut = append(p.plan.LeftOut, LeftOut{what, fmt.Sprintf(format, a...)})
}

func (p *globalsPlanner) forbid(format string, a ...any) {
	p.plan.Forbidden = append(p.plan.Forbidden, fmt.Sprintf(format, a...))
}

// labels sets the security labels that the target's object lacks.
func (p *globalsPlanner) labels(kind string, o *Object, there []SecurityLabel) {
	if !p.o.NoSecurityLabels {
		missing := slices.DeleteFunc(slices.Clone(o.SecurityLabels), func(l SecurityLabel) bool { return slices.Contains(there, l) })
		p.run(labels(missing, kind, o.Name)...)
	}
}

func (p *globalsPlanner) comment(kind string, o *Object) {
	comment := "NULL"
	if o.Comment != "" {
		comment = strings.TrimSpace(quoteLiteral(o.Comment))
	}
	p.run(Statement{Kind: "COMMENT", Name: o.Name, OID: o.OID, SQL: "COMMENT ON " + kind + " " + QuoteIdent(o.Name) + " IS " + comment})
}

// grants adds the grants of an access control list that the target does not have.
func (p *globalsPlanner) grants(kind, name string, acl, there ACL, owner string) {
	if p.o.NoPrivileges || slices.Equal(acl.Items, there.Items) {
		return
	}
	sql, err := acl.grants(privileged{kind: kind, name: QuoteIdent(name), owner: owner})
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("grants on %s %s: %w", strings.ToLower(kind), name, err)
	}
	for _, text := range sql {
		p.run(Statement{Kind: "ACL", Name: name, SQL: text})
	}
}

// fewNames lists at most a dozen names.
func fewNames(names []string) string {
	if len(names) > 12 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:12], ", "), len(names)-12)
	}
	return strings.Join(names, ", ")
}
