package format_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/pgrecall/pgrecall/format"
)

var testID = uuid.MustParse("0193f8a0-7c00-7000-8000-00000000abcd")

// part writes a part of so many chunks of rows of table 16384 and gives its bytes
// and its chunks before compression.
func part(t testing.TB, id uuid.UUID, c format.Compression, chunks, rows int) (object []byte, raws [][]byte) {
	t.Helper()
	var buf bytes.Buffer
	w, err := format.NewWriter(&buf, format.KindPart, id, c)
	if err != nil {
		t.Fatal(err)
	}
	for i := range chunks {
		var raw []byte
		for j := range rows {
			raw = fmt.Appendf(raw, "%d\trow %d of chunk %d\t\\N\n", i*rows+j, j, i)
		}
		if err := w.WriteChunk(format.Chunk{Kind: format.ChunkRows, Table: 16384, Rows: rows}, raw); err != nil {
			t.Fatal(err)
		}
		raws = append(raws, raw)
	}
	sum, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if sum.Size != int64(buf.Len()) {
		t.Fatalf("Close told %d bytes and %d were written", sum.Size, buf.Len())
	}
	return buf.Bytes(), raws
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	for _, c := range []format.Compression{format.None, format.LZ4, format.Zstd} {
		for _, chunks := range []int{0, 1, 3, 4000} {
			t.Run(fmt.Sprintf("%v/%d", c, chunks), func(t *testing.T) {
				object, raws := part(t, testID, c, chunks, 20)
				r, err := format.OpenObject(t.Context(), format.Memory(object), format.Object{
					Name: "a.part", Size: int64(len(object)), Kind: format.KindPart, ID: testID})
				if err != nil {
					t.Fatal(err)
				}
				if len(r.Chunks()) != chunks {
					t.Fatalf("%d chunks, want %d", len(r.Chunks()), chunks)
				}
				var dst []byte
				for i := range raws {
					dst, err = r.ReadChunk(t.Context(), i, dst)
					if err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(dst, raws[i]) {
						t.Fatalf("chunk %d differs", i)
					}
				}
			})
		}
	}
}

func TestDocumentComesBack(t *testing.T) {
	want := format.Gap{Log: testID, From: 1, To: 2, Reason: "lost <slot> & \"more\" \ufffd \\ufffd", Noted: time.Now().UTC()}
	var buf bytes.Buffer
	sum, err := format.WriteDocument(&buf, format.KindGap, testID, &want)
	if err != nil {
		t.Fatal(err)
	}
	var got format.Gap
	o := format.Object{Name: "a.gap", Size: sum.Size, Kind: format.KindGap, ID: testID}
	if err := format.ReadDocument(context.Background(), format.Memory(buf.Bytes()), o, &got); err != nil {
		t.Fatal(err)
	}
	if got.Reason != want.Reason || !got.Noted.Equal(want.Noted) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	want.Reason = "not UTF-8: \xff"
	if _, err := format.WriteDocument(&buf, format.KindGap, testID, want); err == nil {
		t.Error("text that is not UTF-8 was written as something else")
	}
	o.ID = uuid.New()
	if err := format.ReadDocument(context.Background(), format.Memory(buf.Bytes()), o, &got); !errors.Is(err, format.ErrCorrupt) {
		t.Errorf("another object was taken for the one wanted: %v", err)
	}
}
