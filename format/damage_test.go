package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"
)

// readAll reads every chunk of an object. It returns what it could read, nil for a
// chunk that it could not, and the first error.
func readAll(object []byte, o Object) (raws [][]byte, err error) {
	ctx := context.Background()
	r, err := OpenObject(ctx, Memory(object), o)
	if err != nil {
		return nil, err
	}
	for i := range r.Chunks() {
		raw, e := r.ReadChunk(ctx, i, nil)
		if e != nil && err == nil {
			err = e
		}
		raws = append(raws, raw)
	}
	return raws, err
}

// mustBeFound demands that damage is found as such and that no chunk reads as
// anything but what it was.
func mustBeFound(t *testing.T, damage string, object []byte, o Object, want [][]byte) {
	t.Helper()
	o.Size = int64(len(object))
	raws, err := readAll(object, o)
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("%s: not found: %v", damage, err)
	}
	for i, raw := range raws {
		if raw != nil && (i >= len(want) || !bytes.Equal(raw, want[i])) {
			t.Errorf("%s: chunk %d reads as something else", damage, i)
		}
	}
}

// eachSample runs a test on a sound object of each kind and, where it is not always the
// same, each compression.
func eachSample(t *testing.T, run func(t *testing.T, object []byte, o Object, want [][]byte)) {
	for _, kind := range allKinds {
		compressions := []Compression{None}
		if kind == KindPart || kind == KindSegment {
			compressions = []Compression{None, LZ4, Zstd}
		}
		for _, c := range compressions {
			t.Run(fmt.Sprintf("%v/%v", kind, c), func(t *testing.T) {
				t.Parallel()
				object := sample(t, kind, c)
				o := Object{Name: "sample", Size: int64(len(object)), Kind: kind, ID: craftID}
				want, err := readAll(object, o)
				if err != nil {
					t.Fatal(err)
				}
				run(t, object, o, want)
			})
		}
	}
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	eachSample(t, func(t *testing.T, object []byte, o Object, want [][]byte) {
		o.ID = uuid.Nil // a flipped id must be found without knowing it
		for i := range object {
			for bit := range 8 {
				object[i] ^= 1 << bit
				mustBeFound(t, fmt.Sprintf("bit %d of byte %d flipped", bit, i), object, o, want)
				object[i] ^= 1 << bit
			}
			for _, other := range []byte{0, 0xff} {
				if was := object[i]; was != other {
					object[i] = other
					mustBeFound(t, fmt.Sprintf("byte %d is 0x%02x", i, other), object, o, want)
					object[i] = was
				}
			}
		}
	})
}

func TestEveryTruncationIsFound(t *testing.T) {
	eachSample(t, func(t *testing.T, object []byte, o Object, want [][]byte) {
		for n := range object {
			mustBeFound(t, fmt.Sprintf("cut to %d bytes", n), object[:n], o, want)
			mustBeFound(t, fmt.Sprintf("without its first %d bytes", len(object)-n), object[len(object)-n:], o, want)
			if _, err := readAll(object[:n], o); err == nil {
				t.Errorf("cut to %d bytes, still listed with %d: read without error", n, o.Size)
			}
		}
	})
}

func TestEveryMissingOrRepeatedByteIsFound(t *testing.T) {
	eachSample(t, func(t *testing.T, object []byte, o Object, want [][]byte) {
		for i := range object {
			without := append(bytes.Clone(object[:i]), object[i+1:]...)
			mustBeFound(t, fmt.Sprintf("without byte %d", i), without, o, want)
			twice := append(bytes.Clone(object[:i+1]), object[i:]...)
			mustBeFound(t, fmt.Sprintf("byte %d twice", i), twice, o, want)
		}
		mustBeFound(t, "a byte at the end", append(bytes.Clone(object), 0), o, want)
		mustBeFound(t, "itself at the end", append(bytes.Clone(object), object...), o, want)
	})
}

func TestAnotherObjectIsFound(t *testing.T) {
	eachSample(t, func(t *testing.T, object []byte, o Object, want [][]byte) {
		o.ID = uuid.MustParse("0193f8a0-7c00-7000-8000-0000000000ff")
		mustBeFound(t, "another id expected", object, o, want)
		o.ID = craftID
		for _, kind := range allKinds {
			if other := o; kind != o.Kind {
				other.Kind = kind
				mustBeFound(t, "another kind expected", object, other, want)
			}
		}
	})
}

// places gives where each chunk lies, header included, the index last.
func places(object []byte, r *Reader) (places [][2]int) {
	for i := range r.entries {
		e := &r.entries[i]
		places = append(places, [2]int{int(e.offset), int(e.offset) + chunkHeader + e.Stored})
	}
	end := headerSize
	if len(places) > 0 {
		end = places[len(places)-1][1]
	}
	return append(places, [2]int{end, len(object) - trailerSize})
}

func TestChunksMovedWithinAnObjectAreFound(t *testing.T) {
	eachSample(t, func(t *testing.T, object []byte, o Object, want [][]byte) {
		r, err := OpenObject(t.Context(), Memory(object), o)
		if err != nil {
			t.Fatal(err)
		}
		at := places(object, r)
		for i, a := range at {
			without := append(bytes.Clone(object[:a[0]]), object[a[1]:]...)
			mustBeFound(t, fmt.Sprintf("chunk %d left out", i), without, o, want)
			for j, b := range at {
				twice := append(bytes.Clone(object[:b[1]]), object[a[0]:]...)
				if b[1] != a[0] {
					mustBeFound(t, fmt.Sprintf("after chunk %d on with chunk %d", j, i), twice, o, want)
				}
				over := bytes.Clone(object)
				if i != j && copy(over[a[0]:a[1]], object[b[0]:b[1]]) > 0 {
					mustBeFound(t, fmt.Sprintf("chunk %d over chunk %d", j, i), over, o, want)
				}
				if i < j {
					swapped := bytes.Join([][]byte{object[:a[0]], object[b[0]:b[1]], object[a[1]:b[0]], object[a[0]:a[1]], object[b[1]:]}, nil)
					mustBeFound(t, fmt.Sprintf("chunks %d and %d swapped", i, j), swapped, o, want)
				}
			}
		}
	})
}

// TestChunksOfAnotherObjectAreFound puts chunks, indexes and trailers of an object into
// its twin: same chunks, same lengths, another id. It is what replaying a part of an
// older object amounts to, since no id is used twice.
func TestChunksOfAnotherObjectAreFound(t *testing.T) {
	eachSample(t, func(t *testing.T, object []byte, o Object, want [][]byte) {
		apart := takeApart(object)
		object = apart.assemble()
		o.Size = int64(len(object))
		apart.header = appendHeader(nil, o.Kind, uuid.MustParse("0193f8a0-7c00-7000-8000-0000000000ff"))
		twin := apart.assemble()
		if len(twin) != len(object) {
			t.Fatalf("the twin has %d bytes, not %d", len(twin), len(object))
		}
		twinObject := o
		twinObject.ID = uuid.Nil
		if _, err := readAll(twin, twinObject); err != nil {
			t.Fatalf("the twin is not sound: %v", err)
		}
		r, err := OpenObject(t.Context(), Memory(object), o)
		if err != nil {
			t.Fatal(err)
		}
		pieces := append(places(object, r), [2]int{0, headerSize}, [2]int{len(object) - trailerSize, len(object)})
		for i, p := range pieces {
			mixed := bytes.Clone(object)
			copy(mixed[p[0]:p[1]], twin[p[0]:p[1]])
			mustBeFound(t, fmt.Sprintf("piece %d of another object", i), mixed, o, want)
			copy(mixed, twin)
			copy(mixed[p[0]:p[1]], object[p[0]:p[1]])
			mustBeFound(t, fmt.Sprintf("all but piece %d of another object", i), mixed, o, want)
		}
	})
}
