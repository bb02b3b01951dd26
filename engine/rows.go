package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/pgrecall/pgrecall/engine/internal/merge"
	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal/fold"
)

// tableRows makes the rows of one table at the target: fold first, then each part once, in any order and in
// parallel, then finish and the rows to add, in shares, again and again until finish gives none.
type tableRows struct {
	past *history
	data *format.TableData
	// stages are the stretches of the log in which the table had one form, nets what changed in each; nil: nothing did.
	stages []merge.Stage
	nets   []*fold.Net
	// finished is the number of stages whose rows to add were given out.
	finished int

	mu     sync.Mutex
	counts merge.Counts // of the last stage
}

// additions are the rows to add that a stage has.
type additions struct {
	*fold.Added
	stage int
}

// name is the table's for messages.
func (r *tableRows) name() string { return r.data.Schema + "." + r.data.Name }

// fold reads the table's changes and reduces them to the net change of each row.
func (r *tableRows) fold(ctx context.Context, dir string) error {
	stages, read, err := r.past.changes(r.data)
	if err != nil {
		return err
	}
	folds := make([]*fold.Fold, len(stages))
	for i, s := range stages {
		r.stages, r.nets = append(r.stages, merge.Stage{Columns: s.Fold.Columns, Reshape: s.Reshape}), append(r.nets, nil)
		if s.Records == 0 {
			continue
		}
		s.Fold.Dir, s.Fold.Memory = dir, foldMemory/len(stages)
		f, err := fold.New(s.Fold)
		if err != nil {
			return err
		}
		defer f.Close()
		folds[i] = f
	}
	err = read(ctx, func(stage int, record format.Record) error {
		if folds[stage] == nil {
			return integrityf("table %s: the log holds changes that its transactions do not count", r.name())
		}
		return folds[stage].Apply(record)
	})
	if err != nil {
		return contradicts(err)
	}
	for i, f := range folds {
		if f == nil {
			continue
		}
		if r.nets[i], err = f.Seal(); err != nil {
			return contradicts(err)
		}
		r.stages[i].Changes = r.nets[i]
		if got := uint64(r.nets[i].Stats().Records); got != stages[i].Records {
			return integrityf("table %s: the log holds %d changes where its transactions count %d", r.name(), got, stages[i].Records)
		}
	}
	r.finished = r.emptied()
	return nil
}

// foldMemory is how many bytes of changed rows of a table are kept in memory, of all its stages together.
const foldMemory = 8 << 20

// emptied is the number of the last stage in which the table was truncated, 0 where there is none: what was before
// it is not read.
func (r *tableRows) emptied() int {
	for i := len(r.nets) - 1; i > 0; i-- {
		if r.nets[i] != nil && r.nets[i].Emptied() {
			return i
		}
	}
	return 0
}

// contradicts makes a contradiction of log and snapshot the failure of integrity that it is.
func contradicts(err error) error {
	if errors.Is(err, fold.ErrContradiction) {
		return &failure{ErrIntegrity, err}
	}
	return err
}

// parts are the indexes of the parts to read: none where the table was truncated.
func (r *tableRows) parts() []int {
	if i := r.emptied(); i < len(r.nets) && r.nets[i] != nil && r.nets[i].Emptied() {
		return nil
	}
	all := make([]int, len(r.data.Parts))
	for i := range all {
		all[i] = i
	}
	return all
}

// chain makes the merges from a stage on.
func (r *tableRows) chain(first int) *merge.Chain {
	if r.stages == nil {
		return merge.NewChain([]merge.Stage{{Columns: len(r.data.Columns)}}, 0, merge.Options{HashBase: true})
	}
	return merge.NewChain(r.stages, first, merge.Options{HashBase: first == 0})
}

// out is what came out of the last stage of a chain.
func (r *tableRows) out(c *merge.Chain) int64 {
	counts := c.Counts(max(0, len(r.stages)-1))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Add(counts)
	return counts.Rows()
}

// part merges one part's rows and returns how many went out. What was read is held against the manifest before it
// returns nil.
func (r *tableRows) part(ctx context.Context, i int, emit merge.Emit) (int64, error) {
	p := r.data.Parts[i]
	ref := r.past.baseOf(r.data.OID).Envelope.Parts[p.Object]
	object, err := r.past.held.source.OpenPart(ctx, ref)
	if err != nil {
		return 0, fmt.Errorf("table %s: %w", r.name(), err)
	}
	m := r.chain(0)
	var buf []byte
	for c, chunk := range object.Chunks() {
		if err := ctx.Err(); err != nil {
			return 0, context.Cause(ctx)
		}
		if chunk.Table != r.data.OID {
			return 0, fmt.Errorf("table %s: %w", r.name(), &format.CorruptError{Object: ref.Name, Chunk: c, Table: chunk.Table, Failure: format.FailChunk,
				Reason: "it holds rows of another table"})
		}
		if buf, err = object.ReadChunk(ctx, c, buf); err != nil {
			return 0, fmt.Errorf("table %s: %w", r.name(), err)
		}
		if err := m.Chunk(buf, emit); err != nil {
			return 0, contradicts(err)
		}
	}
	counts := m.Counts(0)
	if counts.Base != p.Rows || counts.BaseBytes != p.RawBytes || counts.BaseHash != p.ContentHash {
		return 0, fmt.Errorf("table %s: %w", r.name(), &format.CorruptError{Object: ref.Name, Chunk: -1, Table: r.data.OID, Failure: format.FailRows,
			Reason: fmt.Sprintf("its %d rows are not the %d that the manifest tells", counts.Base, p.Rows)})
	}
	return r.out(m), nil
}

// finish is called when all parts are through, and when all rows are that it gave before. It returns the rows that the next
// stage adds; nil: there are no more.
func (r *tableRows) finish() (*additions, error) {
	for r.finished < len(r.nets) {
		stage := r.finished
		r.finished++
		if r.nets[stage] == nil {
			continue
		}
		added, err := r.nets[stage].Finish()
		if err != nil {
			return nil, contradicts(err)
		}
		if added.Len() > 0 {
			return &additions{added, stage}, nil
		}
	}
	return nil, nil
}

// add merges in a share of the rows to add and returns how many went out.
func (r *tableRows) add(added *additions, from, to int, emit merge.Emit) (int64, error) {
	m := r.chain(added.stage)
	if err := m.Add(added, from, to, emit); err != nil {
		return 0, contradicts(err)
	}
	return r.out(m), nil
}

// folded is the number of log records folded in.
func (r *tableRows) folded() (n int64) {
	for _, net := range r.nets {
		if net != nil {
			n += net.Stats().Records
		}
	}
	return n
}

// close gives up the folded rows.
func (r *tableRows) close() (err error) {
	for _, net := range r.nets {
		if net != nil {
			err = errors.Join(err, net.Close())
		}
	}
	return err
}
