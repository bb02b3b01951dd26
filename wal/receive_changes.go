package wal

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pgrecall/pgrecall/format"
	"github.com/pgrecall/pgrecall/wal/pgoutput"
)

func lsnAt(b []byte, off int) format.LSN { return format.LSN(binary.BigEndian.Uint64(b[off:])) }

// transactional handles one message of the output plugin.
func (s *session) transactional(ctx context.Context, b []byte) error {
	if s.streams.current != nil {
		return s.within(b)
	}
	m, err := s.decoder.Decode(b)
	if err != nil {
		return &protocolError{err}
	}
	switch m := m.(type) {
	case *pgoutput.Relation:
		return s.describe(ctx, m)
	case *pgoutput.Type:
		return nil
	case *pgoutput.Begin:
		return s.begin(m, b)
	case *pgoutput.StreamStart:
		return s.startBlock(m)
	case *pgoutput.StreamAbort:
		s.abortStreamed(m)
		return nil
	case *pgoutput.StreamCommit:
		return s.commitStreamed(ctx, m)
	case *pgoutput.LogicalMessage:
		if !m.Transactional {
			return nil // sent as it was decoded, in no order with the commits
		}
	}
	if !s.inside {
		return protocolErrorf("the source sent a message %q outside of a transaction", m.Kind())
	}
	if o, ok := m.(*pgoutput.Origin); ok {
		return s.origin(o)
	}
	s.digest.Write(b)
	if c, ok := m.(*pgoutput.Commit); ok {
		return s.commit(ctx, c)
	}
	if s.overlap != nil {
		return nil // stored already; only to be compared
	}
	if m, ok := m.(*pgoutput.LogicalMessage); ok {
		return s.keepMessage(ctx, m)
	}
	return s.keepChange(m)
}

func (s *session) begin(m *pgoutput.Begin, b []byte) error {
	if s.inside {
		return protocolErrorf("the source sent a transaction within another")
	}
	s.inside, s.begun = true, *m
	s.digest.Reset()
	s.digest.Write(b)
	xid := fullXID(m.XID, s.xidRef)
	if o := s.overlap; o != nil {
		if m.CommitLSN != o.CommitLSN || xid != o.XID || !m.Time.Equal(o.Time) {
			return s.another(fmt.Sprintf("transaction %d, committed at %s", xid, m.CommitLSN))
		}
		return nil
	}
	if m.CommitLSN < s.received {
		return protocolErrorf("the source sent a commit at %s after one that ended at %s", m.CommitLSN, s.received)
	}
	if s.segment == nil {
		var err error
		if s.segment, err = newSegmentBuilder(s.SpoolDir, s.Compression, s.received); err != nil {
			return &sinkError{err}
		}
		s.opened = time.Now()
	}
	s.segment.begin(format.Transaction{XID: xid, CommitLSN: m.CommitLSN, Time: m.Time})
	return nil
}

// another says that the overlap is not the transaction that was stored.
func (s *session) another(found string) error {
	o := s.overlap
	return &GapError{From: s.end(), Reason: fmt.Sprintf(
		"the source has another history: where the log ends with transaction %d, committed at %s, it has %s; it was set back to an "+
			"earlier state",
		o.XID, o.CommitLSN, found)}
}

func (s *session) origin(*pgoutput.Origin) error {
	if s.overlap == nil {
		s.segment.current.Origin = true
	}
	return nil
}

func (s *session) commit(ctx context.Context, m *pgoutput.Commit) error {
	if m.CommitLSN != s.begun.CommitLSN || m.EndLSN <= m.CommitLSN || !m.Time.Equal(s.begun.Time) {
		return protocolErrorf("the source sent a commit at %s for the transaction it began as the one at %s",
			m.CommitLSN, s.begun.CommitLSN)
	}
	s.inside = false
	s.progress = true
	var sum [32]byte
	digest := hex.EncodeToString(s.digest.Sum(sum[:0])[:16])
	if o := s.overlap; o != nil {
		if m.EndLSN != o.EndLSN || digest != o.Hash {
			return s.another("the same one with other contents")
		}
		s.overlap = nil
	} else {
		xid := s.segment.current.XID
		local := !s.segment.current.Origin
		s.segment.commit(m.EndLSN)
		s.last = format.LastCommit{XID: xid, CommitLSN: m.CommitLSN, EndLSN: m.EndLSN, Time: m.Time, Hash: digest}
		s.received = m.EndLSN
		if m.CommitLSN >= s.whole {
			s.whole = 0
		}
		s.silence = leastSilence
		if local {
			s.lastLocal.Store(time.Now().UnixNano())
		}
		if s.altered && s.Altered != nil {
			s.Altered()
		}
		s.altered = false
	}
	if s.Once && m.EndLSN >= s.target {
		s.complete = true
		return nil
	}
	if s.segment != nil && s.segment.raw >= s.SegmentSize {
		return s.turn(ctx)
	}
	return nil
}

// describe keeps what the server says of a table.
func (s *session) describe(ctx context.Context, m *pgoutput.Relation) error {
	r := &relation{layout: format.Layout{Table: m.OID, ReplicaIdentity: string(rune(m.ReplicaIdentity))}, heard: s.heard}
	schema := m.Schema
	if schema == "" {
		schema = "pg_catalog" // pgoutput writes it so (proto.c, logicalrep_write_namespace)
	}
	var err error
	if r.layout.Schema, err = s.name(ctx, schema, m); err != nil {
		return err
	}
	if r.layout.Name, err = s.name(ctx, m.Name, m); err != nil {
		return err
	}
	r.own = r.layout.Schema == Schema
	r.layout.Columns = make([]format.LayoutColumn, len(m.Columns))
	for i, c := range m.Columns {
		name, err := s.name(ctx, c.Name, m)
		if err != nil {
			return err
		}
		r.layout.Columns[i] = format.LayoutColumn{Name: name, Type: c.Type, Typmod: c.Typmod, Key: c.Key}
	}
	s.relations[m.OID] = r
	s.relation = nil
	return nil
}

func (s *session) name(ctx context.Context, raw string, m *pgoutput.Relation) (string, error) {
	text, ok, err := s.side.text(ctx, raw)
	if err == nil && !ok {
		err = &nameError{fmt.Errorf("table %q.%q (oid %d): the name %q is not UTF-8, and the database's encoding, %s, does not say what "+
			"it is: rename it",
			m.Schema, m.Name, m.OID, raw, s.side.database.encoding)}
	}
	return text, err
}

// ownPrefix begins the prefix of every message that belongs in the log.
const ownPrefix = "pgrecall."

// keepMessage keeps the messages that belong in the log. Those of other programs are theirs: no restore has a use for
// them. Any role may write one with a prefix of ours, so that none may stop the stream, whatever it holds.
func (s *session) keepMessage(ctx context.Context, m *pgoutput.LogicalMessage) error {
	kept := format.Message{LSN: m.LSN, Prefix: m.Prefix}
	switch m.Prefix {
	case format.PrefixHeartbeat:
	case format.PrefixDDL: // UTF-8, whatever the database's encoding
		kept.Content = strings.ToValidUTF8(string(m.Content), "\ufffd")
		s.unexplained.announced.Add(s.segment.current.XID, kept.Content)
		s.altered = s.altered || changesCatalog(kept.Content)
	case format.PrefixMark:
		if len(m.Content) > 4*longestMark {
			return nil
		}
		name, _, err := s.side.text(ctx, string(m.Content))
		if hasCode(err, codeBadBytes, codeNoEquivalent) || err == nil && checkMark(name) != nil {
			return nil // Mark did not write this
		}
		if err != nil {
			return err
		}
		kept.Content = name
	default:
		if !strings.HasPrefix(m.Prefix, ownPrefix) || len(m.Content) > longestMark || !utf8.Valid(m.Content) {
			return nil
		}
		kept.Content = string(m.Content)
	}
	s.segment.message(kept)
	return nil
}

// table returns what was described as oid.
func (s *session) table(oid uint32) (*relation, error) {
	if s.relation != nil && s.relation.layout.Table == oid {
		return s.relation, nil
	}
	r := s.relations[oid]
	if r == nil {
		return nil, protocolErrorf("the source sent a change of table %d without describing it", oid)
	}
	s.relation = r
	return r, nil
}

func (s *session) keepChange(m pgoutput.Message) error {
	switch m := m.(type) {
	case *pgoutput.Insert:
		return s.keepRow(m.Relation, format.Insert, 0, nil, m.New)
	case *pgoutput.Update:
		return s.keepRow(m.Relation, format.Update, m.OldKind, m.Old, m.New)
	case *pgoutput.Delete:
		return s.keepRow(m.Relation, format.Delete, m.OldKind, m.Old, nil)
	case *pgoutput.Truncate:
		for _, oid := range m.Relations {
			r, err := s.table(oid)
			if err != nil {
				return err
			}
			if r.own {
				continue
			}
			if err := s.segment.truncate(r, m.RestartIdentity); err != nil {
				return &sinkError{err}
			}
		}
		return nil
	}
	return protocolErrorf("the source sent an unexpected message %q", m.Kind())
}

func (s *session) keepRow(oid uint32, op format.Op, oldKind byte, old, new pgoutput.Tuple) error {
	r, err := s.table(oid)
	if err != nil || r.own {
		return err
	}
	if err := s.segment.change(r, op, oldKind, old, new); err != nil {
		return &sinkError{err}
	}
	return nil
}
