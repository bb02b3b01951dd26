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
// parallel, then finish, then the rows to add, in shares.
type tableRows struct {
	past *history
	data *format.TableData
	// net is nil where nothing changed after the snapshot.
	net *fold.Net

	mu     sync.Mutex
	counts merge.Counts
}

// name is the table's for messages.
func (r *tableRows) name() string { return r.data.Schema + "." + r.data.Name }

// fold reads the table's changes and reduces them to the net change of each row.
func (r *tableRows) fold(ctx context.Context, dir string) error {
	changed := r.past.tables[r.data.OID]
	if changed == nil || changed.changes == 0 {
		return nil
	}
	o, err := fold.For(r.data)
	if err != nil {
		return &failure{ErrIntegrity, err}
	}
	o.Dir = dir
	f, err := fold.New(o)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := r.past.records(ctx, r.data, f.Apply); err != nil {
		return contradicts(err)
	}
	r.net, err = f.Seal()
	if err != nil {
		return contradicts(err)
	}
	if got := uint64(r.net.Stats().Records); got != changed.changes {
		return integrityf("table %s: the log holds %d changes where its transactions count %d", r.name(), got, changed.changes)
	}
	return nil
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
	if r.net != nil && r.net.Emptied() {
		return nil
	}
	all := make([]int, len(r.data.Parts))
	for i := range all {
		all[i] = i
	}
	return all
}

// merger makes a Merger. A nil *fold.Net must not become a Changes that is not nil.
func (r *tableRows) merger() *merge.Merger {
	var changes merge.Changes
	if r.net != nil {
		changes = r.net
	}
	return merge.New(changes, len(r.data.Columns), merge.Options{HashBase: true})
}

// part merges one part's rows and returns how many went out. What was read is held against the manifest before it
// returns nil.
func (r *tableRows) part(ctx context.Context, i int, emit merge.Emit) (int64, error) {
	p := r.data.Parts[i]
	ref := r.past.choice.Base.Envelope.Parts[p.Object]
	object, err := r.past.held.source.OpenPart(ctx, ref)
	if err != nil {
		return 0, fmt.Errorf("table %s: %w", r.name(), err)
	}
	m := r.merger()
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
	counts := m.Counts()
	if counts.Base != p.Rows || counts.BaseBytes != p.RawBytes || counts.BaseHash != p.ContentHash {
		return 0, fmt.Errorf("table %s: %w", r.name(), &format.CorruptError{Object: ref.Name, Chunk: -1, Table: r.data.OID, Failure: format.FailRows,
			Reason: fmt.Sprintf("its %d rows are not the %d that the manifest tells", counts.Base, p.Rows)})
	}
	r.tell(counts)
	return counts.Rows(), nil
}

// finish is called when all parts are through, and returns the number of rows to add.
func (r *tableRows) finish() (*fold.Added, error) {
	if r.net == nil {
		return nil, nil
	}
	added, err := r.net.Finish()
	return added, contradicts(err)
}

// add merges in a share of the rows to add and returns how many went out.
func (r *tableRows) add(added *fold.Added, from, to int, emit merge.Emit) (int64, error) {
	m := r.merger()
	if err := m.Add(added, from, to, emit); err != nil {
		return 0, contradicts(err)
	}
	counts := m.Counts()
	r.tell(counts)
	return counts.Rows(), nil
}

func (r *tableRows) tell(c merge.Counts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Add(c)
}

// folded is the number of log records folded in.
func (r *tableRows) folded() int64 {
	if r.net == nil {
		return 0
	}
	return r.net.Stats().Records
}

// close gives up the folded rows.
func (r *tableRows) close() error {
	if r.net == nil {
		return nil
	}
	return r.net.Close()
}
