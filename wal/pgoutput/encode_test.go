package pgoutput

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/pgrecall/pgrecall/format"
)

// encode is the inverse of Decode: what decodes and does not come back as it was
// was not read byte for byte.
func encode(m Message) []byte {
	b := []byte{m.Kind()}
	u32 := func(n uint32) { b = binary.BigEndian.AppendUint32(b, n) }
	lsn := func(l format.LSN) { b = binary.BigEndian.AppendUint64(b, uint64(l)) }
	at := func(t time.Time) { b = binary.BigEndian.AppendUint64(b, uint64(t.UnixMicro()-microsecondsTo2000)) }
	str := func(s string) { b = append(append(b, s...), 0) }
	bit := func(set bool, flag byte) byte {
		if set {
			return flag
		}
		return 0
	}
	tuple := func(kind byte, t Tuple) {
		b = binary.BigEndian.AppendUint16(append(b, kind), uint16(len(t)))
		for _, c := range t {
			b = append(b, c.Kind)
			if c.Kind == Text {
				u32(uint32(len(c.Text)))
				b = append(b, c.Text...)
			}
		}
	}
	switch m := m.(type) {
	case *Begin:
		lsn(m.CommitLSN)
		at(m.Time)
		u32(m.XID)
	case *Commit:
		b = append(b, 0)
		lsn(m.CommitLSN)
		lsn(m.EndLSN)
		at(m.Time)
	case *Origin:
		lsn(m.CommitLSN)
		str(m.Name)
	case *Relation:
		u32(m.OID)
		str(m.Schema)
		str(m.Name)
		b = binary.BigEndian.AppendUint16(append(b, m.ReplicaIdentity), uint16(len(m.Columns)))
		for _, c := range m.Columns {
			b = append(b, bit(c.Key, 1))
			str(c.Name)
			u32(c.Type)
			u32(uint32(c.Typmod))
		}
	case *Type:
		u32(m.OID)
		str(m.Schema)
		str(m.Name)
	case *Insert:
		u32(m.Relation)
		tuple('N', m.New)
	case *Update:
		u32(m.Relation)
		if m.OldKind != 0 {
			tuple(m.OldKind, m.Old)
		}
		tuple('N', m.New)
	case *Delete:
		u32(m.Relation)
		tuple(m.OldKind, m.Old)
	case *Truncate:
		u32(uint32(len(m.Relations)))
		b = append(b, bit(m.Cascade, truncateCascade)|bit(m.RestartIdentity, truncateRestartIdentity))
		for _, oid := range m.Relations {
			u32(oid)
		}
	case *StreamStart:
		u32(m.XID)
		b = append(b, bit(m.First, 1))
	case *StreamCommit:
		u32(m.XID)
		b = append(b, 0)
		lsn(m.CommitLSN)
		lsn(m.EndLSN)
		at(m.Time)
	case *StreamAbort:
		u32(m.XID)
		u32(m.SubXID)
	case *LogicalMessage:
		b = append(b, bit(m.Transactional, messageTransactional))
		lsn(m.LSN)
		str(m.Prefix)
		u32(uint32(len(m.Content)))
		b = append(b, m.Content...)
	}
	return b
}

// describe says what a message holds, without what differs from run to run.
func describe(m Message) string {
	switch m := m.(type) {
	case *Relation:
		var columns []string
		for _, c := range m.Columns {
			columns = append(columns, fmt.Sprintf("%s key=%v typmod=%d", c.Name, c.Key, c.Typmod))
		}
		return fmt.Sprintf("relation %q.%q %c (%s)", m.Schema, m.Name, m.ReplicaIdentity, strings.Join(columns, ", "))
	case *Type:
		return fmt.Sprintf("type %q.%q", m.Schema, m.Name)
	case *Origin:
		return fmt.Sprintf("origin %q", m.Name)
	case *Insert:
		return "insert " + describeTuple(m.New)
	case *Update:
		if m.OldKind != 0 {
			return fmt.Sprintf("update %c%s %s", m.OldKind, describeTuple(m.Old), describeTuple(m.New))
		}
		return "update " + describeTuple(m.New)
	case *Delete:
		return fmt.Sprintf("delete %c%s", m.OldKind, describeTuple(m.Old))
	case *Truncate:
		return fmt.Sprintf("truncate %d cascade=%v restart=%v", len(m.Relations), m.Cascade, m.RestartIdentity)
	case *StreamStart:
		return fmt.Sprintf("stream start first=%v", m.First)
	case *StreamAbort:
		return fmt.Sprintf("stream abort of a subtransaction=%v", m.SubXID != m.XID)
	case *LogicalMessage:
		return fmt.Sprintf("message transactional=%v %q %q", m.Transactional, m.Prefix, m.Content)
	}
	return fmt.Sprintf("%c", m.Kind())
}

func describeTuple(t Tuple) string {
	var columns []string
	for _, c := range t {
		s := string(c.Kind)
		if c.Kind == Text {
			s = fmt.Sprintf("%q", c.Text)
			if len(c.Text) > 40 {
				s = fmt.Sprintf("%d bytes", len(c.Text))
			}
		}
		columns = append(columns, s)
	}
	return "(" + strings.Join(columns, ", ") + ")"
}
