package catalog

import (
	"slices"
	"strings"
)

// tableForm says how one table is written: which of its parents it can refer to.
type tableForm struct {
	t        *Table
	name     Name
	parents  []*Table // by INHERITS
	attached bool     // it becomes a partition
	alone    bool     // a parent is missing: everything inherited is written out
	// begins is the number of columns that CREATE TABLE makes, of the tables that get others later.
	begins map[uint32]int
	// ownGeneration says that CREATE TABLE takes another generation expression than the parents'.
	ownGeneration bool
}

// late says whether a column of the table or of a parent is added after the table was made.
func (f *tableForm) late(t *Table, column int) bool {
	n, known := f.begins[t.OID]
	return known && column >= n
}

func (p *planner) form(t *Table) tableForm {
	f := tableForm{t: t, name: p.table(t.OID), begins: p.columns.begins, ownGeneration: p.c.ServerVersion >= 160000}
	for _, oid := range t.Parents {
		parent := p.tables[oid]
		switch {
		case parent == nil || !p.selected[oid]:
			f.alone = true
		case t.Partition:
			f.attached = true
		default:
			f.parents = append(f.parents, parent)
		}
	}
	return f
}

// printed says that a column is written in CREATE TABLE or ADD COLUMN and not left to the
// parents. A partition is made as a table of its own and then attached, which keeps the
// order of its columns.
func (f *tableForm) printed(c *Column) bool {
	return f.t.Partition || f.alone || c.Local || f.inheritedDefaultsConflict(c)
}

// inheritedDefaultsConflict says that CREATE TABLE would refuse to choose among
// the parents' defaults, or to inherit another generation expression. ADD COLUMN keeps what is there.
func (f *tableForm) inheritedDefaultsConflict(c *Column) bool {
	defaults := f.parentDefaults(c.Name)
	different := slices.ContainsFunc(defaults, func(d string) bool { return d != defaults[0] })
	return different || (c.Generated != "" && len(defaults) > 0 && defaults[0] != c.Default)
}

// parentDefaults are the defaults of a column in the parents that have one.
func (f *tableForm) parentDefaults(column string) []string {
	return defaultsOf(f.parentColumns(column))
}

// parentColumns are the columns of a name that CREATE TABLE inherits.
func (f *tableForm) parentColumns(name string) []*Column {
	var columns []*Column
	for _, parent := range f.parents {
		for i := range parent.Columns {
			if parent.Columns[i].Name == name && !f.late(parent, i) {
				columns = append(columns, &parent.Columns[i])
			}
		}
	}
	return columns
}

func defaultsOf(columns []*Column) []string {
	var defaults []string
	for _, c := range columns {
		if c.Default != "" {
			defaults = append(defaults, c.Default)
		}
	}
	return defaults
}

func (t *Table) create(p *planner, n *node) {
	f := p.form(t)
	var lines []string
	for i := range t.Columns {
		if f.late(t, i) {
			break
		}
		if line := p.columnSQL(&f, &t.Columns[i], n); line != "" {
			lines = append(lines, line)
		}
	}
	lines = append(lines, p.inlineConstraints(&f, n)...)
	var b strings.Builder
	b.WriteString("CREATE ")
	if t.Persistence == "u" {
		b.WriteString("UNLOGGED ")
	}
	b.WriteString(t.sqlKind() + " " + f.name.SQL())
	if t.OfType != "" {
		b.WriteString(" OF " + t.OfType)
	}
	if t.OfType == "" || len(lines) > 0 {
		b.WriteString(" (")
		if len(lines) > 0 {
			b.WriteString("\n\t" + strings.Join(lines, ",\n\t") + "\n")
		}
		b.WriteString(")")
	}
	if len(f.parents) > 0 {
		names := make([]string, len(f.parents))
		for i, parent := range f.parents {
			names[i] = p.table(parent.OID).SQL()
		}
		b.WriteString("\nINHERITS (" + strings.Join(names, ", ") + ")")
	}
	if t.PartitionKey != "" {
		b.WriteString("\nPARTITION BY " + t.PartitionKey)
	}
	if t.AccessMethod != "" {
		b.WriteString("\nUSING " + QuoteIdent(t.AccessMethod))
	}
	if options := optionsSQL(t.Options, t.ToastOptions); options != "" {
		b.WriteString("\nWITH (" + options + ")")
	}
	if t.Tablespace != "" && !p.o.NoTablespaces {
		b.WriteString("\nTABLESPACE " + QuoteIdent(t.Tablespace))
	}
	if t.foreign() {
		b.WriteString("\nSERVER " + QuoteIdent(t.Server) + foreignOptions(t.ForeignOptions))
	}
	p.add(Statement{Kind: t.sqlKind(), Name: f.name.String(), OID: t.OID, Table: t.OID, SQL: b.String(), at: relationAddress(t.sqlKind(), f.name)})
	p.noteParents(&f)
	p.alterColumns(&f, n, false)
	p.addTableProperties(&f, n)
	p.addIdentitySequences(&f, false)
}

func (t *Table) address() address { return relationAddress(t.sqlKind(), Name{t.Schema, t.Name}) }

func (p *planner) noteParents(f *tableForm) {
	if !f.alone {
		return
	}
	what := "INHERITS of " + f.name.String()
	if f.t.Partition {
		what = "ATTACH PARTITION of " + f.name.String()
	}
	p.leaveOut(what, "its parent is not restored; it becomes a table of its own, without the parent's triggers and policies")
}

// inlineConstraints are the CHECKs, and NOT NULLs of inherited columns, of CREATE TABLE.
func (p *planner) inlineConstraints(f *tableForm, n *node) []string {
	var lines []string
	for i := range f.t.Constraints {
		k := &f.t.Constraints[i]
		if !k.Validated || !f.says(k) || f.lateConstraint(k) {
			continue
		}
		line := "CONSTRAINT " + QuoteIdent(k.Name) + " "
		switch {
		case p.namesOriginalRow(f.t, k.Definition, k.Depends):
			p.leaveOut("check "+k.Name+" of "+f.name.String(), "its function takes rows of the original table")
		case k.Kind == "c" && !n.detached(Ref{ClassConstraint, k.OID}):
			lines = append(lines, line+p.tableExpression(f.t, k.Definition))
		case k.Kind == "n" && len(k.Columns) == 1:
			if c := f.t.column(k.Columns[0]); c != nil && !f.printed(c) {
				lines = append(lines, line+k.Definition)
			}
		}
	}
	return lines
}

// tableExpression makes an expression fit a renamed table: a reference to the
// whole row is the only one that names the table.
func (p *planner) tableExpression(t *Table, sql string) string {
	name := p.table(t.OID).Name
	old := QuoteIdent(t.Name) + ".*"
	if name == t.Name || !strings.Contains(sql, old) {
		return sql
	}
	var b strings.Builder
	for {
		i := strings.Index(sql, old)
		if i < 0 {
			b.WriteString(sql)
			return b.String()
		}
		before := sql[:i]
		b.WriteString(before)
		last := byte(' ')
		if i > 0 {
			last = sql[i-1]
		}
		if inLiteral(b.String()) || strings.IndexByte("_$.\"", last) >= 0 || last >= '0' && last <= '9' || last >= 'a' && last <= 'z' || last >= 'A' && last <= 'Z' || last >= 0x80 {
			b.WriteString(old)
		} else {
			b.WriteString(QuoteIdent(name) + ".*")
		}
		sql = sql[i+len(old):]
	}
}

// namesOriginalRow says that an expression gives the whole row to a function that
// takes rows of the table itself, which a copy's rows are not.
func (p *planner) namesOriginalRow(t *Table, sql string, depends []Ref) bool {
	if !p.o.Copy || p.table(t.OID) == (Name{t.Schema, t.Name}) || !strings.Contains(sql, QuoteIdent(t.Name)+".*") {
		return false
	}
	return slices.ContainsFunc(depends, func(r Ref) bool {
		return r.Class == ClassFunction && slices.Contains(p.dependsOf[r], Ref{ClassRelation, t.OID})
	})
}

// inLiteral says that a text ends inside a string constant.
func inLiteral(sql string) bool { return strings.Count(sql, "'")%2 == 1 }

// addCheck adds a CHECK that could not be part of CREATE TABLE. It goes on to
// children, as the parents' own do.
func (p *planner) addCheck(t *Table, k *Constraint) {
	f := p.form(t)
	if !f.says(k) || p.namesOriginalRow(t, k.Definition, k.Depends) {
		return
	}
	p.add(Statement{Kind: "CHECK CONSTRAINT", Name: k.Name + " on " + f.name.String(), OID: k.OID, Table: t.OID,
		Locks: p.family(t.OID), Bytes: t.Bytes,
		SQL:  "ALTER TABLE " + f.name.SQL() + " ADD CONSTRAINT " + QuoteIdent(k.Name) + " " + p.tableExpression(t, k.Definition),
		undo: "ALTER TABLE IF EXISTS " + f.name.SQL() + " DROP CONSTRAINT IF EXISTS " + QuoteIdent(k.Name)})
}

// addTableProperties adds owner, comments and grants of the table, its columns and CHECKs.
func (p *planner) addTableProperties(f *tableForm, n *node) {
	t := f.t
	d := described{kind: t.sqlKind(), onACL: "TABLE", schema: f.name.Schema, sql: f.name.SQL(), name: f.name.String(), oid: t.OID,
		table: t.OID, owner: t.Owner, comment: t.Comment,
		labels: t.SecurityLabels, acl: t.ACL}
	p.addProperties(d)
	p.addColumnComments(f, false)
	for i := range t.Columns {
		d.acl = t.Columns[i].ACL
		p.addGrants(d, t.Columns[i].Name)
	}
	for i := range t.Constraints {
		k := &t.Constraints[i]
		name := p.nameOf(f, k)
		comment := described{kind: "CONSTRAINT", sql: QuoteIdent(name) + " ON " + f.name.SQL(), name: name + " on " + f.name.String(),
			oid: k.OID, table: t.OID, comment: k.Comment}
		// What a parent hands on comes with the parent's, which may be late for many reasons.
		if k.Kind != "c" && k.Kind != "n" || !k.Validated || n.detached(Ref{ClassConstraint, k.OID}) || f.lateConstraint(k) || !f.says(k) {
			comment.stage = StageGrants
		}
		if k.Kind == "n" && name != k.Name {
			p.leaveOut("name of "+k.Name+" of "+f.name.String(), "the parents give the inherited NOT NULL the name %s", name)
			comment.stage, comment.optional = StageGrants, "the NOT NULL has yet another name"
		}
		if k.Kind == "f" && !p.restoresKey(t, k) {
			continue
		}
		p.addComment(comment)
	}
}

// addColumnComments adds the comments of the columns that CREATE TABLE makes, or of those that come later.
func (p *planner) addColumnComments(f *tableForm, late bool) {
	for i := range f.t.Columns {
		c := &f.t.Columns[i]
		if f.late(f.t, i) == late {
			p.addComment(described{kind: "COLUMN", sql: f.name.SQL() + "." + QuoteIdent(c.Name), name: f.name.String() + "." + c.Name,
				oid: f.t.OID, table: f.t.OID, comment: c.Comment, labels: c.SecurityLabels})
		}
	}
}

// addIdentitySequences adds what the sequences of the identity columns that CREATE TABLE makes, or of those that come later,
// have beyond their options. Their owner is the table's.
func (p *planner) addIdentitySequences(f *tableForm, late bool) {
	for _, q := range p.owned[f.t.OID] {
		i := slices.IndexFunc(f.t.Columns, func(c Column) bool { return c.Attnum == q.OwnerColumn })
		if !q.Identity || f.late(f.t, i) != late {
			continue
		}
		name := p.s.Sequences[q.OID]
		if q.Persistence != f.t.Persistence {
			set := "LOGGED"
			if q.Persistence == "u" {
				set = "UNLOGGED"
			}
			p.add(Statement{Kind: "SEQUENCE", Name: name.String(), OID: q.OID, Table: f.t.OID, SQL: "ALTER SEQUENCE " + name.SQL() + " SET " + set})
		}
		d := described{kind: "SEQUENCE", schema: name.Schema, sql: name.SQL(), name: name.String(), oid: q.OID, table: f.t.OID,
			owner: q.Owner, comment: q.Comment,
			labels: q.SecurityLabels, acl: q.ACL}
		p.addComment(d)
		p.addGrants(d, "")
	}
}

// attachPartitions adds the ATTACH PARTITION of every table, while none has rows.
func (p *planner) attachPartitions() {
	for i := range p.c.Tables {
		t := &p.c.Tables[i]
		if !p.selected[t.OID] {
			continue
		}
		if f := p.form(t); f.attached && !f.alone {
			p.attachPartition(&f)
		}
	}
}
