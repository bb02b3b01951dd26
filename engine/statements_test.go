package engine

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pgrecall/pgrecall/snapshot/catalog"
)

// hinderEachOther says that two statements of one stage must not run beside each other.
func hinderEachOther(a, b *catalog.Statement) bool {
	has := func(s []uint32, oid uint32) bool { return slices.Contains(s, oid) }
	for _, oid := range a.Locks {
		if has(b.Locks, oid) || has(b.Reads, oid) {
			return true
		}
	}
	return slices.ContainsFunc(a.Reads, func(oid uint32) bool { return has(b.Locks, oid) })
}

func TestStatementsRunStageByStageAndThoseThatConflictInTheirOrder(t *testing.T) {
	for seed := range uint64(200) {
		d := rand.New(rand.NewPCG(seed, 1))
		some := func() (oids []uint32) {
			for range d.IntN(3) {
				oids = append(oids, uint32(d.IntN(6)))
			}
			return oids
		}
		var statements []catalog.Statement
		for range d.IntN(40) {
			statements = append(statements, catalog.Statement{Stage: d.IntN(4), Locks: some(), Reads: some(), Bytes: int64(d.IntN(3))})
		}
		slices.SortStableFunc(statements, func(a, b catalog.Statement) int { return a.Stage - b.Stage })
		q := newStatementQueue(statements)
		var running, order []int
		for len(order) < len(statements) || len(running) > 0 {
			for q.ready.Len() > 0 && (len(running) < 4 || d.IntN(2) == 0) {
				i, _ := q.next()
				for _, j := range running {
					if statements[i].Stage != statements[j].Stage || hinderEachOther(&statements[i], &statements[j]) {
						t.Fatalf("seed %d: %d runs beside %d", seed, i, j)
					}
				}
				running, order = append(running, i), append(order, i)
			}
			if len(running) == 0 {
				t.Fatalf("seed %d: nothing can run after %v", seed, order)
			}
			n := d.IntN(len(running))
			q.did(running[n])
			running = slices.Delete(running, n, n+1)
		}
		if _, more := q.next(); more || len(order) != len(statements) {
			t.Fatalf("seed %d: %d of %d ran", seed, len(order), len(statements))
		}
		for a, i := range order {
			for _, j := range order[a+1:] {
				if i > j && (statements[i].Stage != statements[j].Stage || hinderEachOther(&statements[i], &statements[j])) {
					t.Fatalf("seed %d: %d ran before %d", seed, i, j)
				}
			}
		}
	}
}

func TestAQueueOfVeryManyStatementsIsNoSlowerForEach(t *testing.T) {
	statements := make([]catalog.Statement, 300_000)
	for i := range statements {
		statements[i] = catalog.Statement{Stage: i / 150_000, Locks: []uint32{uint32(i / 2)}, Reads: []uint32{7}}
	}
	began := time.Now()
	q := newStatementQueue(statements)
	for n := range statements {
		i, ok := q.next()
		if !ok {
			t.Fatalf("none after %d", n)
		}
		q.did(i)
	}
	if took := time.Since(began); took > 30*time.Second { // the square of it would take hours
		t.Errorf("it took %v", took)
	}
}
