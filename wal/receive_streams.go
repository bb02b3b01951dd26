package wal

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal/pgoutput"
)

// A transaction that is larger than the server's logical_decoding_work_mem is sent in blocks while it is under way, so
// that the server need not spill it, and nothing that commits later waits for it. What comes in blocks is kept aside,
// and when the transaction commits its messages go the way of a whole transaction's, in the same order and with the same
// hash, but for those of subtransactions that were rolled back. What is kept aside belongs to one connection: on a new
// one the server sends it anew.
//
// Three things the server does not tell reliably (seen with PostgreSQL 15):
//
//   - The rollback of a subtransaction is not told if the server had spilled more than 4096 changes of it before it sent them, as
//     when a TOAST value was incomplete at that time (ReorderBufferTruncateTXN in
//     src/backend/replication/logical/reorderbuffer.c looks at those in memory). So the server is asked
//     what became of each subtransaction.
//   - A message has the top transaction's id, whichever subtransaction wrote it. One that may have been
//     written by a subtransaction rolled back later cannot be told from one that counts.
//   - The origin is that of the first change, not that of the commit.
//
// In the first two cases the connection is made anew, and transactions are received whole until that one has come.

// streams are the transactions under way.
type streams struct {
	open    map[uint32]*stream // by the top transaction's id
	current *stream            // whose block is being received; nil: none
}

// stream is one transaction under way.
type stream struct {
	aside
	xid     uint32
	origin  []byte   // the Origin message; nil: none
	subs    []uint32 // ids of the subtransactions that changed rows, in any order
	aborted []uint32 // those that were rolled back, as the server told

	// said: there was a message. since is then the lowest id of a (sub)transaction that has changed a row after the last
	// one, relative to xid.
	said  bool
	since uint32
	// doubt is why the transaction has to be received whole; nothing is kept then. Empty: it has not.
	doubt string
}

// streamsMemory is how many bytes all transactions under way together may have in memory between blocks.
const streamsMemory = 8 << 20

// memory and disk say how many bytes are kept.
func (s *streams) held() (memory int, disk int64) {
	for _, t := range s.open {
		memory += cap(t.buf)
		disk += t.size
	}
	return memory, disk
}

func (s *streams) forget(t *stream) {
	t.release()
	delete(s.open, t.xid)
}

// close forgets all.
func (s *streams) close() {
	for _, t := range s.open {
		s.forget(t)
	}
}

// blockMark precedes the messages of each block, under transaction id 0: the number of messages received before it.
const blockMark = pgoutput.KindStreamStart

// startBlock begins a block.
func (s *session) startBlock(m *pgoutput.StreamStart) error {
	if s.inside {
		return protocolErrorf("the source sent a part of a transaction within another")
	}
	t := s.streams.open[m.XID]
	if t == nil {
		t = &stream{aside: aside{dir: s.SpoolDir}, xid: m.XID}
		s.streams.open[m.XID] = t
	} else if m.First {
		return protocolErrorf("the source sent the beginning of transaction %d twice", m.XID)
	}
	s.streams.current = t
	return s.keepAside(0, blockMark, binary.BigEndian.AppendUint64(nil, s.heard))
}

// within handles a message within a block.
func (s *session) within(b []byte) error {
	t := s.streams.current
	if len(b) > 0 && (b[0] == pgoutput.KindStreamStop || b[0] == pgoutput.KindOrigin) {
		m, err := s.decoder.Decode(b)
		if err != nil {
			return &protocolError{err}
		}
		if m.Kind() == pgoutput.KindOrigin {
			t.origin = bytes.Clone(b)
			return nil
		}
		return s.stopBlock()
	}
	xid, rest, err := pgoutput.Streamed(b)
	if err != nil {
		return &protocolError{err}
	}
	switch b[0] {
	case pgoutput.KindRelation, pgoutput.KindType:
	case pgoutput.KindLogicalMessage:
		t.said, t.since = true, ^uint32(0)
	default:
		t.since = min(t.since, xid-t.xid)
		if n := len(t.subs); xid != t.xid && (n == 0 || t.subs[n-1] != xid) {
			t.subs = append(t.subs, xid)
		}
	}
	return s.keepAside(xid, b[0], rest)
}

func (s *session) keepAside(xid uint32, kind byte, rest []byte) error {
	t := s.streams.current
	if t.doubt != "" {
		return nil
	}
	return s.asideError(t.keep(xid, kind, rest))
}

func (s *session) asideError(err error) error {
	if err == nil {
		return nil
	}
	_, disk := s.streams.held()
	return &sinkError{fmt.Errorf("keep a transaction aside while it is under way, in a file in %s, where such transactions have %d bytes now: %w",
		cmp.Or(s.SpoolDir, os.TempDir()), disk, err)}
}

// stopBlock ends a block.
func (s *session) stopBlock() error {
	t := s.streams.current
	s.streams.current = nil
	if memory, _ := s.streams.held(); memory > streamsMemory && len(t.buf) > 0 {
		err := t.flush()
		t.buf = nil
		return s.asideError(err)
	}
	return nil
}

// abortStreamed forgets a transaction, or notes that a subtransaction was rolled back.
func (s *session) abortStreamed(m *pgoutput.StreamAbort) {
	t := s.streams.open[m.XID]
	switch {
	case t == nil:
	case m.SubXID == m.XID:
		s.streams.forget(t)
	case t.said && t.since >= m.SubXID-m.XID:
		// A subtransaction that is open has a lower id than those within it, and changes are made by the innermost. So one
		// that was open at the message and until now had made, or held, every change since.
		t.doubt = "a savepoint in it was rolled back that may have written messages into the log"
		t.release()
	default:
		t.aborted = append(t.aborted, m.SubXID)
	}
}

// commitStreamed puts a transaction into the segment.
func (s *session) commitStreamed(ctx context.Context, m *pgoutput.StreamCommit) error {
	t := s.streams.open[m.XID]
	if t == nil {
		return s.distrust(m, "the server has sent no part of it")
	}
	defer s.streams.forget(t)
	if t.doubt != "" {
		return s.distrust(m, t.doubt)
	}
	sortSet(&t.aborted)
	sortSet(&t.subs)
	whole, err := s.committed(ctx, t)
	if err != nil {
		return err
	}
	if !whole {
		return s.distrust(m, "a savepoint in it was rolled back, and the server has not said so")
	}
	err = s.replay(ctx, t, m)
	var strange *protocolError
	if errors.As(err, &strange) {
		return s.distrust(m, strange.Error())
	}
	return err
}

func sortSet(s *[]uint32) {
	slices.Sort(*s)
	*s = slices.Compact(*s)
}

// committed reports whether those subtransactions have committed that are not said to be rolled back.
func (s *session) committed(ctx context.Context, t *stream) (bool, error) {
	for batch := range slices.Chunk(t.subs, 10_000) {
		var xids []uint64
		for _, xid := range batch {
			if _, gone := slices.BinarySearch(t.aborted, xid); !gone {
				xids = append(xids, fullXID(xid, s.xidRef))
			}
		}
		if whole, err := s.side.committed(ctx, xids); err != nil || !whole {
			return false, err
		}
		if err := s.stayAlive(ctx); err != nil {
			return false, err
		}
	}
	return true, nil
}

// replay handles the messages of a transaction that has committed as those of one that came whole. A table is what the
// transaction itself saw of it; what it saw last counts from then on, unless the server has described it anew
// (maybe_send_schema and cleanup_rel_sync_cache in src/backend/replication/pgoutput/pgoutput.c).
func (s *session) replay(ctx context.Context, t *stream, m *pgoutput.StreamCommit) error {
	described := s.relations
	s.relations, s.relation = make(map[uint32]*relation), nil
	defer func() {
		for oid, r := range s.relations {
			if d := described[oid]; d == nil || d.heard < r.heard {
				described[oid] = r
			}
		}
		s.relations, s.relation = described, nil
	}()
	begin, commit := m.Whole()
	var skipped, passed uint32 // the last transaction id of either kind
	heard := s.heard
	defer func() { s.heard = heard }()
	number := 0
	err := t.each(func(xid uint32, message []byte) error {
		if number++; number%1024 == 0 {
			if err := s.stayAlive(ctx); err != nil {
				return err
			}
		}
		switch xid {
		case 0:
			s.heard = binary.BigEndian.Uint64(message[1:])
			return nil
		case skipped:
			return nil
		case passed:
		default:
			if _, gone := slices.BinarySearch(t.aborted, xid); gone {
				skipped = xid
				return nil
			}
			passed = xid
		}
		if !s.inside && message[0] != pgoutput.KindRelation && message[0] != pgoutput.KindType {
			if err := s.beginStreamed(ctx, t, begin); err != nil {
				return err
			}
		}
		return s.transactional(ctx, message)
	})
	if err != nil {
		return err
	}
	if !s.inside {
		if s.side.database.version >= 150000 {
			return nil // whole, the server had not sent it at all (pgoutput_commit_txn)
		}
		if err := s.beginStreamed(ctx, t, begin); err != nil {
			return err
		}
	}
	return s.transactional(ctx, commit)
}

func (s *session) beginStreamed(ctx context.Context, t *stream, begin []byte) error {
	err := s.transactional(ctx, begin)
	if err == nil && t.origin != nil {
		err = s.transactional(ctx, t.origin)
	}
	return err
}

// stayAlive does what cannot wait while a transaction is replayed.
func (s *session) stayAlive(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if now := time.Now(); !now.Before(s.statusAt) {
		return s.status(now)
	}
	return nil
}

// everything is a position that no commit reaches.
const everything = ^format.LSN(0)

// distrust ends the session, so that the next ones receive transactions whole until the one that commits with m has come.
func (s *session) distrust(m *pgoutput.StreamCommit, why string) error {
	s.whole = m.CommitLSN
	return fmt.Errorf("transaction %d has to be received again, whole, for %s", fullXID(m.XID, s.xidRef), why)
}
