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
	// TODO(lab 05): lab 01's checkout plans a week, mails and books while somebody waits. Only
	// this is theirs to wait for: Replay, Draft, Reserve, Place. Say the rest inside Place, by
	// c.Tell with the context that Place gives: an event of order_placed, with the email address,
	// and one of recommendation_request. Then there is an order that was told of, or none; told
	// before, it may not come to be; told after, you may die in between.
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
	// TODO(lab 05): keep it (RecordPayment) and in the same transaction tell of it
	// (p.outbox.Add, payment_processed, outbox.NewPaymentID). Who consumes it settles it.
	return p.orders.ApplyPayment(ctx, event)
}

// NewPublisher is a roles.NewPublish.
func NewPublisher(link *roles.Link, _ *rabbit.Meter) roles.Publish {
	// TODO(lab 05): this publishes as everybody does at first. What is lost
	//   - when the broker dies with what it has not written down, or the network swallows it?
	//     That it was sent says nothing. Ask for confirms (ch.Confirm, PublishWithDeferredConfirm)
	//     and return the ids of those only that it has confirmed
	//   - when no queue takes it? The broker confirms that too. Publish it as mandatory, and look
	//     at what comes back (ch.NotifyReturn, with room for a whole batch)
	//   - when the broker restarts? Messages are not persistent by themselves
	// And what is slow
	//   - to wait for each before the next is sent: send the batch, then wait, but not for ever
	//   - to send to a broker that has blocked you, for want of memory: link.Ready
	// Count what becomes of them (meter.Published): somebody has to see it.
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
