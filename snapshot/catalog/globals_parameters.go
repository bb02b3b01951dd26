package catalog

import (
	"slices"
	"strings"
)

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
