package catalog

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxName is the length in bytes of PostgreSQL's longest name, NAMEDATALEN - 1.
const maxName = 63

// namer gives copies names of their own.
type namer struct{ used map[Name]bool }

func newNamer() *namer { return &namer{used: map[Name]bool{}} }

// chooseTables names every table of the script. Names given by the caller are
// taken as they are, the rest follows from them.
func (n *namer) chooseTables(p *planner) error {
	if p.o.Copy {
		n.reserve(p.c)
	}
	taken := map[Name]uint32{}
	var choose func(t *Table) error
	choose = func(t *Table) error {
		if _, done := p.s.Tables[t.OID]; done || !p.selected[t.OID] {
			return nil
		}
		if t.Partition && len(t.Parents) > 0 && p.selected[t.Parents[0]] {
			if err := choose(p.tables[t.Parents[0]]); err != nil {
				return err
			}
		}
		name := n.tableName(p, t)
		if other, clash := taken[name]; clash {
			o := p.tables[other]
			return fmt.Errorf("tables %s.%s and %s.%s would both be named %s: restore them one at a time or rename one",
				o.Schema, o.Name, t.Schema, t.Name, name)
		}
		taken[name], n.used[name] = t.OID, true
		p.s.Tables[t.OID] = name
		return nil
	}
	for i := range p.c.Tables {
		if err := choose(&p.c.Tables[i]); err != nil {
			return err
		}
	}
	return nil
}

func (n *namer) tableName(p *planner, t *Table) Name {
	name := Name{t.Schema, t.Name}
	if p.o.IntoSchema != "" {
		name.Schema = p.o.IntoSchema
	}
	given, renamed := p.o.Rename[t.OID]
	switch {
	case renamed:
		if given.Schema != "" {
			name.Schema = given.Schema
		}
		if given.Name != "" {
			name.Name = given.Name
		}
	case p.o.IntoSchema == "" && t.Partition && len(t.Parents) > 0 && p.selected[t.Parents[0]]:
		// The partition of a renamed table goes with it.
		parent, was := p.s.Tables[t.Parents[0]], p.tables[t.Parents[0]]
		if parent != (Name{was.Schema, was.Name}) {
			return n.derive(name, was.Name, parent)
		}
	}
	return name
}

// chooseOthers names indexes, sequences and statistics objects after their tables.
func (n *namer) chooseOthers(p *planner) {
	for i := range p.c.Tables {
		t := &p.c.Tables[i]
		if !p.selected[t.OID] {
			continue
		}
		table := p.s.Tables[t.OID]
		for _, x := range t.Indexes {
			p.indexName[x.OID] = n.follow(Name{t.Schema, x.Name}, t, table)
		}
		for _, q := range p.owned[t.OID] {
			p.s.Sequences[q.OID] = n.follow(Name{q.Schema, q.Name}, t, table)
		}
		if !p.o.Copy {
			continue
		}
		for _, c := range t.Columns {
			for _, ref := range c.DefaultDepends {
				q := p.sequences[ref.OID]
				if _, named := p.s.Sequences[ref.OID]; ref.Class == ClassRelation && q != nil && !named {
					p.s.Sequences[q.OID] = n.follow(Name{q.Schema, q.Name}, t, table)
				}
			}
		}
	}
	if p.whole() {
		for _, q := range p.c.Sequences {
			p.s.Sequences[q.OID] = Name{q.Schema, q.Name}
		}
	}
}

// follow names something that belongs to a table like the table was named.
func (n *namer) follow(name Name, t *Table, table Name) Name {
	if table == (Name{t.Schema, t.Name}) {
		return name
	}
	return n.derive(name, t.Name, table)
}

// derive gives a free name: the old one in another schema, else one that begins
// with the new table's name instead of the old one's.
func (n *namer) derive(name Name, oldTable string, table Name) Name {
	if table.Schema != name.Schema {
		kept := Name{table.Schema, name.Name}
		if !n.used[kept] {
			n.used[kept] = true
			return kept
		}
	}
	suffix, ok := strings.CutPrefix(name.Name, oldTable)
	if !ok {
		suffix = "_" + name.Name
	}
	for number := 0; ; number++ {
		end := suffix
		if number > 0 {
			end += fmt.Sprint(number)
		}
		end = end[max(0, len(end)-maxName/2):]
		for !utf8.ValidString(end) {
			end = end[1:]
		}
		candidate := Name{table.Schema, truncate(table.Name, maxName-len(end)) + end}
		if !n.used[candidate] {
			n.used[candidate] = true
			return candidate
		}
	}
}

func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// reserve marks every name of the catalog as used, for copies stand beside them.
func (n *namer) reserve(c *Catalog) {
	use := func(schema, name string) { n.used[Name{schema, name}] = true }
	for _, t := range c.Tables {
		use(t.Schema, t.Name)
		for _, i := range t.Indexes {
			use(t.Schema, i.Name)
		}
	}
	for _, v := range c.Views {
		use(v.Schema, v.Name)
		for _, i := range v.Indexes {
			use(v.Schema, i.Name)
		}
	}
	for _, q := range c.Sequences {
		use(q.Schema, q.Name)
	}
	for _, t := range c.Types {
		use(t.Schema, t.Name)
	}
	for _, s := range c.Statistics {
		use(s.Schema, s.Name)
	}
}
