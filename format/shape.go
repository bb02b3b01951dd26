package format

import "fmt"

// shape checks that the chunks of an object come in the order that its kind demands.
// It is given one chunk after the other; complete tells at the end whether one is missing.
type shape struct {
	kind  ObjectKind
	count int
	last  ChunkKind
	table uint32
	lanes map[uint32]LSN // of a segment: each table's last LSN so far
}

func (s *shape) next(c *Chunk) error {
	var err error
	switch s.kind {
	case KindPart:
		err = s.nextOfPart(c)
	case KindSegment:
		err = s.nextOfSegment(c)
	default:
		if c.Kind != ChunkDocument || s.count > 0 {
			err = fmt.Errorf("a %v holds one document and nothing else", s.kind)
		}
	}
	s.count, s.last, s.table = s.count+1, c.Kind, c.Table
	return err
}

func (s *shape) nextOfPart(c *Chunk) error {
	if c.Kind != ChunkRows {
		return fmt.Errorf("a part holds no %v", c.Kind)
	}
	if s.count > 0 && c.Table != s.table {
		return fmt.Errorf("a part of table %d holds no rows of table %d", s.table, c.Table)
	}
	return nil
}

// nextOfSegment: lanes, those of one table in commit order; then layouts, transactions,
// messages and the document, each once.
func (s *shape) nextOfSegment(c *Chunk) error {
	lanesSoFar := s.count == 0 || s.last == ChunkLane
	inOrder := false
	switch c.Kind {
	case ChunkLane, ChunkLayouts:
		inOrder = lanesSoFar
	case ChunkTransactions:
		inOrder = s.last == ChunkLayouts
	case ChunkMessages:
		inOrder = s.last == ChunkTransactions
	case ChunkDocument:
		inOrder = s.last == ChunkMessages
	}
	if !inOrder {
		return fmt.Errorf("%v is out of order in a segment: it is lanes, layouts, transactions, messages, document", c.Kind)
	}
	if c.Kind == ChunkLane {
		if s.lanes == nil {
			s.lanes = make(map[uint32]LSN)
		}
		if c.FirstLSN < s.lanes[c.Table] {
			return fmt.Errorf("the lane of table %d goes back from %v to %v", c.Table, s.lanes[c.Table], c.FirstLSN)
		}
		s.lanes[c.Table] = c.LastLSN
	}
	return nil
}

func (s *shape) complete() error {
	if s.kind != KindPart && s.last != ChunkDocument {
		return fmt.Errorf("the %v has no document at its end", s.kind)
	}
	return nil
}
