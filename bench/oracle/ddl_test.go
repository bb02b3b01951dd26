package oracle

import (
	"path/filepath"
	"testing"
	"time"
)

// TestTheCatalogOfEachMomentIsKnown lets migrations run beside writers, without any backup: what a snapshot sees last is what the
// catalog is in it, and so are the rows of the tables that only migrators write.
func TestTheCatalogOfEachMomentIsKnown(t *testing.T) {
	s, _ := scene(t)
	ctx := t.Context()
	if err := s.run(ctx, "CREATE ROLE oracle_dev; CREATE ROLE oracle_reader"); err != nil {
		t.Fatal(err)
	}
	before, err := readObjects(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	db := "postgres://postgres@127.0.0.1:" + serverPort(t, s) + "/" + databaseName + "?sslmode=disable"
	h := newHistory(filepath.Join(t.TempDir(), "migrations"), before)
	load := startWriters(ctx, db, 2, 1, true)
	startMigrators(load, Options{Seed: 1, DDLEvery: 30 * time.Millisecond, BurstEvery: time.Second, Rewrites: 50}, h)
	o := &observer{db: db, ddl: h, dir: filepath.Join(t.TempDir(), "truth")}
	taken := 0
	for h.length() < 120 && load.alive() {
		if _, err := o.next(ctx, false, nil); err == nil {
			taken++
		}
	}
	if err := load.end(); err != nil {
		t.Fatal(err)
	}
	now, err := readObjects(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := h.seen(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	if d := compareObjects(seen, now); len(d) > 0 {
		t.Errorf("the catalog is another than that of the last migration: %q", d)
	}
	tables, err := ordinaryTables(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := readTables(ctx, s, tables, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	own := h.records[len(h.records)-1].own
	if own == nil || len(own.tables) == 0 {
		t.Fatal("the rows of no table of the migrators are known")
	}
	if d := compare(own, rows); len(d) > 0 {
		t.Errorf("rows are others than those of the last migration: %q", d)
	}
	single := h.points(newDice(1, 1), 1, 1000)
	t.Logf("%d moments, %d points of migrations: %s", taken, len(single), h)
	if len(h.kinds) < 25 || len(single) < 60 {
		t.Errorf("%d kinds of migrations, %d points beside them are too few", len(h.kinds), len(single))
	}
}
