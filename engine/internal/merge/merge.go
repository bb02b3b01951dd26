// Package merge joins the rows of a snapshot with the net change of their table into
// the rows of the target. It reads and writes nothing itself: chunks of rows come
// in, chunks of rows go out.
//
// A [Merger] walks a chunk row by row and asks the net change for each row's fate.
// A chunk in which nothing changed goes out as the very bytes that came in. Else the
// rows that replace others are read together, sorted as they lie on disk, and the
// chunk is written anew: stretches of untouched rows are copied whole, a replaced
// row gives way to its newest version in the same position, fields of that marked
// \u are taken from the base row, and dropped rows are left out. When all parts of a
// table are through, [Merger.Add] writes the rows that are new.
//
// Where the output goes is not known here: to COPY it is a restore, to a snapshot's
// parts a synthetic full.
package merge

import (
	"bytes"
	"fmt"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal/fold"
)

// Changes is the net change of a table, as *fold.Net is. All Mergers of the table
// share it.
type Changes interface {
	// Emptied says that no base row is in the target.
	Emptied() bool
	// Match tells what became of a base row. Each must be asked for exactly once.
	Match(row []byte) (fold.Fate, error)
	// Load reads the rows that replace those in the batch.
	Load(b *fold.Batch) error
}

// Emit takes whole rows with their newlines; they are valid during the call only.
type Emit func(rows []byte) error

// Counts is what a Merger has seen. Counts of several are added up with Add.
type Counts struct {
	// Base rows came in; of them Dropped are not in the target, and Replaced are in
	// it in another version. Added rows came by Add.
	Base, Dropped, Replaced, Added int64
	// BaseBytes came in and Bytes went out, newlines counted.
	BaseBytes, Bytes int64
	// BaseHash is of the base rows, if Options.HashBase asks for it.
	BaseHash format.ContentHash
	// Delta is what turns the base's content hash into that of the rows that went
	// out: their sum is the target's.
	Delta format.ContentHash
}

// Rows is the number of rows that went out.
func (c *Counts) Rows() int64 { return c.Base - c.Dropped + c.Added }

// Add adds what another Merger of the same table has seen.
func (c *Counts) Add(o Counts) {
	c.Base += o.Base
	c.Dropped += o.Dropped
	c.Replaced += o.Replaced
	c.Added += o.Added
	c.BaseBytes += o.BaseBytes
	c.Bytes += o.Bytes
	c.BaseHash.Add(o.BaseHash)
	c.Delta.Add(o.Delta)
}

// Options of a Merger. The zero value does without what costs time.
type Options struct {
	// HashBase hashes every base row, to be compared with the snapshot's manifest.
	HashBase bool
}

// Merger merges the chunks of one part after the other. It is for one goroutine;
// parts are merged in parallel by a Merger each.
type Merger struct {
	changes Changes
	columns int
	options Options
	counts  Counts

	hits   []hit
	batch  fold.Batch
	out    []byte
	fields [2][][]byte
}

// hit is a row of the chunk that is not to go out as it is.
type hit struct {
	start, end int // without the newline
	fate       fold.Fate
}

const (
	outSize  = 1 << 20 // rows are emitted in pieces of about this size
	loadSize = 4 << 20 // bytes of replacing rows in memory at once, or a single row
	loadRows = 8192
)

// New makes a Merger for a table of so many columns. changes is nil for a table
// that did not change.
func New(changes Changes, columns int, o Options) *Merger {
	return &Merger{changes: changes, columns: columns, options: o}
}

// Counts tells what came in and went out so far.
func (m *Merger) Counts() Counts { return m.counts }

// Chunk merges rows, which are whole rows of COPY text, each with its newline. They
// may go to emit as they are. Rows of another shape than the table's are a
// format.ErrCorrupt, a base row that the changes contradict a fold.ErrContradiction.
// An error, emit's included, ends the merge of the table.
func (m *Merger) Chunk(rows []byte, emit Emit) error {
	if err := m.begin(rows); err != nil || len(rows) == 0 {
		return err
	}
	if m.changes == nil {
		return m.pass(rows, emit)
	}
	if m.changes.Emptied() {
		return m.drop(rows)
	}
	done, any := 0, false
	m.reset()
	for start := 0; start < len(rows); {
		end := start + bytes.IndexByte(rows[start:], '\n')
		row := rows[start:end:end]
		fate, err := m.changes.Match(row)
		if err != nil {
			return err
		}
		if !fate.Untouched() {
			any = true
			m.hits = append(m.hits, hit{start, end, fate})
			if fate.Replaced() {
				m.batch.Add(fate, row)
			}
			if m.batch.Len() >= loadRows || m.batch.Size() >= loadSize {
				if err := m.write(rows[:end+1], done, emit); err != nil {
					return err
				}
				done = end + 1
			}
		}
		start = end + 1
	}
	if !any {
		return m.pass(rows, emit)
	}
	if err := m.write(rows, done, emit); err != nil {
		return err
	}
	return m.flush(emit)
}

// begin counts the rows that come in, and makes sure that they are whole.
func (m *Merger) begin(rows []byte) error {
	if len(rows) == 0 {
		return nil
	}
	if rows[len(rows)-1] != '\n' {
		return fmt.Errorf("merging a chunk of rows: %w: its last row has no end; run verify", format.ErrCorrupt)
	}
	n := bytes.Count(rows, []byte{'\n'})
	if tabs := bytes.Count(rows, []byte{'\t'}); tabs != n*max(0, m.columns-1) {
		return fmt.Errorf("merging a chunk of rows: %w: %d rows of %d columns have %d fields; run verify", format.ErrCorrupt, n, m.columns, n+tabs)
	}
	m.counts.Base += int64(n)
	m.counts.BaseBytes += int64(len(rows))
	if m.options.HashBase {
		hashRows(&m.counts.BaseHash, rows, (*format.ContentHash).AddRow)
	}
	return nil
}

func hashRows(h *format.ContentHash, rows []byte, add func(*format.ContentHash, []byte)) {
	for len(rows) > 0 {
		i := bytes.IndexByte(rows, '\n')
		add(h, rows[:i])
		rows = rows[i+1:]
	}
}

// drop lets none of the rows out.
func (m *Merger) drop(rows []byte) error {
	m.counts.Dropped += int64(bytes.Count(rows, []byte{'\n'}))
	hashRows(&m.counts.Delta, rows, (*format.ContentHash).SubRow)
	return nil
}

// pass lets the rows out as they are.
func (m *Merger) pass(rows []byte, emit Emit) error {
	m.counts.Bytes += int64(len(rows))
	return emit(rows)
}

func (m *Merger) reset() {
	m.hits = m.hits[:0]
	m.batch.Reset()
}

// write puts rows from done on into out, as the hits say, and forgets the hits.
func (m *Merger) write(rows []byte, done int, emit Emit) error {
	if err := m.changes.Load(&m.batch); err != nil {
		return err
	}
	loaded := 0
	for _, h := range m.hits {
		m.out = append(m.out, rows[done:h.start]...)
		done = h.end + 1
		base := rows[h.start:h.end]
		m.counts.Delta.SubRow(base)
		if !h.fate.Replaced() {
			m.counts.Dropped++
			continue
		}
		row, patched := m.batch.Row(loaded)
		loaded++
		if err := m.replace(base, row, patched); err != nil {
			return err
		}
		if len(m.out) >= outSize {
			if err := m.flush(emit); err != nil {
				return err
			}
		}
	}
	m.out = append(m.out, rows[done:]...)
	m.reset()
	return nil
}

// replace puts row into out in the place of base.
func (m *Merger) replace(base, row []byte, patched bool) error {
	start := len(m.out)
	if !patched {
		m.out = append(m.out, row...)
	} else if err := m.patch(base, row); err != nil {
		return err
	}
	m.counts.Replaced++
	m.counts.Delta.AddRow(m.out[start:])
	m.out = append(m.out, '\n')
	return nil
}

// patch appends row to out with its fields that are \u taken from base.
func (m *Merger) patch(base, row []byte) error {
	m.fields[0] = format.SplitRow(m.fields[0][:0], base)
	m.fields[1] = format.SplitRow(m.fields[1][:0], row)
	if len(m.fields[0]) != len(m.fields[1]) {
		return fmt.Errorf("merging a chunk of rows: %w: a row of %d fields replaces one of %d; run verify", fold.ErrContradiction, len(m.fields[1]), len(m.fields[0]))
	}
	for i, field := range m.fields[1] {
		if string(field) == format.Unchanged {
			field = m.fields[0][i]
		}
		if i > 0 {
			m.out = append(m.out, '\t')
		}
		m.out = append(m.out, field...)
	}
	return nil
}

// flush emits what is in out.
func (m *Merger) flush(emit Emit) error {
	if len(m.out) == 0 {
		return nil
	}
	m.counts.Bytes += int64(len(m.out))
	err := emit(m.out)
	if m.out = m.out[:0]; cap(m.out) > 8*outSize {
		m.out = nil
	}
	return err
}

// Additions are the rows to add to a table, as *fold.Added is.
type Additions interface {
	// Each calls fn with the rows from number from up to but without number to.
	Each(from, to int, fn func(row []byte) error) error
}

// Add lets out the rows from number from up to but without number to of those that
// are new. Several Mergers may each take a share.
func (m *Merger) Add(a Additions, from, to int, emit Emit) error {
	err := a.Each(from, to, func(row []byte) error {
		m.counts.Added++
		m.counts.Delta.AddRow(row)
		m.out = append(append(m.out, row...), '\n')
		if len(m.out) < outSize {
			return nil
		}
		return m.flush(emit)
	})
	if err != nil {
		return err
	}
	return m.flush(emit)
}
