package service

import "context"

// Lifecycle is a replica's side of the talk with its load balancer: what it answers when
// it is asked whether it is ready, and how it goes. The balancer knows only what it is
// told, and hears of it only when it asks next.
type Lifecycle interface {
	// Ready returns nil when this replica should be sent requests. It is asked by
	// /readyz, by many at once, as long as the replica listens. Healthy returns nil when
	// the databases are there.
	Ready(ctx context.Context, healthy func(context.Context) error) error
	// Stop is called once, when the replica is told to stop: it still takes requests then,
	// and does so until finish is called. Finish takes no more, gives those under way ten
	// seconds, and returns an error when some were cut off.
	Stop(ctx context.Context, finish func(context.Context) error) error
}

// abrupt is the baseline's lifecycle: it stops without a word. That is fault 9.
type abrupt struct{}

func (abrupt) Ready(ctx context.Context, healthy func(context.Context) error) error {
	return healthy(ctx)
}

func (abrupt) Stop(ctx context.Context, finish func(context.Context) error) error {
	return finish(ctx)
}
