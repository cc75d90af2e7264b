package horizontal

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// drainDelay is how long a replica that is about to stop goes on taking requests. The
// balancer asks twice a second and may wait nearly as long for the answer, and then has
// to tell its nginx, which takes a moment: less than two seconds are enough, and the
// rest is for a bad day.
const drainDelay = 2500 * time.Millisecond

var errLeaving = errors.New("this replica is about to stop")

// Lifecycle is what a replica tells the load balancer, and how it goes.
type Lifecycle struct{ leaving atomic.Bool }

// NewLifecycle returns the lifecycle of a replica that has just started.
func NewLifecycle() *Lifecycle { return &Lifecycle{} }

// Ready returns nil when this replica should be sent requests: it is not about to stop, and
// the databases are there.
func (l *Lifecycle) Ready(ctx context.Context, healthy func(context.Context) error) error {
	if l.leaving.Load() {
		return errLeaving
	}
	return healthy(ctx)
}

// Stop says no to the balancer, serves whoever it still sends, and then finishes.
func (l *Lifecycle) Stop(ctx context.Context, finish func(context.Context) error) error {
	l.leaving.Store(true)
	select {
	case <-time.After(drainDelay):
	case <-ctx.Done():
	}
	return finish(ctx)
}
