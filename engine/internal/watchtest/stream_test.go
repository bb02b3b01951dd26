package watchtest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
)

// A stream that goes on gives a table without its key an identity, lists new tables, and takes versions and copies.
func TestAStreamKeepsUpWithTheSource(t *testing.T) {
	_, place, db := protect(t, objects...)
	enginetest.Drain(t, place, db)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := engine.Stream(ctx, engine.StreamOptions{Place: place, DB: db, FlushInterval: 200 * time.Millisecond})
		ended <- err
	}()
	conn := pgtest.Open(t, db)
	// until runs a statement until it does what it should: how soon is not what is tried.
	until := func(sql, what string) {
		t.Helper()
		for {
			tag, err := conn.Exec(t.Context(), sql)
			if err == nil && (what == "" || tag.RowsAffected() > 0) {
				return
			}
			if refused := new(pgconn.PgError); err != nil && !(errors.As(err, &refused) && strings.Contains(refused.Message, what)) {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				t.Fatalf("the stream ended: %v", err)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	pgtest.Exec(t, db, "ALTER TABLE a DROP CONSTRAINT a_pkey")
	until("UPDATE a SET n = n + 1 WHERE id < 5", "does not have a replica identity")
	pgtest.Exec(t, db, "CREATE TABLE new (id int)", "INSERT INTO new SELECT i FROM generate_series(1, 9) i")
	until("SELECT FROM pg_publication_tables WHERE pubname = 'pgrecall' AND tablename = 'new'", "new")
	pgtest.Exec(t, db, "DELETE FROM new WHERE id = 3", "DROP VIEW v")
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	enginetest.Drain(t, place, db)
	pgtest.Exec(t, db, write)
	last := enginetest.MomentOf(t, db, "later")
	enginetest.Drain(t, place, db)
	exact(t, place, last)

	var told []string
	err := engine.Log(t.Context(), engine.LogOptions{Place: place}, func(e engine.LogEntry) error {
		for _, u := range e.Unannounced {
			told = append(told, u.Schema+"."+u.Name+" was "+u.What)
		}
		return nil
	})
	if all := strings.Join(told, "\n"); err != nil || !strings.Contains(all, "public.new was made") || !strings.Contains(all, "public.a was altered") {
		t.Errorf("the log does not tell what was changed: %v %s", err, all)
	}
}

// Another way to notice DDL begins another log, and is never gone over to unasked.
func TestAnotherWayToNoticeDDLBeginsANewLog(t *testing.T) {
	super, place, db := protect(t, objects...)
	pgtest.Exec(t, db, write)
	early := enginetest.MomentOf(t, db, "without event triggers")
	enginetest.Drain(t, place, db)
	for _, way := range []struct{ without, with bool }{{with: true}, {without: true}} {
		_, err := engine.Init(t.Context(), engine.InitOptions{Place: place, DB: super, WithoutEventTriggers: !way.with})
		pgtest.ErrorContains(t, err, "uninstall first")
		if _, err := engine.Uninstall(t.Context(), engine.UninstallOptions{Place: place, DB: super}); err != nil {
			t.Fatal(err)
		}
		if _, err := engine.Init(t.Context(), engine.InitOptions{Place: place, DB: super, WithoutEventTriggers: way.without}); err != nil {
			t.Fatal(err)
		}
		enginetest.Take(t, place, super)
		pgtest.Exec(t, super, "UPDATE a SET n = n + 1 WHERE id = 3")
		last := enginetest.MomentOf(t, super, "followed in another way")
		enginetest.Drain(t, place, super)
		exact(t, place, early)
		exact(t, place, last)
	}
	listed, err := engine.List(t.Context(), engine.ListOptions{Place: place})
	if err != nil {
		t.Fatal(err)
	}
	if logs := listed.Sources[0].Logs; len(logs) != 3 || !logs[0].Watched || logs[1].Watched || !logs[2].Watched || len(listed.Sources[0].Gaps) != 2 {
		t.Errorf("%+v", listed.Sources[0])
	}
}
