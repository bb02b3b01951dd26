package pgoutput

import "fmt"

// Decode decodes one message. The message aliases b. The error is an *Error.
func Decode(b []byte) (Message, error) {
	return new(Decoder).Decode(b)
}

// Decoder decodes messages without allocating for each row: it owns one message
// of each kind and returns it again and again. The zero Decoder is ready. It
// must not be used by two goroutines at once.
type Decoder struct {
	begin    Begin
	commit   Commit
	insert   Insert
	update   Update
	delete   Delete
	truncate Truncate
	message  LogicalMessage
}

// Decode decodes one message. The message returned is valid until the next
// call and aliases b; one that Decoder does not own stays valid. The error is
// an *Error.
func (d *Decoder) Decode(b []byte) (Message, error) {
	if len(b) == 0 {
		return nil, &Error{Reason: "empty"}
	}
	r := reader{b: b, off: 1}
	m := d.decode(&r)
	r.end()
	if r.err != nil {
		return nil, r.err
	}
	return m, nil
}

func (d *Decoder) decode(r *reader) Message {
	switch r.b[0] {
	case KindInsert:
		d.insert.Relation = r.uint32("relation")
		r.expect('N', "new tuple")
		d.insert.New = r.tuple(d.insert.New, "new tuple")
		return &d.insert
	case KindUpdate:
		return d.decodeUpdate(r)
	case KindDelete:
		d.delete.Relation = r.uint32("relation")
		d.delete.OldKind = r.oldKind()
		d.delete.Old = r.tuple(d.delete.Old, "old tuple")
		return &d.delete
	case KindBegin:
		d.begin = Begin{CommitLSN: r.lsn("commit lsn"), Time: r.time("commit time"), XID: r.uint32("xid")}
		return &d.begin
	case KindCommit:
		r.flags("flags", 0)
		d.commit = Commit{CommitLSN: r.lsn("commit lsn"), EndLSN: r.lsn("end lsn"), Time: r.time("commit time")}
		return &d.commit
	case KindTruncate:
		return d.decodeTruncate(r)
	case KindLogicalMessage:
		return d.decodeMessage(r)
	case KindRelation:
		return decodeRelation(r)
	case KindType:
		return &Type{OID: r.uint32("type"), Schema: r.string("schema"), Name: r.string("name")}
	case KindOrigin:
		return &Origin{CommitLSN: r.lsn("commit lsn"), Name: r.string("name")}
	}
	return decodeStream(r)
}

func (d *Decoder) decodeUpdate(r *reader) Message {
	d.update.Relation = r.uint32("relation")
	d.update.OldKind, d.update.Old = 0, d.update.Old[:0]
	if r.off < len(r.b) && r.b[r.off] != 'N' {
		d.update.OldKind = r.oldKind()
		d.update.Old = r.tuple(d.update.Old, "old tuple")
	}
	r.expect('N', "new tuple")
	d.update.New = r.tuple(d.update.New, "new tuple")
	return &d.update
}

// Flags of a Truncate (src/include/replication/logicalproto.h is silent; proto.c
// defines TRUNCATE_CASCADE and TRUNCATE_RESTART_SEQS) and of a LogicalMessage.
const (
	truncateCascade         = 1
	truncateRestartIdentity = 2
	messageTransactional    = 1
)

func (d *Decoder) decodeTruncate(r *reader) Message {
	n := int(int32(r.uint32("number of relations")))
	flags := r.flags("flags", truncateCascade|truncateRestartIdentity)
	d.truncate.Cascade = flags&truncateCascade != 0
	d.truncate.RestartIdentity = flags&truncateRestartIdentity != 0
	d.truncate.Relations = d.truncate.Relations[:0]
	if n < 0 {
		r.fail(1, "number of relations", "negative")
	}
	for i := 0; i < n && r.err == nil; i++ {
		d.truncate.Relations = append(d.truncate.Relations, r.uint32("relation"))
	}
	return &d.truncate
}

func (d *Decoder) decodeMessage(r *reader) Message {
	d.message = LogicalMessage{
		Transactional: r.flags("flags", messageTransactional) != 0,
		LSN:           r.lsn("lsn"),
		Prefix:        r.string("prefix"),
	}
	d.message.Content = r.take(int(int32(r.uint32("length"))), "content")
	return &d.message
}

func decodeRelation(r *reader) Message {
	m := &Relation{OID: r.uint32("relation"), Schema: r.string("schema"), Name: r.string("name")}
	at := r.off
	m.ReplicaIdentity = r.uint8("replica identity")
	switch m.ReplicaIdentity {
	case 'd', 'n', 'f', 'i':
	default:
		r.fail(at, "replica identity", fmt.Sprintf("unknown kind %q", m.ReplicaIdentity))
	}
	n := int(r.uint16("number of columns"))
	for i := 0; i < n && r.err == nil; i++ {
		m.Columns = append(m.Columns, RelationColumn{
			Key:    r.flags("column flags", 1) != 0,
			Name:   r.string("column name"),
			Type:   r.uint32("column type"),
			Typmod: int32(r.uint32("column typmod")),
		})
	}
	return m
}

// expect takes one byte that must be want.
func (r *reader) expect(want byte, field string) {
	at := r.off
	if got := r.uint8(field); got != want {
		r.fail(at, field, fmt.Sprintf("%q wanted, %q found", want, got))
	}
}

// oldKind takes the byte before an old tuple.
func (r *reader) oldKind() byte {
	at := r.off
	k := r.uint8("old tuple")
	if k != 'K' && k != 'O' {
		r.fail(at, "old tuple", fmt.Sprintf("'K' or 'O' wanted, %q found", k))
	}
	return k
}
