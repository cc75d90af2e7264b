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

// WorkerRole is the worker, with the parts that it was made of.
type WorkerRole struct {
	service.PartsJob
	Declare   Declare
	Consumers Consumers
	Serve     Serve
}

// Worker returns the role that handles messages. Its arguments name the queues; without arguments
// it handles all queues. Several workers may run and share the messages.
func Worker(declare Declare, consumers Consumers, serve Serve) WorkerRole {
	return WorkerRole{worker(declare, consumers, serve), declare, consumers, serve}
}

func worker(declare Declare, consumers Consumers, serve Serve) service.PartsJob {
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
						err = errors.New("ended before the worker was told to stop")
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

// ReplayRole is the replay, with the parts that it was made of.
type ReplayRole struct {
	service.PartsJob
	Declare   Declare
	Consumers Consumers
	Replay    Replay
}

// Replaying returns the role that replays the log for one queue, which its only argument names. It
// ends when the replay is done or has failed. It may be run again.
func Replaying(declare Declare, consumers Consumers, replay Replay) ReplayRole {
	return ReplayRole{replaying(declare, consumers, replay), declare, consumers, replay}
}

func replaying(declare Declare, consumers Consumers, replay Replay) service.PartsJob {
	return func(ctx context.Context, r service.Resources, p service.Parts, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("expected the name of one queue, got %q", args)
		}
		chosen, err := named(consumers(p), args)
		if err != nil {
			return err
		}
		var replayed error
		err = connected(ctx, r, "replay", declare, func(ctx context.Context, b Broker) error {
			replayed = replay(ctx, b, chosen[0])
			return nil // return no error, so that Keep does not try again
		})
		if replayed != nil {
			return fmt.Errorf("replay for queue %s: %w", args[0], replayed)
		}
		return err
	}
}

// named returns the consumers of the named queues. Without names it returns all.
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
			return nil, fmt.Errorf("no consumer for queue %q: choose from %s", name, strings.Join(there, ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
