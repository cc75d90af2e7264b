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
	// idlePause is the pause after an outbox was empty.
	idlePause = 50 * time.Millisecond
	// failurePause is the pause after an outbox could not be emptied. Events that the broker did
	// not store may be tried again after it, and block no others.
	failurePause = time.Second
	// publishTimeout bounds the work on one batch, and publishGrace is how long after it a Publish may
	// return without a warning.
	publishTimeout = 10 * time.Second
	publishGrace   = time.Second
	// readTimeout bounds one read of an outbox.
	readTimeout = 5 * time.Second
	// watchEvery is how often the backlog metrics are updated.
	watchEvery = time.Second
)

// RelayRole is the relay, with the parts that it was made of.
type RelayRole struct {
	service.Job
	Declare    Declare
	NewPublish NewPublish
}

// Relay returns the role that publishes the events in the outboxes of all servers. Several relays
// may run: each event is locked by one of them.
func Relay(declare Declare, newPublish NewPublish) RelayRole {
	return RelayRole{relay(declare, newPublish), declare, newPublish}
}

func relay(declare Declare, newPublish NewPublish) service.Job {
	return func(ctx context.Context, r service.Resources, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("relay: expected no arguments, got %q", args)
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
			// Watch even without a broker, because the backlog grows then.
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

// outlet is a server's outbox with its publisher.
type outlet struct {
	server string // number
	store  *outbox.Store
	logger *slog.Logger
}

// empty publishes events until ctx ends. Its error means that publish cannot be used any more.
func (o outlet) empty(ctx context.Context, link *Link, publish Publish) error {
	for {
		if link.Ready(ctx) != nil {
			return nil
		}
		asked, confirmed, publishing, err := o.relay(ctx, publish)
		if publishing != nil {
			_ = link.Ready(ctx) // while the link is blocked, a new publisher would be blocked too
			return fmt.Errorf("publish events of server %s: %w", o.server, publishing)
		}
		wait := idlePause
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			o.logger.WarnContext(ctx, "publish outbox failed", "server", o.server, "error", err)
			if confirmed == 0 {
				wait = failurePause
			}
		case confirmed < asked:
			o.logger.WarnContext(ctx, "events not confirmed by the broker", "server", o.server, "events", asked-confirmed)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// relay publishes events, the oldest first, until none wait or one is not confirmed. It returns the
// number of events passed to publish, the number removed from the outbox, the error of publish, and
// any error.
func (o outlet) relay(ctx context.Context, publish Publish) (asked, confirmed int, publishing, err error) {
	confirmed, err = o.store.RelayAll(ctx, Batch, func(ctx context.Context, events []bytebites.Event) (ids []bytebites.EventID, err error) {
		// A program that is told to stop still waits for the confirmations. Events without one are
		// published twice.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
		defer cancel()
		asked += len(events)
		defer o.warnWhenLate(ctx).Stop()
		ids, publishing = publish(ctx, events)
		return ids, publishing
	})
	return asked, confirmed, publishing, err
}

// warnWhenLate returns a timer that logs a warning when Publish outlives its bound. Calls of the
// library take no context. One of them, Channel.Confirm(true), never returns, because it waits for an
// answer that it asked the broker not to send.
func (o outlet) warnWhenLate(ctx context.Context) *time.Timer {
	return time.AfterFunc(publishTimeout+publishGrace, func() {
		o.logger.WarnContext(ctx, "publish outlives its bound", "server", o.server, "bound", publishTimeout.String(),
			"remedy", "see NewPublisher: wait with the context of Publish; ch.Confirm(true) never returns, use ch.Confirm(false)")
	})
}

// watch exports the backlog of the outbox until ctx ends.
func (o outlet) watch(ctx context.Context, meter *rabbit.Meter) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		looking, cancel := context.WithTimeout(ctx, readTimeout)
		backlog, err := o.store.Backlog(looking)
		cancel()
		if err == nil {
			meter.Backlog(o.server, backlog.Events, backlog.Oldest)
		} else if ctx.Err() == nil {
			o.logger.WarnContext(ctx, "read outbox backlog failed", "server", o.server, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
