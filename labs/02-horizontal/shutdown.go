package horizontal

import (
	"context"
)

// Lifecycle tells the load balancer whether the replica takes requests, and stops the replica.
type Lifecycle struct{}

// NewLifecycle returns the lifecycle of a replica that has just started.
func NewLifecycle() *Lifecycle { return &Lifecycle{} }

// Ready returns nil when the balancer should send requests to this replica. The controller asks every
// 0.5 s and wants two equal answers in a row. Many calls may run at once. Healthy returns nil when the
// databases answer; it waits for them until ctx ends.
func (l *Lifecycle) Ready(ctx context.Context, healthy func(context.Context) error) error {
	// TODO(lab 02), step 5: return an error once Stop has been called. The controller then takes
	// this replica off the list while the replica still answers.
	return healthy(ctx)
}

// Stop is called when the replica is told to stop (SIGTERM). Until it calls finish, the
// replica takes requests as before. Finish takes no more, and gives those under way ten
// seconds. Stop returns its error, which says that some were cut off.
func (l *Lifecycle) Stop(ctx context.Context, finish func(context.Context) error) error {
	// TODO(lab 02), step 5: wait before you call finish. nginx still sends requests until the
	// controller has two answers of no and nginx has loaded the new list. Add up these times.
	return finish(ctx)
}
