package format_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

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

// counted counts the range requests.
type counted struct {
	format.Memory
	reads atomic.Int64
}

func (c *counted) ReadRange(ctx context.Context, off int64, p []byte) error {
	c.reads.Add(1)
	return c.Memory.ReadRange(ctx, off, p)
}

func TestOpeningNeedsFewRequests(t *testing.T) {
	for _, test := range []struct {
		chunks, rows int
		all          int64 // requests to read all chunks
	}{
		{chunks: 3, rows: 20, all: 3},
		{chunks: 3000, rows: 1, all: 3000},
	} {
		object, raws := part(t, testID, format.None, test.chunks, test.rows)
		c := &counted{Memory: object}
		r, err := format.OpenObject(t.Context(), c, format.Object{Name: "a.part", Size: int64(len(object)), Kind: format.KindPart})
		if err != nil {
			t.Fatal(err)
		}
		read := func() int64 {
			c.reads.Store(0)
			for i := range raws {
				if _, err := r.ReadChunk(t.Context(), i, nil); err != nil {
					t.Fatal(err)
				}
			}
			return c.reads.Load()
		}
		if n := c.reads.Load(); n != 3 {
			t.Errorf("%d chunks of %d rows: %d requests to open, want 3: header, trailer, index", test.chunks, test.rows, n)
		}
		if n := read(); n != test.all {
			t.Errorf("%d chunks of %d rows: %d requests to read all, want %d", test.chunks, test.rows, n, test.all)
		}
	}
}

func TestChunksAreReadByManyAtOnce(t *testing.T) {
	for _, c := range []format.Compression{format.None, format.LZ4, format.Zstd} {
		object, raws := part(t, testID, c, 50, 50)
		r, err := format.OpenObject(t.Context(), format.Memory(object), format.Object{Name: "a.part", Size: int64(len(object)), Kind: format.KindPart})
		if err != nil {
			t.Fatal(err)
		}
		var group errgroup.Group
		for g := range 8 {
			group.Go(func() error {
				var dst []byte
				for n := range 200 {
					i := (n*7 + g) % len(raws)
					var err error
					if dst, err = r.ReadChunk(context.Background(), i, dst); err != nil {
						return err
					}
					if !bytes.Equal(dst, raws[i]) {
						return fmt.Errorf("chunk %d differs", i)
					}
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatalf("%v: %v", c, err)
		}
	}
}

// failing fails every request from the n-th on.
type failing struct {
	format.Memory
	n int
}

var errStore = errors.New("the store is away")

func (f *failing) ReadRange(ctx context.Context, off int64, p []byte) error {
	if f.n--; f.n < 0 {
		return errStore
	}
	return f.Memory.ReadRange(ctx, off, p)
}

func TestAFailingStoreIsNoDamage(t *testing.T) {
	object, _ := part(t, testID, format.None, 3000, 1)
	for n := range 4 {
		r, err := format.OpenObject(t.Context(), &failing{object, n}, format.Object{Name: "a.part", Size: int64(len(object)), Kind: format.KindPart})
		if err == nil {
			_, err = r.ReadChunk(t.Context(), 0, nil)
		}
		if !errors.Is(err, errStore) || errors.Is(err, format.ErrCorrupt) {
			t.Errorf("request %d fails: %v", n, err)
		}
	}
}

func TestALargeRowIsOneChunk(t *testing.T) {
	row := append(bytes.Repeat([]byte("a wide value "), 7<<20), '\n') // 91 MiB
	for _, c := range []format.Compression{format.None, format.LZ4, format.Zstd} {
		var buf bytes.Buffer
		w, err := format.NewWriter(&buf, format.KindPart, testID, c)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteChunk(format.Chunk{Kind: format.ChunkRows, Table: 1, Rows: 1}, row); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := format.OpenObject(t.Context(), format.Memory(buf.Bytes()), format.Object{Name: "a.part", Size: int64(buf.Len()), Kind: format.KindPart})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.ReadChunk(t.Context(), 0, nil); err != nil || !bytes.Equal(got, row) {
			t.Errorf("%v: it does not come back: %v", c, err)
		}
	}
}

func TestAWriterRefusesWhatNoReaderWouldTake(t *testing.T) {
	rows := []byte("1\ta\n2\tb\n")
	for name, write := range map[string]func(w *format.Writer) error{
		"fewer rows": func(w *format.Writer) error {
			return w.WriteChunk(format.Chunk{Kind: format.ChunkRows, Table: 1, Rows: 1}, rows)
		},
		"more rows": func(w *format.Writer) error {
			return w.WriteChunk(format.Chunk{Kind: format.ChunkRows, Table: 1, Rows: 3}, rows)
		},
		"half a row": func(w *format.Writer) error {
			return w.WriteChunk(format.Chunk{Kind: format.ChunkRows, Table: 1, Rows: 2}, rows[:7])
		},
		"no rows":  func(w *format.Writer) error { return w.WriteChunk(format.Chunk{Kind: format.ChunkRows, Table: 1}, nil) },
		"no table": func(w *format.Writer) error { return w.WriteChunk(format.Chunk{Kind: format.ChunkRows, Rows: 2}, rows) },
		"a lane": func(w *format.Writer) error {
			return w.WriteChunk(format.Chunk{Kind: format.ChunkLane, Table: 1, Rows: 1}, rows)
		},
		"an index":     func(w *format.Writer) error { return w.WriteChunk(format.Chunk{Kind: format.ChunkIndex}, nil) },
		"unknown kind": func(w *format.Writer) error { return w.WriteChunk(format.Chunk{Kind: 99}, rows) },
		"another table": func(w *format.Writer) error {
			return errors.Join(w.WriteChunk(format.Chunk{Kind: format.ChunkRows, Table: 1, Rows: 2}, rows),
				w.WriteChunk(format.Chunk{Kind: format.ChunkRows, Table: 2, Rows: 2}, rows))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := format.NewWriter(&bytes.Buffer{}, format.KindPart, testID, format.LZ4)
			if err != nil {
				t.Fatal(err)
			}
			if err := write(w); err == nil {
				t.Error("it was written")
			}
			if _, err := w.Close(); err == nil {
				t.Error("the object was finished nevertheless")
			}
		})
	}
	for name, kind := range map[string]format.ObjectKind{"gap without document": format.KindGap, "segment without head": format.KindSegment} {
		w, err := format.NewWriter(&bytes.Buffer{}, kind, testID, format.LZ4)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Close(); err == nil {
			t.Errorf("%s was finished", name)
		}
	}
	if _, err := format.NewWriter(&bytes.Buffer{}, format.KindPart, uuid.Nil, format.LZ4); err == nil {
		t.Error("an object without id was begun")
	}
}

// full takes so many bytes and no more.
type full int

func (f *full) Write(p []byte) (int, error) {
	if *f -= full(len(p)); *f < 0 {
		return 0, errStore
	}
	return len(p), nil
}

func TestAnObjectOnAFullStoreIsNotFinished(t *testing.T) {
	object, raws := part(t, testID, format.None, 2, 2)
	for n := range len(object) {
		f := full(n)
		w, err := format.NewWriter(&f, format.KindPart, testID, format.None)
		for i := 0; err == nil && i < len(raws); i++ {
			err = w.WriteChunk(format.Chunk{Kind: format.ChunkRows, Table: 16384, Rows: 2}, raws[i])
		}
		if err == nil {
			_, err = w.Close()
		}
		if !errors.Is(err, errStore) {
			t.Fatalf("with room for %d of %d bytes: %v", n, len(object), err)
		}
	}
}

func TestABodyIsFoundThatIsNotTheEnvelopes(t *testing.T) {
	var hash format.ContentHash
	hash.AddRow([]byte("1"))
	sound := func() (*format.Envelope, *format.Body) {
		part := format.Part{Rows: 1, RawBytes: 2, ContentHash: hash}
		return &format.Envelope{ID: testID, Groups: make([]format.Group, 1), Parts: make([]format.ObjectRef, 2), Rows: 2, RawBytes: 4},
			&format.Body{ID: testID, Tables: []format.TableData{
				{OID: 1, Name: "a", Parts: []format.Part{part}, Rows: 1, RawBytes: 2, ContentHash: hash},
				{OID: 2, Name: "b", Parts: []format.Part{{Object: 1, Rows: 1, RawBytes: 2, ContentHash: hash}}, Rows: 1, RawBytes: 2, ContentHash: hash},
				{OID: 3, Name: "empty"}}}
	}
	e, b := sound()
	if err := e.CheckBody(b); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(e *format.Envelope, b *format.Body){
		"another snapshot":      func(e *format.Envelope, b *format.Body) { b.ID = uuid.New() },
		"a group too many":      func(e *format.Envelope, b *format.Body) { b.Tables[0].Group = 1 },
		"a negative group":      func(e *format.Envelope, b *format.Body) { b.Tables[0].Group = -1 },
		"a part of two":         func(e *format.Envelope, b *format.Body) { b.Tables[1].Parts[0].Object = 0 },
		"a part not there":      func(e *format.Envelope, b *format.Body) { b.Tables[1].Parts[0].Object = 2 },
		"a part of none":        func(e *format.Envelope, b *format.Body) { e.Parts = make([]format.ObjectRef, 3) },
		"rows of another count": func(e *format.Envelope, b *format.Body) { e.Rows++ },
		"bytes of another sum":  func(e *format.Envelope, b *format.Body) { e.RawBytes-- },
	} {
		e, b := sound()
		if change(e, b); e.CheckBody(b) == nil {
			t.Errorf("%s: not found", name)
		}
	}
}
