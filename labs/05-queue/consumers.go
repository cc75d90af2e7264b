package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/labs/05-queue/retry"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/bytebites/service"
)

// handleFor bounds the work for one message.
const handleFor = 10 * time.Second

// Consumers returns the handler of each queue, with its prefetch: how many messages a worker holds
// at once.
func Consumers(p service.Parts) []roles.Consumer {
	e := effects{p}
	// TODO(lab 05): step 4: choose each prefetch. No other worker gets the messages that one worker
	// holds. Mails wait for another server. The other queues wait for the CPU, or for ten
	// connections to each database.
	return []roles.Consumer{
		{Queue: ledgerQueue, Prefetch: 1000, Handle: e.ledger},
		{Queue: emailQueue, Prefetch: 1000, Handle: e.email},
		{Queue: recommendationQueue, Prefetch: 1000, Handle: e.recommendation},
		{Queue: paymentQueue, Prefetch: 1000, Handle: e.payment},
	}
}

// effects does the effects of events. Each method is a roles.Handler: it reports whether there was
// anything to do.
//
// TODO(lab 05): step 5: do each effect once. The same event comes twice, also to two workers at once.
//  1. ledger: book inside e.Orders.Once, with the context that Once gives. Effect and note then commit
//     together or not at all.
//  2. recommendation: return if the effect is in order.Done, plan, and save the week inside
//     e.Orders.Once. Planning takes 16 ms of CPU, so plan before the transaction.
//  3. email: no transaction holds a mail. Call claim.Do.
type effects struct{ service.Parts }

// ledger books an order with its suppliers.
func (e effects) ledger(ctx context.Context, event bytebites.Event) (bool, error) {
	order, err := e.Orders.Order(ctx, event.User, event.Order)
	if err != nil {
		return false, err
	}
	if err := e.Steps.Book(ctx, order); err != nil {
		return false, err
	}
	return true, e.Orders.Finish(ctx, event.User, event.Order, bytebites.EffectLedger)
}

// email mails the confirmation of an order.
func (e effects) email(ctx context.Context, event bytebites.Event) (bool, error) {
	order, err := e.Orders.Order(ctx, event.User, event.Order)
	if err != nil {
		return false, err
	}
	if err := e.Steps.Mail(ctx, event.Email, order); err != nil {
		return false, err
	}
	return true, e.Orders.Finish(ctx, event.User, event.Order, bytebites.EffectEmail)
}

// recommendation plans the next week of a subscriber.
func (e effects) recommendation(ctx context.Context, event bytebites.Event) (bool, error) {
	week, err := e.Steps.Plan(ctx, event.User)
	if err != nil {
		return false, err
	}
	if err := e.Steps.SaveWeek(ctx, event.User, week); err != nil {
		return false, err
	}
	return true, e.Orders.Finish(ctx, event.User, event.Order, bytebites.EffectRecommendation)
}

// payment settles a recorded payment. To settle it again changes nothing.
func (e effects) payment(ctx context.Context, event bytebites.Event) (bool, error) {
	if event.Payment == nil {
		return false, fmt.Errorf("event of topic %s: no payment in it", event.Topic)
	}
	return true, e.Orders.SettlePayment(ctx, *event.Payment)
}

// Serve is a roles.Serve.
func Serve(ctx context.Context, b roles.Broker, c roles.Consumer) error {
	ch, err := b.Conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	defer func() { _ = ch.Close() }()
	// TODO(lab 05): step 4: acknowledge after the effect. With autoack the broker forgets a message
	// when it has sent it, and a worker that dies loses all that it holds.
	//   1. Set the prefetch: ch.Qos(c.Prefetch, 0, false).
	//   2. Consume without autoack.
	//   3. Handle up to c.Prefetch messages at once: one goroutine each, in an errgroup.
	//   4. When ctx ends, stop the deliveries (ch.Cancel) and wait for those goroutines.
	// Then settle each message in worker.take, and let the handler outlive ctx in worker.call.
	deliveries, err := ch.Consume(c.Queue, c.Queue, true, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	w := worker{Broker: b, Consumer: c, put: retry.New(b.Link).Put}
	for {
		select {
		case <-ctx.Done():
			return nil
		case d, open := <-deliveries:
			if !open {
				return errNoMore
			}
			if err := w.take(ctx, d); err != nil {
				return err
			}
		}
	}
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
	// TODO(lab 05): step 4: settle the delivery when it is handled. Without an error: d.Nack(false,
	// false) if the outcome is rabbit.Parked, else d.Ack(false). With an error settle nothing: the
	// broker delivers it again. Return nil then if ctx has ended, because that is no fault.
	_, err := w.handle(ctx, d)
	return err
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
	ctx, cancel := context.WithTimeout(ctx, handleFor)
	defer cancel()
	first, err = w.Handle(ctx, event)
	return event, first, err
}

// failed decides what becomes of a message whose handling returned an error. It returns rabbit.Retried
// when the message is stored in a retry queue, and rabbit.Parked when it is to be given up.
func (w worker) failed(ctx context.Context, d amqp.Delivery, err error) (rabbit.Handling, error) {
	// TODO(lab 05): step 6: retry and park. As it stands, a message that always fails comes back
	// every 200 ms for ever.
	//   1. bytebites.ErrBusy says that a server is down or another worker holds the claim. It tells
	//      nothing about the message: wait for the longest delay, do not count the try, never park.
	//   2. Park at once what cannot be read (errUnreadable).
	//   3. Park the message when this is the fifth failure. rabbit.Retries counts the earlier ones.
	//   4. Else put it back with the count plus one: w.put. Wait longer each time (retry.Delays), and
	//      for the last delay again before the fifth try.
	return rabbit.Retried, w.put(ctx, d, w.Queue, retry.Delays()[0], rabbit.Retries(d.Headers))
}
