// Package snapshot takes a consistent snapshot of a source, its catalog and its rows, and loads rows into a target.
//
// # One instant
//
// A session, the lead, opens a repeatable-read transaction, exports its snapshot and notes what it sees
// (pg_current_snapshot) and the WAL position after it. The catalog is read in a session that imports the
// snapshot. Some of PostgreSQL's catalog functions answer as of now and not as of the snapshot, so the reading
// counts only if no DDL committed before it ended; otherwise all begins anew.
//
// Whoever joins a snapshot to a log does so by transaction ids: the log's transactions that the snapshot does not
// see follow it. That is right only if every transaction that was running when the log began had ended before the
// snapshot; Take waits for that. And transaction ids are given out again after a crash that lost an asynchronous
// commit, so a snapshot may have seen a transaction that never was; Take succeeds only after the server says, on
// the connection that the lead has held throughout, that the WAL up to the snapshot has reached its disk.
//
// # Rows
//
// Options.Jobs workers, each with one connection, copy tables largest first. A table is locked in ACCESS SHARE mode
// from before it is cut into ranges of ctid until its last range is handed to a session with a lock of its own.
// Once it is locked the table is compared with the catalog:
//
//   - It has the columns the catalog says and the same file: it is copied as of the snapshot.
//   - Its file is another: it was rewritten or truncated since, and the snapshot would show rows that are gone as
//     absent. Where a log is joined, the table is copied as of a snapshot of its own, taken while it is locked, and
//     recorded with a visibility of its own; otherwise all begins anew.
//   - Its columns are others, or it is gone: all begins anew.
//
// No session waits for a lock while another of ours is waited for in turn: the deadlock detector sees no
// circle that passes through this program. A worker asks with NOWAIT; if an ALTER TABLE is queued behind our own
// lock, that fails, and the session that holds the lock copies the rest of the table alone. A table that somebody
// else holds is left for last and then waited for in a transaction that holds nothing, a second at a time.
//
// The ranges of a table cover it whole: the first begins at block 0, the last has no end. Each range is one part:
// rows as COPY text in the database's own encoding, cut into chunks of whole rows, counted and hashed on the way.
//
// The bytes of large objects are the rows of one more table, pg_largeobject. Who may not read that reads object by
// object, in ranges of oids. It is always read in the lead's snapshot, as the catalog's list of large objects is.
//
// # What ends a snapshot
//
// Take returns when all its goroutines have ended and its connections are closed. Whatever goes wrong, a lost
// connection included, is an error, and the parts written by then belong to no snapshot.
package snapshot
