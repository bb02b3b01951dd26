package catalog

// Catalog is everything CREATE-able of one database at one instant. It is plain
// data: encoding/json writes and reads it without loss. All text is UTF-8.
type Catalog struct {
	ServerVersion int // server_version_num, such as 150004
	Database      Database
	// Globals are what the server's databases share; nil in catalogs that versions before them wrote.
	Globals *Globals `json:",omitzero"`

	Schemas                  []Schema
	Extensions               []Extension
	Collations               []Collation
	Languages                []Language
	Types                    []Type
	Functions                []Function
	Aggregates               []Aggregate
	AccessMethods            []AccessMethod
	Operators                []Operator
	OperatorFamilies         []OperatorFamily
	OperatorClasses          []OperatorClass
	Sequences                []Sequence
	ForeignDataWrappers      []ForeignDataWrapper
	ForeignServers           []ForeignServer
	UserMappings             []UserMapping
	TextSearchParsers        []TextSearchParser
	TextSearchTemplates      []TextSearchTemplate
	TextSearchDictionaries   []TextSearchDictionary
	TextSearchConfigurations []TextSearchConfiguration
	Tables                   []Table
	Views                    []View
	Statistics               []Statistics
	Casts                    []Cast
	Conversions              []Conversion
	Transforms               []Transform
	EventTriggers            []EventTrigger
	Subscriptions            []Subscription
	Publications             []Publication
	DefaultPrivileges        []DefaultPrivileges
	Implicit                 []Implicit
	Regranted                []Regranted
	LargeObjects             LargeObjects `json:",omitzero"`

	// Unsupported lists every object of the database that a restore of this model
	// will lack. Callers must show it.
	Unsupported []Unsupported
}

// Unsupported is an object that exists on the source and is not in the model.
type Unsupported struct {
	Kind string // PostgreSQL's own word: "text search configuration"
	Name string // schema-qualified and quoted
	Why  string `json:",omitzero"` // empty: this version does not handle its kind
	// Table is the oid where it is a relation of an extension, which the extension makes and whose rows are not copied: they are
	// not marked as its users'.
	Table uint32 `json:",omitzero"`
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
	// CollationVersion is what the provider said of its collations when the source's indexes were made (15 and later). No
	// restore sets it: a new database records what its own server has.
	CollationVersion string `json:",omitzero"`
	Tablespace       string // empty: pg_default
	ConnLimit        int32  // -1: none
	Template         bool   `json:",omitzero"` // any role with CREATEDB may clone it
	Settings         []Setting
	Comment          string
	SecurityLabels   []SecurityLabel `json:",omitzero"`
	ACL              `json:"ACL,omitzero"`
}

// Setting is one ALTER DATABASE … SET, for all roles or for one.
type Setting struct {
	Role  string `json:",omitzero"` // empty: all roles
	Name  string
	Value string `json:",omitzero"`
}

// Object is what every named object has.
type Object struct {
	OID     uint32
	Schema  string `json:",omitzero"` // empty where the kind has none
	Name    string
	Owner   string `json:",omitzero"` // empty where the kind has none
	Comment string `json:",omitzero"`
	ACL     `json:"ACL,omitzero"`
	// SecurityLabels are in the order of their providers' names.
	SecurityLabels []SecurityLabel `json:",omitzero"`
	// Depends names what has to exist before the object, its own parts and schema excepted. Of a table it is the bare
	// one: defaults and constraints have their own.
	Depends []Ref `json:",omitzero"`
	// DependsOnExtensions names extensions given by ALTER … DEPENDS ON EXTENSION.
	DependsOnExtensions []string `json:",omitzero"`
}

// SQLName is the object's name as SQL text.
func (o *Object) SQLName() string { return qualified(o.Schema, o.Name) }

// ACL is an access control list as pg_catalog holds it: items of the form
// grantee=privileges/grantor. Items nil means that the default applies.
type ACL struct {
	Items   []string `db:"acl_items"`   // nil: never granted or revoked
	Initial []string `db:"acl_initial"` // what a new object of this kind and owner has; set only with Items
}

// IsZero reports whether the default applies; an empty list is not that.
func (a ACL) IsZero() bool { return a.Items == nil }

// Schema is a namespace.
type Schema struct{ Object }

// Collation is a user-defined collation.
type Collation struct {
	Object
	Provider      string `json:",omitzero"` // "c", "i" or "b"
	Deterministic bool   `json:",omitzero"`
	Collate       string `json:",omitzero"`
	Ctype         string `json:",omitzero"`
	Locale        string `json:",omitzero"`
	Rules         string `json:",omitzero"`
}

// Kinds of Type.
const (
	TypeEnum      = "e"
	TypeDomain    = "d"
	TypeComposite = "c"
	TypeRange     = "r"
	TypeBase      = "b"
	TypeShell     = "p" // a name declared and not yet defined
)

// Type is a type that was made by itself; Kind says of which kind, and only its fields are set.
type Type struct {
	Object
	Kind   string   `json:",omitzero"`
	Labels []string `json:",omitzero"` // enum, in order

	// Domain.
	Base      string `json:",omitzero"` // with its modifiers
	Collation string `json:",omitzero"` // where it is not the base type's own; domain and range
	NotNull   bool   `json:",omitzero"`
	Default   string `json:",omitzero"`
	// DefaultDropped says that there is none although Base has one.
	DefaultDropped bool         `json:",omitzero"`
	Constraints    []Constraint `json:",omitzero"`

	// Composite.
	Relation uint32   `json:",omitzero"` // its pg_class oid
	Columns  []Column `json:",omitzero"`

	// Range.
	Subtype        string `json:",omitzero"`
	SubtypeOpclass string `json:",omitzero"` // where it is not the subtype's default
	Canonical      string `json:",omitzero"`
	SubtypeDiff    string `json:",omitzero"`
	Multirange     string `json:",omitzero"` // its name; it is in the range's schema unless MultirangeSchema says otherwise
	MultirangeIn   string `json:",omitzero"` // its schema

	BaseType *BaseType `json:",omitzero"`
}

// Function is a function or procedure.
type Function struct {
	Object
	Kind       string `json:",omitzero"` // "f", "p" or "w"
	Types      string `json:",omitzero"` // the input types, as in DROP FUNCTION name(types)
	Input      string `json:",omitzero"` // of a procedure: Types, each with IN; without, DROP PROCEDURE also looks at OUT parameters
	Definition string `json:",omitzero"` // pg_get_functiondef
}

// Sequence is a sequence of any kind.
type Sequence struct {
	Object
	Configuration
	Persistence string `json:",omitzero"` // "p" or "u"
	Type        string `json:",omitzero"`
	Start       int64  `json:",omitzero"`
	Min         int64  `json:",omitzero"`
	Max         int64  `json:",omitzero"`
	Increment   int64  `json:",omitzero"`
	Cache       int64  `json:",omitzero"`
	Cycle       bool   `json:",omitzero"`
	OwnerTable  uint32 `json:",omitzero"` // the table that owns it, or 0
	OwnerColumn int16  `json:",omitzero"`
	Identity    bool   `json:",omitzero"` // it belongs to an identity column
}

// Statistics is an extended statistics object.
type Statistics struct {
	Object
	Table      uint32 `json:",omitzero"`
	Definition string `json:",omitzero"` // pg_get_statisticsobjdef
	TableSQL   string `json:",omitzero"` // the table's name as Definition ends with it
	Target     int32  `json:",omitzero"` // -1: default
}

// DefaultPrivileges is one ALTER DEFAULT PRIVILEGES.
type DefaultPrivileges struct {
	Role   string `json:",omitzero"`
	Schema string `json:",omitzero"` // empty: everywhere
	Kind   string `json:",omitzero"` // pg_default_acl.defaclobjtype
	ACL    `json:"ACL,omitzero"`
}
