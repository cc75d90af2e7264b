package service

import "context"

// Lifecycle is what a replica tells its load balancer: whether it is ready, and how it stops. The
// balancer learns of a change only when it polls again.
type Lifecycle interface {
	// Ready returns nil if this replica should get requests. The handler of /readyz calls it,
	// possibly several times at once, as long as the replica listens. healthy returns nil if the
	// databases answer.
	Ready(ctx context.Context, healthy func(context.Context) error) error
	// Stop is called once, when the replica is told to stop. The replica accepts requests until
	// Stop calls finish. finish accepts no more requests and gives those in flight ten seconds. It
	// returns an error if some were cut off.
	Stop(ctx context.Context, finish func(context.Context) error) error
}

// abrupt is the baseline's lifecycle: it stops without a warning to the balancer. That is fault 9.
type abrupt struct{}

func (abrupt) Ready(ctx context.Context, healthy func(context.Context) error) error {
	return healthy(ctx)
}

func (abrupt) Stop(ctx context.Context, finish func(context.Context) error) error {
	return finish(ctx)
}
