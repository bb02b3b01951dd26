package wal

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// DDL is one message of the DDL capture: what one command did, at its place in the log. One command can give
// several: one for each table it rewrites, one for what it dropped, one for what it made or altered, in that order.
type DDL struct {
	// Tag is the command's tag: ALTER TABLE.
	Tag string `json:"tag"`
	// Objects were made or altered; temporary ones are left out.
	Objects []DDLObject `json:"objects,omitempty"`
	// Dropped are gone: what the command named, and the tables, columns, sequences, views, schemas, extensions and
	// publications that went with them.
	Dropped []DDLObject `json:"dropped,omitempty"`
	// Tables are the permanent tables the command touched that still exist, as they are after it: those named, their
	// partitions and inheriting tables where it altered them, and those with a column of an altered type.
	Tables []DDLTable `json:"tables,omitempty"`
	// Types are the types made or altered, as they are after the command.
	Types []DDLType `json:"types,omitempty"`
	// Kept is what pgrecall did beside the command, in the same transaction.
	Kept DDLKept `json:"kept"`
	// Statement is the text that the client sent, which may hold more than this command; empty if it may hold a
	// secret or is longer than 64 KiB, and cut at 16,384 characters.
	Statement string `json:"statement,omitempty"`
	// User is the session's user, Role what it had SET ROLE to, empty if nothing; SearchPath is its search_path.
	User       string `json:"user,omitempty"`
	Role       string `json:"role,omitempty"`
	SearchPath string `json:"search_path,omitempty"`
	// Rewrite says that rows of Tables changed, or came to be, in a way that decoding does not show: they must be
	// copied anew. Reason is the bit set of pg_event_trigger_table_rewrite_reason(), 0 where another reason holds.
	Rewrite bool `json:"rewrite,omitempty"`
	Reason  int  `json:"reason,omitempty"`
	// Internal marks DDL of pgrecall's own: an identity given, its schema installed. It changes no row and no layout
	// of a table of the user's.
	Internal bool `json:"internal,omitempty"`
	// Incomplete: something was done, and what is told of it may lack parts. Error says why, for people.
	Incomplete bool   `json:"incomplete,omitempty"`
	Error      string `json:"error,omitempty"`
}

// DDLObject is an object by its catalog, oid and, for a column, its number.
type DDLObject struct {
	// Class is the oid of the catalog that holds it (1259: pg_class), 0 where the server does not say (GRANT).
	Class uint32 `json:"class,omitempty"`
	OID   uint32 `json:"oid,omitempty"`
	SubID int32  `json:"subid,omitempty"`
	// Type is the kind in words: table, index, table column. Schema is empty for what is in none.
	Type   string `json:"type"`
	Schema string `json:"schema,omitempty"`
	// Identity is the name for people, quoted and qualified.
	Identity string `json:"identity,omitempty"`
	// Tag is the command's for this object: CREATE SCHEMA may hold a CREATE TABLE.
	Tag string `json:"tag,omitempty"`
	// Extension: done by an extension's script. Original: named in the DROP, not one that went with it.
	Extension bool `json:"extension,omitempty"`
	Original  bool `json:"original,omitempty"`
}

// DDLTable is a table just after the command.
type DDLTable struct {
	OID    uint32 `json:"oid"`
	Schema string `json:"schema"`
	Name   string `json:"name"`
	// Kind is pg_class.relkind (r, p, f, m), Persistence relpersistence (p, u), Identity relreplident (d, n, f, i).
	Kind        string `json:"kind"`
	Persistence string `json:"persistence"`
	Identity    string `json:"identity"`
	// ByType: the command altered a type that one of the columns is made of, not the table itself.
	ByType bool `json:"by_type,omitempty"`
	// Columns by number, dropped ones too; nil for the tables of a command beyond the first 200.
	Columns []DDLColumn `json:"columns,omitempty"`
}

// DDLColumn is one column. Its JSON is [attnum, name, type, typmod, dropped, generated, missing].
type DDLColumn struct {
	Attnum  int16
	Name    string
	Type    uint32 // oid; 0 once dropped
	Typmod  int32
	Dropped bool
	// Generated is pg_attribute.attgenerated: empty, s (stored) or v (virtual).
	Generated string
	// HasMissing: rows written before the column was added have Missing as its value, in the database's encoding, not
	// escaped.
	HasMissing bool
	Missing    []byte
}

// DDLType is a type just after the command.
type DDLType struct {
	OID    uint32 `json:"oid"`
	Schema string `json:"schema"`
	Name   string `json:"name"`
	// Type is pg_type.typtype: b, c, d, e, r, m.
	Type string `json:"type"`
	// Labels are an enum's in order, each [oid, label]; Attributes a composite type's, each
	// [attnum, name, type, typmod, dropped].
	Labels     []DDLLabel     `json:"labels,omitempty"`
	Attributes []DDLAttribute `json:"attributes,omitempty"`
}

// DDLLabel is a label of an enum.
type DDLLabel struct {
	OID   uint32
	Label string
}

// DDLAttribute is an attribute of a composite type.
type DDLAttribute struct {
	Attnum  int16
	Name    string
	Type    uint32
	Typmod  int32
	Dropped bool
}

// DDLKept is what pgrecall did to tables beside a command, by their oids.
type DDLKept struct {
	// Identity got another replica identity, so that the application's UPDATE and DELETE do not fail.
	Identity []uint32 `json:"identity,omitempty"`
	// Published joined a publication that lists tables; what they held before is not in the log. Unpublished left it:
	// no change of them is in the log from here on.
	Published   []uint32 `json:"published,omitempty"`
	Unpublished []uint32 `json:"unpublished,omitempty"`
}

// RefreshOnly reports whether the command only filled a materialized view: the catalog is as before.
func (d DDL) RefreshOnly() bool { return d.Tag == "REFRESH MATERIALIZED VIEW" && !d.Incomplete }

// changesCatalog reports whether a message of the DDL capture may say that the catalog is another. Whatever cannot be read may.
func changesCatalog(content string) bool {
	d, err := ParseDDL(content)
	return err != nil || d.ChangesCatalog()
}

// Idle reports whether an ALTER found nothing to alter, as with IF EXISTS or ALL IN TABLESPACE: the event trigger was told of no command at
// all. pg_event_trigger_ddl_commands leaves out only what came without an object (src/backend/commands/event_trigger.c).
func (d DDL) Idle() bool {
	return d.Incomplete && strings.HasPrefix(d.Tag, "ALTER ") && d.Error == "" &&
		len(d.Objects) == 0 && len(d.Tables) == 0 && len(d.Types) == 0 && len(d.Dropped) == 0
}

// ChangesCatalog reports whether the catalog that a backup knows is another after the command: it is no DDL of pgrecall's own,
// and did more than to fill a materialized view, or nothing.
func (d DDL) ChangesCatalog() bool { return !d.Internal && !d.RefreshOnly() && !d.Idle() }

// TouchedTables returns the oids of all tables that the command made, altered, rewrote or dropped, by themselves or
// through a type or a parent, each once. An Incomplete message may lack some: it may have touched any.
func (d DDL) TouchedTables() []uint32 {
	const pgClass = 1259
	var oids []uint32
	for _, t := range d.Tables {
		oids = append(oids, t.OID)
	}
	for _, o := range slices.Concat(d.Objects, d.Dropped) {
		if o.Class == pgClass && (strings.Contains(o.Type, "table") || o.Type == "materialized view") {
			oids = append(oids, o.OID)
		}
	}
	slices.Sort(oids)
	return slices.Compact(oids)
}

// ParseDDL reads the content of a message with the prefix format.PrefixDDL. It never panics; content that is no such
// message is an error. Text is UTF-8, but for a database of encoding SQL_ASCII, whose bytes that are no UTF-8 become
// U+FFFD (never in Missing).
func ParseDDL(content string) (DDL, error) {
	var d DDL
	if err := json.Unmarshal([]byte(content), &d); err != nil {
		return DDL{}, fmt.Errorf("read a message of the DDL capture: %w", err)
	}
	if d.Tag == "" {
		return DDL{}, fmt.Errorf("read a message of the DDL capture: it has no command tag")
	}
	return d, nil
}

// UnmarshalJSON reads the array form.
func (c *DDLColumn) UnmarshalJSON(b []byte) error {
	var missing *string
	if err := unmarshalArray(b, &c.Attnum, &c.Name, &c.Type, &c.Typmod, &c.Dropped, &c.Generated, &missing); err != nil {
		return fmt.Errorf("column: %w", err)
	}
	c.HasMissing, c.Missing = false, nil
	if missing == nil {
		return nil
	}
	array, err := hex.DecodeString(*missing)
	if err != nil {
		return fmt.Errorf("column %q: missing value: %w", c.Name, err)
	}
	if c.Missing, err = onlyElement(array); err != nil {
		return fmt.Errorf("column %q: missing value: %w", c.Name, err)
	}
	c.HasMissing = true
	return nil
}

// MarshalJSON writes the array form.
func (c DDLColumn) MarshalJSON() ([]byte, error) {
	var missing *string
	if c.HasMissing {
		quoted := append([]byte(`{"`),
			bytes.ReplaceAll(bytes.ReplaceAll(c.Missing, []byte(`\`), []byte(`\\`)), []byte(`"`), []byte(`\"`))...)
		s := hex.EncodeToString(append(quoted, '"', '}'))
		missing = &s
	}
	return json.Marshal([]any{c.Attnum, c.Name, c.Type, c.Typmod, c.Dropped, c.Generated, missing})
}

// UnmarshalJSON reads the array form.
func (l *DDLLabel) UnmarshalJSON(b []byte) error { return unmarshalArray(b, &l.OID, &l.Label) }

// MarshalJSON writes the array form.
func (l DDLLabel) MarshalJSON() ([]byte, error) { return json.Marshal([]any{l.OID, l.Label}) }

// UnmarshalJSON reads the array form.
func (a *DDLAttribute) UnmarshalJSON(b []byte) error {
	return unmarshalArray(b, &a.Attnum, &a.Name, &a.Type, &a.Typmod, &a.Dropped)
}

// MarshalJSON writes the array form.
func (a DDLAttribute) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{a.Attnum, a.Name, a.Type, a.Typmod, a.Dropped})
}

// unmarshalArray reads an array of exactly these elements.
func unmarshalArray(b []byte, elements ...any) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	if len(raw) != len(elements) {
		return fmt.Errorf("%d elements instead of %d", len(raw), len(elements))
	}
	for i, e := range elements {
		if err := json.Unmarshal(raw[i], e); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

// MissingValue returns the value in the text of pg_attribute.attmissingval.
func MissingValue(array string) ([]byte, error) { return onlyElement([]byte(array)) }

// onlyElement returns the element of a one-element array as array_out writes it: {value} or {"value"}. That is how
// pg_attribute.attmissingval holds a missing value; the element is an array itself for a column of an array type, and
// then it is quoted too.
func onlyElement(array []byte) ([]byte, error) {
	if len(array) < 2 || array[0] != '{' || array[len(array)-1] != '}' {
		return nil, fmt.Errorf("not an array of one element")
	}
	b := array[1 : len(array)-1]
	if len(b) == 0 || b[0] != '"' {
		return bytes.Clone(b), nil
	}
	if len(b) < 2 || b[len(b)-1] != '"' {
		return nil, fmt.Errorf("an open quote")
	}
	b = b[1 : len(b)-1]
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '"':
			return nil, fmt.Errorf("more than one element")
		case b[i] == '\\' && i+1 == len(b):
			return nil, fmt.Errorf("an open escape")
		case b[i] == '\\':
			i++
		}
		out = append(out, b[i])
	}
	return out, nil
}
