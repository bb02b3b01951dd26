// Package wal follows a source: it prepares the source for being followed, receives
// its committed changes from logical decoding, and keeps them as segments.
//
// # Preparing
//
// Init puts four things on the source, in an order in which no statement of the application
// ever begins to fail: event triggers first, which tell the log of DDL and give a table
// that comes to lack a replica identity another in the same transaction; then, once all
// that began before them has ended, an identity for each table that has none, one
// table at a time; then the publication, from which on a table without identity could
// not be updated; then, after one more look, the slot. Last of all a visibility is taken:
// a snapshot that sees no less than all that had ended by then finds every later
// transaction in the log. Uninstall goes the other way: slot, publication, event triggers.
//
// A role that may make no event triggers follows its own tables: the publication lists them, KeepPublished does later what event triggers
// do at once, and the log says that nobody puts DDL into it (format.Publication.Watched), so that looks alone tell of it.
//
// # Following
//
// Follow.Run streams from a replication slot with the output plugin pgoutput. The
// server sends transactions in commit order, large ones in parts before that; Run groups their changes by
// table into lanes, one segment at a time, and hands each finished segment to a
// Sink. Three rules make the log exact:
//
//   - Acknowledge only what is durable, and one commit behind. The server is told
//     "flushed" up to the end of the commit before the last durable one. After any
//     interruption it therefore sends the last durable commit again, and that commit
//     must be the same in position, transaction id, time and contents. If it is not,
//     the source is not the one that was followed, whatever its positions say: its
//     files were set back to an earlier state. That is a gap.
//   - Ask before each start. A slot that was moved on by somebody else does not
//     refuse to start at an earlier position, it silently starts later; a publication
//     that was altered silently leaves changes out. Both are looked at on a second,
//     ordinary connection, the publication again with each segment. A difference is a gap.
//   - Transactions never span segments. A segment is closed at a commit, by size or by
//     age. What of an unfinished transaction was already written when a segment had
//     to be closed stays in it with a transaction ordinal that the segment does not
//     have; readers leave it out, and the transaction comes again, whole, in the next.
//
// A gap ends Run with a GapError; what to do about it is the caller's decision.
// A lost connection does not end it: everything not yet durable is forgotten and
// comes again.
//
// Memory does not grow with transactions, tables or rows: a lane's chunk is written
// to a nameless spool file as soon as it is full, or when all lanes together hold too
// much. One segment is stored while the next one grows; the loop that receives never
// waits for the store without answering the server, so that wal_sender_timeout does
// not strike while a slow store takes its time.
//
// # Transactions under way
//
// A transaction larger than the server's logical_decoding_work_mem is sent in blocks while it is under way, so that
// the server neither spills it for long nor holds back what commits after it. What comes is kept aside, in files without a
// name beyond a few MiB, and goes through the same code as a whole transaction when its commit comes, so that it has the same
// place, contents and hash in the log; what was rolled back is left out. Nothing kept
// aside is acknowledged, and nothing survives the connection: the server sends it anew. Where the server does not say reliably
// what belongs to a transaction (see receive_streams.go), or fails to decode one under way, transactions are received whole.
//
// # Idle sources
//
// An idle source stands still, and with it the slot and every proof that nothing
// happened; so a heartbeat, a message in the log and nothing else, is written whenever
// no commit of the source's own has come for a while.
//
// # What nobody announces
//
// The log tells of DDL because event triggers write messages into it. Where none fires (event_triggers = off, a
// catalog written by hand, roles), the receiver notices by looking: with each segment it compares the forms of the
// tables, names, columns, and what their types are made of, with those of the last look (ReadForms,
// Announcements). A look is one snapshot. What it finds goes into the segment's head, small where little changed; whether
// a message explains it is for the reader to find out, who has the whole log. The receiver itself warns as soon
// as all is received that could explain a change. A look that fails is a warning, and costs what it would have proved.
//
// # Text
//
// Rows stay in the database's encoding, byte for byte: they are COPY text, as they
// were and will be in a COPY of that database. Names and messages are kept in JSON and
// so in UTF-8; the server converts them.
package wal
