package queue

import (
	"context"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

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
}

// NewCheckout returns a checkout that goes through the steps.
func NewCheckout(_ service.Resources, steps *checkout.Steps) *Checkout {
	return &Checkout{Steps: steps}
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
	return c.Place(ctx, order, func(ctx context.Context) error {
		return c.Tell(ctx, order.User, eventsOf(order, request.Email)...)
	})
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
}

// NewPayments returns a receiver of payments for the orders.
func NewPayments(_ service.Resources, orders bytebites.Orders, outbox bytebites.Outbox) *Payments {
	return &Payments{orders: orders, outbox: outbox}
}

// Receive records a payment event, and reports false when it came before; see bytebites.Payments. A
// worker settles the payment.
func (p *Payments) Receive(ctx context.Context, event bytebites.PaymentEvent) (bool, error) {
	return p.orders.RecordPayment(ctx, event, func(ctx context.Context) error {
		return p.outbox.Add(ctx, event.User, eventOf(event))
	})
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
	var ch *amqp.Channel
	var returns <-chan amqp.Return
	return func(ctx context.Context, events []bytebites.Event) (confirmed []bytebites.EventID, err error) {
		if err := link.Ready(ctx); err != nil { // the broker accepts messages
			return nil, err
		}
		if ch == nil {
			if ch, err = link.Channel(ctx); err != nil {
				return nil, err
			}
			if err := ch.Confirm(false); err != nil {
				return nil, fmt.Errorf("ask for confirms: %w", err)
			}
			// One goroutine of the library reads all that the broker sends. It must never wait
			// for this one, so there is room for every message of a batch.
			returns = ch.NotifyReturn(make(chan amqp.Return, roles.Batch))
		}
		promises := make([]*amqp.DeferredConfirmation, len(events))
		for i, event := range events {
			m, err := messageOf(event)
			if err != nil {
				return nil, err
			}
			promises[i], err = ch.PublishWithDeferredConfirm(Exchange, string(event.Topic), true, false, m)
			if err != nil {
				return nil, fmt.Errorf("publish: %w", err)
			}
		}
		fates := make(map[string]rabbit.Delivery)
		for i, promise := range promises {
			stored, err := promise.WaitContext(ctx)
			if err == nil && !stored && ch.IsClosed() {
				err = amqp.ErrClosed // the library resolves the promise when the channel ends
			}
			switch {
			case err != nil: // some may be stored: all of the batch are published again
				return nil, fmt.Errorf("wait for confirm: %w", err)
			case stored:
				fates[string(events[i].ID)] = rabbit.Confirmed
			default:
				fates[string(events[i].ID)] = rabbit.Nacked
			}
		}
		for len(returns) > 0 { // a message is returned before it is confirmed
			fates[(<-returns).MessageId] = rabbit.Returned
		}
		for _, event := range events {
			fate := fates[string(event.ID)]
			meter.Published(fate, 1)
			if fate == rabbit.Confirmed {
				confirmed = append(confirmed, event.ID)
			}
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
		ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: body,
	}, nil
}
