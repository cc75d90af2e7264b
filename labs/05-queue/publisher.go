package queue

import (
	"context"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/labs/05-queue/direct"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/bytebites/service"
)

// Checkout takes orders. Workers do the effects of an order.
type Checkout struct {
	*checkout.Steps
	direct *direct.Publisher
}

// NewCheckout returns a checkout that goes through the steps.
func NewCheckout(r service.Resources, steps *checkout.Steps) *Checkout {
	return &Checkout{Steps: steps, direct: direct.New(r, Declare)}
}

// PlaceOrder places an order. It returns true and the earlier order if there is one under the same
// Idempotency-Key.
func (c *Checkout) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	if order, found, err := c.Replay(ctx, request); err != nil || found {
		return order, found, err
	}
	order, err := c.Draft(ctx, request)
	if err != nil {
		return bytebites.Order{}, false, err
	}
	if err := c.Reserve(ctx, order); err != nil {
		return bytebites.Order{}, false, err
	}
	// TODO(lab 05): step 1: write the events with the order. A replica that dies after Place,
	// or a broker that is down, loses the events of an order that is committed.
	//   1. Give Place a function. Place calls it in the order's transaction.
	//   2. Add the events there by c.Tell, with the context that Place gives.
	//   3. Send nothing after it, and remove the field direct.
	placed, replayed, err := c.Place(ctx, order, nil)
	if err != nil || replayed {
		return placed, replayed, err
	}
	c.direct.Send(ctx, Exchange, eventsOf(order, request.Email)...)
	return placed, false, nil
}

// eventsOf returns the events of a new order. The planner has the most work, so it has a topic of its
// own. The id of an event follows from the order, so the same event has the same id each time.
func eventsOf(order bytebites.Order, email string) []bytebites.Event {
	return []bytebites.Event{{
		ID: outbox.NewID(bytebites.TopicOrderPlaced, order.ID), Topic: bytebites.TopicOrderPlaced,
		User: order.User, Order: order.ID, At: order.PlacedAt, Email: email,
	}, {
		ID: outbox.NewID(bytebites.TopicRecommendationRequest, order.ID), Topic: bytebites.TopicRecommendationRequest,
		User: order.User, Order: order.ID, At: order.PlacedAt,
	}}
}

// Payments receives the webhooks of the payment provider.
type Payments struct {
	orders bytebites.Orders
	outbox bytebites.Outbox
	direct *direct.Publisher
}

// NewPayments returns a receiver of payments for the orders.
func NewPayments(r service.Resources, orders bytebites.Orders, outbox bytebites.Outbox) *Payments {
	return &Payments{orders: orders, outbox: outbox, direct: direct.New(r, Declare)}
}

// Receive records a payment event, and reports false when it came before; see bytebites.Payments. A
// worker settles the payment.
func (p *Payments) Receive(ctx context.Context, event bytebites.PaymentEvent) (bool, error) {
	// TODO(lab 05): step 1: write the event with the payment, by p.outbox.Add inside
	// RecordPayment. The provider sends a webhook again until it is answered, but RecordPayment
	// then says that it came before, and nothing is sent any more.
	first, err := p.orders.RecordPayment(ctx, event, nil)
	if err != nil || !first {
		return false, err
	}
	p.direct.Send(ctx, Exchange, eventOf(event))
	return true, nil
}

// eventOf returns the event of a payment.
func eventOf(payment bytebites.PaymentEvent) bytebites.Event {
	return bytebites.Event{
		ID: outbox.NewPaymentID(payment), Topic: bytebites.TopicPaymentProcessed,
		User: payment.User, Order: payment.Order, At: time.Now().UTC(), Payment: &payment,
	}
}

// NewPublisher is a roles.NewPublish. The relay calls the result with the oldest events of an outbox,
// and then deletes those whose ids it returned.
func NewPublisher(link *roles.Link, meter *rabbit.Meter) roles.Publish {
	// TODO(lab 05): step 3: publish with confirms. A publish without an error says that the bytes
	// are in a buffer of this process, and the relay deletes the event.
	//   1. Ask for confirms: ch.Confirm(false). ch.Confirm(true) never returns.
	//   2. Publish as mandatory by ch.PublishWithDeferredConfirm, and collect the confirmations.
	//      Make messages persistent, in messageOf.
	//   3. When the whole batch is sent, wait for each confirmation by WaitContext(ctx).
	//   4. Read the returned messages (ch.NotifyReturn, with room for roles.Batch). The broker
	//      returns a message that no queue takes, and then confirms it.
	//   5. Return the ids that are confirmed and not returned, and count each outcome.
	var ch *amqp.Channel
	return func(ctx context.Context, events []bytebites.Event) (confirmed []bytebites.EventID, err error) {
		if err := link.Ready(ctx); err != nil { // the broker accepts messages
			return nil, err
		}
		if ch == nil {
			if ch, err = link.Channel(ctx); err != nil {
				return nil, err
			}
		}
		for _, event := range events {
			m, err := messageOf(event)
			if err != nil {
				return nil, err
			}
			if err := ch.PublishWithContext(ctx, Exchange, string(event.Topic), false, false, m); err != nil {
				return nil, fmt.Errorf("publish: %w", err)
			}
			meter.Published(rabbit.Confirmed, 1)
			confirmed = append(confirmed, event.ID)
		}
		return confirmed, nil
	}
}

// messageOf returns the message of an event.
func messageOf(event bytebites.Event) (amqp.Publishing, error) {
	body, err := outbox.Encode(event)
	if err != nil {
		return amqp.Publishing{}, err
	}
	return amqp.Publishing{
		MessageId: string(event.ID), Type: string(event.Topic), Timestamp: event.At,
		ContentType: "application/json", Body: body,
	}, nil
}
