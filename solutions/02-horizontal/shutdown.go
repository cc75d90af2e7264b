package horizontal

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// drainDelay is how long a replica that is told to stop goes on taking requests. The controller
// asks every 0.5 s and takes a replica off the list after two answers of no. So it knows after
// at most 0.5 s + 0.5 s + 0.4 s, the last being its limit for an answer. Then nginx loads the
// new list, which takes up to 0.6 s. That makes 2 s; the third second is a reserve.
const drainDelay = 3 * time.Second

var errLeaving = errors.New("this replica is about to stop")

// Lifecycle tells the load balancer whether the replica takes requests, and stops the replica.
type Lifecycle struct{ leaving atomic.Bool }

// NewLifecycle returns the lifecycle of a replica that has just started.
func NewLifecycle() *Lifecycle { return &Lifecycle{} }

// Ready returns nil when the replica is not about to stop and the databases answer.
func (l *Lifecycle) Ready(ctx context.Context, healthy func(context.Context) error) error {
	if l.leaving.Load() {
		return errLeaving
	}
	return healthy(ctx)
}

// Stop makes Ready return an error, serves requests for drainDelay, and then calls finish. It returns
// the error of finish.
func (l *Lifecycle) Stop(ctx context.Context, finish func(context.Context) error) error {
	l.leaving.Store(true)
	select {
	case <-time.After(drainDelay):
	case <-ctx.Done():
	}
	return finish(ctx)
}
