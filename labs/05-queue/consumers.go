package queue

import (
	"context"
	"errors"
	"fmt"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/bytebites/service"
)

// Consumers returns who handles the messages of which queue.
func Consumers(p service.Parts) []roles.Consumer {
	e := effects{p}
	// TODO(lab 05): one at a time. How many may a worker have in hand, of those who do little but
	// wait for a mail server, and of those who plan weeks? What it has, no other worker gets.
	return []roles.Consumer{
		{Queue: ledgerQueue, Prefetch: 1, Handle: e.ledger},
		{Queue: emailQueue, Prefetch: 1, Handle: e.email},
		{Queue: recommendationQueue, Prefetch: 1, Handle: e.recommendation},
		{Queue: paymentQueue, Prefetch: 1, Handle: e.payment},
	}
}

// effects does what follows from events. Each of its methods is a roles.Handler.
//
// TODO(lab 05): the same event comes twice, at once too: the relay died before it knew that the
// broker had it, or a worker before it said that it was done. What happens then
//   - to the ledger and the week? What is done, and that it is done, belong in one transaction:
//     Orders.Once. What takes long belongs before it
//   - to the mail, which no transaction holds? Claims.Claim keeps two from being at it at once,
//     and whether it is out says the order (Done), read when the claim is yours
//   - to the payment? Nothing: see Orders.SettlePayment. Why can it be so here?
//
// And tell the worker whether there was anything to do.
type effects struct{ service.Parts }

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

func (e effects) payment(ctx context.Context, event bytebites.Event) (bool, error) {
	return true, e.Orders.SettlePayment(ctx, *event.Payment)
}

// Serve is a roles.Serve.
func Serve(ctx context.Context, b roles.Broker, c roles.Consumer) error {
	ch, err := b.Conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	defer func() { _ = ch.Close() }()
	// TODO(lab 05): this consumes as everybody does at first. What is lost
	//   - when a worker dies with a message in hand? Autoack says yes before anything is done.
	//     Acknowledge when it is done and committed, or safe in another queue
	//   - when it fails? Put it where it waits, longer each time, with broker.RetriesHeader one more,
	//     by a publisher that waits for the confirm (b.Link, not b.Conn); then acknowledge it. After
	//     five tries, or when it cannot be read, park it: Nack, and do not requeue. Somebody else's
	//     turn (bytebites.ErrBusy) is no failure of the message
	//   - when the worker is told to stop? Take no more (ch.Cancel), finish what is in hand
	//     with a context that does not end with ctx, but does end, and acknowledge it
	// And what is slow: one at a time. Handle c.Prefetch at once (ch.Qos).
	deliveries, err := ch.Consume(c.Queue, c.Queue, true, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case d, open := <-deliveries:
			if !open {
				return errors.New("the broker delivers no more")
			}
			event, err := outbox.Decode(d.Body)
			if err == nil {
				_, err = c.Handle(ctx, event)
			}
			if err != nil {
				b.Logger.WarnContext(ctx, "message failed", "queue", c.Queue, "message", d.MessageId, "error", err)
			}
			// TODO(lab 05): count what became of it (b.Meter.Handled), and when it was done, how
			// long that took since it happened (b.Meter.Age).
		}
	}
}

// Replay is a roles.Replay.
func Replay(context.Context, roles.Broker, roles.Consumer) error {
	// TODO(lab 05): consume the stream "events" from the first (x-stream-offset: first), and handle
	// each event that the consumer's queue would get. A stream has no end, and hands on no more
	// than the prefetch of what is not acknowledged. How do you know that you have caught up?
	return errors.New("TODO(lab 05): nothing is replayed yet")
}
