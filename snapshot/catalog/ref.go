package catalog

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Class names the system catalog an object's row is in.
type Class string

// The catalogs whose objects the model holds.
const (
	ClassRelation                Class = "pg_class"
	ClassType                    Class = "pg_type"
	ClassFunction                Class = "pg_proc"
	ClassConstraint              Class = "pg_constraint"
	ClassDefault                 Class = "pg_attrdef"
	ClassRule                    Class = "pg_rewrite"
	ClassTrigger                 Class = "pg_trigger"
	ClassPolicy                  Class = "pg_policy"
	ClassSchema                  Class = "pg_namespace"
	ClassExtension               Class = "pg_extension"
	ClassCollation               Class = "pg_collation"
	ClassCast                    Class = "pg_cast"
	ClassStatistics              Class = "pg_statistic_ext"
	ClassEventTrigger            Class = "pg_event_trigger"
	ClassPublication             Class = "pg_publication"
	ClassForeignDataWrapper      Class = "pg_foreign_data_wrapper"
	ClassForeignServer           Class = "pg_foreign_server"
	ClassUserMapping             Class = "pg_user_mapping"
	ClassTextSearchParser        Class = "pg_ts_parser"
	ClassTextSearchTemplate      Class = "pg_ts_template"
	ClassTextSearchDictionary    Class = "pg_ts_dict"
	ClassTextSearchConfiguration Class = "pg_ts_config"
	ClassSubscription            Class = "pg_subscription"
	ClassDatabase                Class = "pg_database"

	ClassLanguage       Class = "pg_language"
	ClassTransform      Class = "pg_transform"
	ClassConversion     Class = "pg_conversion"
	ClassAccessMethod   Class = "pg_am"
	ClassOperator       Class = "pg_operator"
	ClassOperatorFamily Class = "pg_opfamily"
	ClassOperatorClass  Class = "pg_opclass"
	ClassFamilyOperator Class = "pg_amop"
	ClassFamilyFunction Class = "pg_amproc"
)

// Ref names one object of the source. Its text form, also in JSON, is
// "pg_class/16384".
type Ref struct {
	Class Class
	OID   uint32
}

// String gives the text form.
func (r Ref) String() string { return string(r.Class) + "/" + strconv.FormatUint(uint64(r.OID), 10) }

// MarshalText implements encoding.TextMarshaler.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Ref) UnmarshalText(text []byte) error {
	class, oid, ok := strings.Cut(string(text), "/")
	n, err := strconv.ParseUint(oid, 10, 32)
	if !ok || class == "" || err != nil {
		return fmt.Errorf("reference %q is not of the form class/oid", text)
	}
	r.Class, r.OID = Class(class), uint32(n)
	return nil
}

func compareRefs(a, b Ref) int {
	return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.OID, b.OID))
}

// Name is a schema-qualified name, unquoted.
type Name struct {
	Schema string
	Name   string
}

// SQL gives the name as SQL text, quoted where needed.
func (n Name) SQL() string { return qualified(n.Schema, n.Name) }

// String gives "schema.name", unquoted, for people.
func (n Name) String() string { return n.Schema + "." + n.Name }
