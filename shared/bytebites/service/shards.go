package service

import (
	"context"
	"sync"
	"time"
)

const (
	// shardStartTimeout is how long a starting service waits until its shards have their schema. A
	// slower shard gets its schema while the service runs.
	shardStartTimeout = 5 * time.Second
	// shardRetry is the pause after a failed attempt to give a shard its schema.
	shardRetry = 2 * time.Second
)

// prepareShards gives the shards their schema, all at the same time. It returns when each shard has
// its schema or its first attempt has failed. The remaining attempts go on in the background, as
// part of working, until ctx ends. So a shard that is down does not stop the service from serving
// the others.
func prepareShards(ctx context.Context, working *sync.WaitGroup, r Resources) {
	tried := make(chan struct{}, len(r.Shards))
	for i := range r.Shards {
		working.Go(func() { prepareShard(ctx, r, i, func() { tried <- struct{}{} }) })
	}
	timeout := time.NewTimer(shardStartTimeout)
	defer timeout.Stop()
	for range r.Shards {
		select {
		case <-tried:
		case <-timeout.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// prepareShard tries until it succeeds. It calls tried once, after the first attempt.
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
