package snapshot

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrecall/pgrecall/format"
)

// sequencesPerQuery bounds the length of a query that reads sequences.
const sequencesPerQuery = 500

// sampleSequences reads the sequences after the last row was copied, so that no value in the rows is beyond them. Of
// each the farther of this sample and the one taken at the beginning counts: a sequence may have been set back or
// dropped meanwhile, and the snapshot's instant was before that.
func (r *run) sampleSequences(ctx context.Context) ([]format.SequenceSample, format.LSN, error) {
	late, at, err := r.readSequences(ctx)
	if err != nil {
		return nil, 0, err
	}
	return r.sequencesAhead(r.early, late), at, nil
}

// readSequences reads the state of the catalog's sequences that still exist, and the WAL position from just before.
func (r *run) readSequences(ctx context.Context) (samples []format.SequenceSample, at format.LSN, err error) {
	for try := 1; ; try++ {
		err = r.watched(ctx, func(ctx context.Context) (err error) {
			samples, at, err = r.readSequencesOnce(ctx)
			return err
		})
		// One was dropped or renamed between being listed and being read.
		gone := sqlState(err) == "42P01" || sqlState(err) == "3F000" || sqlState(err) == "42809"
		if err == nil || !gone || try == mostTries {
			return samples, at, err
		}
	}
}

func (r *run) readSequencesOnce(ctx context.Context) ([]format.SequenceSample, format.LSN, error) {
	var text string
	if err := r.look.QueryRow(ctx, "SELECT "+r.source.insertLSN()+"::text").Scan(&text); err != nil {
		return nil, 0, fmt.Errorf("read the WAL position: %w", err)
	}
	at, err := format.ParseLSN(text)
	if err != nil {
		return nil, 0, err
	}
	names, err := r.listSequences(ctx)
	if err != nil {
		return nil, 0, err
	}
	q := quoterOf(r.look.PgConn())
	var samples []format.SequenceSample
	for batch := range slices.Chunk(names, sequencesPerQuery) {
		var sql strings.Builder
		for i, s := range batch {
			if i > 0 {
				sql.WriteString(" UNION ALL ")
			}
			fmt.Fprintf(&sql, "SELECT %d, last_value, is_called FROM %s", i, q.table(s.Schema, s.Name))
		}
		rows, err := r.look.Query(ctx, sql.String())
		if err != nil {
			return nil, 0, fmt.Errorf("read the sequences: %w", err)
		}
		for rows.Next() {
			var i int
			var s format.SequenceSample
			if err := rows.Scan(&i, &s.Value, &s.Called); err != nil {
				rows.Close()
				return nil, 0, fmt.Errorf("read the sequences: %w", err)
			}
			s.OID, s.Schema, s.Name = batch[i].OID, batch[i].Schema, batch[i].Name
			samples = append(samples, s)
		}
		if err := rows.Err(); err != nil {
			return nil, 0, fmt.Errorf("read the sequences: %w", err)
		}
	}
	return samples, at, nil
}

// listSequences returns the present names of the catalog's sequences that the role may read: it need not have rights on those of
// extensions, nor, where only some tables were chosen, on those of no table (see checkRights). A standby does not have the unlogged ones.
func (r *run) listSequences(ctx context.Context) ([]format.SequenceSample, error) {
	oids := []uint32{}
	for i := range r.catalog.Sequences {
		if s := &r.catalog.Sequences[i]; r.sampled(s.OwnerTable) {
			oids = append(oids, s.OID)
		}
	}
	if len(oids) == 0 {
		return nil, nil
	}
	rows, err := r.look.Query(ctx, `
		SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid = ANY ($1::oid[]) AND c.relkind = 'S' AND NOT (pg_is_in_recovery() AND c.relpersistence = 'u')
			AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') END
		ORDER BY c.oid`, oids)
	if err != nil {
		return nil, fmt.Errorf("list the sequences: %w", err)
	}
	defer rows.Close()
	var list []format.SequenceSample
	for rows.Next() {
		var s format.SequenceSample
		if err := rows.Scan(&s.OID, &s.Schema, &s.Name); err != nil {
			return nil, fmt.Errorf("list the sequences: %w", err)
		}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list the sequences: %w", err)
	}
	return list, nil
}

// sequencesAhead merges two samples of the same sequences: of each the one that is farther on in its direction.
func (r *run) sequencesAhead(early, late []format.SequenceSample) []format.SequenceSample {
	step := map[uint32]int64{}
	for i := range r.catalog.Sequences {
		step[r.catalog.Sequences[i].OID] = r.catalog.Sequences[i].Increment
	}
	merged := slices.Clone(late)
	at := map[uint32]int{}
	for i := range merged {
		at[merged[i].OID] = i
	}
	for _, e := range early {
		i, sampled := at[e.OID]
		switch {
		case !sampled: // dropped since: the snapshot has it still
			merged = append(merged, e)
		case ahead(e, merged[i], step[e.OID]):
			merged[i] = e
		}
	}
	return merged
}

// ahead reports whether a gives later values than b.
func ahead(a, b format.SequenceSample, step int64) bool {
	if a.Value == b.Value {
		return a.Called && !b.Called
	}
	return a.Value > b.Value == (step >= 0)
}
