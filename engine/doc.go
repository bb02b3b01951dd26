// Package engine holds the use cases of pgrecall: Init, Check, Snapshot, Stream, Mark, Log, Cat, List, Show, Schema,
// Restore, Verify and Uninstall, one function each that begins a file of its own; SnapshotDatabases and RestoreDatabases
// do theirs for every database of a server.
//
// # Where a restore begins and ends
//
// A recovery target is resolved against a listing first: which snapshots exist, which logs, and which
// intervals of a log have no hole. A snapshot serves a log's points from its latest group's LSN on. The
// planner (internal/plan) is a set of pure functions over names and envelopes; it reads segments' transactions only
// where a listing cannot decide (the commit at which a time, a transaction or a mark cuts).
//
// The snapshot is joined to the log by transaction id and never by a WAL position: a transaction that the
// snapshot does not see may have a commit record below any position read with it, because the flush of the commit
// record, and the wait for synchronous replicas, lie between writing that record and becoming visible
// (RecordTransactionCommit in src/backend/access/transam/xact.c). So every table takes from the log each
// transaction that the table's group does not see and that the target includes, beginning with the first
// segment whose highest transaction id is not below the group's xmin.
//
// # Replay-free restore
//
// Per table the records taken are folded to the net change of each row; while the base rows stream from
// the snapshot's parts into COPY, changed rows are replaced or dropped, and new rows follow. The target gets
// COPY and DDL, never UPDATE or DELETE, but for the configuration of extensions, where the rows that an extension comes
// with have to make place. Everything a restore will do is computed and checked before
// anything changes on the target.
//
// # Across DDL
//
// Between a snapshot and a target lies DDL. Its statements, as the log tells them, say what became of the tables, and
// nothing exact of other objects: so Stream takes versions of the catalog, and the target gets the one that has seen the very DDL
// which the target includes, judged by visibility; where there is none, tables that no statement touched since the newest before it are
// restored with that one. Tables are the same where their oids are, and their columns where the numbers
// are (internal/trail): the log is folded in stretches of one form, and rows go through a chain of merges, from form to form.
// What the log does not hold, such as the rows of a rewritten table, begins anew with a copy of that table which Stream takes at once
// (copies.go, stream_copies.go); a point before the copy is refused by name, with the nearest exact points.
package engine
