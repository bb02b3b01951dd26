// Package fold reduces the logged changes of one table to the net change of each
// row, so that a restore need not execute them: while the rows of a snapshot stream
// by, each is left as it is, dropped, or replaced, and the rows that are new follow.
//
// # What goes in and what comes out
//
// A [Fold] takes the records of one table in commit order, those that are not in
// the snapshot and not after the target. Choosing them is the caller's: by
// transaction, never by WAL position. [Fold.Seal] gives a [Net], which answers for
// each base row what became of it ([Net.Match]), and at the end yields the rows to
// add ([Net.Finish]).
//
// # Where things are kept
//
// The full row that each record results in goes to a spill: memory up to a few
// MiB, an unlinked temporary file beyond. Memory keeps one entry of 24 bytes per
// changed row, in pages of 32 KiB of an extendible hash table ([Stats.TableBytes];
// about 51 bytes per row at the worst moment, when all pages have just been split,
// 37 on average, and no garbage, for a page that splits stays where it is). The list
// of added rows takes 8 bytes more for each of them. A row whose key changed has two
// entries: a key that went and a key that came.
//
// # Rows known by a key
//
// The identity is a key (a primary key or the index of REPLICA IDENTITY USING
// INDEX): those fields, as COPY writes them, hashed to 128 bits. PostgreSQL decides
// by the bytes of the values whether an update changed a key, and logs the old key
// then (heapam.c, ExtractReplicaIdentity and HeapDetermineColumnsInfo), so that
// values that are equal in SQL and written differently, as 1.0 and 1.00, are still
// followed.
//
// The entry of key k says two things that are independent of one another:
//
//   - whether the base holds a row k. The first record that touches k tells: an
//     insert says no, an update or delete says yes.
//   - which row stands at k now: none, the base row k itself, another base row
//     that moved here, or a new one; and where its newest version is in the spill.
//
// A row that moved keeps the key of the base row it comes from beside it in the
// spill. That matters for values in TOAST: an update that does not touch such a
// value does not log it, and it is then found only in the base row of origin.
// Keys 1 and 2 swapped with their large values unchanged give two rows that each
// need the *other* base row. So the fold is a chain: an unchanged field (\u) is
// taken from the old row where the record has one, else from the row's previous
// version in the spill, and if it is \u there as well, it means the row of origin.
// What is left of \u after the fold always means exactly that.
//
// Seal turns the table round: rows that moved are attached to the entry of their
// origin. From then on an entry answers for the base row with its key: dropped, or
// replaced by this row of the spill.
//
// # Rows known by all their fields
//
// With REPLICA IDENTITY FULL a row is known by its content and may occur several
// times. The entry of a row counts: +1 for each time it came to be, −1 for each time
// it went. A negative sum is the number of base rows to drop, a positive one the
// number to add; and the deepest point the sum ever reached is the number of such
// rows that the base must have held. \u takes its value from the old row, which is
// complete (ReorderBuffer and ExtractReplicaIdentity detoast it).
//
// # TRUNCATE
//
// Everything before it is forgotten, and the base is not read at all ([Net.Emptied]).
//
// # What the log cannot say of this snapshot
//
// A log joined to a snapshot it does not belong to, or with a hole, or rows that
// were changed unnoticed, show as contradictions: a key inserted that exists, a
// change to a row that does not exist, a base row that the log knows and that never
// comes, one that comes and must not be there. Each is an [ErrContradiction], and
// nothing is restored from it.
//
// # Why hashes are enough
//
// Of a key's 128 bits one half is the runtime's AES-based hash (hash/maphash) and
// the other XXH3, two unrelated functions, each with a random seed of its own for
// every fold. Two given keys collide with a probability of 2^-128; for 10^9 changed
// rows against 10^10 base rows that is below 10^-19, far less than that of an
// undetected fault of the memory they are in. Someone who chooses keys cannot aim:
// the seeds are never shown. Where both rows are at hand, at a replacement, the keys
// are compared all the same.
package fold
