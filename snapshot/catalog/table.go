package catalog

import (
	"iter"
	"slices"
)

// Table is an ordinary, a partitioned or a foreign table.
type Table struct {
	Object
	Configuration
	Kind        string `json:",omitzero"` // "r" ordinary, "p" partitioned, "f" foreign
	Persistence string `json:",omitzero"` // "p" permanent, "u" unlogged
	FileNode    uint32 `json:",omitzero"` // pg_class.relfilenode as of the snapshot
	Bytes       int64  `json:",omitzero"` // about what it occupies: TOAST included, indexes not

	Columns     []Column     `json:",omitzero"` // by attnum, dropped ones left out
	Constraints []Constraint `json:",omitzero"`
	Indexes     []Index      `json:",omitzero"`
	Triggers    []Trigger    `json:",omitzero"`
	Rules       []Rule       `json:",omitzero"`
	Policies    []Policy     `json:",omitzero"`

	Parents      []uint32 `json:",omitzero"` // inheritance or the partitioned table, in order
	Partition    bool     `json:",omitzero"`
	Bound        string   `json:",omitzero"` // FOR VALUES … or DEFAULT, of a partition
	PartitionKey string   `json:",omitzero"` // of a partitioned table
	OfType       string   `json:",omitzero"` // typed table
	Options      []string `json:",omitzero"`
	ToastOptions []string `json:",omitzero"`
	AccessMethod string   `json:",omitzero"` // empty: heap, or none
	Tablespace   string   `json:",omitzero"` // empty: the database's

	Server         string   `json:",omitzero"` // of a foreign table
	ForeignOptions []string `json:",omitzero"` // name=value

	// ReplicaIdentity is the user's own: d default, n nothing, f full, i index.
	// Where pgrecall set FULL on the source this is what it was before.
	ReplicaIdentity string `json:",omitzero"`
	// LiveIdentity is what the source has now, pgrecall's FULL included.
	LiveIdentity string `json:",omitzero"`
	// IdentityAttnums are the columns that tell a row in the log: the replica identity's
	// index, or else the primary key where it is not deferrable. Empty if there
	// is none or it has a generated column, which the log lacks.
	IdentityAttnums  []int16 `json:",omitzero"`
	RowSecurity      bool    `json:",omitzero"`
	ForceRowSecurity bool    `json:",omitzero"`
}

// HasRows reports whether the table stores rows itself; a partitioned table has
// none of its own, and those of a foreign table are elsewhere.
func (t *Table) HasRows() bool { return t.Kind == "r" }

// CopyColumns are the columns whose values are copied: not dropped, not
// generated, by attnum.
func (t *Table) CopyColumns() iter.Seq[*Column] {
	return func(yield func(*Column) bool) {
		for i := range t.Columns {
			if t.Columns[i].Generated == "" && !yield(&t.Columns[i]) {
				return
			}
		}
	}
}

func (t *Table) column(attnum int16) *Column { return columnOf(t.Columns, attnum) }

func columnOf(columns []Column, attnum int16) *Column {
	i := slices.IndexFunc(columns, func(c Column) bool { return c.Attnum == attnum })
	if i < 0 {
		return nil
	}
	return &columns[i]
}

// Column is a column of a table, view or composite type.
type Column struct {
	Attnum         int16 `json:",omitzero"`
	Name           string
	Type           uint32   `json:",omitzero"`
	Typmod         int32    `json:",omitzero"` // -1: none
	TypeName       string   `json:",omitzero"` // with its modifiers, schema-qualified outside pg_catalog
	NotNull        bool     `json:",omitzero"`
	Default        string   `json:",omitzero"` // also the expression of a generated column
	DefaultOID     uint32   `json:",omitzero"`
	DefaultDepends []Ref    `json:",omitzero"`
	Identity       string   `json:",omitzero"` // "" none, "a" always, "d" by default
	Generated      string   `json:",omitzero"` // "" not, "s" stored, "v" virtual
	Collation      string   `json:",omitzero"` // where it is not the type's own
	Storage        string   `json:",omitzero"` // where it is not the type's own: p, e, m, x
	Compression    string   `json:",omitzero"` // "" default, "p" pglz, "l" lz4
	Statistics     int32    `json:",omitzero"` // -1: default
	Options        []string `json:",omitzero"`
	ForeignOptions []string `json:",omitzero"` // name=value
	Local          bool     `json:",omitzero"`
	Inherited      int32    `json:",omitzero"` // number of parents that have it
	Missing        string   `json:",omitzero"` // attmissingval, the array's text; empty: none
	Comment        string   `json:",omitzero"`
	ACL            `json:"ACL,omitzero"`
	SecurityLabels []SecurityLabel `json:",omitzero"`
}

// Constraint is a constraint of a table or domain.
type Constraint struct {
	OID          uint32
	Name         string
	Kind         string  `json:",omitzero"` // c check, p primary, u unique, x exclusion, f foreign, n not null
	Definition   string  `json:",omitzero"` // pg_get_constraintdef
	Deferrable   bool    `json:",omitzero"`
	Deferred     bool    `json:",omitzero"`
	Validated    bool    `json:",omitzero"`
	Enforced     bool    `json:",omitzero"`
	Local        bool    `json:",omitzero"`
	Inherited    int32   `json:",omitzero"`
	NoInherit    bool    `json:",omitzero"`
	Parent       uint32  `json:",omitzero"` // constraint of the partitioned table it comes from, or 0
	Index        uint32  `json:",omitzero"` // of p, u, x; of f the referenced one
	References   uint32  `json:",omitzero"` // the referenced table of f
	ReferenceSQL string  `json:",omitzero"` // its name as in Definition
	Columns      []int16 `json:",omitzero"`
	Comment      string  `json:",omitzero"`
	Depends      []Ref   `json:",omitzero"`
}

// Index is an index of a table or materialized view.
type Index struct {
	OID         uint32
	Name        string
	Kind        string            `json:",omitzero"` // "i", or "I" on a partitioned table
	Definition  string            `json:",omitzero"` // from USING on, without WHERE; empty where a constraint makes it
	Where       string            `json:",omitzero"`
	Unique      bool              `json:",omitzero"`
	Primary     bool              `json:",omitzero"`
	Immediate   bool              `json:",omitzero"`
	Valid       bool              `json:",omitzero"`
	Clustered   bool              `json:",omitzero"`
	Identity    bool              `json:",omitzero"` // the replica identity's index
	Constraint  uint32            `json:",omitzero"`
	Parent      uint32            `json:",omitzero"` // index of the partitioned table it is attached to, or 0
	Keys        []int16           `json:",omitzero"`
	Options     []string          `json:",omitzero"`
	Tablespace  string            `json:",omitzero"`
	Statistics  []IndexStatistics `json:",omitzero"`
	Comment     string            `json:",omitzero"`
	Depends     []Ref             `json:",omitzero"`
	OnExtension []string          `json:",omitzero"` // ALTER INDEX … DEPENDS ON EXTENSION
}

// IndexStatistics is a statistics target of an index's expression column.
type IndexStatistics struct {
	Column int16 `json:",omitzero"`
	Target int32 `json:",omitzero"`
}

// Trigger is a user's trigger.
type Trigger struct {
	OID         uint32
	Name        string
	Definition  string   `json:",omitzero"` // pg_get_triggerdef
	Enabled     string   `json:",omitzero"` // pg_trigger.tgenabled
	Cloned      bool     `json:",omitzero"` // from the partitioned table's; here because Enabled is not O or it has a comment
	Function    uint32   `json:",omitzero"`
	References  uint32   `json:",omitzero"` // FROM table of a constraint trigger
	Comment     string   `json:",omitzero"`
	Depends     []Ref    `json:",omitzero"`
	OnExtension []string `json:",omitzero"`
}

// Rule is a rewrite rule other than a view's own.
type Rule struct {
	OID        uint32
	Name       string
	Definition string `json:",omitzero"` // pg_get_ruledef
	Enabled    string `json:",omitzero"`
	Comment    string `json:",omitzero"`
	Depends    []Ref  `json:",omitzero"`
}

// Policy is a row security policy.
type Policy struct {
	OID        uint32
	Name       string
	Permissive bool     `json:",omitzero"`
	Command    string   `json:",omitzero"` // * all, r, a, w, d
	Roles      []string `json:",omitzero"` // empty: PUBLIC
	Using      string   `json:",omitzero"`
	Check      string   `json:",omitzero"`
	Comment    string   `json:",omitzero"`
	Depends    []Ref    `json:",omitzero"`
}

// View is a view or materialized view.
type View struct {
	Object
	Kind         string    `json:",omitzero"` // "v" view, "m" materialized
	Columns      []Column  `json:",omitzero"`
	Definition   string    `json:",omitzero"` // pg_get_viewdef without the semicolon
	Options      []string  `json:",omitzero"`
	Populated    bool      `json:",omitzero"`
	Bytes        int64     `json:",omitzero"`
	AccessMethod string    `json:",omitzero"`
	Tablespace   string    `json:",omitzero"`
	ToastOptions []string  `json:",omitzero"`
	Indexes      []Index   `json:",omitzero"`
	Triggers     []Trigger `json:",omitzero"`
	Rules        []Rule    `json:",omitzero"`
}
