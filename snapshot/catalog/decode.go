package catalog

import (
	"encoding/json"
	"slices"
)

// Decode reads a model that encoding/json wrote. Of very many tables it keeps no more memory than they need: encoding/json
// leaves room for half as many columns again in each.
func Decode(b []byte) (*Catalog, error) {
	c := new(Catalog)
	if err := json.Unmarshal(b, c); err != nil {
		return nil, err
	}
	for i := range c.Tables {
		t := &c.Tables[i]
		t.Columns, t.Constraints, t.Indexes = slices.Clone(t.Columns), slices.Clone(t.Constraints), slices.Clone(t.Indexes)
	}
	return c, nil
}
