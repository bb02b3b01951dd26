package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// truth is what the tables held at one moment: each row as COPY writes it, in the
// order of the primary key, kept as a digest of the row.
type truth map[string][][sha256.Size]byte

// takeTruth reads the tables as tx sees them.
func takeTruth(ctx context.Context, tx pgx.Tx) (truth, error) {
	t := truth{}
	for _, table := range tables() {
		rows, err := copyOut(ctx, tx.Conn(), "public", table)
		if err != nil {
			return nil, err
		}
		t[table.Name] = rows
	}
	return t, nil
}

// copyOut digests the rows of one table of a schema.
func copyOut(ctx context.Context, conn *pgx.Conn, schema string, table datasetTable) ([][sha256.Size]byte, error) {
	var d rowDigests
	name := pgx.Identifier{schema, table.Name}.Sanitize()
	if _, err := conn.PgConn().CopyTo(ctx, &d, "COPY (SELECT * FROM "+name+" ORDER BY "+table.Order+") TO STDOUT"); err != nil {
		return nil, fmt.Errorf("read %s to compare it: %w", name, err)
	}
	return d.rows, nil
}

// rowDigests is a writer of COPY text that keeps a digest of each row.
type rowDigests struct {
	rows    [][sha256.Size]byte
	partial []byte
}

func (d *rowDigests) Write(p []byte) (int, error) {
	n := len(p)
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			d.partial = append(d.partial, p...)
			return n, nil
		}
		d.partial = append(d.partial, p[:end]...)
		d.rows = append(d.rows, sha256.Sum256(d.partial))
		d.partial = d.partial[:0]
		p = p[end+1:]
	}
}

// compare tells how the named tables of a schema differ from the truth, row for row.
// It returns the number of rows compared.
func (t truth) compare(ctx context.Context, conn *pgx.Conn, schema string, names ...string) (int, error) {
	compared := 0
	var wrong []string
	for _, table := range tables() {
		if len(names) > 0 && !slices.Contains(names, table.Name) {
			continue
		}
		got, err := copyOut(ctx, conn, schema, table)
		if err != nil {
			return compared, err
		}
		want := t[table.Name]
		differ := 0
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				differ++
			}
		}
		if differ > 0 || len(got) != len(want) {
			wrong = append(wrong, fmt.Sprintf("%s: %d rows where there were %d, %d of them different", table.Name, len(got), len(want), differ))
		}
		compared += len(want)
	}
	if len(wrong) > 0 {
		return compared, fmt.Errorf("the restored rows are not those that were there: %s", strings.Join(wrong, "; "))
	}
	return compared, nil
}
