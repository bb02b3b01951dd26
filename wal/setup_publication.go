package wal

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// publicationState is the publication as it is.
type publicationState struct {
	exists     bool
	everything bool // FOR ALL TABLES
	actions    bool // publishes insert, update, delete and truncate
	viaRoot    bool
	generated  bool // publishes stored generated columns, where the server knows that
	tables     []uint32
	narrowed   []string // those of them with a row filter or a column list, quoted
	watched    bool     // its tables are listed for want of event triggers
	full       bool     // and each gets REPLICA IDENTITY FULL
}

// publishes reports whether it publishes the table.
func (p publicationState) publishes(table uint32) bool {
	return p.exists && (p.everything || slices.Contains(p.tables, table))
}

func readPublication(ctx context.Context, conn *pgx.Conn) (p publicationState, err error) {
	// pubgencols is new in 18, prqual and prattrs in 15; to_jsonb reads a column that may not exist.
	rows, err := conn.Query(ctx, `
		SELECT p.puballtables, p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate, p.pubviaroot,
		       coalesce(to_jsonb(p)->>'pubgencols', 's') = 's',
		       coalesce((SELECT array_agg(r.prrelid) FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid), '{}'),
		       ARRAY(SELECT format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_publication_rel r
		         JOIN pg_catalog.pg_class c ON c.oid = r.prrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		         WHERE r.prpubid = p.oid AND (to_jsonb(r)->>'prqual' IS NOT NULL OR to_jsonb(r)->>'prattrs' IS NOT NULL) ORDER BY 1),
		       NOT p.puballtables AND coalesce(
		         starts_with(obj_description(p.oid, 'pg_publication'), '`+watchedComment+`'), false),
		       coalesce(obj_description(p.oid, 'pg_publication') = '`+fullComment+`', false)
		FROM pg_catalog.pg_publication p WHERE p.pubname = $1`, Publication)
	if err != nil {
		return p, fmt.Errorf("read the publication %s: %w", Publication, err)
	}
	_, err = pgx.ForEachRow(rows, []any{&p.everything, &p.actions, &p.viaRoot, &p.generated, &p.tables, &p.narrowed, &p.watched, &p.full}, func() error {
		p.exists = true
		return nil
	})
	if err != nil {
		return p, fmt.Errorf("read the publication %s: %w", Publication, err)
	}
	return p, nil
}

// right reports whether it publishes as it should what it publishes.
func (p publicationState) right() bool { return p.actions && !p.viaRoot && p.generated }

// publicationOptions: partitions are published as themselves, so that a row's table is the one that holds it. On 18
// FULL needs stored generated columns published, otherwise UPDATE fails.
func publicationOptions(version int) string {
	options := "publish = 'insert, update, delete, truncate', publish_via_partition_root = false"
	if version >= 180000 {
		options += ", publish_generated_columns = stored"
	}
	return options
}

// publicationChanges are the statements that make or mend the publication. It is of all tables, so that a new table
// is in it from its first row on; where a table cannot be published, it lists the others instead, and the event
// triggers keep the list.
func publicationChanges(have publicationState, version int, others []tableNeed, unpublishable bool) []Change {
	options := publicationOptions(version)
	switch {
	case have.exists:
		var changes []Change
		if !have.right() {
			changes = append(changes, Change{What: "let the publication publish all operations again",
				SQL: "ALTER PUBLICATION pgrecall SET (" + options + ")"})
		}
		for _, t := range have.narrowed { // the sweep lists them again
			changes = append(changes, Change{What: "take out of the publication, for it has a row filter or a column list there: " + t,
				SQL: "ALTER PUBLICATION pgrecall DROP TABLE ONLY " + t})
		}
		return changes
	case !unpublishable:
		return []Change{{What: "publish all tables", SQL: "CREATE PUBLICATION pgrecall FOR ALL TABLES WITH (" + options + ")"}}
	case len(others) == 0:
		return []Change{{What: "make a publication, of no table yet", SQL: "CREATE PUBLICATION pgrecall WITH (" + options + ")"}}
	}
	var list []string
	for _, t := range others {
		list = append(list, "ONLY "+quote(t.schema, t.name))
	}
	return []Change{{What: "publish all tables but those that cannot be",
		SQL:  "CREATE PUBLICATION pgrecall FOR TABLE " + strings.Join(list, ", ") + " WITH (" + options + ")",
		Lock: "SHARE UPDATE EXCLUSIVE on each, briefly"}}
}

// publish makes the publication. A slot older than its publication cannot decode what lies between ("publication does
// not exist"), so such a slot goes first.
func (s *setup) publish(ctx context.Context) error {
	changes, err := s.publicationChanges(ctx)
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		return nil
	}
	if !s.state.publication.exists && s.state.slotExists {
		if err := s.dropSlot(ctx); err != nil {
			return err
		}
	}
	if s.state.publication.exists {
		// The event triggers must know an ALTER for pgrecall's own.
		err = s.withLocks(ctx, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SELECT set_config('pgrecall.nested', (SELECT key FROM pgrecall.secret), true)"); err != nil {
				return fmt.Errorf("mend the publication: %w", err)
			}
			for _, c := range changes {
				if _, err := tx.Exec(ctx, c.SQL); err != nil {
					return fmt.Errorf("%s: %w", c.What, err)
				}
			}
			return nil
		})
		if err == nil {
			for _, c := range changes {
				s.changed(StepPublication, c)
			}
		}
	} else {
		err = s.makeTogether(ctx, StepPublication, changes)
	}
	if err != nil {
		return err
	}
	if s.state.publication, err = readPublication(ctx, s.conn); err != nil {
		return err
	}
	if s.state.publication.everything || s.o.WithoutEventTriggers {
		return nil
	}
	// The event triggers did not see the list while it was being made.
	s.state.triggersMade = true
	return s.waitForOlder(ctx)
}

func (s *setup) publicationChanges(ctx context.Context) ([]Change, error) {
	if s.o.WithoutEventTriggers {
		return watchedPublication(s.state.publication, s.server.version, s.o.FullIdentities), nil
	}
	if s.state.publication.exists {
		return publicationChanges(s.state.publication, s.server.version, nil, false), nil
	}
	tables, err := tablesToChange(ctx, s.conn)
	if err != nil {
		return nil, err
	}
	unpublishable := slices.ContainsFunc(tables, func(t tableNeed) bool { return t.needed == needNone })
	var others []tableNeed
	if unpublishable {
		if others, err = unlistedTables(ctx, s.conn); err != nil {
			return nil, err
		}
	}
	return publicationChanges(s.state.publication, s.server.version, others, unpublishable), nil
}

// listKeeper is the role whose rights decide what the publication lists: the owner of keep_identity, which runs as it, or, where it
// is not there yet, the session's.
const listKeeper = `coalesce((SELECT f.proowner FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace s ON s.oid = f.pronamespace
	WHERE s.nspname = '` + Schema + `' AND f.proname = 'keep_identity'), (SELECT u.oid FROM pg_catalog.pg_roles u WHERE u.rolname = current_user))`

// unlistedTables returns the tables that hold rows, can be published and are not in the list of the publication. A
// partitioned table is none of them: with it all its partitions would be published.
func unlistedTables(ctx context.Context, conn *pgx.Conn) ([]tableNeed, error) {
	rows, err := conn.Query(ctx, `
		SELECT c.oid, n.nspname::text, c.relname::text, pg_catalog.pg_has_role(`+listKeeper+`, c.relowner, 'USAGE'),
		       coalesce(`+neededIdentity+`, '')
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, `+identityFacts+`
		WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.oid >= 16384 AND n.nspname <> $1
		  AND (`+neededIdentity+`) IS DISTINCT FROM 'x'
		  AND NOT EXISTS (SELECT FROM pg_catalog.pg_publication p JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid
		                  WHERE p.pubname = $2 AND r.prrelid = c.oid)
		ORDER BY n.nspname, c.relname`, Schema, Publication)
	if err != nil {
		return nil, fmt.Errorf("read which tables are not published: %w", err)
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t tableNeed, err error) {
		err = row.Scan(&t.oid, &t.schema, &t.name, &t.mine, &t.needed)
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("read which tables are not published: %w", err)
	}
	return tables, nil
}

// watchedPublication makes or mends a publication whose list the sweep and the stream fill.
func watchedPublication(have publicationState, version int, full bool) []Change {
	var changes []Change
	if have.exists {
		changes = publicationChanges(have, version, nil, false)
	} else {
		changes = []Change{{What: "make a publication, which will list the role's tables",
			SQL: "CREATE PUBLICATION pgrecall WITH (" + publicationOptions(version) + ")"}}
	}
	switch {
	case full && !have.full:
		changes = append(changes, Change{What: "note with it that there are no event triggers, and that every table gets REPLICA IDENTITY FULL",
			SQL: "COMMENT ON PUBLICATION pgrecall IS '" + fullComment + "'"})
	case !have.watched:
		changes = append(changes, Change{What: "note with it that there are no event triggers",
			SQL: "COMMENT ON PUBLICATION pgrecall IS '" + watchedComment + "'"})
	}
	return changes
}

// sweep looks once more, now that everything is in place: no table may be left without identity, and none out of a
// list.
func (s *setup) sweep(ctx context.Context) error {
	if s.o.WithoutEventTriggers {
		return s.sweepWatched(ctx)
	}
	if err := s.giveIdentities(ctx); err != nil {
		return err
	}
	if !s.state.publication.everything {
		unlisted, err := unlistedTables(ctx, s.conn)
		if err != nil {
			return err
		}
		for _, t := range unlisted {
			err := s.withLocks(ctx, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "SELECT pgrecall.keep_identity(ARRAY[$1::oid])", t.oid)
				return err
			})
			if err != nil {
				return fmt.Errorf("publish %s: %w", quote(t.schema, t.name), err)
			}
			s.changed(StepSweep, Change{What: "publish " + quote(t.schema, t.name),
				SQL: "ALTER PUBLICATION pgrecall ADD TABLE ONLY " + quote(t.schema, t.name)})
		}
	}
	return s.findUnpublishable(ctx)
}

// findUnpublishable adds a finding for each table that is not in the log.
func (s *setup) findUnpublishable(ctx context.Context) error {
	tables, err := tablesToChange(ctx, s.conn)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if t.needed == needNone {
			s.result.Findings = append(s.result.Findings, unpublishableFinding(t))
		}
	}
	if !s.o.WithoutEventTriggers {
		return nil
	}
	unlisted, err := unlistedTables(ctx, s.conn)
	for _, t := range unlisted {
		if !t.mine {
			s.result.Findings = append(s.result.Findings, othersFinding(t))
		}
	}
	return err
}
