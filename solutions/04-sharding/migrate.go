package sharding

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/labs/04-sharding/mover"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
)

// closedTimeout is how long the fences may stay closed. Writers wait longer: see movedRetryFor.
const closedTimeout = 2 * time.Second

// handOverTries is how often the mover closes the fences before it gives up.
const handOverTries = 5

// migrate is a shardstore.Move. The mover is given: see package mover. It calls the parts of this lab.
func migrate(ctx context.Context, r service.Resources, control *shard.Mover, goal string) error {
	return mover.Run(ctx, r, control, goal, Parts(r))
}

// Parts returns the parts of the mover that this lab writes.
func Parts(r service.Resources) mover.Parts {
	return mover.Parts{Router: NewRouter(), Copy: copier{shardstore.Pools(r)}.copy, Settle: settle, HandOver: HandOver}
}

// HandOver is a mover.HandOver. It changes homes behind closed fences, when every copy has been made.
// Most copies are made before the fences close, so that writers wait for few.
func HandOver(ctx context.Context, control mover.Control, settle func(context.Context) error, next mover.Next) error {
	for try := 1; ; try++ {
		if err := settle(ctx); err != nil {
			return fmt.Errorf("settle: %w", err)
		}
		late, err := switchOnce(ctx, control, settle, next)
		if err == nil || !late || try == handOverTries {
			return err
		}
	}
}

// switchOnce closes the fences for at most closedTimeout. It reports whether an error is due to that
// limit: the fences are open again then, and writers had no error.
func switchOnce(ctx context.Context, control mover.Control, settle func(context.Context) error, next mover.Next) (late bool, err error) {
	closed, cancel := context.WithTimeout(ctx, closedTimeout)
	defer cancel()
	err = control.Switch(closed, settle, func(ctx context.Context) (shard.Map, error) { return next(ctx, control.Map()) })
	return ctx.Err() == nil && closed.Err() != nil, err
}
