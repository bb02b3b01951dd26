// Package repository knows where the objects of a repository lie, in which order they are written, and what
// makes them count. The layout is part of the format and described in format/SPEC.md:
//
//	config
//	sources/NAME/source
//	sources/NAME/snapshots/YYYY/MM/DD/ID.snapshot    the envelope: makes the snapshot exist
//	sources/NAME/snapshots/YYYY/MM/DD/ID.body
//	sources/NAME/parts/YYYY/MM/DD/RUN/ID.part
//	sources/NAME/running/RUN                         held while a snapshot is being taken
//	sources/NAME/log/LOG/start
//	sources/NAME/log/LOG/YYYY/MM/DD/SEGMENT.segment
//	sources/NAME/log/LOG/gaps/ID.gap
//
// A snapshot is written parts first, then the body, then the envelope. Until the envelope is there nothing looks at
// the rest. What an interrupted snapshot leaves is found by its marker under running/, which the store holds for the
// process that made it: where nobody holds the marker any more, the run's objects go, then the marker. The
// marker is made before the first part and removed after the envelope, so nothing escapes.
package repository
