package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// putBack writes the SQL that puts rows missing in the live tables back from their copies, referenced tables first.
func (r *restore) putBack() {
	if r.o.IntoSchema == "" && len(r.o.Rename) == 0 {
		return
	}
	models := r.models()
	for _, t := range r.byReference(models) {
		name := r.script.Tables[t.OID]
		if name.Schema == t.Schema && name.Name == t.Name {
			continue
		}
		if m := models[t.OID]; m != nil && m.RowSecurity && !slices.Contains(r.result.PutBack, unfiltered) {
			r.result.PutBack = append(r.result.PutBack, unfiltered)
		}
		sql := putBackSQL(t, models[t.OID], name)
		if acting := actingOnInsert(t.OID, models); len(acting) > 0 {
			sql = "-- these act on it, as on any INSERT, and can change what is put back: " + strings.Join(acting, ", ") + "\n" + sql
		}
		r.result.PutBack = append(r.result.PutBack, sql)
	}
}

// unfiltered makes an error of policies that hide live rows from who runs the statements after it: rows that are there would be taken
// for missing.
const unfiltered = "SET row_security = off"

// actingOnInsert names, each on one line, the enabled triggers and rules that an INSERT into a table sets going. The row
// triggers of a partitioned table are its partitions' too.
func actingOnInsert(table uint32, models map[uint32]*catalog.Table) (acting []string) {
	fires := func(enabled string) bool { return enabled != "D" && enabled != "R" }
	for of, inherited := models[table], false; of != nil; inherited = true {
		for _, g := range of.Triggers {
			if fires(g.Enabled) && !g.Cloned && strings.Contains(g.Definition, " INSERT ") && (!inherited || strings.Contains(g.Definition, " FOR EACH ROW ")) {
				acting = append(acting, "trigger "+shorten(quoteName(g.Name), 100))
			}
		}
		for _, rule := range of.Rules {
			if fires(rule.Enabled) && !inherited && strings.Contains(rule.Definition, " ON INSERT TO ") {
				acting = append(acting, "rule "+shorten(quoteName(rule.Name), 100))
			}
		}
		if len(of.Parents) != 1 || models[of.Parents[0]] == nil || models[of.Parents[0]].Kind != "p" {
			break
		}
		of = models[of.Parents[0]]
	}
	return acting
}

// models are the tables of the catalog by their oid.
func (r *restore) models() map[uint32]*catalog.Table {
	models := make(map[uint32]*catalog.Table, len(r.catalog.Tables))
	for i := range r.catalog.Tables {
		models[r.catalog.Tables[i].OID] = &r.catalog.Tables[i]
	}
	return models
}

// byReference orders the tables so that those which foreign keys refer to come first; circles are cut anywhere.
func (r *restore) byReference(models map[uint32]*catalog.Table) []*format.TableData {
	var ordered []*format.TableData
	wanted := make(map[uint32]*format.TableData, len(r.wanted))
	for _, t := range r.wanted {
		wanted[t.OID] = t
	}
	seen := map[uint32]bool{}
	var visit func(t *format.TableData)
	visit = func(t *format.TableData) {
		if seen[t.OID] {
			return
		}
		seen[t.OID] = true
		if c := models[t.OID]; c != nil {
			for _, k := range c.Constraints {
				if other := wanted[k.References]; k.Kind == "f" && other != nil {
					visit(other)
				}
			}
		}
		ordered = append(ordered, t)
	}
	for _, t := range r.wanted {
		visit(t)
	}
	return ordered
}

// putBackSQL is the statement for one table.
func putBackSQL(t *format.TableData, model *catalog.Table, copied catalog.Name) string {
	var columns, same []string
	for _, c := range t.Columns {
		columns = append(columns, quoteName(c.Name))
		if t.Identity.Kind == format.IdentityKey && slices.Contains(t.Identity.Attnums, c.Attnum) {
			same = append(same, fmt.Sprintf("live.%s = copy.%s", quoteName(c.Name), quoteName(c.Name)))
		}
	}
	list := strings.Join(columns, ", ")
	live, from := quoteName(t.Schema, t.Name), quoteName(copied.Schema, copied.Name)
	// ONLY: the rows of inheriting tables have their own statement.
	insert := fmt.Sprintf("INSERT INTO %s (%s)%s SELECT %s FROM ", live, list, overriding(model), list)
	if len(same) > 0 {
		return insert + fmt.Sprintf("ONLY %s AS copy WHERE NOT EXISTS (SELECT FROM ONLY %s AS live WHERE %s)", from, live, strings.Join(same, " AND "))
	}
	// Without a key rows are equal if all their values are, as text: not every type has an operator for it. Of equal
	// rows as many are missing as the copy has more.
	row := fmt.Sprintf("ROW(%s)::text", list)
	return insert + fmt.Sprintf("(SELECT *, %[1]s AS pgrecall_row, row_number() OVER (PARTITION BY %[1]s) AS pgrecall_nth FROM ONLY %[2]s) AS copy "+
		"LEFT JOIN (SELECT %[1]s AS pgrecall_row, count(*) AS pgrecall_rows FROM ONLY %[3]s GROUP BY 1) AS live USING (pgrecall_row) "+
		"WHERE pgrecall_nth > coalesce(pgrecall_rows, 0)", row, from, live)
}

// overriding is what an INSERT with all columns says of a table with a column GENERATED ALWAYS AS IDENTITY.
func overriding(model *catalog.Table) string {
	if model != nil && slices.ContainsFunc(model.Columns, func(c catalog.Column) bool { return c.Identity == "a" }) {
		return " OVERRIDING SYSTEM VALUE"
	}
	return ""
}
