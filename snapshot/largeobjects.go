package snapshot

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// The bytes of large objects are copied as what they are on the server: rows of the table pg_largeobject, each a page of
// an object (PostgreSQL documentation, "pg_largeobject"). A role that may read that table, as a superuser and a member
// of pg_read_all_data may, copies it like any other. Another role asks object by object with lo_get, and makes the same
// rows of the answers.

// LargeObjectChoice says whether the bytes of large objects are copied.
type LargeObjectChoice int

// The choices, which are pg_dump's.
const (
	LargeObjectsDefault LargeObjectChoice = iota // they are unless the Selection names tables or schemas
	LargeObjectsAlways
	LargeObjectsNever
)

// largeObjects is how the bytes of large objects are read.
type largeObjects struct {
	// direct: from pg_largeobject, by ranges of its blocks. Otherwise from each object, by ranges of oids.
	direct bool
	oids   catalog.OIDs // those that the role may read
	page   int          // the bytes of a page
}

// pieceBytes is about how much is read with one lo_get.
const pieceBytes = 1 << 20

// readLargeObjects looks in the snapshot how the bytes of large objects are to be read; nil: there are none, or they
// are not wanted.
func (r *run) readLargeObjects(ctx context.Context, q catalog.Querier) (*table, error) {
	l := &r.catalog.LargeObjects
	chosen := len(r.o.Selection.Tables)+len(r.o.Selection.Schemas) > 0
	if len(l.Groups) == 0 || r.o.LargeObjects == LargeObjectsNever || r.o.LargeObjects == LargeObjectsDefault && chosen {
		return nil, nil
	}
	t := &table{
		Table: &catalog.Table{
			Object: catalog.Object{OID: format.LargeObjectTable, Schema: "pg_catalog", Name: "pg_largeobject"}, Kind: "r",
			Persistence: "p", LiveIdentity: "n",
			// src/include/catalog/pg_largeobject.h
			Columns: []catalog.Column{
				{Attnum: 1, Name: "loid", Type: 26, Typmod: -1, TypeName: "oid"},
				{Attnum: 2, Name: "pageno", Type: 23, Typmod: -1, TypeName: "integer"},
				{Attnum: 3, Name: "data", Type: 17, Typmod: -1, TypeName: "bytea"},
			},
		},
		large: &largeObjects{oids: l.Readable(), page: l.PageBytes},
	}
	rows, err := q.Query(ctx, `SELECT relfilenode, pg_table_size(oid), has_table_privilege(oid, 'SELECT') FROM pg_class WHERE oid = $1`, t.OID)
	if err != nil {
		return nil, fmt.Errorf("look at the large objects: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, errors.Join(errors.New("look at the large objects: the server has no table pg_largeobject"), rows.Err())
	}
	if err := rows.Scan(&t.FileNode, &t.Bytes, &t.large.direct); err != nil {
		return nil, fmt.Errorf("look at the large objects: %w", err)
	}
	return t, nil
}

// cut divides the objects into ranges of oids, of about equal numbers of objects, that cover all.
func (l *largeObjects) cut(bytes, partBytes int64) []blockRange {
	count := int64(l.oids.Len())
	if count == 0 {
		return nil
	}
	n := max(1, min((bytes+partBytes-1)/partBytes, count))
	ranges := []blockRange{{}}
	for batch := range l.oids.Batches(int((count + n - 1) / n)) {
		if first := batch[0].First; first != l.oids[0].First {
			ranges[len(ranges)-1].end = first
			ranges = append(ranges, blockRange{first: first})
		}
	}
	return ranges
}

// copySQL is the statement that writes the pages of the objects in a range of oids. lo_get reads, in a snapshot, what that
// sees of an object, and checks the same right that the condition asks (src/backend/libpq/be-fsstubs.c). An object's
// size is known by going to its end. Pages of zeros only are left out but for the last, so that a hole in an object
// stays one.
func (l *largeObjects) copySQL(b blockRange) string {
	where := fmt.Sprintf("m.oid >= %d", b.first)
	if b.end != 0 {
		where += fmt.Sprintf(" AND m.oid < %d", b.end)
	}
	return strings.NewReplacer(
		"{where}", where+" AND "+catalog.Readable("m.lomowner", "m.lomacl"),
		"{page}", fmt.Sprint(l.page), "{pages}", fmt.Sprint(pieceBytes/l.page), "{piece}", fmt.Sprint(pieceBytes/l.page*l.page),
	).Replace(`COPY (
SELECT o.oid, piece.n * {pages} + page.n, page.bytes
FROM (SELECT f.oid, pg_catalog.lo_lseek64(f.fd, 0, 2) AS size, pg_catalog.lo_close(f.fd) AS closed
      FROM (SELECT m.oid, pg_catalog.lo_open(m.oid, x'40000'::int4) AS fd FROM pg_catalog.pg_largeobject_metadata m
        WHERE {where} OFFSET 0) f OFFSET 0) o
CROSS JOIN LATERAL pg_catalog.generate_series(0::int8, (o.size - 1) / {piece}) AS piece (n)
CROSS JOIN LATERAL (SELECT pg_catalog.lo_get(o.oid, piece.n * {piece}, {piece}) AS bytes OFFSET 0) got
CROSS JOIN LATERAL (SELECT n, pg_catalog.substr(got.bytes, n * {page} + 1, {page}) AS bytes
                    FROM pg_catalog.generate_series(0, (pg_catalog.length(got.bytes) - 1) / {page}) AS n OFFSET 0) page
WHERE o.size > 0 AND o.closed = 0
  AND (page.bytes <> pg_catalog.decode(pg_catalog.repeat('00', {page}), 'hex') OR piece.n * {pages} + page.n = (o.size - 1) / {page})
) TO STDOUT`)
}
