package wal

import (
	"context"
	"io"
	"strconv"
	"testing"

	"github.com/pgrecall/pgrecall/format"
)

// BenchmarkDrain receives a transaction of many rows; a row is an operation.
func BenchmarkDrain(b *testing.B) {
	s := newSource(b, sharedServer(b), "drain")
	s.exec("create table numbers (id int primary key, filler text, n numeric, at timestamptz)")
	sink := discard{}
	rows := max(b.N, 1000)
	s.exec("insert into numbers select i, md5(i::text), i * 1.5, now() from generate_series(1, " + strconv.Itoa(rows) + ") i")
	f := s.follow(newSink(b))
	f.Sink, f.Once = sink, true
	b.ReportAllocs()
	b.ResetTimer()
	if err := f.Run(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	s.exec("select pg_drop_replication_slot('" + s.start.Slot + "')")
	s.conn.Close(b.Context())
	s.config.Database = "postgres"
	s.connect()
	s.exec("drop database drain with (force)")
}

type discard struct{}

func (discard) PutSegment(_ context.Context, _ format.SegmentName, r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// BenchmarkChange builds records of rows that are decoded already.
func BenchmarkChange(b *testing.B) {
	builder, err := newSegmentBuilder(b.TempDir(), format.LZ4, 1)
	if err != nil {
		b.Fatal(err)
	}
	defer builder.close()
	rel := testRelation(1, "id", "filler", "n", "at")
	row := text("123456", "c4ca4238a0b923820dcc509a6f75849b", "185184.0", "2024-12-24 14:30:00.123456+00")
	builder.begin(format.Transaction{XID: 1, CommitLSN: 2})
	b.ReportAllocs()
	for b.Loop() {
		if err := builder.change(rel, format.Insert, 0, nil, row); err != nil {
			b.Fatal(err)
		}
	}
}
