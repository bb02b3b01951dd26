package engine

import (
	"sync"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// statementQueue hands out statements so that a later stage begins after all of an earlier one, and that of one stage
// two run at once only if neither locks what the other locks or reads; those that conflict keep their order. Among
// those that may run the one with the most bytes goes first.
type statementQueue struct {
	statements []catalog.Statement

	mu      sync.Mutex
	changed sync.Cond
	pending []int // in order
	running map[int]bool
	err     error
}

func newStatementQueue(statements []catalog.Statement) *statementQueue {
	q := &statementQueue{statements: statements, running: map[int]bool{}}
	q.changed.L = &q.mu
	for i := range statements {
		q.pending = append(q.pending, i)
	}
	return q
}

// next returns the index of a statement to run, or false when there will be none.
func (q *statementQueue) next() (int, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.err != nil || len(q.pending) == 0 {
			return 0, false
		}
		if at := q.eligible(); at >= 0 {
			i := q.pending[at]
			q.pending = append(q.pending[:at:at], q.pending[at+1:]...)
			q.running[i] = true
			return i, true
		}
		q.changed.Wait()
	}
}

// eligible returns the place in pending of the statement to run now, or -1.
func (q *statementQueue) eligible() int {
	locked, read := map[uint32]bool{}, map[uint32]bool{}
	take := func(s *catalog.Statement) {
		for _, oid := range s.Locks {
			locked[oid] = true
		}
		for _, oid := range s.Reads {
			read[oid] = true
		}
	}
	stage := q.statements[q.pending[0]].Stage
	for i := range q.running {
		stage = min(stage, q.statements[i].Stage)
		take(&q.statements[i])
	}
	best := -1
	for at, i := range q.pending {
		s := &q.statements[i]
		if s.Stage != stage {
			break // the pending ones are ordered by stage
		}
		if !conflicts(s, locked, read) && (best < 0 || s.Bytes > q.statements[q.pending[best]].Bytes) {
			best = at
		}
		take(s) // those behind it keep behind it where they conflict
	}
	return best
}

func conflicts(s *catalog.Statement, locked, read map[uint32]bool) bool {
	for _, oid := range s.Locks {
		if locked[oid] || read[oid] {
			return true
		}
	}
	for _, oid := range s.Reads {
		if locked[oid] {
			return true
		}
	}
	return false
}

// did takes in the end of a statement.
func (q *statementQueue) did(i int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.running, i)
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
