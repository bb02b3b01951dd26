// Package fidelity tries whether a restored database is the source, by asking tools that are not part of pgrecall.
//
// A database is taken with `snapshot` and made again with `restore`. Of both a Picture is drawn: every entry of pg_dump's
// schema dump, the rows of every table, the state of every sequence, every large object; and, as a witness of another kind,
// the DDL that pgrecall itself would write of each. The two pictures must be equal, item by item.
//
// Two databases are tried. Fixture makes the one of the catalog's own tests, with every kind of object and every clause of its
// statements, on each major version. Regression takes what PostgreSQL's own regression tests leave behind: made by its developers to
// try everything there is, in ways that nobody here thought of. As a measure of what can be had, the same database is also copied by
// pg_dump and psql, and that copy compared in the same way: what differs there, and is the same in the restored copy, is no failure.
package fidelity
