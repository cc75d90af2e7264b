package queue

import (
	"context"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/solutions/01-vertical"
)

// Checkout takes orders, and does what follows from one before it answers.
type Checkout struct {
	*checkout.Steps
}

// NewCheckout returns a checkout that goes through the steps.
func NewCheckout(steps *checkout.Steps) *Checkout { return &Checkout{Steps: steps} }

// PlaceOrder places an order, or returns the one that was placed before under the same
// Idempotency-Key, and then reports true.
func (c *Checkout) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	// TODO(lab 05): do only Replay, Draft, Reserve and Place inside the request. Lab 01's
	// checkout also plans a week, mails and books while the subscriber waits. Announce
	// these inside Place, by c.Tell with the context that Place gives: an order_placed
	// event with the email address, and a recommendation_request event. Inside the
	// transaction the order and its events stand or fall together. An event before the
	// commit could announce an order that is rolled back; after it, a crash loses the
	// event.
	return vertical.NewCheckout(c.Steps).PlaceOrder(ctx, request)
}

// Payments receives what the payment provider says.
type Payments struct {
	orders bytebites.Orders
	outbox bytebites.Outbox
}

// NewPayments returns what receives payments of the orders, and tells of them in the outbox.
func NewPayments(orders bytebites.Orders, outbox bytebites.Outbox) *Payments {
	return &Payments{orders: orders, outbox: outbox}
}

// Receive sees to it that a payment event is applied, and reports false when it came before; see
// bytebites.Payments.
func (p *Payments) Receive(ctx context.Context, event bytebites.PaymentEvent) (bool, error) {
	// TODO(lab 05): keep the payment (RecordPayment), and add its event in the same
	// transaction (p.outbox.Add, payment_processed, outbox.NewPaymentID). The consumer
	// settles it.
	return p.orders.ApplyPayment(ctx, event)
}

// NewPublisher is a roles.NewPublish.
func NewPublisher(link *roles.Link, _ *rabbit.Meter) roles.Publish {
	// TODO(lab 05): make this publisher safe. As it stands, events are lost
	//   - when the broker dies before it has stored them, or the network drops them. Ask
	//     for confirms (ch.Confirm, PublishWithDeferredConfirm), and return only the ids
	//     that the broker has confirmed
	//   - when no queue takes an event, which the broker confirms too. Publish as
	//     mandatory, and read the returned messages (ch.NotifyReturn, with room for a whole
	//     batch)
	//   - when the broker restarts: messages are not persistent by default
	// And it is slow
	//   - to wait for each confirm before the next message. Send the batch, then wait, with
	//     a time limit
	//   - to send to a broker that blocks publishers because it is out of memory:
	//     link.Ready
	// Count the outcome of each event (meter.Published), so that operators see it.
	var ch *amqp.Channel
	return func(ctx context.Context, events []bytebites.Event) (confirmed []bytebites.EventID, err error) {
		if ch == nil {
			if ch, err = link.Channel(ctx); err != nil {
				return nil, err
			}
		}
		for _, event := range events {
			body, err := outbox.Encode(event)
			if err != nil {
				return confirmed, err
			}
			err = ch.PublishWithContext(ctx, Exchange, string(event.Topic), false, false, amqp.Publishing{Body: body})
			if err != nil {
				return confirmed, fmt.Errorf("publish: %w", err)
			}
			confirmed = append(confirmed, event.ID)
		}
		return confirmed, nil
	}
}
