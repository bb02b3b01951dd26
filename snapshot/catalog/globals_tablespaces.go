package catalog

import (
	"slices"
	"strings"
)

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
		p.forbid("make tablespaces: %s (a superuser makes them; --no-tablespaces puts everything where the target does)",
			fewNames(p.plan.TablespaceNames))
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
