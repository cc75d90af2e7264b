package horizontal

import "context"

// Lifecycle is what a replica tells the load balancer, and how it goes.
type Lifecycle struct{}

// NewLifecycle returns the lifecycle of a replica that has just started.
func NewLifecycle() *Lifecycle { return &Lifecycle{} }

// Ready returns nil when this replica should be sent requests. The balancer asks twice a
// second, and many may ask at once. Healthy returns nil when the databases are there; it waits
// for them until ctx ends, as the balancer does.
func (l *Lifecycle) Ready(ctx context.Context, healthy func(context.Context) error) error {
	// TODO(lab 02): return an error once Stop has been called, so that the balancer learns
	// it while this replica still answers.
	return healthy(ctx)
}

// Stop is called when the replica is told to stop (SIGTERM). Until it calls finish, the
// replica takes requests as before. Finish takes no more, and gives those under way ten
// seconds. Stop returns its error, which says that some were cut off.
func (l *Lifecycle) Stop(ctx context.Context, finish func(context.Context) error) error {
	// TODO(lab 02): wait before you call finish. The balancer does not know yet, and nginx
	// still sends requests. How long does it take until both know?
	return finish(ctx)
}
