package wal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/pgrecall/pgrecall/format"
)

// sidePatience bounds one question on the side connection, so that a network
// that swallows everything cannot hold up a segment for ever.
const sidePatience = time.Minute

// side is an ordinary connection beside the replication connection: it asks the
// server what the log does not say. It is safe for concurrent use.
type side struct {
	config *pgx.ConnConfig

	database sourceDatabase

	mu   sync.Mutex
	conn *pgx.Conn
}

// sourceDatabase is what does not change from connection to connection.
type sourceDatabase struct {
	oid      uint32
	version  int    // server_version_num
	encoding string // PostgreSQL's name of it
}

// sessionConfig returns a copy of base with the pinned settings of every session.
func sessionConfig(base *pgx.ConnConfig) *pgx.ConnConfig {
	c := base.Copy()
	for k, v := range format.SessionSettings() {
		c.RuntimeParams[k] = v
	}
	c.RuntimeParams["application_name"] = application
	return c
}

func connectSide(ctx context.Context, base *pgx.ConnConfig) (*side, error) {
	c := sessionConfig(base)
	c.RuntimeParams["client_encoding"] = "UTF8"
	// A heartbeat must not wait for a synchronous standby.
	c.RuntimeParams["synchronous_commit"] = "local"
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	s := &side{config: c}
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *side) connect(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, s.config)
	if err != nil {
		return fmt.Errorf("connect to the source: %w", err)
	}
	if err := s.prepare(ctx, conn); err != nil {
		conn.Close(ctx)
		return err
	}
	s.conn = conn
	return nil
}

func (s *side) prepare(ctx context.Context, conn *pgx.Conn) error {
	var d sourceDatabase
	err := conn.QueryRow(ctx, `select current_setting('server_version_num')::int, pg_encoding_to_char(encoding), oid
		from pg_catalog.pg_database where datname = current_database()`).Scan(&d.version, &d.encoding, &d.oid)
	if err != nil {
		return fmt.Errorf("read the source's version and encoding: %w", err)
	}
	if s.conn == nil {
		s.database = d // of the first connection: others read it without the lock
	} else if d != s.database {
		return errors.New("the source is another database than a moment ago")
	}
	if d.version >= 170000 {
		if _, err := conn.Exec(ctx, `set transaction_timeout = 0`); err != nil {
			return fmt.Errorf("pin transaction_timeout: %w", err)
		}
	}
	return nil
}

// ask runs one question on the connection, on a new one if that was lost.
func (s *side) ask(ctx context.Context, fn func(context.Context, *pgx.Conn) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, sidePatience)
	defer cancel()
	if s.conn.IsClosed() {
		if err := s.connect(ctx); err != nil {
			return err
		}
	}
	return fn(ctx, s.conn)
}

func (s *side) close(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	s.conn.Close(ctx)
}

// moment is what the server says of itself at one instant.
type moment struct {
	insert      format.LSN // read before everything else
	flush       format.LSN // likewise; what a crash cannot take back
	nextXID     uint64     // 64 bits
	publication format.Publication
	unpublished string // what of the source's tables a publication that lists tables leaves out, for people
}

func (s *side) moment(ctx context.Context, publication string) (m moment, err error) {
	var insert, flush, next string
	err = s.ask(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, `select pg_current_wal_insert_lsn()::text, pg_current_wal_flush_lsn()::text, pg_snapshot_xmax(pg_current_snapshot())::text`).
			Scan(&insert, &flush, &next)
		if err != nil {
			return err
		}
		if m.publication, err = readPublished(ctx, conn, publication); err != nil {
			return err
		}
		if m.unpublished, err = readUnpublished(ctx, conn, m.publication.Watched); err != nil {
			return err
		}
		return notAwaited(ctx, conn)
	})
	if err == nil {
		m.insert, err = format.ParseLSN(insert)
	}
	if err == nil {
		m.flush, err = format.ParseLSN(flush)
	}
	if err == nil {
		m.nextXID, err = strconv.ParseUint(next, 10, 64)
	}
	if err != nil {
		return m, fmt.Errorf("read the source's position and publication: %w", err)
	}
	return m, nil
}

// heartbeat writes a heartbeat into the log. It returns a position between the
// start and the commit of the heartbeat's transaction.
func (s *side) heartbeat(ctx context.Context) (format.LSN, error) {
	var text string
	err := s.ask(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `select pg_logical_emit_message(true, $1, '')::text`, format.PrefixHeartbeat).Scan(&text)
	})
	if err != nil {
		return 0, fmt.Errorf("write a heartbeat into the source's log: %w", err)
	}
	return format.ParseLSN(text)
}

// committed reports whether none of the transactions or subtransactions was rolled back. One that is not known any
// more counts as one that was.
func (s *side) committed(ctx context.Context, xids []uint64) (bool, error) {
	if len(xids) == 0 {
		return true, nil
	}
	texts := make([]string, len(xids))
	for i, xid := range xids {
		texts[i] = strconv.FormatUint(xid, 10)
	}
	var aborted bool
	err := s.ask(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `select exists (select from unnest($1::text[]) x
			where coalesce(pg_xact_status(x::xid8), 'aborted') = 'aborted')`, texts).Scan(&aborted)
	})
	if err != nil {
		return false, fmt.Errorf("ask the source what became of subtransactions: %w", err)
	}
	return !aborted, nil
}

// text returns raw, bytes in the database's encoding, as UTF-8. ok is false if
// the database has no encoding (SQL_ASCII) and raw is not UTF-8.
func (s *side) text(ctx context.Context, raw string) (text string, ok bool, err error) {
	switch {
	case isASCII(raw):
		return raw, true, nil
	case s.database.encoding == "UTF8" || s.database.encoding == "SQL_ASCII":
		return raw, utf8.ValidString(raw), nil
	}
	err = s.ask(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `select convert_from($1::bytea, $2::text::name)`, []byte(raw), s.database.encoding).Scan(&text)
	})
	if err != nil {
		return "", false, fmt.Errorf("convert a name from %s: %w", s.database.encoding, err)
	}
	return text, true, nil
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// fullXID returns the 64-bit transaction id whose low half is xid and which is
// nearest to ref: what can still be decoded is less than 2^31 transactions away
// from the present (documentation, "Preventing Transaction ID Wraparound Failures").
func fullXID(xid uint32, ref uint64) uint64 {
	return ref + uint64(int64(int32(xid-uint32(ref))))
}

// lost reports whether the connection is gone.
func (s *side) lost() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn.IsClosed()
}
