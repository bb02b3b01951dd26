package catalog

import (
	"cmp"
	"container/heap"
	"slices"
)

// node is one object that pre-data makes.
type node struct {
	ref    Ref
	rank   int      // kind, for the order among objects that are free to go
	key    []string // name, for the order within a kind
	object creatable
	needs  []Ref
	parts  []*part // what can be made later than the rest
	emit   func()

	unsaid  []Ref    // needs that are guessed, and given up in a circle
	along   []Ref    // what a subset takes along, in any order
	schemas []string // those that the object needs besides its own
	circle  []*node  // the functions of a type that begins as a shell

	// split, if not nil, makes the object in two steps: emit is replaced, needs reduced, and the
	// returned function makes the rest.
	split  func() (rest func())
	late   bool   // made in post-data
	exists string // set if the object is made only where the target lacks it
}

// part is a default or constraint that usually is made with its object, and
// after everything else where it takes part in a cycle.
type part struct {
	ref      Ref
	needs    []Ref
	detached bool
	emit     func() // makes it separately
}

// detached says whether the part is made later than the node.
func (n *node) detached(ref Ref) bool {
	return slices.ContainsFunc(n.parts, func(p *part) bool { return p.ref == ref && p.detached })
}

// allNeeds are the needs of the node with the parts made with it.
func (n *node) allNeeds() []Ref {
	return append(slices.Clip(n.surely()), n.unsaid...)
}

// surely are the needs without the guessed ones.
func (n *node) surely() []Ref {
	needs := n.needs
	for _, p := range n.parts {
		if !p.detached {
			needs = append(slices.Clip(needs), p.needs...)
		}
	}
	return needs
}

func compareNodes(a, b *node) int {
	return cmp.Or(cmp.Compare(a.rank, b.rank), slices.Compare(a.key, b.key))
}

// nodeHeap gives the free node of the lowest rank and name first.
type nodeHeap []*node

func (h nodeHeap) Len() int           { return len(h) }
func (h nodeHeap) Less(i, j int) bool { return compareNodes(h[i], h[j]) < 0 }
func (h nodeHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *nodeHeap) Push(x any)        { *h = append(*h, x.(*node)) }
func (h *nodeHeap) Pop() any {
	old := *h
	n := old[len(old)-1]
	*h = old[:len(old)-1]
	return n
}

// sortNodes puts nodes behind what they need. Nodes of a cycle, and those that
// need them, come back in stuck.
func sortNodes(nodes []*node) (sorted, stuck []*node) {
	index := make(map[Ref]*node, len(nodes))
	for _, n := range nodes {
		index[n.ref] = n
	}
	waiting := make(map[*node]int, len(nodes))
	neededBy := map[*node][]*node{}
	free := &nodeHeap{}
	for _, n := range nodes {
		seen := map[Ref]bool{n.ref: true}
		for _, need := range n.allNeeds() {
			if other := index[need]; other != nil && !seen[need] {
				seen[need] = true
				waiting[n]++
				neededBy[other] = append(neededBy[other], n)
			}
		}
		if waiting[n] == 0 {
			*free = append(*free, n)
		}
	}
	heap.Init(free)
	for free.Len() > 0 {
		n := heap.Pop(free).(*node)
		sorted = append(sorted, n)
		for _, other := range neededBy[n] {
			if waiting[other]--; waiting[other] == 0 {
				heap.Push(free, other)
			}
		}
	}
	for _, n := range nodes {
		if waiting[n] > 0 {
			stuck = append(stuck, n)
		}
	}
	return sorted, stuck
}

// cycles finds the sets of nodes that need each other (Tarjan's strongly
// connected components of more than one node), each sorted.
func cycles(nodes []*node) [][]*node {
	index := make(map[Ref]*node, len(nodes))
	for _, n := range nodes {
		index[n.ref] = n
	}
	slices.SortFunc(nodes, compareNodes)
	number, low := map[*node]int{}, map[*node]int{}
	onStack := map[*node]bool{}
	var stack []*node
	var found [][]*node
	var visit func(n *node)
	visit = func(n *node) {
		number[n] = len(number) + 1
		low[n] = number[n]
		stack = append(stack, n)
		onStack[n] = true
		for _, need := range n.allNeeds() {
			other := index[need]
			switch {
			case other == nil || other == n:
			case number[other] == 0:
				visit(other)
				low[n] = min(low[n], low[other])
			case onStack[other]:
				low[n] = min(low[n], number[other])
			}
		}
		if low[n] != number[n] {
			return
		}
		at := slices.Index(stack, n)
		set := slices.Clone(stack[at:])
		stack = stack[:at]
		for _, m := range set {
			onStack[m] = false
		}
		if len(set) > 1 {
			slices.SortFunc(set, compareNodes)
			found = append(found, set)
		}
	}
	for _, n := range nodes {
		if number[n] == 0 {
			visit(n)
		}
	}
	return found
}

// order sorts nodes, breaking cycles: parts are made later, then objects are made in
// two steps, and where nothing helps a need is given up, so that the server says what is wrong.
func (p *planner) order(nodes []*node) []*node {
	for {
		sorted, stuck := sortNodes(nodes)
		if len(stuck) == 0 {
			return sorted
		}
		for _, cycle := range cycles(stuck) {
			p.breakCycle(cycle)
		}
	}
}

func (p *planner) breakCycle(cycle []*node) {
	in := map[Ref]bool{}
	for _, n := range cycle {
		in[n.ref] = true
	}
	inCycle := func(r Ref) bool { return in[r] }
	broken := false
	for _, n := range cycle {
		for _, part := range n.parts {
			if !part.detached && slices.ContainsFunc(part.needs, func(r Ref) bool { return r != n.ref && in[r] }) {
				part.detached, broken = true, true
				p.tail = append(p.tail, func() {
					p.at.ifMissing = n.exists
					part.emit()
					p.at.ifMissing = ""
				})
			}
		}
	}
	if broken {
		return
	}
	for _, n := range cycle {
		if slices.ContainsFunc(n.unsaid, inCycle) {
			n.unsaid, broken = slices.DeleteFunc(slices.Clone(n.unsaid), inCycle), true
		}
	}
	if broken {
		return
	}
	for _, n := range cycle {
		if n.split != nil {
			p.splitNode(n, inCycle)
			return
		}
	}
	cycle[0].needs = slices.DeleteFunc(slices.Clone(cycle[0].needs), inCycle)
}

// splitNode makes an object in two steps, the first without the given needs.
func (p *planner) splitNode(n *node, without func(Ref) bool) {
	rest := n.split()
	needs := n.surely()
	p.late = append(p.late, &node{ref: n.ref, rank: n.rank, key: n.key, needs: needs, unsaid: n.unsaid, emit: rest, exists: n.exists})
	n.split, n.parts, n.unsaid = nil, nil, nil
	n.needs = slices.DeleteFunc(slices.Clone(needs), without)
}

// findLate moves to post-data what needs a primary key, or names an index as a regclass, or needs something so moved: defaults and
// CHECK constraints alone, views get a first step in pre-data, functions and materialized views wait as a whole.
func (p *planner) findLate(nodes []*node) []*node {
	late := map[Ref]bool{}
	isLate := func(r Ref) bool {
		return late[r] || r.Class == ClassConstraint && p.constraints[r.OID] != nil || r.Class == ClassRelation && p.indexes[r.OID]
	}
	for moved := true; moved; {
		moved = false
		for _, n := range nodes {
			for i, part := range n.parts {
				if !part.detached && slices.ContainsFunc(part.needs, isLate) {
					moved, part.detached = true, true
					p.late = append(p.late, &node{ref: part.ref, rank: n.rank, key: append(slices.Clone(n.key), itoa(i)),
						needs: append(slices.Clone(part.needs), n.ref), emit: part.emit, exists: n.exists})
				}
			}
			if n.late || n.ref.Class == ClassRelation && p.tables[n.ref.OID] != nil || !slices.ContainsFunc(n.surely(), isLate) {
				continue
			}
			moved = true
			if n.split != nil && n.ref.Class == ClassRelation {
				p.splitNode(n, func(r Ref) bool { return isLate(r) || r.Class == ClassFunction })
				continue
			}
			n.late, late[n.ref] = true, true
			p.late = append(p.late, n)
		}
	}
	return slices.DeleteFunc(nodes, func(n *node) bool { return n.late })
}
