package snapshot

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Sessions are two connections to the source that one snapshot leaves to the next. Theirs are plans and caches of the server's
// that make most of what the reading of a small catalog costs. The zero value has none. Not safe for concurrent use; Close ends
// them.
type Sessions struct {
	look, lead *pgx.Conn
}

// Close ends the sessions, also when ctx has ended. The next snapshot opens others.
func (s *Sessions) Close(ctx context.Context) {
	for _, conn := range []*pgx.Conn{s.look, s.lead} {
		if conn != nil {
			_ = closeConn(ctx, conn) // nothing more is expected of it
		}
	}
	*s = Sessions{}
}

// open gives the run sessions that were kept, and says whether there were any.
func (s *Sessions) open(r *run) bool {
	if s == nil || s.look == nil {
		return false
	}
	r.look, r.lead = s.look, s.lead
	*s = Sessions{}
	return true
}

// keep takes a run's sessions, outside of any transaction, and says whether it could.
func (s *Sessions) keep(ctx context.Context, r *run) bool {
	if s == nil || r.look == nil || r.lead == nil {
		return false
	}
	for _, conn := range []*pgx.Conn{r.look, r.lead} {
		if conn.PgConn().TxStatus() == 'I' {
			continue
		}
		if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
			return false
		}
	}
	s.look, s.lead = r.look, r.lead
	return true
}
