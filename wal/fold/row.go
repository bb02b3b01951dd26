package fold

import (
	"bytes"
	"slices"

	"github.com/pgrecall/pgrecall/format"
)

// shape is what the fold knows of a table's rows.
type shape struct {
	columns int
	key     []int // ascending; none: the full row
	run     bool  // the key's columns stand side by side
}

func newShape(columns int, key []int) shape {
	s := shape{columns: columns, key: slices.Sorted(slices.Values(key))}
	n := len(s.key)
	s.run = n > 0 && s.key[n-1]-s.key[0] == n-1
	return s
}

// check makes sure that row is one row with all fields.
func (s *shape) check(row []byte) error {
	if s.columns == 0 && len(row) != 0 || s.columns > 0 && bytes.Count(row, tab) != s.columns-1 {
		return reasonFields
	}
	if bytes.IndexByte(row, '\n') >= 0 {
		return reasonNewline
	}
	return nil
}

var tab = []byte{'\t'}

// keyOf returns the key's fields of a row, joined by tabs, which no field holds: a
// part of row where they stand side by side, else appended to dst.
func (s *shape) keyOf(dst, row []byte) (key []byte, err error) {
	if s.run {
		key, err = between(row, s.key[0], len(s.key))
	} else {
		key, err = s.gather(dst, row)
	}
	if err != nil || bytes.IndexByte(key, '\\') < 0 {
		return key, err
	}
	for rest := key; ; {
		field, more := cut(&rest)
		switch string(field) {
		case format.Null:
			return nil, reasonKeyNull
		case format.Unchanged:
			return nil, reasonKeyUnchanged
		}
		if !more {
			return key, nil
		}
	}
}

// between returns n fields of row from number first on.
func between(row []byte, first, n int) ([]byte, error) {
	for ; first > 0; first-- {
		i := bytes.IndexByte(row, '\t')
		if i < 0 {
			return nil, reasonFields
		}
		row = row[i+1:]
	}
	end := 0
	for ; n > 0; n-- {
		i := bytes.IndexByte(row[end:], '\t')
		if i < 0 {
			if n > 1 {
				return nil, reasonFields
			}
			return row, nil
		}
		end += i + 1
	}
	return row[:end-1], nil
}

func (s *shape) gather(dst, row []byte) ([]byte, error) {
	next := 0
	for column := 0; ; column++ {
		field, more := cut(&row)
		if column == s.key[next] {
			if next > 0 {
				dst = append(dst, '\t')
			}
			dst = append(dst, field...)
			if next++; next == len(s.key) {
				return dst, nil
			}
		}
		if !more {
			return nil, reasonFields
		}
	}
}

// cut takes the first field off rest; more is false for the last one.
func cut(rest *[]byte) (field []byte, more bool) {
	if i := bytes.IndexByte(*rest, '\t'); i >= 0 {
		field, *rest = (*rest)[:i], (*rest)[i+1:]
		return field, true
	}
	return *rest, false
}

var unchanged = []byte(format.Unchanged)

// hasUnchanged tells whether a field of row is \u. Within other fields these two
// bytes occur only behind a backslash that is escaped.
func hasUnchanged(row []byte) bool {
	for at := 0; ; {
		i := bytes.Index(row[at:], unchanged)
		if i < 0 {
			return false
		}
		at += i + len(unchanged)
		if (at == len(unchanged) || row[at-len(unchanged)-1] == '\t') && (at == len(row) || row[at] == '\t') {
			return true
		}
	}
}

// resolver fills in fields that are \u. Its buffers are used again.
type resolver struct {
	fields, from [][]byte
	row          []byte
}

// fill appends to dst the row with each field that is \u taken from the same field
// of source, if want says so for its column (nil: for all). Both rows must have the
// same number of fields.
func (r *resolver) fill(dst, row, source []byte, want func(column int) bool) ([]byte, error) {
	r.fields = format.SplitRow(r.fields[:0], row)
	r.from = format.SplitRow(r.from[:0], source)
	if len(r.fields) != len(r.from) {
		return dst, reasonFields
	}
	for i, field := range r.fields {
		if i > 0 {
			dst = append(dst, '\t')
		}
		if string(field) == format.Unchanged && (want == nil || want(i)) {
			field = r.from[i]
		}
		dst = append(dst, field...)
	}
	return dst, nil
}

// afterOld is the new row of an update with what its old row tells: all columns if
// that is complete ('O'), those of the key if it is only that ('K'). The result is
// valid until the next call.
func (r *resolver) afterOld(s *shape, rec format.Record) ([]byte, error) {
	if rec.OldKind == format.OldNone || !hasUnchanged(rec.New) {
		return rec.New, nil
	}
	var want func(int) bool
	if rec.OldKind == format.OldKey {
		want = func(column int) bool { return slices.Contains(s.key, column) }
	}
	var err error
	r.row, err = r.fill(r.row[:0], rec.New, rec.Old, want)
	return r.row, err
}
