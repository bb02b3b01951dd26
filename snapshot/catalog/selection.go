package catalog

import "fmt"

// Selection chooses tables by patterns as psql's (see Pattern). The zero value
// chooses all.
type Selection struct {
	Tables        []string
	ExcludeTables []string
	Schemas       []string // patterns of schema names alone
	// OIDs, where there are any, choose these tables and no other; one that is not there is none.
	OIDs []uint32
}

// Empty reports whether the selection chooses everything.
func (s Selection) Empty() bool {
	return len(s.Tables)+len(s.ExcludeTables)+len(s.Schemas)+len(s.OIDs) == 0
}

// UnmatchedError says that a pattern of a Selection matches no table.
type UnmatchedError struct{ Pattern string }

// Error names the pattern.
func (e *UnmatchedError) Error() string {
	return fmt.Sprintf("no table matches %q", e.Pattern)
}

// Select gives the chosen tables in the catalog's order. A table chosen by
// Tables or by Schemas is in unless ExcludeTables has it; the partitions of a chosen
// table are chosen with it, and those of an excluded one go with it. A pattern of Tables or Schemas that matches nothing is an
// *UnmatchedError; an excluding one may match nothing.
func (c *Catalog) Select(s Selection) ([]*Table, error) {
	chosen, err := c.chosenBy(s)
	if err != nil {
		return nil, err
	}
	excluded := map[uint32]bool{}
	for _, text := range s.ExcludeTables {
		p, err := ParsePattern(text)
		if err != nil {
			return nil, err
		}
		for i := range c.Tables {
			if p.Match(c.Tables[i].Schema, c.Tables[i].Name) {
				excluded[c.Tables[i].OID] = true
			}
		}
	}
	c.addPartitions(chosen)
	c.addPartitions(excluded)
	var tables []*Table
	for i := range c.Tables {
		if t := &c.Tables[i]; chosen[t.OID] && !excluded[t.OID] {
			tables = append(tables, t)
		}
	}
	return tables, nil
}

func (c *Catalog) chosenBy(s Selection) (map[uint32]bool, error) {
	chosen := map[uint32]bool{}
	for _, oid := range s.OIDs {
		chosen[oid] = true
	}
	if len(s.Tables)+len(s.Schemas)+len(s.OIDs) == 0 {
		for i := range c.Tables {
			chosen[c.Tables[i].OID] = true
		}
		return chosen, nil
	}
	choose := func(text string, match func(p *Pattern, t *Table) bool) error {
		p, err := ParsePattern(text)
		if err != nil {
			return err
		}
		found := false
		for i := range c.Tables {
			if t := &c.Tables[i]; match(p, t) {
				chosen[t.OID], found = true, true
			}
		}
		if !found {
			return &UnmatchedError{text}
		}
		return nil
	}
	for _, text := range s.Tables {
		if err := choose(text, func(p *Pattern, t *Table) bool { return p.Match(t.Schema, t.Name) }); err != nil {
			return nil, err
		}
	}
	for _, text := range s.Schemas {
		if err := choose(text, func(p *Pattern, t *Table) bool { return p.schema == nil && p.Match("", t.Schema) }); err != nil {
			return nil, err
		}
	}
	return chosen, nil
}

// addPartitions adds the partitions, at every level, of the tables in the set.
func (c *Catalog) addPartitions(set map[uint32]bool) {
	for grown := true; grown; {
		grown = false
		for i := range c.Tables {
			t := &c.Tables[i]
			if t.Partition && !set[t.OID] && len(t.Parents) > 0 && set[t.Parents[0]] {
				set[t.OID], grown = true, true
			}
		}
	}
}
