package engine

import (
	"cmp"
	"container/heap"
	"sync"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// statementQueue hands out statements so that a later stage begins after all of an earlier one, and that of one stage
// two run at once only if neither locks what the other locks or reads; those that conflict keep their order. Among
// those that may run the one with the most bytes goes first. What waits for what is worked out once for each stage: there
// can be hundreds of thousands of statements.
type statementQueue struct {
	statements []catalog.Statement

	mu      sync.Mutex
	changed sync.Cond
	began   int   // statements before it are of this stage or of an earlier one
	open    int   // of this stage, not done
	waits   []int // for so many others, by statement
	frees   map[int][]int
	ready   readyHeap
	err     error
}

// newStatementQueue takes statements that are sorted by stage.
func newStatementQueue(statements []catalog.Statement) *statementQueue {
	q := &statementQueue{statements: statements, waits: make([]int, len(statements))}
	q.changed.L = &q.mu
	q.ready.statements = statements
	q.nextStage()
	return q
}

// nextStage readies the statements of the next stage that wait for no other.
func (q *statementQueue) nextStage() {
	q.frees = map[int][]int{}
	u := users{}
	for first := q.began; q.began < len(q.statements) && q.statements[q.began].Stage == q.statements[first].Stage; q.began++ {
		i := q.began
		q.open++
		for _, earlier := range u.add(i, &q.statements[i]) {
			q.frees[earlier] = append(q.frees[earlier], i)
			q.waits[i]++
		}
		if q.waits[i] == 0 {
			heap.Push(&q.ready, i)
		}
	}
}

// users are by object the last statement that locks it and those that have read it since.
type users map[uint32]struct {
	locks int // plus one; 0: none
	reads []int
}

// add takes in a statement and returns the earlier ones that it has to wait for.
func (u users) add(i int, s *catalog.Statement) []int {
	before := map[int]bool{}
	for _, oid := range s.Locks {
		use := u[oid]
		if use.locks > 0 {
			before[use.locks-1] = true
		}
		for _, reader := range use.reads {
			before[reader] = true
		}
		use.locks, use.reads = i+1, nil
		u[oid] = use
	}
	for _, oid := range s.Reads {
		use := u[oid]
		if use.locks > 0 {
			before[use.locks-1] = true
		}
		use.reads = append(use.reads, i)
		u[oid] = use
	}
	delete(before, i)
	return sortedKeys(before)
}

// next returns the index of a statement to run, or false when there will be none.
func (q *statementQueue) next() (int, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.err != nil || q.open == 0 {
			return 0, false
		}
		if q.ready.Len() > 0 {
			return heap.Pop(&q.ready).(int), true
		}
		q.changed.Wait()
	}
}

// did takes in the end of a statement.
func (q *statementQueue) did(i int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, later := range q.frees[i] {
		if q.waits[later]--; q.waits[later] == 0 {
			heap.Push(&q.ready, later)
		}
	}
	if q.open--; q.open == 0 {
		q.nextStage()
	}
	q.changed.Broadcast()
}

// fail ends the queue.
func (q *statementQueue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	q.changed.Broadcast()
}

// readyHeap gives the statement with the most bytes first, and of those with as many the earliest.
type readyHeap struct {
	statements []catalog.Statement
	indexes    []int
}

func (h *readyHeap) Len() int { return len(h.indexes) }
func (h *readyHeap) Less(a, b int) bool {
	i, j := h.indexes[a], h.indexes[b]
	return cmp.Or(cmp.Compare(h.statements[j].Bytes, h.statements[i].Bytes), cmp.Compare(i, j)) < 0
}
func (h *readyHeap) Swap(a, b int) { h.indexes[a], h.indexes[b] = h.indexes[b], h.indexes[a] }
func (h *readyHeap) Push(x any)    { h.indexes = append(h.indexes, x.(int)) }
func (h *readyHeap) Pop() any {
	last := len(h.indexes) - 1
	i := h.indexes[last]
	h.indexes = h.indexes[:last]
	return i
}
