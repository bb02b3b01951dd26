// Package pgoutput decodes the messages of PostgreSQL's logical replication
// output plugin "pgoutput", protocol version 2, also of transactions that are sent while
// they are under way (streaming 'on'; [Streamed]).
//
// The decoder is pure: it reads the bytes of one message and nothing else. It
// never reads past the message, never panics whatever the bytes are, and
// accepts no byte left over after the message's last field: a message that is
// not exactly what the protocol says is an error that names the field and the
// offset. Tuples are not copied; their columns alias the message.
//
// The message formats are those of the chapter "Logical Replication Message
// Formats" of PostgreSQL's documentation; the bytes are written by
// src/backend/replication/logical/proto.c.
package pgoutput
