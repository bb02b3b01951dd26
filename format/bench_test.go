package format_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/pgrecall/pgrecall/format"
)

// benchRows makes about 1 MiB of rows as a web service has them.
func benchRows() (raw []byte, rows int) {
	for ; len(raw) < 1<<20; rows++ {
		raw = fmt.Appendf(raw, "%d\tuser%d@example.org\t2024-12-24 14:%02d:%02d.%06d+00\t%t\t{\"plan\": \"free\", \"seats\": %d}\t\\N\n",
			1000000+rows, rows*7919%100003, rows/60%60, rows%60, rows*104729%1000000, rows%3 == 0, rows%17)
	}
	return raw, rows
}

func BenchmarkWriter(b *testing.B) {
	raw, rows := benchRows()
	for _, c := range []format.Compression{format.None, format.LZ4, format.Zstd} {
		b.Run(c.String(), func(b *testing.B) {
			w, err := format.NewWriter(io.Discard, format.KindPart, testID, c)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if err := w.WriteChunk(format.Chunk{Kind: format.ChunkRows, Table: 1, Rows: rows}, raw); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(raw))*float64(b.N)/float64(w.Size()), "ratio")
		})
	}
}

func BenchmarkReader(b *testing.B) {
	raw, rows := benchRows()
	for _, c := range []format.Compression{format.None, format.LZ4, format.Zstd} {
		b.Run(c.String(), func(b *testing.B) {
			var object writerBuffer
			w, err := format.NewWriter(&object, format.KindPart, testID, c)
			if err != nil {
				b.Fatal(err)
			}
			for range 8 {
				if err := w.WriteChunk(format.Chunk{Kind: format.ChunkRows, Table: 1, Rows: rows}, raw); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := w.Close(); err != nil {
				b.Fatal(err)
			}
			r, err := format.OpenObject(b.Context(), format.Memory(object), format.Object{Name: "bench", Size: int64(len(object)), Kind: format.KindPart})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			var dst []byte
			for i := 0; b.Loop(); i++ {
				if dst, err = r.ReadChunk(b.Context(), i%8, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type writerBuffer []byte

func (w *writerBuffer) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

// BenchmarkRows is what is done for each row on its way: find it, split it, hash it.
func BenchmarkRows(b *testing.B) {
	raw, _ := benchRows()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	var fields [][]byte
	for b.Loop() {
		var h format.ContentHash
		for row := range lines(raw) {
			fields = format.SplitRow(fields[:0], row)
			h.AddRow(row)
		}
	}
}

func lines(raw []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		start := 0
		for i, c := range raw {
			if c == '\n' {
				if !yield(raw[start:i]) {
					return
				}
				start = i + 1
			}
		}
	}
}

func BenchmarkUnescape(b *testing.B) {
	raw, _ := benchRows()
	field := format.AppendField(nil, raw)
	b.SetBytes(int64(len(field)))
	b.ReportAllocs()
	var value []byte
	for b.Loop() {
		var err error
		if value, _, err = format.UnescapeField(value[:0], field); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNextRecord(b *testing.B) {
	var lane []byte
	for i := range 10000 {
		lane = format.AppendRecord(lane, format.Record{Op: format.Insert, Txn: uint32(i / 100), Layout: 1,
			New: fmt.Appendf(nil, "%d\tuser%d@example.org\tfree\t2024-12-24 14:30:00.123456+00", i, i)})
	}
	b.SetBytes(int64(len(lane)))
	b.ReportAllocs()
	for b.Loop() {
		for rest := lane; len(rest) > 0; {
			var err error
			if _, rest, err = format.NextRecord(rest); err != nil {
				b.Fatal(err)
			}
		}
	}
}
