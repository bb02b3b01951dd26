package wal

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
)

// No event trigger fires where a superuser's session has them off (event_triggers, 17 and later), for a catalog written
// by hand, or for what is done to roles. So beside each segment the receiver looks at the forms of the tables, and a
// reader compares the looks with the messages in the log between them (format/SPEC.md, "Forms").
//
// A look is cheap where nothing changed: one pass over pg_attribute and pg_class for rows that transactions unseen by
// the look before wrote (0.2 s at 50,000 tables of 10 columns), which is exact, unlike the statistics' counters of
// changes: those are reported late, lost in a crash, and may be off. Only tables with such rows are read again.

const (
	// lookPatience bounds one statement of a look.
	lookPatience = "30s"
	// lookShare is how many times as long as a look took there is none.
	lookShare = 20
	// mostDistance is the number of transactions beyond which all is read again; ages are counted in 31 bits.
	mostDistance = 1 << 30
)

// formWatch is what a run knows of the forms. It is used by whoever stores a segment.
type formWatch struct {
	last  *format.Forms        // of the last durable segment that has them; nil: none
	known map[uint32]tableForm // as of last; nil: this run has not looked
	conn  *pgx.Conn            // that saw it
	rest  time.Time            // no look before it
}

// look is one look, compared with the last one.
type look struct {
	forms *format.Forms
	// before is the last look, nil if there was none; old what it saw, nil if this run does not know.
	before *format.Forms
	old    map[uint32]tableForm
	// state are all tables now, changed those that differ from old; where that is not known, those that were written
	// since before.
	state, changed map[uint32]tableForm
	conn           *pgx.Conn
}

// lookAtForms takes a look, or tells again of the last one if looking takes too large a share of the source's time.
func (s *session) lookAtForms(ctx context.Context) (*look, error) {
	w := &s.forms
	began := time.Now()
	if w.last != nil && began.Before(w.rest) {
		again := *w.last
		again.Complete, again.After, again.Tables = false, again.Until, []format.Form{}
		return &look{forms: &again, before: w.last, old: w.known, state: w.known, conn: w.conn}, nil
	}
	var l *look
	err := s.side.ask(ctx, func(ctx context.Context, conn *pgx.Conn) (err error) {
		l, err = w.look(ctx, conn, s.Objects)
		return err
	})
	w.rest = time.Now().Add(lookShare * time.Since(began))
	if err != nil {
		return nil, fmt.Errorf("look for DDL that nobody announces: %w", err)
	}
	return l, nil
}

// look takes a look in one snapshot. objects is Follow's.
func (w *formWatch) look(ctx context.Context, conn *pgx.Conn, objects func(context.Context, Querier) (string, error)) (l *look, err error) {
	l = &look{forms: &format.Forms{}, before: w.last, old: w.known, conn: conn}
	// A position that no crash takes back.
	if l.forms.LSN, err = readLSN(ctx, conn, "pg_current_wal_flush_lsn()"); err != nil {
		return nil, err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback(ctx) // does nothing after Commit
	// Compiling the statements takes longer than running them.
	if _, err := tx.Exec(ctx, `set local jit = off; set local statement_timeout = '`+lookPatience+`'`, pgx.QueryExecModeSimpleProtocol); err != nil {
		return nil, err
	}
	var seen string
	if err := tx.QueryRow(ctx, `select pg_current_snapshot()::text, clock_timestamp()`).Scan(&seen, &l.forms.Time); err != nil {
		return nil, err
	}
	l.forms.Time = l.forms.Time.UTC()
	if l.forms.Visibility, err = format.ParseVisibility(seen); err != nil {
		return nil, err
	}
	// A crash gives transaction ids again, and no connection outlives it.
	if w.known == nil || w.conn != conn || l.forms.Visibility.Xmax-w.last.Visibility.Xmin > mostDistance {
		err = w.readAll(ctx, tx, l)
	} else {
		err = w.readStirred(ctx, tx, l)
	}
	if err == nil {
		err = readNames(ctx, tx, l.state, l.forms)
	}
	if err == nil && objects != nil {
		err = l.readObjects(ctx, tx, objects)
	}
	if err == nil {
		err = tx.Commit(ctx)
	}
	if err == nil {
		l.forms.Until, err = readLSN(ctx, conn, "pg_current_wal_insert_lsn()")
	}
	return l, err
}

// readObjects fills in what tells, in a log that no DDL is announced in, whether a catalog is as of a point. Ages count from the
// next transaction id (see formsSQL), which is read after the look's position.
func (l *look) readObjects(ctx context.Context, tx pgx.Tx, objects func(context.Context, Querier) (string, error)) (err error) {
	f := l.forms
	if f.Objects, err = objects(ctx, tx); err != nil {
		return err
	}
	var distance int64
	err = tx.QueryRow(ctx, `select age($1::text::xid), current_setting('synchronous_standby_names') <> ''`,
		strconv.FormatUint(uint64(uint32(f.Visibility.Xmin)), 10)).Scan(&distance, &f.Awaited)
	f.Next = f.Visibility.Xmin + uint64(distance)
	return err
}

func readLSN(ctx context.Context, conn *pgx.Conn, function string) (format.LSN, error) {
	var text string
	if err := conn.QueryRow(ctx, `select `+function+`::text`).Scan(&text); err != nil {
		return 0, err
	}
	return format.ParseLSN(text)
}

// readAll reads all tables. Where this run does not know what they were, the digests tell whether any changed, and all
// are listed if so.
func (w *formWatch) readAll(ctx context.Context, tx pgx.Tx, l *look) (err error) {
	since := uint64(0)
	if w.last != nil {
		since = w.last.Visibility.Xmin
	}
	if l.state, err = readForms(ctx, tx, nil, since); err != nil {
		return err
	}
	l.forms.Digest, l.forms.Storage = digestsOf(l.state)
	l.changed = map[uint32]tableForm{}
	switch {
	case w.known != nil:
		l.compare(l.state)
		for oid, f := range w.known {
			if _, ok := l.state[oid]; !ok {
				l.changed[oid] = goneForm(f)
			}
		}
	case w.last == nil || w.last.Digest != l.forms.Digest || w.last.Storage != l.forms.Storage:
		l.forms.Complete, l.forms.Tables = true, formatted(l.state)
		for oid, f := range l.state {
			if f.since != 0 && !w.last.Visibility.Sees(f.since) {
				l.changed[oid] = f
			}
		}
		return nil
	}
	l.forms.After, l.forms.Tables = w.last.Until, formatted(l.changed)
	return nil
}

// compare notes which of the forms read are not what they were.
func (l *look) compare(read map[uint32]tableForm) {
	for oid, f := range read {
		if old, ok := l.old[oid]; !ok || old.content != f.content || old.versions != f.versions || old.storage != f.storage {
			l.changed[oid] = f
		}
	}
}

// goneForm is the form of a table that does not exist any more.
func goneForm(f tableForm) tableForm {
	return tableForm{schema: f.schema, name: f.name, parents: f.parents, gone: true}
}

// stirredSQL finds the tables with rows of the catalog that were written since $1, and what tells whether any is gone.
const stirredSQL = `
WITH fresh AS (SELECT age($1::text::xid) AS oldest),
rels AS MATERIALIZED (
	SELECT attrelid AS oid FROM pg_attribute WHERE age(xmin) BETWEEN 0 AND (SELECT oldest FROM fresh)
	UNION SELECT oid FROM pg_class WHERE relkind IN ('r', 'p') AND age(xmin) BETWEEN 0 AND (SELECT oldest FROM fresh)
)
SELECT ARRAY(SELECT c.oid FROM rels r JOIN pg_class c ON c.oid = r.oid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ` + isTable + `),
	EXISTS (SELECT FROM rels r JOIN pg_class c ON c.oid = r.oid WHERE c.relkind IN ('c', 'v', 'm', 'f') AND c.relpersistence <> 't')
	OR EXISTS (SELECT FROM pg_enum WHERE age(xmin) BETWEEN 0 AND (SELECT oldest FROM fresh)),
	EXISTS (SELECT FROM pg_namespace WHERE nspname !~ '^pg_' AND age(xmin) BETWEEN 0 AND (SELECT oldest FROM fresh)),
	count(*), coalesce(sum(c.oid::bigint), 0)::bigint, coalesce(bit_xor(c.oid::bigint * 1000003), 0),
	coalesce(bit_xor(` + published + `), 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace ` + listing + ` WHERE ` + isTable

// census tells one set of tables from another.
type census struct{ count, sum, mix int64 }

func censusOf(state map[uint32]tableForm) (c census) {
	for oid := range state {
		c.count, c.sum, c.mix = c.count+1, c.sum+int64(oid), c.mix^int64(oid)*1000003
	}
	return c
}

// listedIn stands for what a publication that lists tables lists.
func listedIn(state map[uint32]tableForm) (listed uint64) {
	for _, f := range state {
		listed ^= f.published
	}
	return listed
}

// readStirred reads the tables that may have changed since the last look.
func (w *formWatch) readStirred(ctx context.Context, tx pgx.Tx, l *look) error {
	since := w.last.Visibility.Xmin
	var tables []uint32
	var types, schemas bool
	var now census
	var listed int64
	err := tx.QueryRow(ctx, stirredSQL, strconv.FormatUint(uint64(uint32(since)), 10)).
		Scan(&tables, &types, &schemas, &now.count, &now.sum, &now.mix, &listed)
	if err != nil {
		return err
	}
	l.state, l.changed = w.known, map[uint32]tableForm{}
	schemas = schemas || uint64(listed) != listedIn(w.known) // then it is any table
	if len(tables) > 0 || types || schemas || censusOf(w.known) != now {
		if err := w.readSome(ctx, tx, l, tables, types, schemas); err != nil {
			return err
		}
		if censusOf(l.state) != now {
			if err := l.findGone(ctx, tx); err != nil {
				return err
			}
		}
	}
	l.forms.After, l.forms.Digest, l.forms.Storage, l.forms.Tables = w.last.Until, w.last.Digest, w.last.Storage, formatted(l.changed)
	if len(l.changed) > 0 {
		l.forms.Digest, l.forms.Storage = digestsOf(l.state)
	}
	return nil
}

// readSome reads tables that were touched, and those whose types may have been.
func (w *formWatch) readSome(ctx context.Context, tx pgx.Tx, l *look, touched []uint32, types, schemas bool) error {
	tables := slices.Clone(touched)
	for oid, f := range w.known {
		if schemas || types && f.typed || len(touched) > 0 && f.rows {
			tables = append(tables, oid)
		}
	}
	l.state = maps.Clone(w.known)
	if len(tables) == 0 {
		return nil
	}
	read, err := readForms(ctx, tx, tables, w.last.Visibility.Xmin)
	if err != nil {
		return err
	}
	l.compare(read)
	maps.Copy(l.state, read)
	return nil
}

// findGone takes those tables out of the state that are no more.
func (l *look) findGone(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE `+isTable)
	if err != nil {
		return err
	}
	there, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
	if err != nil {
		return err
	}
	slices.Sort(there)
	for oid, f := range l.state {
		if _, ok := slices.BinarySearch(there, oid); !ok {
			l.changed[oid] = goneForm(f)
			delete(l.state, oid)
		}
	}
	return nil
}

// remember keeps a look that is durable now.
func (w *formWatch) remember(l *look) {
	if l != nil {
		w.last, w.known, w.conn = l.forms, l.state, l.conn
	}
}
