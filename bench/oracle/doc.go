// Package oracle tries whether a restore equals the source's committed state, by taking that state from the source itself.
//
// Writers write to a database without pause while it is protected. At random moments a temporary logical replication slot is
// created whose snapshot is exported: that snapshot sees exactly the transactions whose commit records end at or
// before the slot's consistent point (src/backend/replication/logical/snapbuild.c), so what it shows is the truth for
// a restore to that LSN, and no writer is held up for it. What it shows is read as COPY text and kept as row counts and
// order-independent hashes, with code that shares nothing with what it judges. Now and then a
// transaction locks all tables against writers instead, and gives the truth for a mark, a time, and transaction ids.
//
// Migrators, where there are any, change the schema beside the writers. No two of them commit at a time, and after each commit the
// catalog is read with the oracle's own queries and kept with the transaction's id: which of these a point's snapshot sees last tells the
// catalog of the point, without holding anybody up.
//
// Meanwhile snapshots are taken, and the processes that back up, and the source server, are killed at random
// moments. Afterwards every point is restored into a second server, whole, and one table beside the whole, and compared.
//
// The seed fixes what the writers, the observer and the killer ask for, not how the machine interleaves it.
package oracle
