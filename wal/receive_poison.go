package wal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pgrecall/pgrecall/format"
)

// PoisonError says that the server fails again and again to decode the same
// transaction, so that nothing after it can be received. What was received before
// it is durable. The log can only be started anew, with a gap from After on.
type PoisonError struct {
	After     format.LSN // durable end of the log
	CommitLSN format.LSN // the transaction's commit record; 0: the server failed before it named one
	XID       uint64     // 0 if CommitLSN is
	Time      time.Time  // commit time
	Err       error      // the server's error
}

// Error implements error.
func (e *PoisonError) Error() string {
	if e.CommitLSN == 0 {
		return fmt.Sprintf("the server cannot decode its log after %s: %v", e.After, e.Err)
	}
	return fmt.Sprintf("the server cannot decode transaction %d, committed %s at %s: %v",
		e.XID, e.Time.Format(time.RFC3339Nano), e.CommitLSN, e.Err)
}

// Unwrap returns the server's error.
func (e *PoisonError) Unwrap() error { return e.Err }

// suspect looks at the error that ends the session: the same failure to decode the
// same transaction, again and again, is not the network's.
func (s *session) suspect(ctx context.Context, err error) error {
	if !decoding(err) {
		return err
	}
	if s.underWay {
		// It may be a transaction that has not committed and never will.
		s.whole = everything
		return fmt.Errorf("%w; from now on transactions are received when they have committed", err)
	}
	var at format.LSN
	if s.inside {
		at = s.begun.CommitLSN
	}
	if !s.poison.same(at, s.received, err) {
		return err
	}
	// What came before it would be discarded with the session again and again.
	if flushErr := s.flush(ctx); flushErr != nil {
		return flushErr
	}
	p := &PoisonError{After: s.end(), Err: err}
	if at != 0 {
		p.CommitLSN, p.Time, p.XID = at, s.begun.Time, fullXID(s.begun.XID, s.xidRef)
	}
	return p
}

// poisonAttempts is how often the server must fail in the same way at the same place.
const poisonAttempts = 3

// suspicion counts equal failures to decode.
type suspicion struct {
	at, after format.LSN
	text      string
	count     int
}

// same counts a failure, and reports whether it is the one that was counted before often enough to be believed.
func (p *suspicion) same(at, after format.LSN, err error) bool {
	if p.at != at || p.after != after || p.text != err.Error() {
		*p = suspicion{at: at, after: after, text: err.Error()}
	}
	p.count++
	return p.count >= poisonAttempts
}

// decoding reports whether the server failed at what it was sending, rather than
// being stopped, out of resources, or the slot being taken.
func decoding(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || len(pg.Code) != 5 {
		return false
	}
	switch pg.Code[:2] {
	case "08", "53", "55", "57", "58": // connection, resources, object state, operator, system
		return false
	}
	return true
}
