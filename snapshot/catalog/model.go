package catalog

// Catalog is everything CREATE-able of one database at one instant. It is plain
// data: encoding/json writes and reads it without loss. All text is UTF-8.
type Catalog struct {
	ServerVersion int // server_version_num, such as 150004
	Database      Database

	Schemas           []Schema
	Extensions        []Extension
	Collations        []Collation
	Types             []Type
	Functions         []Function
	Sequences         []Sequence
	Tables            []Table
	Views             []View
	Statistics        []Statistics
	Casts             []Cast
	EventTriggers     []EventTrigger
	Publications      []Publication
	DefaultPrivileges []DefaultPrivileges

	// Unsupported lists every object of the database that a restore of this model
	// will lack. Callers must show it.
	Unsupported []Unsupported
}

// Unsupported is an object that exists on the source and is not in the model.
type Unsupported struct {
	Kind string // PostgreSQL's own word: "text search configuration"
	Name string // schema-qualified and quoted
}

// Database holds the properties that CREATE DATABASE and ALTER DATABASE set.
type Database struct {
	Name           string
	Owner          string
	Encoding       string // as pg_encoding_to_char gives it: "UTF8"
	LocaleProvider string // "c" libc, "i" ICU, "b" builtin
	Collate        string
	Ctype          string
	Locale         string // ICU or builtin locale; empty for libc
	ICURules       string
	Tablespace     string // empty: pg_default
	ConnLimit      int32  // -1: none
	Settings       []Setting
	Comment        string
	ACL            ACL
}

// Setting is one ALTER DATABASE … SET, for all roles or for one.
type Setting struct {
	Role  string // empty: all roles
	Name  string
	Value string
}

// Object is what every named object has.
type Object struct {
	OID     uint32
	Schema  string // empty where the kind has none
	Name    string
	Owner   string // empty where the kind has none
	Comment string
	ACL     ACL
	// Depends names what has to exist before the object, its own parts and schema excepted.
	Depends []Ref
	// DependsOnExtensions names extensions given by ALTER … DEPENDS ON EXTENSION.
	DependsOnExtensions []string
}

// SQLName is the object's name as SQL text.
func (o *Object) SQLName() string { return qualified(o.Schema, o.Name) }

// ACL is an access control list as pg_catalog holds it: items of the form
// grantee=privileges/grantor. Items nil means that the default applies.
type ACL struct {
	Items   []string // nil: never granted or revoked
	Initial []string // what a new object of this kind and owner has; set only with Items
}

// Schema is a namespace.
type Schema struct{ Object }

// Extension is an installed extension. Its members are not in the model.
type Extension struct {
	Object         // Schema is where its objects are
	Version string // informational: a restore takes the target's default version
	Schemas []string
}

// Collation is a user-defined collation.
type Collation struct {
	Object
	Provider      string // "c", "i" or "b"
	Deterministic bool
	Collate       string
	Ctype         string
	Locale        string
	Rules         string
}

// Kinds of Type.
const (
	TypeEnum      = "e"
	TypeDomain    = "d"
	TypeComposite = "c"
	TypeRange     = "r"
)

// Type is an enum, domain, composite or range type; Kind says which, and only its
// fields are set.
type Type struct {
	Object
	Kind   string
	Labels []string // enum, in order

	// Domain.
	Base        string // with its modifiers
	Collation   string // where it is not the base type's own; domain and range
	NotNull     bool
	Default     string
	Constraints []Constraint

	// Composite.
	Relation uint32 // its pg_class oid
	Columns  []Column

	// Range.
	Subtype        string
	SubtypeOpclass string // where it is not the subtype's default
	Canonical      string
	SubtypeDiff    string
	Multirange     string // its name; it is in the range's schema unless MultirangeSchema says otherwise
	MultirangeIn   string // its schema
}

// Function is a function or procedure.
type Function struct {
	Object
	Kind       string // "f", "p" or "w"
	Types      string // the input types, as in DROP FUNCTION name(types)
	Definition string // pg_get_functiondef
}

// Sequence is a sequence of any kind.
type Sequence struct {
	Object
	Persistence string // "p" or "u"
	Type        string
	Start       int64
	Min         int64
	Max         int64
	Increment   int64
	Cache       int64
	Cycle       bool
	OwnerTable  uint32 // the table that owns it, or 0
	OwnerColumn int16
	Identity    bool // it belongs to an identity column
}

// Statistics is an extended statistics object.
type Statistics struct {
	Object
	Table      uint32
	Definition string // pg_get_statisticsobjdef
	TableSQL   string // the table's name as Definition ends with it
	Target     int32  // -1: default
}

// Cast is a user-defined cast.
type Cast struct {
	Object   // Name is "(source AS target)"
	Source   string
	Target   string
	Function string // signature, empty unless Method is "f"
	Method   string // "f" function, "b" binary, "i" inout
	Context  string // "e" explicit, "a" assignment, "i" implicit
}

// EventTrigger is a user's event trigger.
type EventTrigger struct {
	Object
	Event    string
	Tags     []string
	Function string // schema-qualified and quoted, without arguments
	Enabled  string // pg_event_trigger.evtenabled
}

// Publication is a user's publication.
type Publication struct {
	Object
	AllTables bool
	Publish   []string // insert, update, delete, truncate
	ViaRoot   bool
	Generated string // 18: "n" or "s"; else empty
	Tables    []PublicationTable
	Schemas   []string
}

// PublicationTable is one table of a publication.
type PublicationTable struct {
	Table   uint32
	Columns []string // nil: all
	Where   string
}

// DefaultPrivileges is one ALTER DEFAULT PRIVILEGES.
type DefaultPrivileges struct {
	Role   string
	Schema string // empty: everywhere
	Kind   string // pg_default_acl.defaclobjtype
	ACL    ACL
}
