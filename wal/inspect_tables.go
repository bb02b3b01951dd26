package wal

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// mostNamed bounds how many tables of a kind are named.
const mostNamed = 20

func unpublishableFinding(t tableNeed) Finding {
	return Finding{Severity: Warning, Topic: "unpublished",
		What: "the table " + quote(t.schema, t.name) + " has virtual generated columns and no primary key: PostgreSQL refuses to " +
			"publish its updates, so it is not in the log, and a restore has it as of the snapshot",
		Advice: "give it a primary key, or make the columns STORED"}
}

// lookAtIdentities names the tables without a replica identity that serves. Once the tables are published, UPDATE
// and DELETE of such a table fail.
func (i *inspection) lookAtIdentities(ctx context.Context) error {
	tables, err := tablesToChange(ctx, i.conn)
	if err != nil {
		return err
	}
	for _, t := range tables {
		switch {
		case i.watched() && !t.mine && !i.state.publication.publishes(t.oid): // told already
		case t.needed == needNone && !i.state.publication.publishes(t.oid):
			i.findings = append(i.findings, unpublishableFinding(t))
		case i.state.publication.publishes(t.oid):
			i.add(Blocker, "identity",
				"the table "+quote(t.schema, t.name)+" is published and has no replica identity: its UPDATE and DELETE fail",
				"stream, or init run again, mends it")
		default:
			i.add(Info, "identity", "the table "+quote(t.schema, t.name)+" has no replica identity that serves",
				"init sets one: "+t.sql()+"; a primary key is better")
		}
	}
	return nil
}

// lookAtFull forecasts what FULL costs: each UPDATE and DELETE writes the whole old row to WAL, with what is stored
// out of line, whatever was changed.
func (i *inspection) lookAtFull(ctx context.Context) error {
	rows, err := i.conn.Query(ctx, `
		SELECT n.nspname::text, c.relname::text, coalesce(s.n_tup_upd + s.n_tup_del, 0),
		       CASE WHEN c.reltuples > 0 THEN (pg_table_size(c.oid) / c.reltuples)::float8 ELSE 0 END,
		       coalesce(extract(epoch FROM clock_timestamp() - coalesce(d.stats_reset, pg_postmaster_start_time())), 0)::float8,
		       EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisprimary AND x.indimmediate AND x.indisvalid)
		FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_catalog.pg_stat_database d ON d.datname = current_database()
		LEFT JOIN pg_catalog.pg_stat_user_tables s ON s.relid = c.oid
		WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relreplident = 'f' AND c.oid >= 16384
		ORDER BY 3 DESC, 1, 2`)
	if err != nil {
		return fmt.Errorf("read what replica identity FULL costs: %w", err)
	}
	var schema, name string
	var changes int64
	var width, seconds float64
	var hasKey bool
	const day, matters = 24 * 3600, 64 << 20
	_, err = pgx.ForEachRow(rows, []any{&schema, &name, &changes, &width, &seconds, &hasKey}, func() error {
		table := quote(schema, name)
		advice := "give it a primary key, then ALTER TABLE " + table + " REPLICA IDENTITY DEFAULT"
		if hasKey {
			advice = "it has a primary key now: ALTER TABLE " + table + " REPLICA IDENTITY DEFAULT"
		}
		daily := int64(float64(changes) * width / max(seconds, 60) * day)
		if changes > 0 && daily >= matters {
			i.add(Warning, "full", fmt.Sprintf("replica identity FULL of %s writes about %s of old rows to WAL each day (%d updates and "+
				"deletes so far, rows of about %s)",
				table, bytesText(daily), changes, bytesText(int64(width))), advice)
		} else {
			i.add(Info, "full", "the table "+table+" has replica identity FULL, and few updates and deletes", advice)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read what replica identity FULL costs: %w", err)
	}
	return nil
}

// lookAtIdentityIndexes names tables whose identity is an index of the user's choice. Dropped concurrently, the index
// is no identity from the drop's first transaction on, and the event triggers only see its last.
func (i *inspection) lookAtIdentityIndexes(ctx context.Context) error {
	return i.name(ctx, `SELECT c.oid::regclass::text FROM pg_catalog.pg_class c
		WHERE c.relreplident = 'i' AND c.relkind IN ('r', 'p') ORDER BY 1`,
		Info, "identity index", "tables have an index as their replica identity",
		"before DROP INDEX CONCURRENTLY of it: ALTER TABLE … REPLICA IDENTITY FULL, or updates fail until the drop is done")
}

// lookAtWhatTheLogLacks is for what logical decoding does not show.
func (i *inspection) lookAtWhatTheLogLacks(ctx context.Context) error {
	for _, look := range []struct {
		query             string
		severity          Severity
		topic, what, hint string
	}{
		{`SELECT c.oid::regclass::text FROM pg_catalog.pg_class c WHERE c.relkind = 'r' AND c.relpersistence = 'u'
			ORDER BY 1`, Warning, "unlogged",
			"unlogged tables are not in the log: a restore has them as of the snapshot", "ALTER TABLE … SET LOGGED if their rows matter"},
		{`SELECT c.oid::regclass::text FROM pg_catalog.pg_class c WHERE c.relkind = 'm' ORDER BY 1`, Info, "materialized views",
			"materialized views are refreshed by a restore, not copied", ""},
		{`SELECT c.oid::regclass::text FROM pg_catalog.pg_class c WHERE c.relkind = 'f' ORDER BY 1`, Info, "foreign tables",
			"rows of foreign tables are on other servers, and in no backup of this one; snapshots hold their definitions", ""},
	} {
		if err := i.name(ctx, look.query, look.severity, look.topic, look.what, look.hint); err != nil {
			return err
		}
	}
	return i.lookAtLargeThings(ctx)
}

// lookAtLargeThings is for large objects, and for columns that may hold values too large to be decoded.
func (i *inspection) lookAtLargeThings(ctx context.Context) error {
	var objects int64
	if err := i.conn.QueryRow(ctx, "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata").Scan(&objects); err != nil {
		return fmt.Errorf("count the large objects: %w", err)
	}
	if objects > 0 {
		i.add(Warning, "large objects",
			fmt.Sprintf("%d large objects: they are not in the log, a restore has them as of the snapshot", objects),
			"keep such data in bytea columns, or take snapshots often")
	}
	// A value of more than about 250 MB may not be decodable: as text, bytea is twice as long, and 1 GB is the limit.
	return i.name(ctx, `
		SELECT c.oid::regclass::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_class o ON o.oid = c.reltoastrelid
		WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.oid >= 16384 AND c.reltuples >= 0
		  AND pg_relation_size(o.oid) > 250 * 1024 * 1024 AND pg_relation_size(o.oid) / greatest(c.reltuples, 1) > 16 * 1024 * 1024
		  AND EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.atttypid IN (17, 25, 1043, 114, 3802, 142)
		              AND NOT a.attisdropped)
		ORDER BY 1`, Warning, "large values",
		"tables hold very large values: one beyond about 250 MB may not be decodable, and its transaction would be a gap in the log",
		"split values above 250 MB")
}

// name adds one finding for the names that the query gives, if any.
func (i *inspection) name(ctx context.Context, query string, severity Severity, topic, what, advice string) error {
	rows, err := i.conn.Query(ctx, query)
	if err != nil {
		return fmt.Errorf("read the %s: %w", topic, err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("read the %s: %w", topic, err)
	}
	if len(names) == 0 {
		return nil
	}
	list := strings.Join(names[:min(len(names), mostNamed)], ", ")
	if len(names) > mostNamed {
		list += fmt.Sprintf(" and %d more", len(names)-mostNamed)
	}
	i.add(severity, topic, fmt.Sprintf("%d %s: %s", len(names), what, list), advice)
	return nil
}
