package windowtest

import (
	"testing"

	"github.com/pgrecall/pgrecall/engine"
	"github.com/pgrecall/pgrecall/engine/internal/enginetest"
	"github.com/pgrecall/pgrecall/engine/internal/pgtest"
)

// TestATableThatEXPLAINMakes: no event trigger fires for EXPLAIN ANALYZE of a CREATE TABLE AS (ExplainOneUtility in
// src/backend/commands/explain.c). The table is found by looking, and copied; once it is gone it is of no more concern.
func TestATableThatEXPLAINMakes(t *testing.T) {
	place, db := enginetest.Protect(t, server, pets...)
	enginetest.Drain(t, place, db)
	pgtest.Exec(t, db, "EXPLAIN ANALYZE CREATE TABLE explained AS SELECT * FROM pets WHERE id < 10", "UPDATE pets SET legs = 8 WHERE id < 20")
	unknown := enginetest.MomentOf(t, db, "made by EXPLAIN")
	enginetest.Drain(t, place, db)
	_, err := engine.Restore(t.Context(), engine.RestoreOptions{Place: place, To: pgtest.NewDatabase(t, server), Target: engine.Target{Kind: engine.TargetLSN, LSN: unknown.LSN}})
	pgtest.ErrorContains(t, err, "public.explained", "--snapshot ")

	pgtest.Exec(t, db, "ALTER TABLE explained REPLICA IDENTITY FULL", "DELETE FROM explained WHERE id = 3", "ALTER TABLE pets ADD tail bool DEFAULT true")
	enginetest.Drain(t, place, db)
	pgtest.Exec(t, db, "DELETE FROM explained WHERE id = 4", "UPDATE explained SET legs = 1")
	copied := enginetest.MomentOf(t, db, "copied")
	enginetest.Drain(t, place, db)
	pgtest.Exec(t, db, "DROP TABLE explained", "UPDATE pets SET tail = false WHERE id < 5")
	gone := enginetest.MomentOf(t, db, "dropped")
	enginetest.Drain(t, place, db)
	pgtest.Exec(t, db, "INSERT INTO pets VALUES (2000)")
	enginetest.Drain(t, place, db)
	copied.Restores(t, server, place)
	gone.Restores(t, server, place)
}
