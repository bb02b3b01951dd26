package copytest

import (
	"strings"
	"sync"
	"testing"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
)

// alerts keeps what a stream alerts of.
type alerts struct {
	mu   sync.Mutex
	text []string
}

// Note implements engine.Tracer.
func (a *alerts) Note(n engine.Note) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n.Level == engine.LevelAlert {
		a.text = append(a.text, n.Text)
	}
}

// Progress implements engine.Tracer.
func (*alerts) Progress(engine.Progress) {}

// TestAForgottenPreparedTransactionIsNamedByAStreamThatDrains, which ends all the same, and its table is copied once it is gone.
func TestAForgottenPreparedTransactionIsNamedByAStreamThatDrains(t *testing.T) {
	place, db := enginetest.Protect(t, server, shop...)
	pgtest.Exec(t, db, "BEGIN; INSERT INTO pets (id, mood) VALUES (5000, 'sad'); ALTER TABLE plain ADD extra int DEFAULT 5; "+
		"PREPARE TRANSACTION 'forgotten'")
	pgtest.Exec(t, db, swapped)
	said := &alerts{}
	if _, err := engine.Stream(t.Context(), engine.StreamOptions{Place: place, DB: db, Once: true, Tracer: said}); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(said.text, "\n")
	if !strings.Contains(got, "public.pets") || !strings.Contains(got, `prepared transaction "forgotten"`) {
		t.Errorf("the stream alerts: %s", got)
	}
	pgtest.Exec(t, db, "COMMIT PREPARED 'forgotten'", "INSERT INTO pets (id, mood) VALUES (5001, 'happy')",
		"UPDATE plain SET extra = 6 WHERE a = 1")
	enginetest.Drain(t, place, db)
	pgtest.Exec(t, db, "INSERT INTO pets (id, mood) VALUES (5002, 'sad')")
	moment := enginetest.MomentOf(t, db, "committed, and copied")
	enginetest.Drain(t, place, db)
	moment.Restores(t, server, place)
}

// TestAMessageThatOnlyASnapshotEndsIsAlertedOf: any role may write one, and a trigger may fail to tell all.
func TestAMessageThatOnlyASnapshotEndsIsAlertedOf(t *testing.T) {
	place, db := enginetest.Protect(t, server, shop...)
	said := func() string {
		t.Helper()
		said := &alerts{}
		if _, err := engine.Stream(t.Context(), engine.StreamOptions{Place: place, DB: db, Once: true, Tracer: said}); err != nil {
			t.Fatal(err)
		}
		return strings.Join(said.text, "\n")
	}
	for message, why := range map[string]string{
		`no JSON`: "an unreadable DDL message",
		`{"tag": "ALTER TABLE", "incomplete": true, "error": "failed"}`:                             "its message is incomplete",
		`{"tag": "DROP PUBLICATION", "dropped": [{"type": "publication", "identity": "pgrecall"}]}`: "the publication pgrecall was changed",
	} {
		pgtest.Exec(t, db, "SELECT pg_logical_emit_message(true, 'pgrecall.ddl', '"+message+"')", "UPDATE plain SET b = b || '!'")
		if got := said(); !strings.Contains(got, why) || !strings.Contains(got, "until a snapshot is taken") {
			t.Errorf("%s: the stream alerts: %s", message, got)
		}
		if got := said(); !strings.Contains(got, why) {
			t.Errorf("%s: the next stream alerts: %s", message, got)
		}
		enginetest.Take(t, place, db)
		pgtest.Exec(t, db, "UPDATE plain SET b = b || '?'")
		moment := enginetest.MomentOf(t, db, message)
		if got := said(); got != "" {
			t.Errorf("after a snapshot: the stream alerts: %s", got)
		}
		moment.Restores(t, server, place)
	}
}
