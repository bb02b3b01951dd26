package catalog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

func itoa[T int16 | int32 | int](n T) string { return strconv.Itoa(int(n)) }

// postData makes what follows the rows.
func (p *planner) postData() {
	for i := range p.c.Tables {
		t := &p.c.Tables[i]
		if !p.selected[t.OID] {
			continue
		}
		f := p.form(t)
		p.addIndexes(&f)
		p.addMarks(&f)
		p.addKeys(&f)
		p.addRowSecurity(&f)
		if p.o.Copy {
			continue
		}
		for j := range t.Triggers {
			if t.Triggers[j].Cloned && !p.clones(t, t.Triggers[j].Name) {
				continue // told with the parent that is missing
			}
			p.addTrigger(&t.Triggers[j], t.OID, f.name, "TABLE")
		}
		for j := range t.Rules {
			p.addRule(&t.Rules[j], t.OID, f.name)
		}
	}
	p.addStatistics()
	p.addImplicit()
	if !p.whole() {
		return
	}
	p.addViewParts()
	p.addPublications()
	p.addSubscriptions()
	p.addDefaultPrivileges()
	p.addRegranted()
	p.addEventTriggers()
}

// family is a table with its partitions and children at every level, which
// ALTER TABLE and CREATE TRIGGER lock with it.
func (p *planner) family(oid uint32) []uint32 {
	set := map[uint32]bool{oid: true}
	family := []uint32{oid}
	for i := 0; i < len(family); i++ {
		for _, child := range p.children()[family[i]] {
			if !set[child] {
				set[child] = true
				family = append(family, child)
			}
		}
	}
	return family
}

// children are the tables that have a table as parent.
func (p *planner) children() map[uint32][]uint32 {
	if p.childrenOf == nil {
		p.childrenOf = map[uint32][]uint32{}
		for _, t := range p.c.Tables {
			for _, parent := range t.Parents {
				p.childrenOf[parent] = append(p.childrenOf[parent], t.OID)
			}
		}
	}
	return p.childrenOf
}

func (p *planner) addIndexes(f *tableForm) {
	for i := range f.t.Indexes {
		x := &f.t.Indexes[i]
		name := p.indexName[x.OID]
		s := Statement{Kind: "INDEX", Name: name.String(), OID: x.OID, Table: f.t.OID, Bytes: f.t.Bytes, at: relationAddress("", name)}
		s.at.kind = "" // goes with its table
		if k := p.constraints[x.Constraint]; k != nil {
			s.Kind, s.OID, s.Locks = "CONSTRAINT", k.OID, []uint32{f.t.OID}
			s.SQL = p.indexConstraintSQL(f, k, x)
			p.addAt(StageIndexes, s)
			p.attachIndex(f, x)
			continue
		}
		if !x.Valid && x.Kind != "I" {
			p.leaveOut("index "+name.String(), "it is not valid on the source")
			continue
		}
		if p.namesOriginalRow(f.t, x.Definition+x.Where, x.Depends) {
			p.leaveOut("index "+name.String(), "its function takes rows of the original table")
			continue
		}
		s.Reads = []uint32{f.t.OID}
		s.SQL = p.indexSQL(x, name, f.name, p.tableExpression(f.t, x.Definition), p.tableExpression(f.t, x.Where))
		p.addAt(StageIndexes, s)
		p.attachIndex(f, x)
	}
}

func (p *planner) indexSQL(x *Index, name, table Name, definition, where string) string {
	sql := "CREATE "
	if x.Unique {
		sql += "UNIQUE "
	}
	sql += "INDEX " + QuoteIdent(name.Name) + " ON "
	if x.Kind == "I" {
		sql += "ONLY "
	}
	sql += table.SQL() + " " + definition
	if x.Tablespace != "" && !p.o.NoTablespaces {
		sql += " TABLESPACE " + QuoteIdent(x.Tablespace)
	}
	if where != "" {
		sql += " WHERE " + where
	}
	return sql
}

// indexConstraintSQL is a primary key, unique or exclusion constraint. Its
// definition lacks the index's options, except that of an exclusion constraint.
func (p *planner) indexConstraintSQL(f *tableForm, k *Constraint, x *Index) string {
	definition, suffix := k.Definition, ""
	for _, end := range []string{" INITIALLY DEFERRED", " DEFERRABLE"} {
		if rest, ok := strings.CutSuffix(definition, end); ok && k.Deferrable {
			definition, suffix = rest, end+suffix
		}
	}
	if options := optionsSQL(x.Options, nil); options != "" && k.Kind != "x" {
		definition += " WITH (" + options + ")"
	}
	if x.Tablespace != "" && !p.o.NoTablespaces && k.Kind != "x" {
		definition += " USING INDEX TABLESPACE " + QuoteIdent(x.Tablespace)
	}
	return "ALTER TABLE ONLY " + f.name.SQL() + " ADD CONSTRAINT " + QuoteIdent(p.indexName[x.OID].Name) + " " +
		p.tableExpression(f.t, definition) + suffix
}

// attachIndex ties a partition's index to that of the partitioned table. One after the other within a whole tree of partitions: the index
// of each table above becomes valid with the last of those below it, and where the last of two tables are attached at the
// same time neither may see the other (validatePartitionedIndex() in src/backend/commands/tablecmds.c).
func (p *planner) attachIndex(f *tableForm, x *Index) {
	parent, ok := p.indexName[x.Parent]
	if x.Parent == 0 || !ok || !f.attached || f.alone {
		return
	}
	name := p.indexName[x.OID]
	p.addAt(StageMarks, Statement{Kind: "INDEX ATTACH", Name: name.String(), OID: x.OID, Table: f.t.OID,
		SQL:   "ALTER INDEX " + parent.SQL() + " ATTACH PARTITION " + name.SQL(),
		Locks: append([]uint32{f.t.OID}, p.above(f.t)...)})
}

// above are the partitioned tables that a partition belongs to, from its parent up.
func (p *planner) above(t *Table) (oids []uint32) {
	for t != nil && t.Partition && len(t.Parents) > 0 {
		oids = append(oids, t.Parents[0])
		t = p.tables[t.Parents[0]]
	}
	return oids
}

// addMarks adds what is said of existing indexes, and the replica identity.
func (p *planner) addMarks(f *tableForm) {
	alter := "ALTER TABLE ONLY " + f.name.SQL()
	s := Statement{Kind: "TABLE", Name: f.name.String(), OID: f.t.OID, Table: f.t.OID, Locks: []uint32{f.t.OID}}
	for i := range f.t.Indexes {
		x := &f.t.Indexes[i]
		if x.Valid || x.Kind == "I" {
			p.addIndexMarks(x, p.indexName[x.OID], StageMarks, "TABLE", f.name, f.t.OID)
		}
		if x.Identity && f.t.ReplicaIdentity == "i" && x.Valid {
			s.SQL = alter + " REPLICA IDENTITY USING INDEX " + QuoteIdent(p.indexName[x.OID].Name)
			p.addAt(StageMarks, s)
		}
	}
	if identity := map[string]string{"n": "NOTHING", "f": "FULL"}[f.t.ReplicaIdentity]; identity != "" {
		s.SQL = alter + " REPLICA IDENTITY " + identity
		p.addAt(StageMarks, s)
	}
}

// addIndexMarks adds the cluster mark, statistics targets and comment of an index.
func (p *planner) addIndexMarks(x *Index, name Name, stage int, kind string, table Name, oid uint32) {
	s := Statement{Kind: "INDEX", Name: name.String(), OID: x.OID, Table: oid, Locks: []uint32{oid}}
	if x.Clustered && x.Kind == "i" {
		s.SQL = "ALTER " + kind + " " + table.SQL() + " CLUSTER ON " + QuoteIdent(name.Name)
		p.addAt(stage, s)
	}
	for _, target := range x.Statistics {
		s.SQL = "ALTER INDEX " + name.SQL() + " ALTER COLUMN " + itoa(target.Column) + " SET STATISTICS " + itoa(target.Target)
		p.addAt(stage, s)
	}
	p.addComment(described{kind: "INDEX", sql: name.SQL(), name: name.String(), oid: x.OID, table: oid, comment: x.Comment, stage: stage})
	for _, e := range x.OnExtension {
		s.SQL = "ALTER INDEX " + name.SQL() + " DEPENDS ON EXTENSION " + QuoteIdent(e)
		p.addAt(stage, s)
	}
}

// restoresKey says that a foreign key is in the script: both its ends are.
func (p *planner) restoresKey(t *Table, k *Constraint) bool {
	if k.Parent != 0 {
		parent := p.form(t)
		return parent.alone && p.restores(k.References)
	}
	return p.restores(k.References)
}

// restores says that a table is there after the restore: the script or an extension makes it.
func (p *planner) restores(table uint32) bool {
	_, named := p.s.Tables[table]
	return named
}

// addKeys adds foreign keys, and the constraints that old rows need not fulfil.
func (p *planner) addKeys(f *tableForm) {
	for i := range f.t.Constraints {
		k := &f.t.Constraints[i]
		switch {
		case k.Kind == "f":
			p.addForeignKey(f, k)
		case k.Kind == "c" && !k.Validated:
			p.addNotValid(f, k)
		case p.comesLate(f, k): // on a table then empty
			p.addAt(StageTriggers, Statement{Kind: "CHECK CONSTRAINT", Name: k.Name + " on " + f.name.String(), OID: k.OID, Table: f.t.OID,
				Locks: p.family(f.t.OID), Bytes: f.t.Bytes,
				SQL: "ALTER TABLE " + f.name.SQL() + " VALIDATE CONSTRAINT " + QuoteIdent(p.nameOf(f, k))})
		}
	}
	p.addNotNulls(f)
}

// addNotNulls adds a table's NOT NULLs that are NOT VALID, after those of its children: a child that already has one under
// a name of its own keeps it when it inherits the parent's, but cannot get it then (AdjustNotNullInheritance in
// src/backend/catalog/pg_constraint.c).
func (p *planner) addNotNulls(f *tableForm) {
	if p.notNulls[f.t.OID] {
		return
	}
	if p.notNulls == nil {
		p.notNulls = map[uint32]bool{}
	}
	p.notNulls[f.t.OID] = true
	for i := range f.t.Constraints {
		k := &f.t.Constraints[i]
		if k.Kind != "n" || k.Validated {
			continue
		}
		for _, child := range p.children()[f.t.OID] {
			if p.selected[child] {
				of := p.form(p.tables[child])
				p.addNotNulls(&of)
			}
		}
		p.addNotValid(f, k)
	}
}

// addNotValid adds a CHECK or NOT NULL that is NOT VALID, if it is the table's own and does not come with a parent's.
func (p *planner) addNotValid(f *tableForm, k *Constraint) {
	if !k.Local && !f.alone && !(f.t.Partition && k.Inherited == 0) {
		return
	}
	if p.namesOriginalRow(f.t, k.Definition, k.Depends) {
		p.leaveOut("check "+k.Name+" of "+f.name.String(), "its function takes rows of the original table")
		return
	}
	s := Statement{Kind: "CHECK CONSTRAINT", Name: k.Name + " on " + f.name.String(), OID: k.OID, Table: f.t.OID, Locks: p.family(f.t.OID)}
	s.SQL = "ALTER TABLE " + f.name.SQL() + " ADD CONSTRAINT " + QuoteIdent(k.Name) + " " + p.tableExpression(f.t, k.Definition)
	p.addAt(StageForeignKeys, s)
}

func (p *planner) addForeignKey(f *tableForm, k *Constraint) {
	what := "foreign key " + k.Name + " of " + f.name.String()
	if k.Parent != 0 && !f.alone {
		return // comes with the partitioned table's
	}
	if !p.restoresKey(f.t, k) {
		p.leaveOut(what, "%s is not restored", k.ReferenceSQL)
		return
	}
	definition := k.Definition
	if to := p.table(k.References).SQL(); to != k.ReferenceSQL {
		before, after, ok := strings.Cut(definition, " REFERENCES "+k.ReferenceSQL+"(")
		if !ok {
			p.fail("%s: its definition does not name %s; the catalog changed while it was read", what, k.ReferenceSQL)
			return
		}
		definition = before + " REFERENCES " + to + "(" + after
	}
	only := "ONLY "
	if f.t.Kind == "p" {
		only = "" // refused for partitioned tables
	}
	if k.Validated && p.refersToNoRows(f.t.OID, k.References) {
		if f.t.Kind == "p" && p.c.ServerVersion < 180000 { // refused as well
			p.leaveOut(what, "rows of %s are not restored, and a partitioned table has no NOT VALID foreign key", k.ReferenceSQL)
			return
		}
		p.leaveOut("validation of "+what, "rows of %s are not restored: it is NOT VALID", k.ReferenceSQL)
		definition += " NOT VALID"
	}
	locks := append(p.family(f.t.OID), p.family(k.References)...)
	slices.Sort(locks)
	locks = slices.Compact(locks)
	s := Statement{Kind: "FK CONSTRAINT", Name: k.Name + " on " + f.name.String(), OID: k.OID, Table: f.t.OID, Bytes: f.t.Bytes, Locks: locks,
		undo: "ALTER TABLE IF EXISTS " + only + f.name.SQL() + " DROP CONSTRAINT IF EXISTS " + QuoteIdent(k.Name),
		SQL:  "ALTER TABLE " + only + f.name.SQL() + " ADD CONSTRAINT " + QuoteIdent(k.Name) + " " + definition}
	if f.t.Kind != "p" {
		s.Unchecked = s.SQL + " NOT VALID"
	}
	p.addAt(StageForeignKeys, s)
}

// refersToNoRows says that a table gets rows which refer to a table some of whose rows it will not find.
func (p *planner) refersToNoRows(from, to uint32) bool {
	if len(p.o.Empty) == 0 || from == to {
		return false
	}
	rows := func(oid uint32) bool { return p.tables[oid] != nil && p.tables[oid].HasRows() && !p.o.Empty[oid] }
	empty := func(oid uint32) bool { return p.o.Empty[oid] }
	return slices.ContainsFunc(p.family(from), rows) && slices.ContainsFunc(p.family(to), empty)
}

func (p *planner) fail(format string, a ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, a...)
	}
}

// addStatistics adds extended statistics of the script's relations.
func (p *planner) addStatistics() {
	for i := range p.c.Statistics {
		x := &p.c.Statistics[i]
		name, table := Name{x.Schema, x.Name}, x.TableSQL
		if t := p.tables[x.Table]; t != nil && p.selected[t.OID] {
			table = p.table(t.OID).SQL()
			name = p.names.follow(name, t, p.table(t.OID))
		} else if !p.whole() {
			continue // of a view, or of a table of an extension
		}
		// pg_get_statisticsobjdef: CREATE STATISTICS name [(kinds)] ON … FROM table
		definition, ok := strings.CutPrefix(x.Definition, "CREATE STATISTICS "+qualified(x.Schema, x.Name))
		if ok {
			definition, ok = strings.CutSuffix(definition, " FROM "+x.TableSQL)
		}
		if !ok {
			p.fail("statistics object %s: its definition does not name it and its table; the catalog changed while it was read", x.SQLName())
			return
		}
		s := Statement{Kind: "STATISTICS", Name: name.String(), OID: x.OID, Table: x.Table, Locks: []uint32{x.Table}}
		s.SQL = "CREATE STATISTICS " + name.SQL() + definition + " FROM " + table
		if p.tables[x.Table] == nil && p.views[x.Table] == nil {
			s.Optional = "the statistics object is of a table that an extension makes on the source"
		}
		p.addAt(StageMarks, s)
		if x.Target >= 0 {
			s.SQL = "ALTER STATISTICS " + name.SQL() + " SET STATISTICS " + itoa(x.Target)
			p.addAt(StageMarks, s)
		}
		if !p.o.NoOwner {
			s.SQL = "ALTER STATISTICS " + name.SQL() + " OWNER TO " + QuoteIdent(x.Owner)
			p.addAt(StageMarks, s)
		}
		p.addComment(described{kind: "STATISTICS", sql: name.SQL(), name: name.String(), oid: x.OID, table: x.Table,
			comment: x.Comment, stage: StageGrants,
			optional: s.Optional})
	}
}
