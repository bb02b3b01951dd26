package format

import (
	"bytes"
	"errors"
	"fmt"
)

const (
	// Null is the field of a row that stands for SQL NULL.
	Null = `\N`
	// Unchanged is a field of a log row whose TOAST value the change did not
	// touch, so that the server did not send it. PostgreSQL never writes it: it
	// occurs only in the new row of an update in a lane, never in a part.
	Unchanged = `\u`
)

// SplitRow appends the fields of row to dst and returns it. A row is one line of
// COPY text without its newline; the fields alias row and are still escaped. An
// empty row is one empty field: for a table without columns, which has rows
// without fields, the caller does not ask.
func SplitRow(dst [][]byte, row []byte) [][]byte {
	for {
		i := bytes.IndexByte(row, '\t')
		if i < 0 {
			return append(dst, row)
		}
		dst = append(dst, row[:i:i])
		row = row[i+1:]
	}
}

// escapes maps the bytes that COPY TO escapes to the letter it writes after the
// backslash, 0 for all others (PostgreSQL: CopyAttributeOutText in
// src/backend/commands/copyto.c). The database's encoding is the client's, and no
// server encoding has a byte below 0x80 inside a longer character.
var escapes = [256]byte{
	'\b': 'b', '\t': 't', '\n': 'n', '\v': 'v', '\f': 'f', '\r': 'r', '\\': '\\',
}

// unescapes is the inverse of escapes: letter to byte.
var unescapes = [256]byte{
	'b': '\b', 't': '\t', 'n': '\n', 'v': '\v', 'f': '\f', 'r': '\r', '\\': '\\',
}

// AppendField appends a raw text value to dst with the escapes that COPY TO
// writes, and no others, so that equal values are equal bytes.
func AppendField(dst, value []byte) []byte {
	start := 0
	for i, c := range value {
		if e := escapes[c]; e != 0 {
			dst = append(dst, value[start:i]...)
			dst = append(dst, '\\', e)
			start = i + 1
		}
	}
	return append(dst, value[start:]...)
}

var (
	errUnchanged = errors.New(`the field is \u, a value the log does not hold`)
	errDangling  = errors.New("the field ends within an escape")
)

// UnescapeField appends the raw text value of a field to dst and returns it; for
// Null it returns null and dst as it was. It reads exactly what COPY TO writes:
// any other escape, a bare control character that should be escaped, and the
// field Unchanged are errors, so that a value has one written form only.
func UnescapeField(dst, field []byte) (value []byte, null bool, err error) {
	if len(field) == 2 && field[0] == '\\' {
		switch field[1] {
		case 'N':
			return dst, true, nil
		case 'u':
			return dst, false, errUnchanged
		}
	}
	start := 0
	for i := 0; i < len(field); i++ {
		c := field[i]
		if escapes[c] == 0 {
			continue
		}
		if c != '\\' {
			return dst, false, fmt.Errorf("the field holds the byte 0x%02x unescaped", c)
		}
		if i+1 == len(field) {
			return dst, false, errDangling
		}
		raw := unescapes[field[i+1]]
		if raw == 0 {
			return dst, false, fmt.Errorf("the field holds the unknown escape \\ and 0x%02x", field[i+1])
		}
		dst = append(dst, field[start:i]...)
		dst = append(dst, raw)
		i++
		start = i + 1
	}
	return append(dst, field[start:]...), false, nil
}
