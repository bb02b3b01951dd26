package catalog

import "slices"

// Table is an ordinary or a partitioned table.
type Table struct {
	OID     uint32
	Schema  string
	Name    string
	Owner   string
	Comment string
	ACL     ACL
	Depends []Ref // of the bare table; defaults and constraints have their own

	Kind        string // "r" ordinary, "p" partitioned
	Persistence string // "p" permanent, "u" unlogged
	FileNode    uint32 // pg_class.relfilenode as of the snapshot
	Bytes       int64  // pg_table_size: TOAST included, indexes not
	Pages       int64  // blocks of the main fork

	Columns     []Column // by attnum, dropped ones left out
	Constraints []Constraint
	Indexes     []Index
	Triggers    []Trigger
	Rules       []Rule
	Policies    []Policy

	Parents      []uint32 // inheritance or the partitioned table, in order
	Partition    bool
	Bound        string // FOR VALUES … or DEFAULT, of a partition
	PartitionKey string // of a partitioned table
	OfType       string // typed table
	Options      []string
	ToastOptions []string
	AccessMethod string // empty: heap, or none
	Tablespace   string // empty: the database's

	// ReplicaIdentity is the user's own: d default, n nothing, f full, i index.
	// Where pgrecall set FULL on the source this is what it was before.
	ReplicaIdentity string
	// LiveIdentity is what the source has now, pgrecall's FULL included.
	LiveIdentity string
	// IdentityAttnums are the columns that tell a row in the log: the replica identity's
	// index, or else the primary key where it is not deferrable. Empty if there
	// is none or it has a generated column, which the log lacks.
	IdentityAttnums  []int16
	RowSecurity      bool
	ForceRowSecurity bool
}

// HasRows reports whether the table stores rows itself; a partitioned table has
// none of its own.
func (t *Table) HasRows() bool { return t.Kind == "r" }

// CopyColumns are the columns whose values are copied: not dropped, not
// generated, by attnum.
func (t *Table) CopyColumns() []Column {
	var columns []Column
	for _, c := range t.Columns {
		if c.Generated == "" {
			columns = append(columns, c)
		}
	}
	return columns
}

// SQLName is the table's name as SQL text.
func (t *Table) SQLName() string { return qualified(t.Schema, t.Name) }

func (t *Table) column(attnum int16) *Column {
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Attnum == attnum })
	if i < 0 {
		return nil
	}
	return &t.Columns[i]
}

// Column is a column of a table, view or composite type.
type Column struct {
	Attnum         int16
	Name           string
	Type           uint32
	Typmod         int32  // -1: none
	TypeName       string // with its modifiers, schema-qualified outside pg_catalog
	NotNull        bool
	Default        string // also the expression of a generated column
	DefaultOID     uint32
	DefaultDepends []Ref
	Identity       string // "" none, "a" always, "d" by default
	Generated      string // "" not, "s" stored, "v" virtual
	Collation      string // where it is not the type's own
	Storage        string // where it is not the type's own: p, e, m, x
	Compression    string // "" default, "p" pglz, "l" lz4
	Statistics     int32  // -1: default
	Options        []string
	Local          bool
	Inherited      int32  // number of parents that have it
	Missing        string // attmissingval, the array's text; empty: none
	Comment        string
	ACL            ACL
}

// Constraint is a constraint of a table or domain.
type Constraint struct {
	OID          uint32
	Name         string
	Kind         string // c check, p primary, u unique, x exclusion, f foreign, n not null
	Definition   string // pg_get_constraintdef
	Deferrable   bool
	Deferred     bool
	Validated    bool
	Enforced     bool
	Local        bool
	Inherited    int32
	NoInherit    bool
	Parent       uint32 // constraint of the partitioned table it comes from, or 0
	Index        uint32 // of p, u, x; of f the referenced one
	References   uint32 // the referenced table of f
	ReferenceSQL string // its name as in Definition
	Columns      []int16
	Comment      string
	Depends      []Ref
}

// Index is an index of a table or materialized view.
type Index struct {
	OID         uint32
	Name        string
	Kind        string // "i", or "I" on a partitioned table
	Definition  string // from USING on, without WHERE
	Where       string
	Unique      bool
	Primary     bool
	Immediate   bool
	Valid       bool
	Clustered   bool
	Identity    bool // the replica identity's index
	Constraint  uint32
	Parent      uint32 // index of the partitioned table it is attached to, or 0
	Keys        []int16
	Options     []string
	Tablespace  string
	Statistics  []IndexStatistics
	Comment     string
	Depends     []Ref
	OnExtension []string // ALTER INDEX … DEPENDS ON EXTENSION
}

// IndexStatistics is a statistics target of an index's expression column.
type IndexStatistics struct {
	Column int16
	Target int32
}

// Trigger is a user's trigger.
type Trigger struct {
	OID         uint32
	Name        string
	Definition  string // pg_get_triggerdef
	Enabled     string // pg_trigger.tgenabled
	Cloned      bool   // from the partitioned table's; here because Enabled differs
	Function    uint32
	References  uint32 // FROM table of a constraint trigger
	Comment     string
	Depends     []Ref
	OnExtension []string
}

// Rule is a rewrite rule other than a view's own.
type Rule struct {
	OID        uint32
	Name       string
	Definition string // pg_get_ruledef
	Enabled    string
	Comment    string
	Depends    []Ref
}

// Policy is a row security policy.
type Policy struct {
	OID        uint32
	Name       string
	Permissive bool
	Command    string   // * all, r, a, w, d
	Roles      []string // empty: PUBLIC
	Using      string
	Check      string
	Comment    string
	Depends    []Ref
}

// View is a view or materialized view.
type View struct {
	Object
	Kind         string // "v" view, "m" materialized
	Columns      []Column
	Definition   string // pg_get_viewdef without the semicolon
	Options      []string
	Populated    bool
	Bytes        int64
	AccessMethod string
	Tablespace   string
	ToastOptions []string
	Indexes      []Index
	Triggers     []Trigger
	Rules        []Rule
}
