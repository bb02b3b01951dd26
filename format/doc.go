// Package format reads and writes the bytes of an archive: objects of checked chunks,
// the documents and records in them, and the text forms of positions, rows and names.
// It does no I/O of its own and knows neither PostgreSQL connections nor stores.
// SPEC.md beside it describes every byte.
//
// An object is a header, chunks, an index of all the chunks' headers, and a trailer. It
// is written in one pass to a stream (Writer) and read by ranges (Reader): the trailer
// leads to the index, the index to the chunks wanted. What is read is checked before it
// is returned:
//
//   - the header's checksum, its kind and, where the caller knows it, its id;
//   - the trailer's checksum, which binds header and length: an object cut short,
//     grown or joined of two is found on opening;
//   - the index, which must tile the object from header to index without hole or
//     overlap, with ordinals in order and chunks in the order the kind demands;
//   - of each chunk read, that its own header is the index's, and a CRC-32C over the
//     object's id, that header and the stored bytes: a chunk that was flipped, moved,
//     or taken from another object is found although nothing else is read;
//   - that it decompresses to exactly the length told, and to whole rows.
//
// Every such finding is a CorruptError.
package format
