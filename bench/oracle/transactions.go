package oracle

import (
	"context"
	"fmt"
)

// transaction runs one transaction to its end; after an error the caller rolls back.
func (w *writer) transaction(ctx context.Context) error {
	d := w.dice
	switch n := d.IntN(1000); {
	case n < 3:
		return w.big(ctx)
	case n < 7:
		return w.truncate(ctx)
	case n < 60:
		return w.swap(ctx)
	case n < 75:
		return w.prepare(ctx)
	case n < 130:
		return w.rolledBack(ctx)
	case n < 230:
		return w.savepoints(ctx)
	case n < 400: // without BEGIN: one statement is the transaction
		return w.write(ctx)
	}
	return w.within(ctx, func() error { return w.several(ctx, 1+d.IntN(4)) })
}

// within runs do in a transaction and commits it.
func (w *writer) within(ctx context.Context, do func() error) error {
	level := pick(w.dice, "", "", "", " ISOLATION LEVEL REPEATABLE READ", " ISOLATION LEVEL SERIALIZABLE")
	if err := w.s.run(ctx, "BEGIN"+level); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	if w.dice.chance(20) {
		// Only sessions with a replication origin have a commit time of elsewhere: others are refused, inside a savepoint.
		sql := "SELECT pg_replication_origin_xact_setup('0/1', '2099-01-01') WHERE pg_replication_origin_session_is_setup()"
		if _, err := w.s.exec(ctx, sql); err != nil {
			return err
		}
	}
	return w.s.run(ctx, "COMMIT")
}

func (w *writer) several(ctx context.Context, n int) error {
	for range n {
		if err := w.write(ctx); err != nil {
			return err
		}
	}
	return nil
}

// rolledBack leaves no trace but what sequences gave.
func (w *writer) rolledBack(ctx context.Context) error {
	if err := w.s.run(ctx, "BEGIN"); err != nil {
		return err
	}
	if err := w.several(ctx, 1+w.dice.IntN(3)); err != nil {
		return err
	}
	return w.s.run(ctx, "ROLLBACK")
}

// savepoints keeps some subtransactions and rolls back others, nested.
func (w *writer) savepoints(ctx context.Context) error {
	return w.within(ctx, func() error {
		for range 1 + w.dice.IntN(3) {
			if err := w.s.run(ctx, "SAVEPOINT a"); err != nil {
				return err
			}
			if err := w.several(ctx, 1+w.dice.IntN(2)); err != nil {
				return err
			}
			if err := w.s.run(ctx, "SAVEPOINT b"); err != nil {
				return err
			}
			if err := w.several(ctx, 1); err != nil {
				return err
			}
			if err := w.s.run(ctx, pick(w.dice, "ROLLBACK TO b", "ROLLBACK TO a", "RELEASE b", "RELEASE a")); err != nil {
				return err
			}
		}
		return w.several(ctx, 1)
	})
}

// prepare leaves a transaction prepared; another session ends it.
func (w *writer) prepare(ctx context.Context) error {
	if err := w.s.run(ctx, "BEGIN"); err != nil {
		return err
	}
	if err := w.several(ctx, 1+w.dice.IntN(3)); err != nil {
		return err
	}
	w.prepared++
	return w.s.run(ctx, fmt.Sprintf("PREPARE TRANSACTION 'w%d-%d-%d'", w.number, w.prepared, w.dice.Uint32()))
}

// big writes more rows in one transaction than a segment is likely to hold.
func (w *writer) big(ctx context.Context) error {
	d := w.dice
	batch := d.IntN(3)
	return w.within(ctx, func() error {
		if _, err := w.s.exec(ctx, "DELETE FROM app.bulk WHERE batch = $1", batch); err != nil {
			return err
		}
		if d.chance(30) {
			return nil
		}
		n := pick(d, 2000, 5000, 20500)
		if _, err := w.s.exec(ctx, `INSERT INTO app.bulk SELECT $1::int * 100000 + i, $1::int, md5(i::text || $3::text)
				FROM generate_series(1, $2::int) i ON CONFLICT DO NOTHING`, batch, n, d.Uint32()); err != nil {
			return err
		}
		if d.chance(50) {
			if _, err := w.s.exec(ctx, "UPDATE app.bulk SET v = v || $2::text WHERE batch = $1 AND id % 3 = 0", batch, d.word()); err != nil {
				return err
			}
		}
		return w.several(ctx, d.IntN(3))
	})
}

// truncate empties a table, alone or with what refers to it, and writes to it before and after.
func (w *writer) truncate(ctx context.Context) error {
	return w.within(ctx, func() error {
		if w.dice.chance(40) {
			if err := w.writeLists(ctx); err != nil {
				return err
			}
		}
		// Others should not wait for us who wait for a long reader.
		if err := w.s.run(ctx, "SET LOCAL lock_timeout = '300ms'"); err != nil {
			return err
		}
		sql := pick(w.dice, "TRUNCATE app.scratch", "TRUNCATE app.scratch RESTART IDENTITY", "TRUNCATE app.lists CASCADE",
			"TRUNCATE app.lists RESTART IDENTITY CASCADE", "TRUNCATE app.lists, app.items",
			"TRUNCATE app.items, app.scratch, app.events RESTART IDENTITY",
			"TRUNCATE app.measures_south", "TRUNCATE app.readings", "TRUNCATE ONLY app.vehicles", "TRUNCATE app.vehicles", "TRUNCATE app.bulk",
			"TRUNCATE app.nothing")
		if err := w.s.run(ctx, sql); err != nil {
			return err
		}
		return w.several(ctx, w.dice.IntN(4))
	})
}

// swap exchanges the keys of two rows, or turns three around, in one transaction; nothing else of them changes, so
// that what is stored out of line stays where it is, under another key.
func (w *writer) swap(ctx context.Context) error {
	d := w.dice
	type keyed struct {
		sql  string // $1 becomes $2
		keys []any
	}
	tenant := d.IntN(tenants)
	k := pick(d,
		keyed{"UPDATE app.documents SET path = $2::text WHERE path = $1::text AND tenant = " + fmt.Sprint(tenant),
			[]any{w.path(), w.path(), w.path()}},
		keyed{"UPDATE app.documents SET tenant = $2::int WHERE tenant = $1::int", []any{d.IntN(tenants), tenants + d.IntN(2), d.IntN(tenants)}},
		keyed{"UPDATE app.settings SET scope = $2::int WHERE scope = $1::int AND name = 'plain'", []any{d.IntN(40), d.IntN(40), d.IntN(40)}},
		keyed{"UPDATE app.audit SET id = $2::int WHERE id = $1::int", []any{d.IntN(auditRows), d.IntN(auditRows), d.IntN(auditRows)}},
		keyed{"UPDATE app.seats SET id = $2::int WHERE id = $1::int", []any{d.IntN(seatRows), d.IntN(seatRows), d.IntN(seatRows)}},
		keyed{"UPDATE app.coded SET n = $2::int WHERE n = $1::int", []any{d.IntN(codedRows), d.IntN(codedRows), d.IntN(codedRows)}},
		keyed{"UPDATE app.measures SET id = $2::int WHERE id = $1::int AND region = 'south'", []any{d.IntN(600), d.IntN(600), d.IntN(600)}},
		keyed{`UPDATE public."Odd ""name"", größer" SET "the key" = $2::int WHERE "the key" = $1::int`, []any{d.IntN(300), d.IntN(300), d.IntN(300)}},
	)
	aside := any(-1 - w.number)
	if k.keys[0] != nil {
		if _, isText := k.keys[0].(string); isText {
			aside = fmt.Sprintf("aside %d", w.number)
		}
	}
	moves := [][2]any{{k.keys[0], aside}, {k.keys[1], k.keys[0]}, {aside, k.keys[1]}}
	if d.chance(40) {
		moves = [][2]any{{k.keys[0], aside}, {k.keys[1], k.keys[0]}, {k.keys[2], k.keys[1]}, {aside, k.keys[2]}}
	}
	return w.within(ctx, func() error {
		for _, m := range moves {
			if _, err := w.s.exec(ctx, k.sql, m[0], m[1]); err != nil {
				return err
			}
			if d.chance(10) {
				if err := w.write(ctx); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
