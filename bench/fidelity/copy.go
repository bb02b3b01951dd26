package fidelity

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/pgrecall/pgrecall/engine"
)

// recall copies a database by a snapshot and a restore that makes the database `to`. left are the things that they say they
// leave out.
func recall(ctx context.Context, from, to, dir string) (left []string, err error) {
	place := engine.Place{Repository: filepath.Join(dir, "repository")}
	taken, err := engine.Snapshot(ctx, engine.SnapshotOptions{Place: place, DB: from})
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	left = taken.Unsupported
	restored, err := engine.Restore(ctx, engine.RestoreOptions{Place: place, To: to, Create: true,
		Target: engine.Target{Kind: engine.TargetSnapshot, Name: taken.ID.String()}})
	if err != nil {
		return left, fmt.Errorf("restore: %w", err)
	}
	return append(left, restored.Plan.LeftOut...), nil
}

// pipe copies a database by pg_dump and psql into the empty database `to`. Statements that fail are left at that.
func pipe(ctx context.Context, client, from, to string) error {
	dump := exec.CommandContext(ctx, filepath.Join(client, "pg_dump"), "--no-password", "--dbname", from)
	load := exec.CommandContext(ctx, filepath.Join(client, "psql"), "--no-psqlrc", "--quiet", "--no-password", "--dbname", to)
	var said bytes.Buffer
	dump.Stderr = &said
	rows, err := dump.StdoutPipe()
	if err != nil {
		return err
	}
	load.Stdin = rows
	if err := dump.Start(); err != nil {
		return fmt.Errorf("pg_dump: %w", err)
	}
	loadErr := load.Run()
	if err := dump.Wait(); err != nil {
		return fmt.Errorf("pg_dump: %w: %s", err, &said)
	}
	if loadErr != nil {
		return fmt.Errorf("psql: %w", loadErr)
	}
	return nil
}
