package catalog

import (
	"slices"
	"strings"
)

// memberships grants roles to members, in an order in which each grantor exists.
//
// Since 16 a grantor must hold the role WITH ADMIN OPTION when it grants, and only the server's first superuser needs no grant for that
// (documentation, "GRANT on Roles"). Servers before did not look, so that what they say of grantors is not to be relied
// on, and the GRANT to a newer server is left to its first superuser.
func (p *globalsPlanner) memberships() {
	var todo []Membership
	for _, m := range p.g.Memberships {
		if p.wanted(m) {
			todo = append(todo, m)
		}
	}
	grantors := p.t.ServerVersion < 160000 || p.g.ServerVersion >= 160000
	type grant struct{ role, member string }
	admins := map[grant]bool{}
	for _, m := range p.t.Memberships {
		if m.Admin {
			admins[grant{m.Role, m.Member}] = true
		}
	}
	for len(todo) > 0 {
		var rest []Membership
		for _, m := range todo {
			if grantors && p.t.ServerVersion >= 160000 && m.Grantor != p.g.Bootstrap && m.Grantor != "" && !admins[grant{m.Role, m.Grantor}] {
				rest = append(rest, m)
				continue
			}
			if m.Admin {
				admins[grant{m.Role, m.Member}] = true
			}
			if !grantors {
				m.Grantor = ""
			}
			p.grantRole(m)
		}
		if len(rest) == len(todo) {
			// The grantor is a role of the target that may not grant there.
			rest[0].Grantor = ""
			p.leaveOut("grantor of role "+rest[0].Role+" to "+rest[0].Member, "it may not grant it on the target; whoever restores does")
		}
		todo = rest
	}
}

// wanted says whether a membership is to be granted.
func (p *globalsPlanner) wanted(m Membership) bool {
	there := slices.ContainsFunc(p.granted[m.Member], func(t Membership) bool {
		same := t.Role == m.Role && t.Member == m.Member && t.Admin == m.Admin
		if p.t.ServerVersion >= 160000 && p.g.ServerVersion >= 160000 {
			same = same && t.Inherit == m.Inherit && t.Set == m.Set && p.grantor(t.Grantor, p.t) == p.grantor(m.Grantor, p.g)
		}
		return same
	})
	if there {
		return false
	}
	if !p.made[m.Role] && !p.made[m.Member] && !p.o.Overwrite {
		p.plan.Differs = append(p.plan.Differs, "role "+m.Member+": not a member of "+m.Role+" as on the source")
		return false
	}
	if p.as.Super {
		return true
	}
	// What somebody who is no superuser may grant: since 16 roles they hold WITH ADMIN OPTION, as those they have made;
	// before, all but superusers' (documentation, "Role Attributes").
	role := p.there[m.Role]
	may := p.made[m.Role]
	if p.t.ServerVersion >= 160000 {
		may = may || slices.ContainsFunc(p.granted[p.as.Name], func(t Membership) bool { return t.Role == m.Role && t.Admin })
	} else {
		may = may || role == nil || !role.Super
	}
	if !may {
		p.leaveOut("membership of role "+m.Member+" in "+m.Role, "role %s may not grant it", p.as.Name)
	}
	return may
}

// grantor is a name that two servers have in common: empty for the first superuser.
func (p *globalsPlanner) grantor(name string, g *Globals) string {
	if name == g.Bootstrap {
		return ""
	}
	return name
}

func (p *globalsPlanner) grantRole(m Membership) {
	sql := "GRANT " + QuoteIdent(m.Role) + " TO " + QuoteIdent(m.Member)
	var options []string
	if m.Admin {
		options = append(options, "ADMIN OPTION")
	}
	if p.g.ServerVersion >= 160000 {
		options = append(options, "INHERIT "+strings.ToUpper(boolSQL(m.Inherit)), "SET "+strings.ToUpper(boolSQL(m.Set)))
	}
	if len(options) > 0 {
		sql += " WITH " + strings.Join(options, ", ")
	}
	if m.Grantor == p.g.Bootstrap {
		m.Grantor = p.t.Bootstrap
	}
	if m.Grantor != "" && p.as.Super {
		sql += " GRANTED BY " + QuoteIdent(m.Grantor)
	}
	p.run(Statement{Kind: "MEMBERSHIP", Name: m.Member + " in " + m.Role, SQL: sql})
}

func boolSQL(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
