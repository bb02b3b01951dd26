package catalog

import (
	"fmt"
	"slices"
	"strconv"
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

// Plan compares globals with those of a target. The rule, without Overwrite: what is made is made as it is on the source, and what
// exists on the target is not altered, whether it is a role, its password or what all roles have set; it is told where it differs. A membership
// counts as part of the roles it ties: it is made if one of them is.
func (g *Globals) Plan(target *Globals, o GlobalsOptions) (*GlobalsPlan, error) {
	p := &globalsPlanner{g: g, t: target, o: o, plan: &GlobalsPlan{}, made: map[string]bool{}, there: map[string]*Role{}, granted: map[string][]Membership{}}
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
	first := Role{Object: Object{Name: g.Bootstrap}, Super: true, Inherit: true, CreateRole: true, CreateDB: true, Login: true, Replication: true, BypassRLS: true, ConnLimit: -1}
	o.As, o.Overwrite = g.Bootstrap, true
	p, err := g.Plan(&Globals{ServerVersion: g.ServerVersion, Bootstrap: g.Bootstrap, Roles: []Role{first}}, o)
	if err != nil {
		return Script{}, err
	}
	return Script{Statements: slices.Concat(p.Tablespaces, p.Statements), LeftOut: p.LeftOut}, nil
}

type globalsPlanner struct {
	g, t *Globals
	o    GlobalsOptions
	plan *GlobalsPlan
	made map[string]bool // roles
	as   *Role
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

// roles makes the roles, all of them before anything that names two.
func (p *globalsPlanner) roles() {
	for i := range p.g.Roles {
		r := &p.g.Roles[i]
		there := p.there[r.Name]
		switch {
		case there == nil:
			p.made[r.Name] = true
			p.plan.Roles = append(p.plan.Roles, r.Name)
			p.makeRole(r)
		case p.o.Overwrite:
			p.alterRole(r, there)
		default:
			if differs := r.differs(there, p.comparePasswords()); len(differs) > 0 {
				p.plan.Differs = append(p.plan.Differs, "role "+r.Name+": "+strings.Join(differs, ", "))
			}
		}
	}
	if len(p.plan.Roles) > 0 && !p.as.Super && !p.as.CreateRole {
		p.forbid("make roles: %s (ALTER ROLE %s CREATEROLE, or restore as a superuser)", fewNames(p.plan.Roles), QuoteIdent(p.as.Name))
	}
}

func (p *globalsPlanner) comparePasswords() bool {
	return !p.o.NoRolePasswords && !slices.Contains(p.g.Unread, unreadPasswords) && !slices.Contains(p.t.Unread, unreadPasswords)
}

func (p *globalsPlanner) makeRole(r *Role) {
	p.run(Statement{Kind: "ROLE", Name: r.Name, OID: r.OID, SQL: "CREATE ROLE " + QuoteIdent(r.Name) + " WITH " + p.attributes(r)})
	p.password(r)
	if r.Comment != "" {
		p.comment("ROLE", &r.Object)
	}
	p.labels("ROLE", &r.Object, nil)
}

// labels sets the security labels that the target's object lacks.
func (p *globalsPlanner) labels(kind string, o *Object, there []SecurityLabel) {
	if !p.o.NoSecurityLabels {
		missing := slices.DeleteFunc(slices.Clone(o.SecurityLabels), func(l SecurityLabel) bool { return slices.Contains(there, l) })
		p.run(labels(missing, kind, o.Name)...)
	}
}

// attributes are those that the restoring role may give (documentation, "CREATE ROLE"); a role without one can do less than on the
// source, never more.
func (p *globalsPlanner) attributes(r *Role) string {
	var words []string
	modern := p.t.ServerVersion >= 160000
	for _, a := range []struct {
		word  string
		has   bool
		needs bool // more than CREATEROLE
		may   bool
	}{
		{"SUPERUSER", r.Super, true, false},
		{"INHERIT", r.Inherit, false, true},
		{"CREATEROLE", r.CreateRole, false, true},
		{"CREATEDB", r.CreateDB, modern, p.as.CreateDB},
		{"LOGIN", r.Login, false, true},
		{"REPLICATION", r.Replication, true, modern && p.as.Replication},
		{"BYPASSRLS", r.BypassRLS, true, modern && p.as.BypassRLS},
	} {
		may := p.as.Super || !a.needs || a.may
		switch {
		case a.has && may:
			words = append(words, a.word)
		case a.has:
			p.leaveOut("attribute "+a.word+" of role "+r.Name, "role %s may not give it", p.as.Name)
		case may:
			words = append(words, "NO"+a.word)
		}
	}
	words = append(words, "CONNECTION LIMIT "+strconv.Itoa(int(r.ConnLimit)))
	if r.ValidUntil != "" {
		words = append(words, "VALID UNTIL "+strings.TrimSpace(quoteLiteral(r.ValidUntil)))
	}
	return strings.Join(words, " ")
}

// password sets a role's password, in a statement of its own: the other attributes are for everybody to see.
func (p *globalsPlanner) password(r *Role) {
	switch {
	case p.o.NoRolePasswords:
	case r.Password != "":
		p.run(Statement{Kind: "PASSWORD", Name: "of role " + r.Name, OID: r.OID, Secret: true,
			SQL: "ALTER ROLE " + QuoteIdent(r.Name) + " PASSWORD " + strings.TrimSpace(quoteLiteral(r.Password))})
	case r.Login && slices.Contains(p.g.Unread, unreadPasswords):
		p.leaveOut("password of role "+r.Name, "the snapshot was taken by a role that may not read pg_authid")
	}
}

func (p *globalsPlanner) comment(kind string, o *Object) {
	comment := "NULL"
	if o.Comment != "" {
		comment = strings.TrimSpace(quoteLiteral(o.Comment))
	}
	p.run(Statement{Kind: "COMMENT", Name: o.Name, OID: o.OID, SQL: "COMMENT ON " + kind + " " + QuoteIdent(o.Name) + " IS " + comment})
}

// alterRole makes an existing role what it is on the source. The role that restores and the server's first superuser keep the
// right to come back.
func (p *globalsPlanner) alterRole(r, there *Role) {
	wanted := *r
	if there.Name == p.as.Name || there.Name == p.t.Bootstrap {
		if there.Super && !r.Super || there.Login && !r.Login {
			p.plan.Differs = append(p.plan.Differs, "role "+r.Name+": SUPERUSER and LOGIN are not taken from it, as it is the server's first superuser or the one that restores")
		}
		wanted.Super, wanted.Login = r.Super || there.Super, r.Login || there.Login
	}
	if wanted.attributesDiffer(there) {
		if wanted.ValidUntil == "" && there.ValidUntil != "" {
			wanted.ValidUntil = "infinity"
		}
		p.run(Statement{Kind: "ROLE", Name: r.Name, OID: r.OID, SQL: "ALTER ROLE " + QuoteIdent(r.Name) + " WITH " + p.attributes(&wanted)})
	}
	if r.Password != there.Password {
		p.password(r)
	}
	if r.Comment != there.Comment {
		p.comment("ROLE", &r.Object)
	}
	p.labels("ROLE", &r.Object, there.SecurityLabels)
}

func (r *Role) attributesDiffer(there *Role) bool {
	return len(r.differingAttributes(there)) > 0
}

// differingAttributes tells them as the target has them.
func (r *Role) differingAttributes(there *Role) []string {
	var differs []string
	for _, a := range []struct {
		word        string
		here, there bool
	}{
		{"SUPERUSER", r.Super, there.Super}, {"INHERIT", r.Inherit, there.Inherit}, {"CREATEROLE", r.CreateRole, there.CreateRole},
		{"CREATEDB", r.CreateDB, there.CreateDB}, {"LOGIN", r.Login, there.Login}, {"REPLICATION", r.Replication, there.Replication},
		{"BYPASSRLS", r.BypassRLS, there.BypassRLS},
	} {
		switch {
		case a.there && !a.here:
			differs = append(differs, a.word)
		case a.here && !a.there:
			differs = append(differs, "no "+a.word)
		}
	}
	if r.ConnLimit != there.ConnLimit {
		differs = append(differs, fmt.Sprintf("connection limit %d instead of %d", there.ConnLimit, r.ConnLimit))
	}
	if r.ValidUntil != there.ValidUntil && r.ValidUntil+there.ValidUntil != "infinity" { // never set, and for ever, are the same
		differs = append(differs, "another end of validity")
	}
	return differs
}

// differs says in which way the target's role is another.
func (r *Role) differs(there *Role, passwords bool) []string {
	differs := r.differingAttributes(there)
	if passwords && r.Password != there.Password {
		differs = append(differs, "another password")
	}
	if r.Comment != there.Comment {
		differs = append(differs, "another comment")
	}
	if !slices.Equal(r.SecurityLabels, there.SecurityLabels) {
		differs = append(differs, "other security labels")
	}
	for _, s := range r.Settings {
		if !slices.Contains(there.Settings, s) {
			differs = append(differs, "not the setting "+s.Name)
		}
	}
	return differs
}

// settings come after all roles, for they may name roles.
func (p *globalsPlanner) settings() {
	for i := range p.g.Roles {
		r := &p.g.Roles[i]
		there := p.there[r.Name]
		for _, s := range r.Settings {
			if p.made[r.Name] || p.o.Overwrite && !slices.Contains(there.Settings, s) {
				p.set("ROLE "+QuoteIdent(r.Name), "role "+r.Name, s)
			}
		}
	}
	for _, s := range p.g.Settings {
		switch {
		case slices.Contains(p.t.Settings, s):
		case !p.o.Overwrite:
			p.plan.Differs = append(p.plan.Differs, "all roles: not the setting "+s.Name)
		case !p.as.Super:
			p.leaveOut("setting "+s.Name+" of all roles", "only a superuser may set it")
		default:
			p.set("ROLE ALL", "all roles", s)
		}
	}
}

func (p *globalsPlanner) set(on, name string, s Setting) {
	if ok, why := p.o.Parameters.settable(s.Name, p.as.Super); !ok {
		p.leaveOut("setting "+s.Name+" of "+name, "%s", why)
		return
	}
	p.run(setting(on, name, s))
}

// tablespaces makes those that are missing for the restoring superuser, and gives them to their owners when those exist.
func (p *globalsPlanner) tablespaces() {
	if p.o.NoTablespaces {
		return
	}
	for i := range p.g.Tablespaces {
		t := &p.g.Tablespaces[i]
		there := p.t.tablespace(t.Name)
		if there == nil {
			p.plan.TablespaceNames = append(p.plan.TablespaceNames, t.Name)
			p.plan.Locations = append(p.plan.Locations, t.Location)
			p.plan.Tablespaces = append(p.plan.Tablespaces, Statement{Kind: "TABLESPACE", Name: t.Name, OID: t.OID,
				SQL: "CREATE TABLESPACE " + QuoteIdent(t.Name) + " LOCATION " + strings.TrimSpace(quoteLiteral(t.Location))})
			there = &Tablespace{Object: Object{Owner: p.as.Name}, Location: t.Location}
		} else if !p.o.Overwrite {
			if differs := t.differs(there); len(differs) > 0 {
				p.plan.Differs = append(p.plan.Differs, "tablespace "+t.Name+": "+strings.Join(differs, ", "))
			}
			continue
		}
		p.alterTablespace(t, there)
	}
	if len(p.plan.TablespaceNames) > 0 && !p.as.Super {
		p.forbid("make tablespaces: %s (a superuser makes them; --no-tablespaces puts everything where the target does)", fewNames(p.plan.TablespaceNames))
	}
}

func (p *globalsPlanner) alterTablespace(t, there *Tablespace) {
	s := Statement{Kind: "TABLESPACE", Name: t.Name, OID: t.OID}
	if t.Owner != "" && t.Owner != there.Owner {
		s.SQL = "ALTER TABLESPACE " + QuoteIdent(t.Name) + " OWNER TO " + QuoteIdent(t.Owner)
		p.run(s)
	}
	if len(t.Options) > 0 && !slices.Equal(t.Options, there.Options) {
		s.SQL = "ALTER TABLESPACE " + QuoteIdent(t.Name) + " SET (" + optionsSQL(t.Options, nil) + ")"
		p.run(s)
	}
	if t.Comment != there.Comment {
		p.comment("TABLESPACE", &t.Object)
	}
	p.labels("TABLESPACE", &t.Object, there.SecurityLabels)
	if there.Location != t.Location {
		p.plan.Differs = append(p.plan.Differs, "tablespace "+t.Name+": another location, "+there.Location)
	}
	p.grants("TABLESPACE", t.Name, t.ACL, there.ACL, t.Owner)
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

func (t *Tablespace) differs(there *Tablespace) []string {
	var differs []string
	if t.Location != there.Location {
		differs = append(differs, "another location, "+there.Location)
	}
	if t.Owner != there.Owner {
		differs = append(differs, "owner "+there.Owner)
	}
	if !slices.Equal(t.Options, there.Options) {
		differs = append(differs, "other options")
	}
	if !slices.Equal(t.ACL.Items, there.ACL.Items) {
		differs = append(differs, "other grants")
	}
	if t.Comment != there.Comment {
		differs = append(differs, "another comment")
	}
	if !slices.Equal(t.SecurityLabels, there.SecurityLabels) {
		differs = append(differs, "other security labels")
	}
	return differs
}

// parameters grants what is granted on configuration parameters: among roles that are made, or with Overwrite among all.
func (p *globalsPlanner) parameters() {
	if p.o.NoPrivileges {
		return
	}
	for _, parameter := range p.g.Parameters {
		var there ACL
		for _, t := range p.t.Parameters {
			if t.Name == parameter.Name {
				there = t.ACL
			}
		}
		acl := ACL{Items: p.renamed(parameter.Items), Initial: p.renamed(parameter.Initial)}
		if !p.o.Overwrite {
			acl.Items = p.grantsToMade(parameter.Name, acl.Items, there)
		}
		what := "grants on parameter " + parameter.Name
		known, why := p.o.Parameters.settable(parameter.Name, true)
		switch {
		case len(acl.roles()) == 0:
		case !known:
			p.leaveOut(what, "%s", why)
		case !p.as.Super:
			p.leaveOut(what, "only a superuser may grant them")
		default:
			p.grants("PARAMETER", parameter.Name, acl, there, p.t.Bootstrap)
		}
	}
}

// grantsToMade keeps the grants between roles that are made, or from the server's first superuser, whose the parameters are.
func (p *globalsPlanner) grantsToMade(parameter string, items []string, there ACL) []string {
	kept := []string{}
	missing := false
	for _, text := range items {
		item, err := parseACLItem(text)
		if err == nil && (p.made[item.grantee] || item.grantee == p.t.Bootstrap) && (p.made[item.grantor] || item.grantor == p.t.Bootstrap) {
			kept = append(kept, text)
		} else if !slices.Contains(there.Items, text) {
			missing = true
		}
	}
	if missing {
		p.plan.Differs = append(p.plan.Differs, "parameter "+parameter+": not the grants to roles that exist")
	}
	return kept
}

// renamed writes access control items as if the source's first superuser had the name of the target's: it owns all
// parameters on either.
func (p *globalsPlanner) renamed(items []string) []string {
	if p.g.Bootstrap == p.t.Bootstrap || items == nil {
		return items
	}
	out := make([]string, len(items))
	for i, text := range items {
		grantee, rest, _ := aclName(text)
		letters, grantor, _ := strings.Cut(rest, "/")
		name, _, _ := aclName(grantor)
		for _, n := range []*string{&grantee, &name} {
			if *n == p.g.Bootstrap {
				*n = p.t.Bootstrap
			}
		}
		out[i] = aclQuote(grantee) + letters + "/" + aclQuote(name)
	}
	return out
}

// fewNames lists at most a dozen names.
func fewNames(names []string) string {
	if len(names) > 12 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:12], ", "), len(names)-12)
	}
	return strings.Join(names, ", ")
}
