package sharding

import (
	"context"
	"fmt"

	"bytebites.example/workshop/labs/04-sharding/mover"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
)

// migrate is a shardstore.Move. The mover is given: see package mover. It calls the parts of this lab.
func migrate(ctx context.Context, r service.Resources, control *shard.Mover, goal string) error {
	return mover.Run(ctx, r, control, goal, Parts(r))
}

// Parts returns the parts of the mover that this lab writes.
func Parts(r service.Resources) mover.Parts {
	return mover.Parts{Router: NewRouter(), Copy: copier{shardstore.Pools(r)}.copy, Settle: settle, HandOver: HandOver}
}

// HandOver is a mover.HandOver: it changes homes.
func HandOver(ctx context.Context, control mover.Control, settle func(context.Context) error, next mover.Next) error {
	// TODO(lab 04): step 6: change homes by control.Switch, which closes all fences. Here
	// subscribers write between settle and the new map, and replicas write by the old map after
	// it. Settle before the switch too, so that little is left to copy. Keep the fences closed for
	// at most 2 seconds. If that was too short, try again, five times in all. Return every other
	// error at once.
	if err := settle(ctx); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	after, err := next(ctx, control.Map())
	if err != nil {
		return err
	}
	return control.Publish(ctx, after)
}
