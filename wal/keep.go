package wal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Kept is what KeepPublished did, and what it could not do.
type Kept struct {
	Changes []Change
	// Locked are tables that somebody held; another call may do them.
	Locked []LockedTable
}

// KeepPublished keeps the publication of a source that is followed without event triggers: a table that was made, or lost the key that
// was its replica identity, gets one, and joins the list. A table joins it while no other transaction can write to it, so that what
// sees it in the list has all of its rows that are not in the log. lockTimeout bounds the wait for each table's lock, behind
// which the application's statements queue. conn must be in no transaction, and its role be the one that ran Init, or a member of it.
func KeepPublished(ctx context.Context, conn *pgx.Conn, lockTimeout time.Duration) (*Kept, error) {
	s := &setup{conn: conn, o: InitOptions{WithoutEventTriggers: true, LockTimeout: lockTimeout, LockRounds: 1}, result: &InitResult{}}
	k := &Kept{}
	err := s.keepPublished(ctx, k)
	k.Changes = s.result.Changes
	if err != nil {
		return k, fmt.Errorf("keep the publication: %w", err)
	}
	return k, nil
}

func (s *setup) keepPublished(ctx context.Context, k *Kept) (err error) {
	if s.state.publication, err = readPublication(ctx, s.conn); err != nil || !s.state.publication.watched {
		return err
	}
	bare, err := tablesToChange(ctx, s.conn)
	if err != nil {
		return err
	}
	unlisted, err := unlistedTables(ctx, s.conn)
	if err != nil {
		return err
	}
	// First those whose UPDATE and DELETE fail now.
	bare = slices.DeleteFunc(bare, func(t tableNeed) bool { return !s.state.publication.publishes(t.oid) })
	var keyed []tableNeed
	if s.state.publication.full {
		if keyed, err = keyedTables(ctx, s.conn); err != nil {
			return err
		}
	}
	unlisted = slices.DeleteFunc(followable(unlisted), func(t tableNeed) bool {
		return slices.ContainsFunc(keyed, func(k tableNeed) bool { return k.oid == t.oid })
	})
	for _, t := range slices.Concat(bare, keyed, unlisted) {
		if err := s.keepTable(ctx, k, t); err != nil {
			return err
		}
	}
	return nil
}

// keepTable does one table, and notes it if it is locked.
func (s *setup) keepTable(ctx context.Context, k *Kept, t tableNeed) error {
	err := s.list(ctx, t)
	switch {
	case lockTimedOut(err):
		holders, err := lockHolders(ctx, s.conn, t.oid)
		k.Locked = append(k.Locked, LockedTable{Schema: t.schema, Name: t.name, Holders: holders})
		return err
	case hasCode(err, codeNoTable, codeNoSchema):
		return nil // dropped since
	}
	return err
}

// list gives a table the identity it needs and puts it into the list, or takes it out if it cannot be published, while
// nobody else writes to it.
func (s *setup) list(ctx context.Context, t tableNeed) error {
	mode := "SHARE ROW EXCLUSIVE" // keeps off all who write, and none who read
	if t.needed != "" {
		mode = "ACCESS EXCLUSIVE"
	}
	done := false
	err := inTx(ctx, s.conn, func(tx pgx.Tx) error {
		for _, sql := range []string{setLockTimeout(s.o.LockTimeout), "LOCK TABLE ONLY " + quote(t.schema, t.name) + " IN " + mode + " MODE"} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		// Another table may have the name by now; from here on none can get it.
		if err := tx.QueryRow(ctx, "SELECT $1::text::regclass = $2::oid", quote(t.schema, t.name), t.oid).Scan(&done); err != nil || !done {
			return err
		}
		if t.needed == needFull {
			if err := giveFull(ctx, tx, t); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "SELECT pgrecall.keep_identity(ARRAY[$1::oid])", t.oid)
		return err
	})
	if err != nil || !done {
		return err
	}
	if t.needed == needFull || t.needed == needDefault {
		s.changed(StepIdentity, t.change())
	}
	switch listed := s.state.publication.publishes(t.oid); {
	case !listed:
		s.changed(StepSweep, t.listing())
	case t.needed == needNone:
		s.changed(StepSweep, Change{What: "take " + quote(t.schema, t.name) + " out of the publication, which cannot publish it any more",
			SQL: "ALTER PUBLICATION pgrecall DROP TABLE ONLY " + quote(t.schema, t.name)})
	}
	return nil
}

// keyedTables returns the tables of the role that keeps the list which have a key for their identity and could have FULL: with a virtual
// generated column a table cannot (neededIdentity).
func keyedTables(ctx context.Context, conn *pgx.Conn) ([]tableNeed, error) {
	rows, err := conn.Query(ctx, `
		SELECT c.oid, n.nspname::text, c.relname::text, c.relreplident::text, '`+needFull+`', true
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, `+identityFacts+`
		WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.oid >= 16384 AND n.nspname <> $1 AND c.relreplident <> 'f'
		  AND NOT k.has_virtual AND pg_catalog.pg_has_role(`+listKeeper+`, c.relowner, 'USAGE')
		ORDER BY n.nspname, c.relname`, Schema)
	if err != nil {
		return nil, fmt.Errorf("read which tables have a key for their identity: %w", err)
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t tableNeed, err error) {
		err = row.Scan(&t.oid, &t.schema, &t.name, &t.original, &t.needed, &t.mine)
		t.keyed = true
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("read which tables have a key for their identity: %w", err)
	}
	return tables, nil
}

// giveFull gives a table REPLICA IDENTITY FULL, and remembers what it had, as the function keep_identity does.
func giveFull(ctx context.Context, tx pgx.Tx, t tableNeed) error {
	_, err := tx.Exec(ctx, `INSERT INTO pgrecall.identities AS i (relid, schema, name, original, given)
		SELECT c.oid, n.nspname, c.relname, c.relreplident, 'f' FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid = $1 AND c.relreplident <> 'f'
		ON CONFLICT (relid) DO UPDATE SET schema = EXCLUDED.schema, name = EXCLUDED.name, given = EXCLUDED.given,
		  original = CASE WHEN i.given = EXCLUDED.original THEN i.original ELSE EXCLUDED.original END`, t.oid)
	if err == nil {
		_, err = tx.Exec(ctx, t.sql())
	}
	return err
}

// listing is the change that puts a table into the list.
func (t tableNeed) listing() Change {
	return Change{What: "publish " + quote(t.schema, t.name), SQL: "ALTER PUBLICATION pgrecall ADD TABLE ONLY " + quote(t.schema, t.name),
		Lock: "SHARE ROW EXCLUSIVE on " + quote(t.schema, t.name) + ", briefly"}
}

// sweepWatched gives every table of the role's an identity and a place in the list, in rounds as giveIdentities does.
func (s *setup) sweepWatched(ctx context.Context) error {
	for round := 0; ; round++ {
		k := &Kept{}
		if err := s.keepPublished(ctx, k); err != nil {
			return err
		}
		if len(k.Locked) == 0 {
			break
		}
		failed := &LockError{Tables: k.Locked}
		if round+1 >= s.o.LockRounds {
			return failed
		}
		s.report(Progress{Step: StepSweep, Waiting: failed.holders()})
		if err := pause(ctx, roundPause(round)); err != nil {
			return err
		}
	}
	return s.findUnpublishable(ctx)
}

// othersFinding is for a table that the role which keeps the list may not put there.
func othersFinding(t tableNeed) Finding {
	return Finding{Severity: Warning, Topic: "unpublished",
		What: "the table " + quote(t.schema, t.name) + " is of a role that the one which keeps the publication is no member of: it is not in " +
			"the log, and a restore has it as of the snapshot",
		Advice: "its owner, or a superuser, grants it: GRANT the owner TO the role that ran init"}
}

// followable reports whether it is among those that the list is to hold.
func followable(tables []tableNeed) []tableNeed {
	return slices.DeleteFunc(slices.Clone(tables), func(t tableNeed) bool { return !t.mine })
}
