package wrong

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/05-queue"
)

// confirming is a checkout that publishes the events of an order when the order is placed. It keeps a
// connection, and waits for the confirms. A failure is a line in the log, and the order stands.
type confirming struct {
	*checkout.Steps
	logger *slog.Logger

	mu sync.Mutex
	ch *amqp.Channel // nil while there is no broker
}

// publishing builds the checkout of a service whose replicas know the broker.
func publishing(r service.Resources, steps *checkout.Steps) (bytebites.Checkout, error) {
	d := &confirming{Steps: steps, logger: r.Logger}
	ctx, stop := context.WithCancel(context.Background())
	var keeping sync.WaitGroup
	keeping.Go(func() {
		options := rabbit.Options{URL: r.Config.BrokerURL, Name: r.Config.Instance, Logger: r.Logger}
		_ = rabbit.Keep(ctx, options, d.open) // until stop
	})
	r.OnClose(func() error {
		stop()
		keeping.Wait()
		return nil
	})
	return d, nil
}

// open has orders published over a connection for as long as there is one.
func (d *confirming) open(ctx context.Context, conn *amqp.Connection) error {
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	if err := queue.Declare(ch); err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	d.use(ch)
	defer d.use(nil)
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	select {
	case <-ctx.Done():
		return nil
	case reason := <-closed:
		return fmt.Errorf("channel closed: %w", reason)
	}
}

func (d *confirming) use(ch *amqp.Channel) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ch = ch
}

// PlaceOrder places an order, and publishes its events.
func (d *confirming) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	if order, found, err := d.Replay(ctx, request); err != nil || found {
		return order, found, err
	}
	order, err := d.Draft(ctx, request)
	if err != nil {
		return bytebites.Order{}, false, err
	}
	if err := d.Reserve(ctx, order); err != nil {
		return bytebites.Order{}, false, err
	}
	order, replayed, err := d.Place(ctx, order, nil)
	if err != nil || replayed {
		return order, replayed, err
	}
	after, cancel := d.Aftermath(ctx)
	defer cancel()
	for _, event := range []bytebites.Event{
		{Topic: bytebites.TopicOrderPlaced, Email: request.Email},
		{Topic: bytebites.TopicRecommendationRequest},
	} {
		event.ID, event.User, event.Order, event.At = outbox.NewID(event.Topic, order.ID), order.User, order.ID, order.PlacedAt
		if err := d.publish(after, event); err != nil {
			d.logger.ErrorContext(ctx, "not published", "event", string(event.ID), "error", err)
		}
	}
	return order, false, nil
}

func (d *confirming) publish(ctx context.Context, event bytebites.Event) error {
	d.mu.Lock()
	ch := d.ch
	d.mu.Unlock()
	if ch == nil {
		return errors.New("no broker")
	}
	body, err := outbox.Encode(event)
	if err != nil {
		return err
	}
	promise, err := ch.PublishWithDeferredConfirm(queue.Exchange, string(event.Topic), false, false, amqp.Publishing{
		MessageId: string(event.ID), DeliveryMode: amqp.Persistent, Body: body,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	confirmed, err := promise.WaitContext(ctx)
	if err == nil && !confirmed {
		err = errors.New("not confirmed")
	}
	return err
}
