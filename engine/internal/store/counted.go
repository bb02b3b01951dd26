package store

import (
	"context"
	"sync"
)

// Counted is a Store that counts what is read through it.
type Counted struct {
	Store

	mu      sync.Mutex
	objects map[string]bool
	bytes   int64
}

// Count returns s with counting.
func Count(s Store) *Counted {
	return &Counted{Store: s, objects: map[string]bool{}}
}

// ReadRange implements Store.
func (c *Counted) ReadRange(ctx context.Context, name string, off int64, p []byte) error {
	if err := c.Store.ReadRange(ctx, name, off, p); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.objects[name] = true
	c.bytes += int64(len(p))
	return nil
}

// Read returns the number of different objects, and of bytes, read so far.
func (c *Counted) Read() (objects, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(len(c.objects)), c.bytes
}

// Unwrap returns the store that is counted.
func (c *Counted) Unwrap() Store { return c.Store }
