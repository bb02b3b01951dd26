package engine

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// setSequences gives every restored sequence its value, when the indexes are there. A sequence that the target had
// already keeps its own.
func (r *restore) setSequences(ctx context.Context, ran map[uint32]bool) error {
	names := map[uint32]catalog.Name{}
	for oid, name := range r.script.Sequences {
		names[oid] = name
	}
	for oid, name := range r.script.Needed {
		if ran[oid] {
			names[oid] = name
		}
	}
	known := map[uint32]*catalog.Sequence{}
	for i := range r.catalog.Sequences {
		known[r.catalog.Sequences[i].OID] = &r.catalog.Sequences[i]
	}
	for _, oid := range sortedKeys(names) {
		sequence := known[oid]
		if sequence == nil {
			sequence = &catalog.Sequence{}
		}
		s, ok := r.past.sequence(oid, sequence.Increment < 0)
		var err error
		if sequence.Extension == "" || r.target.super { // another role may not be let see an extension's rows
			s, ok, err = r.beyondRows(ctx, sequence, s, ok)
		}
		if err != nil {
			return fmt.Errorf("look at the values that sequence %s.%s gave: %w", names[oid].Schema, names[oid].Name, err)
		}
		if !ok {
			r.tracer.Note(Note{LevelWarn, fmt.Sprintf("sequence %s.%s: its value was never sampled; it stays at its start", names[oid].Schema, names[oid].Name)})
			continue
		}
		// A data-only restore takes the target's sequences as they are: there may be none of this name, and one that is
		// farther gave values that somebody may hold. So does every restore with those of an extension.
		_, err = r.target.conn.Exec(ctx, `SELECT pg_catalog.setval(q.seqrelid::regclass, $2, $3) FROM pg_catalog.pg_sequence q,
			LATERAL (SELECT pg_catalog.pg_sequence_last_value(q.seqrelid::regclass) AS given) g
			WHERE q.seqrelid = pg_catalog.to_regclass($1::text)
				AND (NOT $4 OR given IS NULL OR CASE WHEN q.seqincrement > 0 THEN given < $2 ELSE given > $2 END)`,
			quoteName(names[oid].Schema, names[oid].Name), s.Value, s.Called, r.o.Scope == RestoreDataOnly || sequence.Extension != "")
		if sequence.Extension != "" && sqlState(err) == "42501" { // insufficient_privilege
			r.wentWithout(&catalog.Statement{Optional: fmt.Sprintf("the sequence of extension %s may give values again", sequence.Extension)},
				fmt.Errorf("set sequence %s.%s: %w", names[oid].Schema, names[oid].Name, err))
			continue
		}
		if err != nil {
			return fmt.Errorf("set sequence %s.%s: %w", names[oid].Schema, names[oid].Name, err)
		}
	}
	return nil
}

// beyondRows returns the sample s of a sequence, or the farthest value in the column that owns it where that is
// farther. Samples alone are not enough: a TRUNCATE RESTART IDENTITY between the target and the next sample takes the
// sequence back, and no sample was taken of what it gave since the last one. A value at the sequence's very end is
// one that somebody chose, and is left alone: after it the sequence could give nothing more. At the snapshot's own
// instant the sample is as exact as can be.
func (r *restore) beyondRows(ctx context.Context, q *catalog.Sequence, s format.SequenceSample, sampled bool) (format.SequenceSample, bool, error) {
	table, column := r.ownerOf(q)
	if column == "" || r.past.choice.Instant && sampled {
		return s, sampled, nil
	}
	farthest, end := "max", q.Max
	if q.Increment < 0 {
		farthest, end = "min", q.Min
	}
	// Partitions and inheriting tables use the sequence of their parent: no ONLY.
	var value *int64
	sql := fmt.Sprintf("SELECT pg_catalog.%s(%s)::bigint FROM %s WHERE %[2]s::bigint BETWEEN $1 AND $2", farthest, pgx.Identifier{column}.Sanitize(),
		quoteName(table.Schema, table.Name))
	if err := r.target.conn.QueryRow(ctx, sql, q.Min, q.Max).Scan(&value); err != nil {
		return s, sampled, err
	}
	if value == nil || *value == end {
		return s, sampled, nil
	}
	ahead := *value > s.Value || *value == s.Value && !s.Called
	if q.Increment < 0 {
		ahead = *value < s.Value || *value == s.Value && !s.Called
	}
	if !sampled || ahead {
		s.Value, s.Called, sampled = *value, true, true
	}
	return s, sampled, nil
}

// ownerOf returns the restored table and its column that a sequence belongs to; the column is empty if there is none, or if it
// holds no integers.
func (r *restore) ownerOf(q *catalog.Sequence) (catalog.Name, string) {
	name, restored := r.script.Tables[q.OwnerTable]
	if q.OwnerTable == 0 || !restored {
		return name, ""
	}
	for i := range r.catalog.Tables {
		t := &r.catalog.Tables[i]
		if t.OID != q.OwnerTable {
			continue
		}
		for _, c := range t.Columns {
			// int8, int2, int4 (src/include/catalog/pg_type.dat)
			if c.Attnum == q.OwnerColumn && (c.Type == 20 || c.Type == 21 || c.Type == 23) {
				return name, c.Name
			}
		}
	}
	return name, ""
}
