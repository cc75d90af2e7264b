package roles

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites/service"
)

// Worker returns the role that handles messages: those of the queues that its arguments name,
// or of all queues. There may be several, who share the work.
func Worker(declare Declare, consumers Consumers, serve Serve) service.PartsJob {
	return func(ctx context.Context, r service.Resources, p service.Parts, args []string) error {
		chosen, err := named(consumers(p), args)
		if err != nil {
			return err
		}
		return connected(ctx, r, "worker", declare, func(ctx context.Context, b Broker) error {
			serving, ctx := errgroup.WithContext(ctx)
			for _, c := range chosen {
				serving.Go(func() error {
					err := serve(ctx, b, c)
					if err == nil && ctx.Err() == nil {
						err = errors.New("ended, and nobody had said so")
					}
					if err != nil {
						return fmt.Errorf("serve queue %s: %w", c.Queue, err)
					}
					return nil
				})
			}
			return serving.Wait()
		})
	}
}

// Replaying returns the role that replays the log for the queue that its only argument names.
// It ends when that is done, or has failed; it may be called again.
func Replaying(declare Declare, consumers Consumers, replay Replay) service.PartsJob {
	return func(ctx context.Context, r service.Resources, p service.Parts, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("want the name of one queue, got %q", args)
		}
		chosen, err := named(consumers(p), args)
		if err != nil {
			return err
		}
		var replayed error
		err = connected(ctx, r, "replay", declare, func(ctx context.Context, b Broker) error {
			replayed = replay(ctx, b, chosen[0])
			return nil // it is not for the connection to try again
		})
		if replayed != nil {
			return fmt.Errorf("replay for queue %s: %w", args[0], replayed)
		}
		return err
	}
}

// named returns the consumers of the queues of those names, or all when there are no names.
func named(all []Consumer, names []string) ([]Consumer, error) {
	if len(names) == 0 {
		return all, nil
	}
	var chosen []Consumer
	for _, name := range names {
		i := slices.IndexFunc(all, func(c Consumer) bool { return c.Queue == name })
		if i < 0 {
			var there []string
			for _, c := range all {
				there = append(there, c.Queue)
			}
			return nil, fmt.Errorf("nobody consumes queue %q, only %s", name, strings.Join(there, ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
