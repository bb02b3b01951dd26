package wal

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/pgrecall/pgrecall/format"
)

// replication is the connection on which the server sends the log. All methods
// but wake are for one goroutine.
//
// Once streaming has begun the connection is taken over from pgconn: its
// ReceiveMessage starts a goroutine for each message to watch the context, which
// costs more than decoding the message. Here the read deadline takes the
// context's place, and wake moves the deadline to the past.
type replication struct {
	pg   *pgconn.PgConn // until streaming
	pid  uint32
	net  net.Conn
	msgs *pgproto3.Frontend

	deadline time.Time // as set on net
	woken    atomic.Bool
	received format.LSN // greatest position the server spoke of
}

// writePatience bounds the sending of a few bytes.
const writePatience = 30 * time.Second

func connectReplication(ctx context.Context, base *pgx.ConnConfig, s *side) (*replication, error) {
	c := sessionConfig(base).Config
	c.RuntimeParams["replication"] = "database"
	c.RuntimeParams["client_encoding"] = s.database.encoding // no byte of a row is converted
	if s.database.version >= 170000 {
		c.RuntimeParams["transaction_timeout"] = "0" // decoding runs in transactions
	}
	pg, err := pgconn.ConnectConfig(ctx, &c)
	if err != nil {
		return nil, fmt.Errorf("connect to the source for replication: %w", err)
	}
	return &replication{pg: pg, pid: pg.PID()}, nil
}

// identify returns the server's IDENTIFY_SYSTEM.
func (r *replication) identify(ctx context.Context) (pglogrepl.IdentifySystemResult, error) {
	id, err := pglogrepl.IdentifySystem(ctx, r.pg)
	if err != nil {
		return id, fmt.Errorf("identify the source: %w", err)
	}
	return id, nil
}

// start begins to stream from the slot at a position; with underWay large transactions are sent while they are under way.
func (r *replication) start(ctx context.Context, slot, publication string, at format.LSN, underWay bool) error {
	streaming := "off"
	if underWay {
		streaming = "on"
	}
	err := pglogrepl.StartReplication(ctx, r.pg, `"`+slot+`"`, pglogrepl.LSN(at), pglogrepl.StartReplicationOptions{
		Mode: pglogrepl.LogicalReplication,
		PluginArgs: []string{
			`proto_version '2'`,
			`streaming '` + streaming + `'`,
			`publication_names ` + quoteLiteral(`"`+strings.ReplaceAll(publication, `"`, `""`)+`"`),
			`messages 'true'`,
		},
	})
	if err != nil {
		return fmt.Errorf("start replication from slot %q at %s: %w", slot, at, err)
	}
	hijacked, err := r.pg.Hijack()
	if err != nil {
		return fmt.Errorf("take over the replication connection: %w", err)
	}
	r.pg, r.net, r.msgs = nil, hijacked.Conn, hijacked.Frontend
	r.received = at
	return watchPeer(r.net)
}

func quoteLiteral(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }

// watchPeer lets the kernel notice a peer that vanished without a word.
func watchPeer(c net.Conn) error {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	t, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	return t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 6})
}

// wake makes a receive that waits return soon. It may be called by any goroutine.
func (r *replication) wake() {
	r.woken.Store(true)
	r.net.SetReadDeadline(time.Unix(1, 0))
}

// receive returns the next message, valid until the next call; or nil when the
// deadline passed or wake was called.
func (r *replication) receive(deadline time.Time) (pgproto3.BackendMessage, error) {
	if !deadline.Equal(r.deadline) {
		if err := r.net.SetReadDeadline(deadline); err != nil {
			return nil, err
		}
		r.deadline = deadline
	}
	// After the deadline was set: a wake before it has left this mark, a later one
	// has moved the deadline.
	if r.woken.Load() && r.woken.Swap(false) {
		r.deadline = time.Time{}
		return nil, nil
	}
	m, err := r.msgs.Receive()
	if err == nil {
		return m, nil
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		r.woken.Store(false)
		r.deadline = time.Time{}
		return nil, nil
	}
	return nil, fmt.Errorf("receive from the source: %w", err)
}

// sawPosition notes a position the server spoke of.
func (r *replication) sawPosition(l format.LSN) {
	r.received = max(r.received, l)
}

// The messages within the stream: documentation, "Streaming Replication Protocol".
const (
	xlogDataKind        = 'w'
	keepaliveKind       = 'k'
	statusKind          = 'r'
	xlogDataHeader      = 1 + 8 + 8 + 8
	keepaliveSize       = 1 + 8 + 8 + 1
	microsecondsTo2000  = 946_684_800_000_000
	statusReplyRequired = 1
)

// sendStatus acknowledges: the server may forget what lies before flush. Flush is
// never zero: the protocol has no "unchanged".
func (r *replication) sendStatus(flush format.LSN, reply bool) error {
	if flush == 0 {
		return errors.New("acknowledge to the source: no position")
	}
	b := make([]byte, 0, 34)
	b = append(b, statusKind)
	b = binary.BigEndian.AppendUint64(b, uint64(max(r.received, flush)))
	b = binary.BigEndian.AppendUint64(b, uint64(flush))
	b = binary.BigEndian.AppendUint64(b, uint64(flush))
	b = binary.BigEndian.AppendUint64(b, uint64(time.Now().UnixMicro()-microsecondsTo2000))
	if reply {
		b = append(b, statusReplyRequired)
	} else {
		b = append(b, 0)
	}
	return r.send(&pgproto3.CopyData{Data: b})
}

func (r *replication) send(m pgproto3.FrontendMessage) error {
	if err := r.net.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return err
	}
	r.msgs.Send(m)
	if err := r.msgs.Flush(); err != nil {
		return fmt.Errorf("send to the source: %w", err)
	}
	return nil
}

// endPatience bounds the wait for the server to agree that the stream ends.
const endPatience = 3 * time.Second

// end ends the stream in an orderly way: when the server has answered, it has read
// the last status and let go of the slot. That it fails loses nothing.
func (r *replication) end() {
	if r.send(&pgproto3.CopyDone{}) != nil {
		return
	}
	deadline := time.Now().Add(endPatience)
	for time.Now().Before(deadline) {
		m, err := r.receive(deadline)
		if err != nil {
			return
		}
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			r.send(&pgproto3.Terminate{})
			return
		}
	}
}

// close frees the connection.
func (r *replication) close() {
	if r.net != nil {
		r.net.Close()
		return
	}
	// Without a message: the server sees the socket close.
	r.pg.Conn().Close()
}
