package format

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
)

// checker is a document that can tell whether it makes sense.
type checker interface{ check() error }

// EncodeDocument gives the one form in which v is stored: JSON in UTF-8 without white
// space, every field in the order of its struct. Text that is not valid UTF-8 is an
// error: it would not come back as it was.
func EncodeDocument(v any) ([]byte, error) {
	if c, ok := v.(checker); ok {
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("write a document: %w", err)
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write a document: %w", err)
	}
	if replaced(b) {
		return nil, fmt.Errorf("write a document of type %T: it holds text that is not valid UTF-8", v)
	}
	return b, nil
}

// replaced reports whether b, written by json.Marshal, holds the escape \ufffd: it
// writes it for an invalid byte only; the character itself it writes as it is.
func replaced(b []byte) bool {
	for {
		i := bytes.Index(b, []byte(`\ufffd`))
		if i < 0 {
			return false
		}
		backslashes := 1
		for i-backslashes >= 0 && b[i-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 1 {
			return true
		}
		b = b[i+1:]
	}
}

// DecodeDocument reads what EncodeDocument wrote into v, which must be a pointer to a
// zero value. It is strict: an unknown, missing or repeated field, other white space,
// anything behind the document is an error.
func DecodeDocument(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read a document: %w", err)
	}
	again, err := EncodeDocument(v)
	if err != nil {
		return fmt.Errorf("read a document: %w", err)
	}
	if !bytes.Equal(b, again) {
		return errors.New("read a document: it is not written in the one form that documents have")
	}
	return nil
}

// WriteDocument writes an object of a kind that is one document. It is not compressed, so
// that a person can read it without a program, except for a body, which may be large.
func WriteDocument(w io.Writer, kind ObjectKind, id uuid.UUID, v any) (Sum, error) {
	b, err := EncodeDocument(v)
	if err != nil {
		return Sum{}, err
	}
	c := None
	if kind == KindBody {
		c = Zstd
	}
	o, err := NewWriter(w, kind, id, c)
	if err != nil {
		return Sum{}, err
	}
	if err := o.WriteChunk(Chunk{Kind: ChunkDocument}, b); err != nil {
		return Sum{}, err
	}
	return o.Close()
}

// ReadDocument reads an object that is one document into v, a pointer to a zero value.
// An error that is ErrCorrupt is about the object's bytes, any other about reading them.
func ReadDocument(ctx context.Context, r Ranger, o Object, v any) error {
	d, err := OpenObject(ctx, r, o)
	if err != nil {
		return err
	}
	if n := len(d.entries); n != 1 || d.entries[0].Kind != ChunkDocument {
		return d.corrupt(FailDocument, "it is not one document")
	}
	b, err := d.ReadChunk(ctx, 0, nil)
	if err != nil {
		return err
	}
	if err := DecodeDocument(b, v); err != nil {
		return d.corruptBy(FailDocument, err)
	}
	return nil
}
