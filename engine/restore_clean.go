package engine

import (
	"context"
	"errors"
)

// planDrops plans the statements of Clean.
func (r *restore) planDrops(ctx context.Context) error {
	return errors.ErrUnsupported
}
