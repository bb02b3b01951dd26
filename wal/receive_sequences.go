package wal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
)

// Sequences are not decoded, so they are read beside the log.
//
// pg_sequence_last_value takes ROW EXCLUSIVE on the sequence, which an ALTER
// SEQUENCE of the application would wait for, and says nothing of a sequence not
// called yet (src/backend/commands/sequence.c). So each sequence is read as the
// table it is, under ACCESS SHARE, many to a statement. From 18 on
// pg_get_sequence_data does the same in one call.

// sequenceBatch bounds the locks that one statement takes.
const sequenceBatch = 200

// sampled is what was read of the sequences at one time.
type sampled struct {
	values    []format.SequenceSample
	skipped   []uint32 // oids of those that a transaction holds ACCESS EXCLUSIVE, or that went while they were read
	forbidden int      // the role may not read so many
}

// sampleSequences reads all sequences of the database but temporary ones and pgrecall's own.
func (s *side) sampleSequences(ctx context.Context) (read sampled, err error) {
	err = s.ask(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		read, err = readSequences(ctx, conn, s.database.version)
		return err
	})
	if err != nil {
		return sampled{}, fmt.Errorf("sample the source's sequences: %w", err)
	}
	return read, nil
}

func readSequences(ctx context.Context, conn *pgx.Conn, version int) (sampled, error) {
	list, read, err := listSequences(ctx, conn)
	if err != nil {
		return read, err
	}
	for batch := range slices.Chunk(list, sequenceBatch) {
		if err := read.batch(ctx, conn, batch, version); err != nil {
			return read, err
		}
	}
	slices.Sort(read.skipped)
	return read, nil
}

// listSequences returns those to read, and the others.
func listSequences(ctx context.Context, conn *pgx.Conn) (list []format.SequenceSample, others sampled, err error) {
	rows, err := conn.Query(ctx, `select c.oid, n.nspname, c.relname,
		has_sequence_privilege(c.oid, 'SELECT') and has_schema_privilege(n.oid, 'USAGE'),
			exists (select from pg_catalog.pg_locks l where l.locktype = 'relation' and l.relation = c.oid
				and l.mode = 'AccessExclusiveLock'
				and l.database = (select oid from pg_catalog.pg_database where datname = current_database()))
		from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		where c.relkind = 'S' and c.relpersistence <> 't' and n.nspname <> 'pgrecall'
		order by c.oid`)
	if err != nil {
		return nil, others, err
	}
	var q format.SequenceSample
	var readable *bool // NULL: dropped in this moment
	var locked bool
	_, err = pgx.ForEachRow(rows, []any{&q.OID, &q.Schema, &q.Name, &readable, &locked}, func() error {
		if !utf8.ValidString(q.Schema) || !utf8.ValidString(q.Name) {
			return &nameError{fmt.Errorf("the name of sequence %q.%q is not UTF-8 in a database of encoding SQL_ASCII: rename it",
				q.Schema, q.Name)}
		}
		switch {
		case readable == nil:
		case !*readable:
			others.forbidden++
		case locked:
			others.skipped = append(others.skipped, q.OID)
		default:
			list = append(list, q)
		}
		return nil
	})
	return list, others, err
}

// batch reads the values of the sequences in batch; if that fails because one of them was locked or dropped
// meanwhile, it reads them in halves.
func (r *sampled) batch(ctx context.Context, conn *pgx.Conn, batch []format.SequenceSample, version int) error {
	read, err := readSequenceValues(ctx, conn, batch, version)
	switch {
	case err == nil:
		r.values = append(r.values, read...)
		return nil
	case !passing(err):
		return err
	case len(batch) == 1:
		r.skipped = append(r.skipped, batch[0].OID)
		return nil
	}
	half := len(batch) / 2
	if err := r.batch(ctx, conn, batch[:half], version); err != nil {
		return err
	}
	return r.batch(ctx, conn, batch[half:], version)
}

func readSequenceValues(ctx context.Context, conn *pgx.Conn, batch []format.SequenceSample, version int) ([]format.SequenceSample, error) {
	var sql strings.Builder
	for i, q := range batch {
		if i > 0 {
			sql.WriteString(" union all ")
		}
		if version >= 180000 {
			fmt.Fprintf(&sql, "select %d, last_value, is_called from pg_catalog.pg_get_sequence_data(%d::oid::regclass)", i, q.OID)
		} else {
			fmt.Fprintf(&sql, "select %d, last_value, is_called from %s", i, pgx.Identifier{q.Schema, q.Name}.Sanitize())
		}
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, `set local lock_timeout = '200ms'`); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, sql.String())
	if err != nil {
		return nil, err
	}
	var read []format.SequenceSample
	var i int
	var value *int64
	var called *bool
	_, err = pgx.ForEachRow(rows, []any{&i, &value, &called}, func() error {
		if value != nil && called != nil {
			q := batch[i]
			q.Value, q.Called = *value, *called
			read = append(read, q)
		}
		return nil
	})
	return read, err
}

// sequenceMemory knows which values earlier segments of this run hold.
type sequenceMemory map[uint32]format.SequenceSample

// changed returns the samples that differ from what is remembered.
func (m sequenceMemory) changed(samples []format.SequenceSample) []format.SequenceSample {
	var c []format.SequenceSample
	for _, s := range samples {
		if m[s.OID] != s {
			c = append(c, s)
		}
	}
	return c
}

// remember keeps samples that are durable now.
func (m sequenceMemory) remember(samples []format.SequenceSample) {
	for _, s := range samples {
		m[s.OID] = s
	}
}

// passing reports whether reading a sequence failed because someone else locked,
// dropped or moved it since it was listed.
func passing(err error) bool {
	return hasCode(err, codeLockNotAvailable, codeNoTable, codeNoSchema, codeNoPrivilege, codeInternal)
}
