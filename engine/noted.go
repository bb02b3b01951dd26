package engine

import (
	"context"
	"slices"

	"github.com/pgrecall/pgrecall/engine/internal/plan"
	"github.com/pgrecall/pgrecall/format"
)

// noted says whether the log of a choice is the one that the snapshot was taken in: it must hold the note that the
// snapshot left there. A source set back to before it gives positions and transaction ids again, so that
// nothing else tells the two histories apart.
func (h *holding) noted(ctx context.Context, c *plan.Choice) (bool, error) {
	e := c.Base.Envelope
	if c.Instant || e.Noted == 0 {
		return true, nil
	}
	for _, s := range c.Base.Chain.Segments {
		if s.To <= c.Base.From || s.From >= e.Noted {
			continue
		}
		seg, err := h.openSegment(ctx, s)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(seg.Messages(), func(m format.Message) bool {
			return m.Prefix == format.PrefixSnapshot && m.Content == e.ID.String()
		}) {
			return true, nil
		}
	}
	return false, nil
}
