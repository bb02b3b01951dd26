package snapshot

import (
	"context"
	"slices"
	"sync"
)

// job is what a worker does next: one of the three.
type job struct {
	batch     []*table // lock these without waiting and copy them
	contended *table   // wait for this one's lock and copy it
	help      *table   // copy ranges of this one, whose lock another session holds
}

// queue hands out the jobs of one run. It is safe for concurrent use.
type queue struct {
	mu        sync.Mutex
	changed   *sync.Cond
	batches   [][]*table
	contended []*table
	open      []*table
	busy      int // jobs handed out and not finished
	stopped   bool
}

func newQueue(tables []*table) *queue {
	q := &queue{batches: batches(tables)}
	q.changed = sync.NewCond(&q.mu)
	return q
}

// next returns a job, waiting for one as long as others may still bring some; false: there is nothing more to do, or ctx
// has ended. Tables that are locked already come first, so that few are locked at a time; contended ones last.
func (q *queue) next(ctx context.Context) (job, bool) {
	defer context.AfterFunc(ctx, q.stop)()
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.stopped {
		if j, ok := q.take(); ok {
			q.busy++
			return j, true
		}
		if q.busy == 0 {
			break
		}
		q.changed.Wait()
	}
	q.changed.Broadcast()
	return job{}, false
}

func (q *queue) take() (j job, ok bool) {
	for _, t := range q.open {
		if !t.alone {
			return job{help: t}, true
		}
	}
	if len(q.batches) > 0 {
		j.batch, q.batches = q.batches[0], q.batches[1:]
		return j, true
	}
	if len(q.contended) > 0 {
		j.contended, q.contended = q.contended[0], q.contended[1:]
		return j, true
	}
	return j, false
}

// done says that a job has been finished.
func (q *queue) done() {
	q.mu.Lock()
	q.busy--
	q.mu.Unlock()
	q.changed.Broadcast()
}

func (q *queue) stop() {
	q.mu.Lock()
	q.stopped = true
	q.mu.Unlock()
	q.changed.Broadcast()
}

// postpone puts tables aside whose lock could not be had at once.
func (q *queue) postpone(tables ...*table) {
	q.mu.Lock()
	q.contended = append(q.contended, tables...)
	q.mu.Unlock()
	q.changed.Broadcast()
}

// split gives the tables of a batch back one by one: the lock of one of them could not be had.
func (q *queue) split(tables []*table) {
	q.mu.Lock()
	for _, t := range tables {
		q.batches = append(q.batches, []*table{t})
	}
	q.mu.Unlock()
	q.changed.Broadcast()
}

// publish offers the ranges of a table to the caller, who holds its lock, and unless it is to stay alone to all.
func (q *queue) publish(t *table, group int, ranges []blockRange, alone bool) {
	q.mu.Lock()
	t.group, t.ranges, t.cuts, t.alone = group, ranges, int64(len(ranges)), alone
	if len(ranges) > 1 {
		q.open = append(q.open, t)
	}
	q.mu.Unlock()
	q.changed.Broadcast()
}

// pop hands out a range of a table to a session that holds a lock on it.
func (q *queue) pop(t *table) (blockRange, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(t.ranges) == 0 {
		return blockRange{}, false
	}
	b := t.ranges[0]
	t.ranges = t.ranges[1:]
	if len(t.ranges) == 0 {
		q.open = slices.DeleteFunc(q.open, func(o *table) bool { return o == t })
	}
	return b, true
}

// leaveAlone says that nobody else can get a lock on the table now.
func (q *queue) leaveAlone(t *table) {
	q.mu.Lock()
	t.alone = true
	q.mu.Unlock()
}

// add records a finished part, and says whether it was the table's last.
func (q *queue) add(t *table, p part) (last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t.parts = append(t.parts, p)
	return int64(len(t.parts)) == t.cuts
}
