// Package catalog reads everything CREATE-able of a PostgreSQL database into a
// typed model, and turns the model back into SQL.
//
// # Reading
//
// Read asks a fixed number of queries, whatever the number of objects, inside
// the caller's repeatable-read transaction. Definitions that PostgreSQL can print
// itself (pg_get_viewdef, pg_get_indexdef, …) are taken from it; everything else
// comes from the columns of pg_catalog. The pg_get_* functions answer as of now and
// not as of the snapshot, so a model counts only if Fingerprint, taken inside the
// snapshot, equals one taken with a fresh snapshot afterwards.
//
// Nothing is left out silently: an object of a kind this package cannot write
// yet is in Catalog.Unsupported, by kind and name. What pgrecall itself put on
// the source (schema, event triggers and publications named pgrecall…) is never read.
//
// Large objects are told in groups and not one by one (LargeObjects), and extensions' configuration tables are read
// like any table though only copies of them are written (Configuration).
//
// # Writing
//
// DDL turns the model, or a part of it, into single SQL statements in two
// sections. Pre-data creates everything that rows need: it is run in slice order.
// Post-data (indexes, keys, triggers, grants, …) has stages; statements of one stage may run
// in parallel as far as their Locks and Reads allow.
//
// The order of pre-data follows pg_depend, read together with the objects. Among
// objects that are free to go the order is by kind and name, never by oid, so that
// equal databases give equal text. Cycles are broken where PostgreSQL lets them be made in
// two steps: a view is first made of NULLs of the right types and gets its
// query later (CREATE OR REPLACE VIEW), a column's default or a CHECK is added once its
// function exists, a type whose own functions take it begins as a shell. A view or function that needs a primary
// key (GROUP BY on it) is made in post-data, and so is what needs such a function. What expressions need and pg_depend does
// not say, casts and default operator classes, is found in their text.
//
// Restore sessions must set check_function_bodies to off (bodies may name objects
// that come later) and search_path to empty. For post-data row_security must be on: a materialized view is
// refreshed with its owner's rights, under the policies that hold for the owner.
package catalog
