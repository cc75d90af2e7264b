package wrong

import (
	"context"
	"errors"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
)

// consume handles a queue's deliveries, as many at once as the consumer takes, until ctx ends.
func consume(ctx context.Context, b roles.Broker, c roles.Consumer, handle func(context.Context, amqp.Delivery) error) error {
	ch, err := b.Conn.Channel()
	if err != nil {
		return err
	}
	defer func() { _ = ch.Close() }()
	if err := ch.Qos(c.Prefetch, 0, false); err != nil {
		return err
	}
	deliveries, err := ch.Consume(c.Queue, c.Queue, false, false, false, false, nil)
	if err != nil {
		return err
	}
	slots := make(chan struct{}, c.Prefetch)
	var hands sync.WaitGroup
	defer hands.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case slots <- struct{}{}:
		}
		select {
		case <-ctx.Done():
			return nil
		case d, open := <-deliveries:
			if !open {
				return errors.New("no more deliveries")
			}
			hands.Go(func() {
				defer func() { <-slots }()
				if err := handle(context.WithoutCancel(ctx), d); err != nil {
					b.Logger.WarnContext(ctx, "message failed", "queue", c.Queue, "message", d.MessageId, "error", err)
				}
			})
		}
	}
}

// work does what a delivery asks for.
func work(ctx context.Context, b roles.Broker, c roles.Consumer, d amqp.Delivery) error {
	event, err := outbox.Decode(d.Body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	first, err := c.Handle(ctx, event)
	if err != nil {
		return err
	}
	outcome := rabbit.Duplicate
	if first {
		outcome = rabbit.Done
		b.Meter.Age(c.Queue, time.Since(event.At))
	}
	b.Meter.Handled(c.Queue, outcome)
	return nil
}

// ackFirst acknowledges a message when it arrives, so that the broker need not keep it. A message
// that fails is tried again in this process.
func ackFirst(ctx context.Context, b roles.Broker, c roles.Consumer) error {
	parking, err := b.Link.Channel(ctx)
	if err != nil {
		return err
	}
	return consume(ctx, b, c, func(ctx context.Context, d amqp.Delivery) error {
		if err := d.Ack(false); err != nil {
			return err
		}
		err := work(ctx, b, c, d)
		for failures := 0; err != nil; err = work(ctx, b, c, d) {
			if !errors.Is(err, bytebites.ErrBusy) {
				failures++
			}
			if failures == 5 {
				break
			}
			time.Sleep(time.Second)
		}
		if err == nil {
			return nil
		}
		b.Meter.Handled(c.Queue, rabbit.Parked)
		return errors.Join(err, parking.PublishWithContext(ctx, "", c.Queue+".parked", false, false, amqp.Publishing{
			MessageId: d.MessageId, DeliveryMode: amqp.Persistent, Body: d.Body,
		}))
	})
}

// requeueing gives what failed back to its queue, after a moment: it will go better some time.
func requeueing(ctx context.Context, b roles.Broker, c roles.Consumer) error {
	return consume(ctx, b, c, func(ctx context.Context, d amqp.Delivery) error {
		if err := work(ctx, b, c, d); err != nil {
			time.Sleep(200 * time.Millisecond)
			b.Meter.Handled(c.Queue, rabbit.Retried)
			return errors.Join(err, d.Nack(false, true))
		}
		return d.Ack(false)
	})
}
