package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/labs/05-queue/claim"
	"bytebites.example/workshop/labs/05-queue/retry"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/bytebites/service"
)

// handleFor bounds the work for one message.
const handleFor = 10 * time.Second

// tries is how often a message may fail before it is parked.
const tries = 5

// Consumers returns the handler of each queue, with its prefetch: how many messages a worker holds
// at once.
func Consumers(p service.Parts) []roles.Consumer {
	e := effects{p}
	return []roles.Consumer{
		{Queue: ledgerQueue, Prefetch: 5, Handle: e.ledger},
		{Queue: emailQueue, Prefetch: 20, Handle: e.email},
		{Queue: recommendationQueue, Prefetch: 2, Handle: e.recommendation},
		{Queue: paymentQueue, Prefetch: 5, Handle: e.payment},
	}
}

// effects does the effects of events. Each method is a roles.Handler: it reports whether there was
// anything to do.
type effects struct{ service.Parts }

// ledger books an order with its suppliers.
func (e effects) ledger(ctx context.Context, event bytebites.Event) (bool, error) {
	order, err := e.Orders.Order(ctx, event.User, event.Order)
	if err != nil {
		return false, err
	}
	return e.Orders.Once(ctx, event.User, event.Order, bytebites.EffectLedger, func(ctx context.Context) error {
		return e.Steps.Book(ctx, order)
	})
}

// email mails the confirmation of an order.
func (e effects) email(ctx context.Context, event bytebites.Event) (bool, error) {
	return claim.Do(ctx, e.Parts, event, bytebites.EffectEmail, func(ctx context.Context, order bytebites.Order) error {
		return e.Steps.Mail(ctx, event.Email, order)
	})
}

// recommendation plans the next week of a subscriber. It plans before the transaction: others would
// wait for a lock that is held for 16 ms of CPU.
func (e effects) recommendation(ctx context.Context, event bytebites.Event) (bool, error) {
	order, err := e.Orders.Order(ctx, event.User, event.Order)
	if err != nil {
		return false, err
	}
	if _, done := order.Done[bytebites.EffectRecommendation]; done {
		return false, nil
	}
	week, err := e.Steps.Plan(ctx, event.User)
	if err != nil {
		return false, err
	}
	return e.Orders.Once(ctx, event.User, event.Order, bytebites.EffectRecommendation, func(ctx context.Context) error {
		return e.Steps.SaveWeek(ctx, event.User, week)
	})
}

// payment settles a recorded payment. To settle it again changes nothing.
func (e effects) payment(ctx context.Context, event bytebites.Event) (bool, error) {
	if event.Payment == nil {
		return false, fmt.Errorf("event of topic %s: no payment in it", event.Topic)
	}
	return true, e.Orders.SettlePayment(ctx, *event.Payment)
}

// Serve is a roles.Serve. A worker that dies leaves its messages to the broker, which delivers them
// again.
func Serve(ctx context.Context, b roles.Broker, c roles.Consumer) error {
	ch, err := b.Conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	defer func() { _ = ch.Close() }()
	if err := ch.Qos(c.Prefetch, 0, false); err != nil {
		return fmt.Errorf("set prefetch: %w", err)
	}
	deliveries, err := ch.Consume(c.Queue, c.Queue, false, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	w := worker{Broker: b, Consumer: c, put: retry.New(b.Link).Put}
	hands, ctx := errgroup.WithContext(ctx)
	hands.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				_ = ch.Cancel(c.Queue, false) // it fails when the channel has ended
				return nil
			case d, open := <-deliveries:
				if !open {
					return errNoMore
				}
				hands.Go(func() error { return w.take(ctx, d) })
			}
		}
	})
	return hands.Wait()
}

var (
	errNoMore     = errors.New("the broker delivers no more")
	errUnreadable = errors.New("unreadable")
)

// worker handles the deliveries of one queue.
type worker struct {
	roles.Broker
	roles.Consumer
	// put is retry.Queues.Put.
	put func(ctx context.Context, d amqp.Delivery, queue string, delay time.Duration, retries int) error
}

// take handles a delivery and settles it. An error means that the connections cannot be used any more.
func (w worker) take(ctx context.Context, d amqp.Delivery) error {
	outcome, err := w.handle(ctx, d)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil // told to stop: the broker delivers it again
	case err != nil:
		return err
	case outcome == rabbit.Parked:
		return d.Nack(false, false)
	default:
		return d.Ack(false)
	}
}

// handle calls the consumer's handler, and counts the outcome.
func (w worker) handle(ctx context.Context, d amqp.Delivery) (outcome rabbit.Handling, err error) {
	event, first, err := w.call(ctx, d)
	switch {
	case err != nil:
		w.Logger.WarnContext(ctx, "message failed", "queue", w.Queue, "message", d.MessageId, "error", err)
		if outcome, err = w.failed(ctx, d, err); err != nil {
			return outcome, err
		}
	case first:
		outcome = rabbit.Done
		w.Meter.Age(w.Queue, time.Since(event.At))
	default:
		outcome = rabbit.Duplicate
	}
	w.Meter.Handled(w.Queue, outcome)
	return outcome, nil
}

// call reads the event of a delivery and calls the handler with it, for at most handleFor. The error
// matches errUnreadable for a message that is no event.
func (w worker) call(ctx context.Context, d amqp.Delivery) (event bytebites.Event, first bool, err error) {
	if event, err = outbox.Decode(d.Body); err != nil {
		return event, false, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handleFor)
	defer cancel()
	first, err = w.Handle(ctx, event)
	return event, first, err
}

// failed decides what becomes of a message whose handling returned an error. It returns rabbit.Retried
// when the message is stored in a retry queue, and rabbit.Parked when it is to be given up.
func (w worker) failed(ctx context.Context, d amqp.Delivery, err error) (rabbit.Handling, error) {
	delays, retries := retry.Delays(), rabbit.Retries(d.Headers)
	longest := len(delays) - 1
	delay := delays[min(retries, longest)]
	switch {
	case errors.Is(err, bytebites.ErrBusy):
		delay = delays[longest]
	case errors.Is(err, errUnreadable), retries+1 >= tries:
		return rabbit.Parked, nil
	default:
		retries++
	}
	return rabbit.Retried, w.put(ctx, d, w.Queue, delay, retries)
}
