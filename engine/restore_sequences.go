package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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
	owners, err := r.farthest(ctx, names, known)
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	for _, oid := range sortedKeys(names) {
		sequence := known[oid]
		if sequence == nil {
			sequence = &catalog.Sequence{}
		}
		s, ok := r.past.sequences.value(oid, sequence.Increment < 0)
		s, ok = beyondRows(sequence, s, ok, owners[oid])
		if closed, err := r.closedSequence(ctx, sequence, names[oid]); err != nil || closed {
			if err != nil {
				return err
			}
			continue
		}
		if !ok {
			r.tracer.Note(Note{LevelWarn, fmt.Sprintf("sequence %s.%s: its value was never sampled; it stays at its start", names[oid].Schema, names[oid].Name)})
			continue
		}
		// A data-only restore takes the target's sequences as they are: there may be none of this name, and one that is
		// farther gave values that somebody may hold. So does every restore with those of an extension.
		batch.Queue(`SELECT pg_catalog.setval(q.seqrelid::regclass, $2, $3) FROM pg_catalog.pg_sequence q,
			LATERAL (SELECT pg_catalog.pg_sequence_last_value(q.seqrelid::regclass) AS given) g
			WHERE q.seqrelid = pg_catalog.to_regclass($1::text)
				AND (NOT $4 OR given IS NULL OR CASE WHEN q.seqincrement > 0 THEN given < $2 ELSE given > $2 END)`,
			quoteName(names[oid].Schema, names[oid].Name), s.Value, s.Called, r.o.Scope == RestoreDataOnly || sequence.Extension != "")
		if batch.Len() == together {
			if err := r.setValues(ctx, batch); err != nil {
				return err
			}
			batch = &pgx.Batch{}
		}
	}
	return r.setValues(ctx, batch)
}

// withoutValues names the sequences that will be as they are made, for nobody ever read their values and no rows tell them.
func (r *restore) withoutValues() []string {
	if r.o.Scope != RestoreAll {
		return nil
	}
	tables := r.models()
	var said []string
	for i := range r.catalog.Sequences {
		q := &r.catalog.Sequences[i]
		name := cmp.Or(r.script.Sequences[q.OID], r.script.Needed[q.OID])
		_, sampled := r.past.sequences.value(q.OID, q.Increment < 0)
		_, column := r.ownerOf(q, tables)
		switch {
		case name == (catalog.Name{}) || column != "":
		case !sampled:
			said = append(said, fmt.Sprintf("value of sequence %s: nobody who might read it took the snapshot: the sequence is at its start, and may give values again", name))
		case r.past.sequences.missing[q.OID]:
			said = append(said, fmt.Sprintf("value of sequence %s at the target: it was locked when it was to be read, and was not read since: it may give again what it gave last", name))
		}
	}
	return said
}

// closedSequence says whether a sequence is an extension's and the role may not set it, and notes that then.
func (r *restore) closedSequence(ctx context.Context, q *catalog.Sequence, name catalog.Name) (bool, error) {
	if q.Extension == "" || r.target.super {
		return false, nil
	}
	var may *bool
	err := r.target.conn.QueryRow(ctx, `SELECT pg_catalog.has_sequence_privilege(pg_catalog.to_regclass($1)::oid, 'UPDATE')`, quoteName(name.Schema, name.Name)).Scan(&may)
	if err != nil {
		return false, fmt.Errorf("ask for rights on sequence %s: %w", name, err)
	}
	if may == nil || *may {
		return false, nil
	}
	r.wentWithout(&catalog.Statement{Optional: "it may give values again"}, fmt.Errorf("role %q may not set sequence %s of extension %s", r.target.user, name, q.Extension))
	return true, nil
}

// setValues sets many sequences in one round trip.
func (r *restore) setValues(ctx context.Context, batch *pgx.Batch) error {
	results := r.target.conn.SendBatch(ctx, batch)
	for _, q := range batch.QueuedQueries {
		if _, err := results.Exec(); err != nil {
			return errors.Join(fmt.Errorf("set sequence %s: %w", q.Arguments[0], err), results.Close())
		}
	}
	return results.Close()
}

// farthest returns the farthest values in the columns that own sequences, by sequence, where there are any. Samples alone
// are not enough: a TRUNCATE RESTART IDENTITY between the target and the next sample takes the sequence back, and no
// sample was taken of what it gave since the last one. At the snapshot's own instant the sample is as exact as can be.
func (r *restore) farthest(ctx context.Context, names map[uint32]catalog.Name, known map[uint32]*catalog.Sequence) (map[uint32]*int64, error) {
	tables := r.models()
	owned := map[uint32]string{}
	for oid := range names {
		q := known[oid]
		if q == nil {
			continue
		}
		_, sampled := r.past.sequences.value(oid, q.Increment < 0)
		table, column := r.ownerOf(q, tables)
		if column == "" || r.past.choice.Instant && sampled || q.Extension != "" && !r.target.super { // who may not be let see its rows
			continue
		}
		farthest := "max"
		if q.Increment < 0 {
			farthest = "min"
		}
		// Partitions and inheriting tables use the sequence of their parent: no ONLY.
		owned[oid] = fmt.Sprintf("(SELECT pg_catalog.%s(%s)::bigint FROM %s WHERE %[2]s::bigint BETWEEN '%[4]d'::bigint AND '%[5]d'::bigint)", farthest, quoteName(column),
			quoteName(table.Schema, table.Name), q.Min, q.Max)
	}
	values := map[uint32]*int64{}
	for oids := range slices.Chunk(sortedKeys(owned), existsBatch) {
		expressions := make([]string, len(oids))
		var forced []catalog.Name
		for i, oid := range oids {
			expressions[i] = owned[oid]
			if t := tables[known[oid].OwnerTable]; t.ForceRowSecurity && !r.target.super && r.o.Scope == RestoreAll {
				forced = append(forced, r.script.Tables[t.OID])
			}
		}
		found, err := r.target.values(ctx, expressions, forced)
		if err != nil {
			return nil, fmt.Errorf("look at the values that sequences gave: %w", err)
		}
		for i, oid := range oids {
			values[oid] = found[i]
		}
	}
	return values, nil
}

// values asks for many values at once. The policies of tables with forced row security hold for their owner too, who has just made
// them: they are looked at without, and left as they are.
func (t *target) values(ctx context.Context, expressions []string, forced []catalog.Name) (found []*int64, err error) {
	tx, err := t.conn.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tx.Rollback(ctx)) }()
	for _, name := range forced {
		if _, err := tx.Exec(ctx, "ALTER TABLE ONLY "+quoteName(name.Schema, name.Name)+" NO FORCE ROW LEVEL SECURITY"); err != nil {
			return nil, err
		}
	}
	err = tx.QueryRow(ctx, "SELECT ARRAY["+strings.Join(expressions, ", ")+"]").Scan(&found)
	return found, err
}

// beyondRows returns the sample s of a sequence, or the farthest value in the column that owns it where that is
// farther. A value at the sequence's very end is one that somebody chose, and is left alone: after it the sequence could
// give nothing more.
func beyondRows(q *catalog.Sequence, s format.SequenceSample, sampled bool, value *int64) (format.SequenceSample, bool) {
	end := q.Max
	if q.Increment < 0 {
		end = q.Min
	}
	if value == nil || *value == end {
		return s, sampled
	}
	ahead := *value > s.Value || *value == s.Value && !s.Called
	if q.Increment < 0 {
		ahead = *value < s.Value || *value == s.Value && !s.Called
	}
	if !sampled || ahead {
		s.Value, s.Called, sampled = *value, true, true
	}
	return s, sampled
}

// ownerOf returns the restored table and its column that a sequence belongs to; the column is empty if there is none, or if it
// holds no integers.
func (r *restore) ownerOf(q *catalog.Sequence, tables map[uint32]*catalog.Table) (catalog.Name, string) {
	name, restored := r.script.Tables[q.OwnerTable]
	t := tables[q.OwnerTable]
	if t == nil || !restored {
		return name, ""
	}
	for _, c := range t.Columns {
		// int8, int2, int4 (src/include/catalog/pg_type.dat)
		if c.Attnum == q.OwnerColumn && (c.Type == 20 || c.Type == 21 || c.Type == 23) {
			return name, c.Name
		}
	}
	return name, ""
}
