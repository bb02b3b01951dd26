package engine

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// RestoreScope says which sections a Restore does.
type RestoreScope int

// The scopes of a Restore.
const (
	// RestoreAll does pre-data, data and post-data.
	RestoreAll RestoreScope = iota
	// RestoreSchemaOnly leaves out the rows.
	RestoreSchemaOnly
	// RestoreDataOnly loads rows into tables that exist.
	RestoreDataOnly
)

// RestoreOptions say what to restore, to which point, and where to.
type RestoreOptions struct {
	Place
	// To is the connection to the target, a URI or key/value string; empty is an ErrUsage, PG* variables alone are never enough.
	To     string
	Target Target
	// Tables are psql's patterns; empty restores everything.
	Tables []string
	Scope  RestoreScope
	// IntoSchema puts the tables' copies into this schema, made if absent.
	IntoSchema string
	// Rename gives copies of tables another name: from "table" or "schema.table" to "name" or "schema.name".
	Rename map[string]string
	// Clean drops exactly the planned objects first (with RestoreDataOnly: truncates), never CASCADE.
	Clean bool
	// Create makes the database that To names. With Clean it is dropped first where it is there, unless it is the source.
	Create bool
	// OverwriteSource allows Clean against the source itself.
	OverwriteSource bool
	// NoOwner and NoPrivileges leave out ownership, and grants; NoTablespaces puts everything where the target does.
	NoOwner, NoPrivileges, NoTablespaces bool
	// NoLargeObjects leaves out large objects.
	NoLargeObjects bool
	// NoSecurityLabels leaves out security labels: a target takes them only with their provider loaded.
	NoSecurityLabels bool
	// NoSuperuserObjects leaves out objects that on the target only superusers may make, and what needs them, if To's role is none.
	NoSuperuserObjects bool
	ObjectOptions
	// ExcludeTableData are psql's patterns of tables that are made and get no rows.
	ExcludeTableData []string
	// TablesOnly leaves out what the tables that Tables choose need: it has to be on the target.
	TablesOnly bool
	GlobalsOptions
	// CatalogOfSnapshot accepts objects as of the snapshot where statements that change no table's layout lie between it and the target.
	CatalogOfSnapshot bool
	// Jobs is the number of connections that load; 0 is min(4, cores).
	Jobs int
	// DryRun computes and checks the plan and changes nothing.
	DryRun bool
	// TempDir holds the changed rows while they are folded; empty is the system's.
	TempDir string
	Tracer  Tracer

	// into is the database, where it is not To's; coming is what will be on the target by then, of roles and tablespaces.
	into   string
	coming *catalog.GlobalsPlan
	// denied are objects that the target has refused, and why; nil: not known yet.
	denied map[catalog.Ref]string
}

// Point is a recovery point that was reached.
type Point struct {
	// LSN is the end of the last commit included, or the snapshot's position.
	LSN format.LSN `json:"lsn"`
	// XID is the last transaction included, 0 where the snapshot's own instant was restored.
	XID uint64 `json:"xid,omitempty"`
	// Time is the commit time of XID, or the snapshot's instant; LocalTime is the same in the zone of this machine.
	Time      time.Time `json:"time"`
	LocalTime string    `json:"local_time"`
}

// Reading counts what was read from the repository.
type Reading struct {
	Objects int64 `json:"objects_read"`
	Bytes   int64 `json:"bytes_read"`
}

// Server says which server and database a connection reached.
type Server struct {
	Host     string `json:"host"`
	Port     uint16 `json:"port"`
	Database string `json:"database"`
	SystemID string `json:"system_identifier"`
	Version  int    `json:"server_version"`
}

// PlannedTable is one table of a plan.
type PlannedTable struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	// As is the name on the target, schema.name.
	As    string `json:"as"`
	Rows  int64  `json:"snapshot_rows"`
	Bytes int64  `json:"snapshot_bytes"`
	Parts int    `json:"parts"`
}

// RestorePlan is what a Restore will do.
type RestorePlan struct {
	Source   string    `json:"source"`
	Target   string    `json:"target"`
	To       Server    `json:"to"`
	Snapshot uuid.UUID `json:"snapshot"`
	Log      uuid.UUID `json:"log"`
	// Version is whose catalog is restored where DDL lies between the snapshot and the target: that of a version of the catalog, or of
	// another snapshot. Followed tells of tables what the log made of them since.
	Version  uuid.UUID      `json:"catalog_version,omitzero"`
	Followed []string       `json:"followed,omitempty"`
	Reaches  Point          `json:"reaches"`
	Tables   []PlannedTable `json:"tables"`
	// LargeObjects is the number of large objects to make; Unlinks are those that Clean removes first, as "16400-16499,16510".
	LargeObjects int          `json:"large_objects,omitempty"`
	Unlinks      catalog.OIDs `json:"unlinks,omitempty"`
	Parts        int          `json:"parts"`
	Segments     int          `json:"segments"`
	// Bytes is the stored size of the parts and segments it reads from at most.
	Bytes int64 `json:"bytes"`
	// Drops are the statements of Clean; Statements the number of others.
	Drops      []string `json:"drops,omitempty"`
	Statements int      `json:"statements"`
	// LeftOut are things not restored, and why; NotIncluded the DDL between snapshot and target (CatalogOfSnapshot).
	LeftOut     []string `json:"left_out,omitempty"`
	NotIncluded []string `json:"not_included,omitempty"`
	// DropDatabase is the statement of Clean with Create, where the database is there.
	DropDatabase string `json:"drop_database,omitempty"`
	// CreateDatabase is the statement of Create; DatabaseStatements give it what else the source's database has.
	CreateDatabase     string   `json:"create_database,omitempty"`
	DatabaseStatements []string `json:"database_statements,omitempty"`
	// Globals is what becomes of roles and tablespaces, where they are asked for; GlobalsOnly: of nothing else.
	Globals     *PlannedGlobals `json:"globals,omitempty"`
	GlobalsOnly bool            `json:"globals_only,omitempty"`
}

// RestoredTable is one table as loaded.
type RestoredTable struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	As     string `json:"as"`
	Rows   int64  `json:"rows"`
	// Folded is the number of log records folded into it.
	Folded int64 `json:"folded"`
}

// Phase is how long a phase took.
type Phase struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// RestoreResult says what was reached and done.
type RestoreResult struct {
	Plan    RestorePlan     `json:"plan"`
	DryRun  bool            `json:"dry_run"`
	Reached Point           `json:"reached"`
	Tables  []RestoredTable `json:"tables"`
	// LargeObjects is the number of large objects made.
	LargeObjects int     `json:"large_objects,omitempty"`
	Rows         int64   `json:"rows"`
	Folded       int64   `json:"rows_folded"`
	Reading      Reading `json:"reading"`
	Phases       []Phase `json:"phases"`
	// NotDone are statements that failed and that the restored database can do without, each with what follows from that.
	NotDone []string `json:"not_done,omitempty"`
	// Contradicted are constraints and indexes that the rows contradict, and what needs them, each with what became of it.
	Contradicted []string `json:"contradicted,omitempty"`
	// PutBack is SQL that puts missing rows from the copies (IntoSchema, Rename) back into the live tables.
	PutBack []string `json:"put_back,omitempty"`
}

// Restore brings tables, or everything, to a recovery point in the target. The whole plan is computed and checked
// before anything changes there; a refusal changes nothing. No UPDATE is ever sent, and DELETE to the configuration tables of
// extensions only. Where restored rows contradict constraints, all else is restored, and it returns the result with an ErrIntegrity.
func Restore(ctx context.Context, o RestoreOptions) (*RestoreResult, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	began := time.Now()
	if o.GlobalsOnly {
		return newRestore(o).restoreGlobals(ctx)
	}
	r, err := planned(ctx, o)
	if err != nil {
		return nil, err
	}
	defer r.target.close(ctx)
	if err := r.checkParts(ctx); err != nil {
		return nil, err
	}
	r.phase("plan", began)
	if !o.DryRun {
		if err := r.run(ctx); err != nil {
			return nil, err
		}
	}
	r.result.Plan, r.result.Reached, r.result.Reading = r.plan, r.past.reached, r.opened.reading()
	return r.result, r.contradictions()
}

// check finds what makes no sense as asked.
func (o *RestoreOptions) check() error {
	switch {
	case strings.TrimSpace(o.To) == "":
		return usagef("name the target of the restore; PG* variables alone are never enough")
	case o.TablesOnly && len(o.Tables) == 0:
		return usagef("--table-only leaves out what the tables need that --table chooses; give that too")
	case len(o.ExcludeTableData) > 0 && o.Scope == RestoreSchemaOnly:
		return usagef("--schema-only restores no rows; leave --exclude-table-data out")
	case o.Create && o.Scope == RestoreDataOnly:
		return usagef("--data-only loads into tables that exist; a database made with --create has none")
	case o.GlobalsOnly && (o.Create || o.Clean || o.Scope != RestoreAll || len(o.Tables) > 0 || len(o.Rename) > 0 || o.IntoSchema != ""):
		return usagef("--globals-only restores nothing of a database; leave out what says how to restore one")
	case o.OverwriteGlobals && !o.wanted(), o.NoRolePasswords && !o.wanted():
		return usagef("--overwrite-globals and --no-role-passwords say how --globals restores; give that too")
	case o.Jobs < 0:
		return usagef("--jobs %d: a positive number", o.Jobs)
	}
	for _, patterns := range [][]string{o.ExcludeTables, o.ExcludeTableData} {
		if _, err := parsePatterns(patterns); err != nil {
			return err
		}
	}
	return nil
}

// restore is one restore under way.
type restore struct {
	o      RestoreOptions
	tracer Tracer
	opened *opened
	held   *holding

	past    *history
	catalog *catalog.Catalog
	ddl     catalog.DDLOptions
	script  catalog.Script
	// database makes the target database, globals what the server's databases share; nil: not asked for.
	database *catalog.DatabaseScript
	globals  *catalog.GlobalsPlan
	wanted   []*format.TableData // tables with rows to load
	large    *largeObjects       // nil: none are restored
	// configurations are those of wanted that extensions make, by oid.
	configurations map[uint32]*configuration
	target         *target
	lacks          lacking // what stands in the way on the target
	plan           RestorePlan
	result         *RestoreResult
	drops          []string
	rounds         []int             // in which round each of wanted is loaded; nil: all in one
	left           []catalog.LeftOut // what the options leave out
	rowless        map[uint32]bool   // tables whose rows are excluded

	// proving: it only finds out whether a target can be reached.
	proving bool

	notDone sync.Mutex // guards result.NotDone and result.Contradicted
}

func newRestore(o RestoreOptions) *restore {
	return &restore{o: o, tracer: tracing(o.Tracer), result: &RestoreResult{DryRun: o.DryRun, Tables: []RestoredTable{}}}
}

func (r *restore) jobs() int {
	if r.o.Jobs > 0 {
		return r.o.Jobs
	}
	return min(4, runtime.NumCPU())
}

func (r *restore) phase(name string, since time.Time) {
	r.result.Phases = append(r.result.Phases, Phase{Name: name, Seconds: time.Since(since).Seconds()})
}

// describe fills in the plan with all that does not depend on the target server.
func (r *restore) describe(source string, notIncluded []string) {
	c := r.past.choice
	p := &r.plan
	*p = RestorePlan{Source: source, Target: r.o.Target.String(), Snapshot: c.Base.Envelope.ID, Reaches: r.past.reached,
		Tables: []PlannedTable{}, NotIncluded: notIncluded, Statements: len(r.script.Statements)}
	if !c.Instant {
		p.Log = c.Base.Chain.Log.Log
	}
	if r.past.across != nil {
		p.Version, p.Followed = r.past.across.version.Envelope.ID, r.followedTables()
	}
	for _, l := range slices.Concat(r.left, r.script.LeftOut) {
		p.LeftOut = append(p.LeftOut, l.What+": "+l.Why)
	}
	for _, u := range r.catalog.Unsupported {
		if len(r.o.Tables) == 0 {
			p.LeftOut = append(p.LeftOut, u.Kind+" "+u.Name+": "+cmp.Or(u.Why, "this version does not handle its kind"))
		}
	}
	p.LeftOut = append(p.LeftOut, r.notFollowed()...)
	p.LeftOut = append(p.LeftOut, r.keptByDatabase()...)
	p.LeftOut = append(p.LeftOut, r.withoutConfiguration()...)
	p.LeftOut = append(p.LeftOut, r.withoutLargeObjects()...)
	p.LeftOut = append(p.LeftOut, r.withoutValues()...)
	for _, v := range refreshed(r.catalog) {
		if len(r.o.Tables) == 0 && r.o.IntoSchema == "" && len(r.o.Rename) == 0 {
			p.LeftOut = append(p.LeftOut, fmt.Sprintf("rows of materialized view %s.%s: it is refreshed from the restored tables", v.Schema, v.Name))
		}
	}
	parts := map[string]bool{}
	for _, t := range r.wanted {
		name := r.script.Tables[t.OID]
		p.Tables = append(p.Tables, PlannedTable{Schema: t.Schema, Name: t.Name, As: name.Schema + "." + name.Name, Rows: t.Rows, Bytes: t.RawBytes, Parts: len(t.Parts)})
	}
	if r.large != nil {
		p.LargeObjects = r.large.Readable().Len()
	}
	for _, t := range r.read() {
		if r.o.Scope == RestoreSchemaOnly {
			continue
		}
		for _, part := range t.Parts {
			if ref := &r.past.baseOf(t.OID).Envelope.Parts[part.Object]; !parts[ref.Name] {
				parts[ref.Name] = true
				p.Parts++
				p.Bytes += ref.Size
			}
		}
	}
	for _, s := range r.past.segments {
		p.Segments++
		p.Bytes += s.Size
	}
}

// checkParts makes sure that every part to be read is there in its size.
func (r *restore) checkParts(ctx context.Context) error {
	if r.o.Scope == RestoreSchemaOnly {
		return nil
	}
	for _, t := range r.read() {
		for _, p := range t.Parts {
			if err := r.held.source.CheckPart(ctx, r.past.baseOf(t.OID).Envelope.Parts[p.Object]); err != nil {
				return fmt.Errorf("table %s: %w", nameOf(t), err)
			}
		}
	}
	return nil
}
