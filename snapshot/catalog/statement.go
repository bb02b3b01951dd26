package catalog

import "strings"

// Section is a part of a restore, as pg_restore's --section.
type Section int

// The sections, in the order in which they are restored. DDL makes no statement of Data.
const (
	PreData Section = iota
	Data
	PostData
)

// String gives the name that pg_restore uses.
func (s Section) String() string {
	return [...]string{"pre-data", "data", "post-data"}[s]
}

// Stages of post-data. What is made in StageLate takes one stage for each object;
// materialized views take three from StageRefresh on for each level of dependency.
const (
	StageIndexes = 1 // indexes, and constraints that have one
	StageMarks   = 2 // index attach, cluster and identity marks, statistics
	// StageForeignPartitions is where foreign tables become partitions.
	StageForeignPartitions = 3
	StageLate              = 10        // views and functions that need a primary key, views of a cycle
	StageForeignKeys       = 1_000_000 // foreign keys, and checks that are NOT VALID or NOT ENFORCED
	StageTriggers          = 1_000_001 // triggers, rules, policies, row security
	StageEnable            = 1_000_002 // their enabled states
	StageSchemaGrants      = 1_000_003 // grants on schemas, which others may need to grant in turn
	StageGrants            = 1_000_004 // grants, comments on what post-data makes
	StageRefresh           = 2_000_000 // materialized views' rows, indexes and marks
	StagePublications      = 3_000_000 // publications, default privileges
	StageLast              = 3_000_001 // comments on these
	StageEventTriggers     = 3_000_002 // event triggers, and in the two after it what they have
)

// Statement is one SQL statement, without a semicolon. It is run by itself.
type Statement struct {
	Section Section
	Stage   int    // 0 in pre-data
	Kind    string // "TABLE", "INDEX", "FK CONSTRAINT", …
	Name    string // the object's new name for people: public.users
	OID     uint32 // of the source's object
	Table   uint32 // source's oid of the table it belongs to, or 0
	SQL     string

	// Of statements of one stage, two may run at once if neither's Locks has an oid of the
	// other's Locks or Reads. Where they may not, they run in slice order.
	Locks []uint32
	Reads []uint32
	Bytes int64 // of the table or materialized view worked on, for scheduling

	// Secret marks SQL that holds passwords: it belongs into no log and no message. People and errors are given Shown.
	Secret bool
	// Optional, if not empty, says what it means for the restored database if the statement fails: a restore goes on.
	Optional string
	// Unchecked, if not empty, is SQL in the place of one that rows which are there contradict: it leaves them as they are.
	Unchecked string
	// Until, if not 0, is the version, as in server_version_num, from which servers have no such thing: there the statement does
	// nothing, and Optional says what that means.
	Until int

	// IfMissing marks something that a subset of tables needs and that the target
	// may have already: it is run only if Exists is false on the target. All Exists
	// are asked before the first statement runs.
	IfMissing bool
	// Exists is an SQL expression that is true if the target has an object of this
	// name. It is set on every statement that creates an object.
	Exists string

	at     address // of the object made
	drop   string  // what drops it, where that is not DROP of its address
	undo   string  // what has to precede the drops of a script, and when
	undoIf string
}

// Shown is the statement as it may be printed.
func (s *Statement) Shown() string {
	if s.Secret {
		return strings.ToLower(s.Kind) + " " + s.Name + " (it holds a secret and is not shown)"
	}
	return s.SQL
}

// LeftOut is something of the source that a script does not restore.
type LeftOut struct{ What, Why string }

// Script is what DDL makes.
type Script struct {
	Statements []Statement
	LeftOut    []LeftOut
	// Needs are what has to be on the target already.
	Needs []Need
	// Required are objects that have to be there too: tables and views that a subset's tables need and that are not chosen,
	// and all that these need where TablesOnly leaves it out.
	Required []Required
	// Tables and Sequences give the new name of every restored table and of every
	// sequence whose value is to be set, by the source's oid. Those of an extension's configuration are among them.
	Tables    map[uint32]Name
	Sequences map[uint32]Name
	// Needed are sequences whose CREATE has IfMissing: their value is to be set only if
	// that statement ran.
	Needed map[uint32]Name

	of *Catalog
}

// Required is an object that a script takes for granted.
type Required struct {
	What   string // "type app.mood", for people
	Exists string // an SQL expression that is true if it is on the target, or what needs it
	By     string // what needs a table or view that is not chosen; empty where TablesOnly leaves it out
}
