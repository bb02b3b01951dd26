package merge

import (
	"bytes"
	"fmt"

	"github.com/pgrecall/pgrecall/format"
)

// Stage is a stretch of a table's log in which its rows had one form: the rows that come in are merged with the stretch's
// net change, and brought to the form of the next stretch when they go out.
type Stage struct {
	// Changes is the net change of the stretch, nil where there is none.
	Changes Changes
	// Columns is the number of columns of the rows that come in.
	Columns int
	// Reshape brings the rows that go out to another form; nil: they stay as they are.
	Reshape *Reshape
}

// Reshape turns rows of one form of a table into those of another.
type Reshape struct {
	// From is the number of fields that come in; Fields are those that go out, in order.
	From   int
	Fields []ReshapedField
}

// ReshapedField is one field that goes out.
type ReshapedField struct {
	// From is the field that it is taken from, -1 where there is none.
	From int
	// Value is the field, as COPY text writes it, where From is -1: what the rows that were there hold in a column that was added.
	Value []byte
}

// Chain merges rows with the changes of one stage after the other: what a stage lets out, its added rows too, are the base
// rows of the next. It is for one goroutine; several may share the stages' Changes, as Mergers do.
type Chain struct {
	stages  []Stage
	first   int
	options Options
	mergers []*Merger
	shapers []shaper
}

// NewChain makes a chain that begins at the stage with the number first. Options are those of the Merger there; the
// rows of the other stages are no snapshot's.
func NewChain(stages []Stage, first int, o Options) *Chain {
	c := &Chain{stages: stages, first: first, options: o, mergers: make([]*Merger, len(stages)), shapers: make([]shaper, len(stages))}
	for i := first; i < len(stages); i++ {
		c.mergers[i] = New(stages[i].Changes, stages[i].Columns, o)
		o = Options{}
	}
	return c
}

// Counts tells what came into a stage and went out of it so far.
func (c *Chain) Counts(stage int) Counts {
	if c.mergers[stage] == nil {
		return Counts{}
	}
	return c.mergers[stage].Counts()
}

// Chunk merges whole rows, as Merger.Chunk does, through all stages.
func (c *Chain) Chunk(rows []byte, emit Emit) error {
	return c.mergers[c.first].Chunk(rows, c.after(c.first, emit))
}

// Add lets the added rows of the first stage out through those after it, as Merger.Add does.
func (c *Chain) Add(a Additions, from, to int, emit Emit) error {
	return c.mergers[c.first].Add(a, from, to, c.after(c.first, emit))
}

// after is where the rows go that stage i lets out.
func (c *Chain) after(i int, emit Emit) Emit {
	into := emit
	if i+1 < len(c.stages) {
		onward := c.after(i+1, emit)
		into = func(rows []byte) error { return c.mergers[i+1].Chunk(rows, onward) }
	}
	reshape := c.stages[i].Reshape
	if reshape == nil {
		return into
	}
	return func(rows []byte) error { return c.shapers[i].rows(reshape, rows, into) }
}

// shaper reshapes rows. Its buffers are used again.
type shaper struct {
	out    []byte
	fields [][]byte
}

func (s *shaper) rows(r *Reshape, rows []byte, emit Emit) error {
	s.out = s.out[:0]
	for len(rows) > 0 {
		end := bytes.IndexByte(rows, '\n')
		if end < 0 {
			return fmt.Errorf("bringing rows to the next form of their table: %w: the last row has no end; run verify", format.ErrCorrupt)
		}
		if err := s.row(r, rows[:end]); err != nil {
			return err
		}
		rows = rows[end+1:]
		if len(s.out) < outSize {
			continue
		}
		if err := emit(s.out); err != nil {
			return err
		}
		if s.out = s.out[:0]; cap(s.out) > 8*outSize {
			s.out = nil
		}
	}
	if len(s.out) == 0 {
		return nil
	}
	return emit(s.out)
}

// row appends a row in its other form, with its newline.
func (s *shaper) row(r *Reshape, row []byte) error {
	s.fields = s.fields[:0]
	if r.From > 0 || len(row) > 0 {
		s.fields = format.SplitRow(s.fields, row)
	}
	if len(s.fields) != r.From {
		return fmt.Errorf("bringing rows to the next form of their table: %w: a row of %d fields, not %d; run verify", format.ErrCorrupt, len(s.fields), r.From)
	}
	for i, f := range r.Fields {
		if i > 0 {
			s.out = append(s.out, '\t')
		}
		if f.From < 0 {
			s.out = append(s.out, f.Value...)
		} else {
			s.out = append(s.out, s.fields[f.From]...)
		}
	}
	s.out = append(s.out, '\n')
	return nil
}
