package roles

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shardstore"
)

const (
	// idle is the pause when an outbox had less than a batch.
	idle = 50 * time.Millisecond
	// trouble is the pause when it could not be emptied. What the broker did not keep has its next
	// turn by then too, and holds nothing up.
	trouble = time.Second
	// publishFor bounds what is done for one batch.
	publishFor = 10 * time.Second
	// lookFor bounds one look into an outbox.
	lookFor = 5 * time.Second
	// watchEvery is how often metrics learn what waits in it.
	watchEvery = time.Second
)

// Relay returns the role that hands events from the outboxes of all servers to the broker.
// There may be several: each event is in the hands of one.
func Relay(declare Declare, newPublish NewPublish) service.Job {
	return func(ctx context.Context, r service.Resources, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("relay takes no arguments, got %q", args)
		}
		meter, err := rabbit.NewMeter(r.Metrics)
		if err != nil {
			return err
		}
		var watching sync.WaitGroup
		defer watching.Wait()
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		var outboxes []outlet
		for number, db := range shardstore.Pools(r) {
			o := outlet{server: strconv.Itoa(number), store: outbox.New(db), logger: r.Logger}
			outboxes = append(outboxes, o)
			// Whether or not there is a broker: then most of all.
			watching.Go(func() { o.watch(ctx, meter) })
		}
		return keep(ctx, r, "relay", func(ctx context.Context, conn *amqp.Connection) error {
			if err := declareOn(ctx, conn, declare); err != nil {
				return err
			}
			link := NewLink(conn, meter)
			relaying, ctx := errgroup.WithContext(ctx)
			for _, o := range outboxes {
				relaying.Go(func() error { return o.empty(ctx, link, newPublish(link, meter)) })
			}
			return relaying.Wait()
		})
	}
}

// outlet is a server's outbox, and the way out of it.
type outlet struct {
	server string // number
	store  *outbox.Store
	logger *slog.Logger
}

// empty hands events on until ctx ends. An error says that publish is of no use any more.
func (o outlet) empty(ctx context.Context, link *Link, publish Publish) error {
	for {
		if link.Ready(ctx) != nil {
			return nil
		}
		asked, confirmed, publishing, err := o.batch(ctx, publish)
		if publishing != nil {
			_ = link.Ready(ctx) // while it is blocked another would be no better
			return fmt.Errorf("publish events of server %s: %w", o.server, publishing)
		}
		wait := idle
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			o.logger.WarnContext(ctx, "outbox not emptied", "server", o.server, "error", err)
			if confirmed == 0 {
				wait = trouble
			}
		case confirmed < asked:
			o.logger.WarnContext(ctx, "events not kept by the broker", "server", o.server, "events", asked-confirmed)
		case confirmed == Batch:
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// batch hands on what is oldest. It returns how many events publish was asked to publish, how many
// are out of the outbox, the error of publish, and what else went wrong.
func (o outlet) batch(ctx context.Context, publish Publish) (asked, confirmed int, publishing, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookFor) // no longer rules once there are events
	defer cancel()
	confirmed, err = o.store.Relay(ctx, Batch, func(ctx context.Context, events []bytebites.Event) (ids []bytebites.EventID, err error) {
		// A program that is told to stop waits for the answers: what it does not wait for comes twice.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishFor)
		defer cancel()
		asked = len(events)
		ids, publishing = publish(ctx, events)
		return ids, publishing
	})
	return asked, confirmed, publishing, err
}

// watch says in metrics what waits in the outbox, until ctx ends.
func (o outlet) watch(ctx context.Context, meter *rabbit.Meter) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		looking, cancel := context.WithTimeout(ctx, lookFor)
		backlog, err := o.store.Backlog(looking)
		cancel()
		if err == nil {
			meter.Backlog(o.server, backlog.Events, backlog.Oldest)
		} else if ctx.Err() == nil {
			o.logger.WarnContext(ctx, "outbox not seen", "server", o.server, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
