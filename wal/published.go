package wal

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
)

// readPublished returns what decides which changes and which DDL come into the log. No event trigger fires for a
// command on event triggers (documentation, "Event Trigger Firing Matrix"), so that one switched off for a while, with
// DDL meanwhile, leaves no other trace than the xmin of its row. The publication's OID is 0 if there is none.
func readPublished(ctx context.Context, conn *pgx.Conn, publication string) (p format.Publication, err error) {
	// event_triggers is new in 17. The names are matched by their first letters, in bytes.
	err = conn.QueryRow(ctx, `
		SELECT coalesce((SELECT oid FROM pg_catalog.pg_publication WHERE pubname = $1), 0),
		       coalesce((SELECT xmin::text FROM pg_catalog.pg_publication WHERE pubname = $1), ''),
		       coalesce((SELECT encode(sha256(convert_to(string_agg(line, E'\n' ORDER BY line COLLATE "C"), 'UTF8')), 'hex') FROM (
		         SELECT concat_ws(' ', 'trigger', t.oid, t.xmin, t.evtenabled, current_setting('event_triggers', true)) AS line
		         FROM pg_catalog.pg_event_trigger t WHERE starts_with(t.evtname::text, $2)
		         UNION ALL
		         SELECT concat_ws(' ', 'function', f.oid, f.xmin)
		         FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace WHERE n.nspname = $3) s), ''),
		       NOT EXISTS (SELECT FROM pg_catalog.pg_event_trigger t WHERE starts_with(t.evtname::text, $2)) AND `+isWatched,
		publication, eventTriggerPrefix, Schema).Scan(&p.OID, &p.Xmin, &p.Capture, &p.Watched)
	if err != nil {
		return p, fmt.Errorf("read the state of the publication and the event triggers: %w", err)
	}
	return p, nil
}

// readUnpublished names tables of which a publication that lists tables leaves rows or columns out, for people: the event
// triggers keep that list, so that somebody altered it, or made a table with event_triggers = off. Without event triggers a table
// that is not listed is one that is not followed yet, and the forms tell of one that was. Empty: none.
func readUnpublished(ctx context.Context, conn *pgx.Conn, watched bool) (string, error) {
	p, err := readPublication(ctx, conn)
	if err != nil || !p.exists || p.everything {
		return "", err
	}
	names := p.narrowed
	var unlisted []tableNeed
	if !watched {
		if unlisted, err = unlistedTables(ctx, conn); err != nil {
			return "", err
		}
	}
	for _, t := range unlisted {
		names = append(names, quote(t.schema, t.name))
	}
	const most = 12
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", "), nil
}

// beginLog makes the slot, and notes with the start of the log what the source publishes: a change of that before the
// first segment is a gap too.
func (s *setup) beginLog(ctx context.Context) error {
	published, err := readPublished(ctx, s.conn, Publication)
	if err != nil {
		return err
	}
	if err := s.makeSlot(ctx); err != nil {
		return err
	}
	if s.result.NewLog {
		s.result.Log.Published = published
	}
	return nil
}
