package service

import (
	"context"
	"sync"
	"time"
)

const (
	// shardPatience is how long a starting service waits for its shards to have their
	// schema. One that takes longer gets it while the service runs.
	shardPatience = 5 * time.Second
	// shardRetry is the pause after a shard could not be given its schema.
	shardRetry = 2 * time.Second
)

// prepareShards gives the shards their schema, side by side, and returns when each has it
// or could not be given it at once. What is left over is done in the background, by working,
// until ctx ends: a shard that is down must not keep the service from serving the others.
func prepareShards(ctx context.Context, working *sync.WaitGroup, r Resources) {
	tried := make(chan struct{}, len(r.Shards))
	for i := range r.Shards {
		working.Go(func() { prepareShard(ctx, r, i, func() { tried <- struct{}{} }) })
	}
	patience := time.NewTimer(shardPatience)
	defer patience.Stop()
	for range r.Shards {
		select {
		case <-tried:
		case <-patience.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// prepareShard tries until it succeeds, and calls tried once, after the first time.
func prepareShard(ctx context.Context, r Resources, i int, tried func()) {
	for first := true; ; first = false {
		try, cancel := context.WithTimeout(ctx, schemaTimeout)
		err := r.PrepareUserData(try, r.Shards[i])
		cancel()
		if first {
			tried()
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		r.Logger.WarnContext(ctx, "shard has no schema yet", "shard", i+1, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(shardRetry):
		}
	}
}
