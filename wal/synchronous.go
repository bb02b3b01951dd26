package wal

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

// application is the application_name of the sessions that follow a source.
const application = "pgrecall"

// SynchronousError says that commits on the source would wait for the stream: synchronous_standby_names names its
// connection. What is acknowledged is what is durable in the repository, and one commit behind, so that every commit
// of the application would take as long as the next heartbeat.
type SynchronousError struct {
	Names string // synchronous_standby_names
	Entry string // the entry that names it
}

// Error implements error.
func (e *SynchronousError) Error() string {
	return fmt.Sprintf("synchronous_standby_names (%s) has the entry %s, which stands for the stream too (application_name %s): "+
		"commits of the application would wait until they are in the repository; name the standbys that are meant, and reload the server",
		e.Names, e.Entry, application)
}

// A name in synchronous_standby_names, quoted or not (src/backend/replication/syncrep_scanner.l).
var standbyName = regexp.MustCompile(`"(?:[^"]|"")*"|[^\s,()"]+`)

// standsForStream returns the error that says so if an entry of synchronous_standby_names is the stream's name, in
// any case, or * for all (SyncRepGetStandbyPriority in src/backend/replication/syncrep.c).
func standsForStream(names string) error {
	for _, entry := range standbyName.FindAllString(names, -1) {
		name := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(entry, `"`), `"`), `""`, `"`)
		if name == "*" || strings.EqualFold(name, application) {
			return &SynchronousError{Names: names, Entry: entry}
		}
	}
	return nil
}

// notAwaited refuses to be a standby that commits wait for.
func notAwaited(ctx context.Context, conn *pgx.Conn) error {
	var names string
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.current_setting('synchronous_standby_names')").Scan(&names); err != nil {
		return fmt.Errorf("read synchronous_standby_names: %w", err)
	}
	return standsForStream(names)
}
