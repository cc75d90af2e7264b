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
	// TODO(lab 05): choose the prefetch of each queue. How many messages may a worker hold
	// whose work is waiting for a mail server? How many whose work is planning a week? No
	// other worker gets the messages that it holds.
	return []roles.Consumer{
		{Queue: ledgerQueue, Prefetch: 1, Handle: e.ledger},
		{Queue: emailQueue, Prefetch: 1, Handle: e.email},
		{Queue: recommendationQueue, Prefetch: 1, Handle: e.recommendation},
		{Queue: paymentQueue, Prefetch: 1, Handle: e.payment},
	}
}

// effects does what follows from events. Each of its methods is a roles.Handler.
//
// TODO(lab 05): make each effect idempotent. The same event comes twice, also at once: the
// relay died before it knew that the broker had it, or a worker died before it
// acknowledged. Then
//   - the ledger and the week: write the effect and the note that it is done in one
//     transaction (Orders.Once). Do long work before it
//   - the mail, which no transaction holds: Claims.Claim keeps two workers from sending it
//     at once. The order says whether the mail is out (Done); read that when you hold the
//     claim
//   - the payment needs nothing more: see Orders.SettlePayment. Why?
//
// Return whether there was anything to do.
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
	// TODO(lab 05): make this worker safe. As it stands, messages are lost
	//   - when the worker dies with a message: autoack acknowledges before the work is
	//     done. Acknowledge when the work is committed, or when the message is safe in
	//     another queue
	//   - when the work fails. Publish the message to a retry queue, longer each time, with
	//     rabbit.RetriesHeader one higher, by a publisher that waits for the confirm
	//     (b.Link, not b.Conn). Then acknowledge it. After five tries, or when it cannot be
	//     read, park it: Nack without requeue. bytebites.ErrBusy means that another worker
	//     holds the claim; it is no failure of the message
	//   - when the worker is told to stop. Take no more messages (ch.Cancel), finish those
	//     that it holds with a context that does not end with ctx but has a limit, and
	//     acknowledge them
	// And it is slow: one message at a time. Handle c.Prefetch at once (ch.Qos).
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
			// TODO(lab 05): count the outcome (b.Meter.Handled), and after a success
			// observe the age of the event (b.Meter.Age).
		}
	}
}

// Replay is a roles.Replay.
func Replay(context.Context, roles.Broker, roles.Consumer) error {
	// TODO(lab 05): consume the stream "events" from the first (x-stream-offset: first),
	// and handle each event that the consumer's queue would get. A stream has no end, and
	// delivers no more than the prefetch before you acknowledge. How do you know that you
	// have reached the end?
	return errors.New("TODO(lab 05): nothing is replayed yet")
}
