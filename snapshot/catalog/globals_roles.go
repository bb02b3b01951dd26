package catalog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

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

// alterRole makes an existing role what it is on the source. The role that restores and the server's first superuser keep the
// right to come back.
func (p *globalsPlanner) alterRole(r, there *Role) {
	wanted := *r
	if there.Name == p.as.Name || there.Name == p.t.Bootstrap {
		if there.Super && !r.Super || there.Login && !r.Login {
			p.plan.Differs = append(p.plan.Differs, "role "+r.Name+": SUPERUSER and LOGIN are not taken from it, "+
				"as it is the server's first superuser or the one that restores")
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
