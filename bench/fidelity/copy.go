package fidelity

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/pgrecall/pgrecall/engine"
)

// shot is a point of a database, in a repository of its own: a snapshot's, or the end of what was followed.
type shot struct {
	place  engine.Place
	target engine.Target
	left   []string // what the snapshot says that it leaves out
}

// take takes a snapshot of a database.
func take(ctx context.Context, db, repository string) (*shot, error) {
	place := engine.Place{Repository: repository}
	taken, err := engine.Snapshot(ctx, engine.SnapshotOptions{Place: place, DB: db})
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return &shot{place, engine.Target{Kind: engine.TargetSnapshot, Name: taken.ID.String()}, taken.Unsupported}, nil
}

// restore restores the snapshot into a database that it makes, on request after what databases share. left are the things that
// the restore says it leaves out or could not do, or those of the snapshot if there is no restore.
func (s *shot) restore(ctx context.Context, to string, globals bool) (left []string, err error) {
	restored, err := engine.Restore(ctx, engine.RestoreOptions{Place: s.place, To: to, Create: true,
		GlobalsOptions: engine.GlobalsOptions{Globals: globals},
		Target:         s.target})
	if err != nil {
		return s.left, fmt.Errorf("restore: %w", err)
	}
	if g := restored.Plan.Globals; g != nil {
		left = append(append(left, g.LeftOut...), g.Differs...)
	}
	return slices.Concat(left, restored.Plan.LeftOut, restored.NotDone), nil
}

// write runs what the command `schema` writes of the snapshot with psql in the empty database `to`, up to the first statement that fails.
func (s *shot) write(ctx context.Context, psql, to string) error {
	var script, said bytes.Buffer
	if err := engine.Schema(ctx, engine.SchemaOptions{Place: s.place, Target: s.target}, &script); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	load := exec.CommandContext(ctx, psql, "--no-psqlrc", "--quiet", "--no-password", "--set", "ON_ERROR_STOP=1", "--dbname", to)
	load.Stdin, load.Stderr = &script, &said
	if err := load.Run(); err != nil {
		return fmt.Errorf("psql: %w: %s", err, &said)
	}
	return nil
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
