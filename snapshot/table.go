package snapshot

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

const (
	// smallestPart is the least a table is cut into so that every worker has something to do.
	smallestPart = 16 << 20
	// batchBytes and batchTables bound what is locked and copied in one transaction of a worker.
	batchBytes  = 8 << 20
	batchTables = 32
)

// table is one table whose rows are copied. The queue's lock guards what changes.
type table struct {
	*catalog.Table
	large *largeObjects // set where it is that of the large objects

	group  int          // index in run.groups
	cuts   int64        // how many ranges it was cut into
	ranges []blockRange // those not handed out yet
	alone  bool         // only the session that holds the lock can copy: somebody queues for a stronger one
	parts  []part
}

// blockRange is a range of a table's blocks, or of oids where large objects are read one by one; end 0: to the end.
type blockRange struct{ first, end uint32 }

// part is a part that is durable.
type part struct {
	format.Part
	ref format.ObjectRef
}

// plan chooses the tables.
func (r *run) plan() ([]Skipped, error) {
	selected, err := r.catalog.Select(r.o.Selection)
	if err != nil {
		return nil, err
	}
	var skipped []Skipped
	skip := func(s Skipped) {
		skipped = append(skipped, s)
		r.o.Tracer.TraceNote(Note{Kind: NoteSkipped, Text: fmt.Sprintf("table %s.%s is left out: %s", s.Schema, s.Name, s.Reason)})
	}
	var total int64
	for _, t := range selected {
		switch {
		case !t.HasRows():
		case r.source.recovery && t.Persistence == "u":
			s := Skipped{Schema: t.Schema, Name: t.Name, Reason: "it is unlogged, and a standby has no rows of it"}
			skip(s)
		case slices.Contains(r.closed, t.OID):
			skip(Skipped{Schema: t.Schema, Name: t.Name, Reason: "the role may not read this table of extension " + t.Extension})
		default:
			r.tables = append(r.tables, &table{Table: t})
			total += t.Bytes
		}
	}
	if r.large != nil {
		r.tables = append(r.tables, r.large)
		total += r.large.Bytes
	}
	r.partBytes = max(1, min(r.o.PartBytes, max(smallestPart, total/int64(4*r.o.Jobs))))
	r.o.Tracer.TracePlan(Plan{Tables: len(r.tables), Bytes: total})
	return skipped, nil
}

// readClosed returns the tables of extensions that the role may not read, or of which row security shows it a part only. Who
// owns all that is the users' need not have rights on those.
func (r *run) readClosed(ctx context.Context, q catalog.Querier) ([]uint32, error) {
	oids := []uint32{}
	for i := range r.catalog.Tables {
		if t := &r.catalog.Tables[i]; t.Extension != "" && t.HasRows() {
			oids = append(oids, t.OID)
		}
	}
	if len(oids) == 0 {
		return nil, nil
	}
	rows, err := q.Query(ctx, `
		SELECT c.oid FROM pg_class c WHERE c.oid = ANY ($1::oid[])
			AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(c.relnamespace, 'USAGE')
			  AND NOT row_security_active(c.oid))`, oids)
	if err != nil {
		return nil, fmt.Errorf("ask for rights on tables of extensions: %w", err)
	}
	closed, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
	if err != nil {
		return nil, fmt.Errorf("ask for rights on tables of extensions: %w", err)
	}
	return closed, nil
}

// sampled reports whether a sequence owned by the given table (0: by none) belongs to the snapshot.
func (r *run) sampled(owner uint32) bool {
	if r.filter() == nil || owner == 0 {
		return true
	}
	return slices.ContainsFunc(r.tables, func(t *table) bool { return t.OID == owner })
}

// batches groups the tables into what a worker locks at once, largest first; all but small tables stand alone.
func batches(tables []*table) [][]*table {
	sorted := slices.Clone(tables)
	slices.SortStableFunc(sorted, func(a, b *table) int { return cmp.Compare(b.Bytes, a.Bytes) })
	var all [][]*table
	var bytes int64
	for _, t := range sorted {
		last := len(all) - 1
		if last < 0 || bytes+t.Bytes > batchBytes || len(all[last]) == batchTables {
			all, bytes = append(all, nil), 0
			last++
		}
		all[last] = append(all[last], t)
		bytes += t.Bytes
	}
	return all
}

// cut divides a table of so many blocks into ranges of about equal size that cover all it has and will have. An
// empty file holds no row that any snapshot sees.
func cut(blocks, bytes, partBytes int64, heap bool) []blockRange {
	if blocks == 0 && heap {
		return nil
	}
	n := min((bytes+partBytes-1)/partBytes, blocks)
	if !heap || n <= 1 {
		return []blockRange{{}}
	}
	ranges := make([]blockRange, n)
	for i := range ranges {
		ranges[i] = blockRange{uint32(int64(i) * blocks / n), uint32(int64(i+1) * blocks / n)}
	}
	ranges[n-1].end = 0
	return ranges
}

// copySQL is the statement that writes the rows of a range. A range is read by its ctids alone (a TID range scan), and
// a table as it is without its children.
func copySQL(t *table, q quoter, b blockRange) string {
	if t.large != nil && !t.large.direct {
		return t.large.copySQL(b)
	}
	var names []string
	for c := range t.CopyColumns() {
		names = append(names, c.Name)
	}
	name, columns := q.table(t.Schema, t.Name), q.list(names)
	if b == (blockRange{}) && len(names) > 0 {
		return "COPY " + name + " (" + columns + ") TO STDOUT"
	}
	where := fmt.Sprintf(" WHERE ctid >= '(%d,0)'", b.first)
	if b.end != 0 {
		where += fmt.Sprintf(" AND ctid < '(%d,0)'", b.end)
	}
	if b == (blockRange{}) {
		where = ""
	}
	return "COPY (SELECT " + columns + " FROM ONLY " + name + where + ") TO STDOUT"
}

// data describes a copied table in the manifest and adds its objects to the envelope.
func (t *table) data(e *format.Envelope) format.TableData {
	d := format.TableData{OID: t.OID, Schema: t.Schema, Name: t.Name, Group: t.group, Identity: identity(t.Table)}
	for c := range t.CopyColumns() {
		d.Columns = append(d.Columns, format.Column{Attnum: c.Attnum, Name: c.Name, Type: c.Type, Typmod: c.Typmod, TypeName: c.TypeName})
	}
	slices.SortFunc(t.parts, func(a, b part) int { return cmp.Compare(a.FirstBlock, b.FirstBlock) })
	for _, p := range t.parts {
		p.Object = len(e.Parts)
		e.Parts = append(e.Parts, p.ref)
		d.Parts = append(d.Parts, p.Part)
		d.Rows += p.Rows
		d.RawBytes += p.RawBytes
		d.ContentHash.Add(p.ContentHash)
		e.StoredBytes += p.ref.Size
	}
	e.Rows += d.Rows
	e.RawBytes += d.RawBytes
	return d
}

// identity tells how the log can name a row of a table.
func identity(t *catalog.Table) format.Identity {
	switch {
	case t.LiveIdentity != "n" && len(t.IdentityAttnums) > 0:
		return format.Identity{Kind: format.IdentityKey, Attnums: t.IdentityAttnums}
	case t.LiveIdentity == "f":
		return format.Identity{Kind: format.IdentityFull}
	}
	return format.Identity{Kind: format.IdentityNone}
}
