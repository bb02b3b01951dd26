package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// seed adds the bytes of all vectors of a type.
func seed(f *testing.F, kind string, add func(v *vector)) {
	files, err := os.ReadDir(vectorFolder)
	if err != nil {
		f.Fatal(err)
	}
	n := 0
	for _, file := range files {
		b, err := os.ReadFile(filepath.Join(vectorFolder, file.Name()))
		if err != nil {
			f.Fatal(err)
		}
		v, err := parseVector(b)
		if err != nil {
			f.Fatal(err)
		}
		if v.get("type") == kind {
			add(v)
			n++
		}
	}
	if n == 0 {
		f.Fatalf("no vector of type %s to begin with", kind)
	}
}

// FuzzObject reads any bytes as an object of each kind, with and without the checksums
// made right. What is accepted must be what a writer writes.
func FuzzObject(f *testing.F) {
	seed(f, "object", func(v *vector) {
		o, err := vectorObject(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(v.data, uint16(o.Kind), false)
		f.Add(v.data, uint16(o.Kind), true)
	})
	f.Fuzz(func(t *testing.T, data []byte, kind uint16, reseal bool) {
		data = bytes.Clone(data)
		o := Object{Name: "fuzzed", Size: int64(len(data)), Kind: ObjectKind(kind)}
		if reseal && !resealAll(data, o.Kind) {
			return
		}
		raws, err := readAll(data, o)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("not told as damage: %v", err)
			}
			return
		}
		apart := takeApart(data)
		again := bytes.Clone(apart.header)
		id := uuid.UUID(again[12:28])
		for _, chunk := range apart.chunks {
			again = append(append(again, chunk.seal(&id)...), chunk.stored...)
		}
		if !bytes.Equal(apart.finish(again, apart.index), data) {
			t.Fatal("accepted and not what its parts make")
		}
		rewrite(t, data, o, raws)
	})
}

// rewrite writes what was read and reads that.
func rewrite(t *testing.T, data []byte, o Object, raws [][]byte) {
	r, err := OpenObject(t.Context(), Memory(data), o)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	w, err := NewWriter(&buf, o.Kind, r.ID(), None)
	if err != nil {
		t.Fatal(err)
	}
	uncompressed := takeApart(data).index.header[1] == byte(None)
	for i, c := range r.Chunks() {
		if err := w.WriteChunk(c, raws[i]); err != nil {
			t.Fatalf("read, but cannot be written: %v", err)
		}
		uncompressed = uncompressed && c.Stored == c.Raw
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if uncompressed && !bytes.Equal(buf.Bytes(), data) {
		t.Fatal("not byte for byte what is written of its content")
	}
	o.Size = int64(buf.Len())
	got, err := readAll(buf.Bytes(), o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raws {
		if !bytes.Equal(got[i], raws[i]) {
			t.Fatalf("chunk %d differs", i)
		}
	}
}

// resealAll makes magic, kind and every checksum right as far as the lengths lead through
// the object.
func resealAll(data []byte, kind ObjectKind) bool {
	if len(data) < minObject {
		return false
	}
	id := uuid.UUID(data[12:28])
	copy(data, appendHeader(nil, kind, id))
	end := len(data) - trailerSize
	at, last := headerSize, headerSize
	var index []byte
	for at+chunkHeader <= end {
		n := int(binary.LittleEndian.Uint32(data[at+20:]))
		if n > end-at-chunkHeader {
			return false
		}
		header, stored := data[at:at+chunkHeader], data[at+chunkHeader:at+chunkHeader+n]
		if header[0] == byte(ChunkIndex) && len(index) == len(stored) && header[1] == byte(None) {
			copy(stored, index)
		}
		binary.LittleEndian.PutUint32(header[chunkHeader-4:], chunkCRC(&id, header, stored))
		index = append(index, header...)
		last = at
		at += chunkHeader + n
	}
	copy(data[end:], appendTrailer(nil, data[:headerSize], int64(last), int64(len(data))))
	return true
}

func FuzzRecord(f *testing.F) {
	seed(f, "lane", func(v *vector) { f.Add(v.data) })
	f.Fuzz(func(t *testing.T, data []byte) {
		for b := data; len(b) > 0; {
			r, rest, err := NextRecord(b)
			if err != nil {
				return
			}
			if again := AppendRecord(nil, r); !bytes.Equal(again, b[:len(b)-len(rest)]) {
				t.Fatalf("%+v is written %x, was read from %x", r, again, b[:len(b)-len(rest)])
			}
			b = rest
		}
	})
}

func FuzzTransactions(f *testing.F) {
	seed(f, "transactions", func(v *vector) { f.Add(v.data) })
	f.Fuzz(func(t *testing.T, data []byte) {
		ts, err := ParseTransactions(data)
		if err != nil {
			return
		}
		if again := AppendTransactions(nil, ts); !bytes.Equal(again, data) {
			t.Fatalf("%+v is written %x, was read from %x", ts, again, data)
		}
	})
}

func FuzzRow(f *testing.F) {
	seed(f, "row", func(v *vector) { f.Add(v.data) })
	f.Fuzz(func(t *testing.T, data []byte) {
		// Any bytes as a value: they come back from the field they are written as.
		field := AppendField(nil, data)
		if bytes.ContainsAny(field, "\t\n\r") || string(field) == Null || string(field) == Unchanged {
			t.Fatalf("%q is written %q", data, field)
		}
		value, null, err := UnescapeField(nil, field)
		if err != nil || null || !bytes.Equal(value, data) {
			t.Fatalf("%q comes back as %q, %v, %v", data, value, null, err)
		}
		// Any bytes as a row: its fields make the row, and a field that has a value is the
		// one form of it.
		fields := SplitRow(nil, data)
		if !bytes.Equal(bytes.Join(fields, []byte("\t")), data) {
			t.Fatalf("%q is split into %q", data, fields)
		}
		for _, field := range fields {
			value, null, err := UnescapeField(nil, field)
			if err != nil {
				continue
			}
			if again := AppendField(nil, value); !null && !bytes.Equal(again, field) {
				t.Fatalf("%q has the value %q, which is written %q", field, value, again)
			}
			if null && string(field) != Null {
				t.Fatalf("%q is null", field)
			}
		}
	})
}

func FuzzSegmentName(f *testing.F) {
	seed(f, "segment-name", func(v *vector) { f.Add(string(v.data)) })
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseSegmentName(s)
		if err == nil && n.String() != s {
			t.Fatalf("%q is written %q", s, n)
		}
	})
}

func FuzzLSN(f *testing.F) {
	seed(f, "lsn", func(v *vector) { f.Add(string(v.data)) })
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLSN(s)
		if err != nil {
			return
		}
		again, err := ParseLSN(l.String())
		if err != nil || again != l {
			t.Fatalf("%q is %v, which is %v, %v", s, l, again, err)
		}
		if trim := strings.ToUpper(s); !strings.Contains("/"+trim, "/0") && l.String() != trim {
			t.Fatalf("%q is %v", s, l)
		}
	})
}

func FuzzVisibility(f *testing.F) {
	seed(f, "visibility", func(v *vector) { f.Add(string(v.data)) })
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVisibility(s)
		if err == nil && v.String() != s {
			t.Fatalf("%q is written %q", s, v)
		}
	})
}

func FuzzDocument(f *testing.F) {
	for _, kind := range allKinds {
		if document(kind) == nil {
			continue
		}
		b, err := EncodeDocument(sampleDocument(kind))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint16(kind))
	}
	f.Fuzz(func(t *testing.T, data []byte, kind uint16) {
		v := document(ObjectKind(kind))
		if v == nil || DecodeDocument(data, v) != nil {
			return
		}
		again, err := EncodeDocument(v)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%q is written %q: %v", data, again, err)
		}
	})
}
