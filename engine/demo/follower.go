package demo

import (
	"context"

	"github.com/pgrecall/pgrecall/engine"
)

// follower is a stream that runs beside the story.
type follower struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid when done is closed
}

func startFollower(ctx context.Context, o engine.StreamOptions) *follower {
	ctx, cancel := context.WithCancel(ctx)
	f := &follower{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		_, f.err = engine.Stream(ctx, o)
	}()
	return f
}

// stop ends the stream, which makes durable what it has, and waits for that.
func (f *follower) stop() error {
	f.cancel()
	<-f.done
	return f.err
}

// failure returns why the stream ended by itself, nil while it runs.
func (f *follower) failure() error {
	select {
	case <-f.done:
		return f.err
	default:
		return nil
	}
}
