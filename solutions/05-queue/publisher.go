package queue

import (
	"context"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
)

// Checkout takes orders. What follows from one is for others to do, when they hear of it.
type Checkout struct {
	*checkout.Steps
}

// NewCheckout returns a checkout that goes through the steps.
func NewCheckout(steps *checkout.Steps) *Checkout { return &Checkout{Steps: steps} }

// PlaceOrder places an order, or returns the one that was placed before under the same
// Idempotency-Key, and then reports true. Whoever dies in here leaves an order that is told of,
// or none.
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
		return c.Tell(ctx, order.User, placed(order, request.Email)...)
	})
}

// placed returns what is told of an order: to those who work for it, and to the planner, who
// has the most to do and a queue of its own.
func placed(order bytebites.Order, email string) []bytebites.Event {
	return []bytebites.Event{{
		ID: outbox.NewID(bytebites.TopicOrderPlaced, order.ID), Topic: bytebites.TopicOrderPlaced,
		User: order.User, Order: order.ID, At: order.PlacedAt, Email: email,
	}, {
		ID: outbox.NewID(bytebites.TopicRecommendationRequest, order.ID), Topic: bytebites.TopicRecommendationRequest,
		User: order.User, Order: order.ID, At: order.PlacedAt,
	}}
}

// Payments receives what the payment provider says. It keeps that, and has it settled later.
type Payments struct {
	orders bytebites.Orders
	outbox bytebites.Outbox
}

// NewPayments returns what receives payments of the orders, and tells of them in the outbox.
func NewPayments(orders bytebites.Orders, outbox bytebites.Outbox) *Payments {
	return &Payments{orders: orders, outbox: outbox}
}

// Receive keeps a payment event, and reports false when it came before; see bytebites.Payments.
func (p *Payments) Receive(ctx context.Context, event bytebites.PaymentEvent) (bool, error) {
	return p.orders.RecordPayment(ctx, event, func(ctx context.Context) error {
		return p.outbox.Add(ctx, event.User, bytebites.Event{
			ID: outbox.NewPaymentID(event), Topic: bytebites.TopicPaymentProcessed,
			User: event.User, Order: event.Order, At: time.Now().UTC(), Payment: &event,
		})
	})
}

// NewPublisher is a roles.NewPublish.
func NewPublisher(link *roles.Link, meter *rabbit.Meter) roles.Publish {
	p := &publisher{link: link}
	return func(ctx context.Context, events []bytebites.Event) (confirmed []bytebites.EventID, err error) {
		messages := make([]message, len(events))
		for i, event := range events {
			if messages[i], err = messageOf(event); err != nil {
				return nil, err
			}
		}
		fates, err := p.publish(ctx, messages)
		for i, fate := range fates {
			if fate == rabbit.Confirmed {
				confirmed = append(confirmed, events[i].ID)
			}
			meter.Published(fate, 1)
		}
		return confirmed, err
	}
}

// message is something to publish, and where.
type message struct {
	exchange, key string
	amqp.Publishing
}

func messageOf(event bytebites.Event) (message, error) {
	body, err := outbox.Encode(event)
	if err != nil {
		return message{}, err
	}
	return message{exchange: Exchange, key: string(event.Topic), Publishing: amqp.Publishing{
		MessageId: string(event.ID), Type: string(event.Topic), Timestamp: event.At,
		ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: body,
	}}, nil
}

// confirmFor is how long the broker may take to confirm what was published. It has written it to
// disk by then, and at its slowest that takes part of a second.
const confirmFor = 5 * time.Second

// publisher publishes over a link, on one channel that is its alone, a batch at a time.
type publisher struct {
	link *roles.Link

	mu      sync.Mutex
	ch      *amqp.Channel // nil until it is needed
	returns <-chan amqp.Return
}

// open waits until the broker takes messages, and sees to it that there is a channel for them.
func (p *publisher) open(ctx context.Context) error {
	if err := p.link.Ready(ctx); err != nil || p.ch != nil {
		return err
	}
	ch, err := p.link.Channel(ctx)
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return fmt.Errorf("ask for confirms: %w", err)
	}
	// One goroutine of the library reads all that the broker sends. It must never have to wait for
	// us, so there is room for every message of a batch to come back.
	p.returns = ch.NotifyReturn(make(chan amqp.Return, roles.Batch))
	p.ch = ch
	return nil
}

// publish publishes at most roles.Batch messages with different ids, and waits until the broker
// has answered for each. It returns what has become of them, in their order. After an error the
// channel is of no use any more, and those that are missing at the end nobody knows of.
func (p *publisher) publish(ctx context.Context, messages []message) ([]rabbit.Delivery, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.open(ctx); err != nil {
		return nil, err
	}
	// All are on their way before the first is waited for: one by one, each would cost the way to
	// the broker, its disk, and the way back.
	promises := make([]*amqp.DeferredConfirmation, 0, len(messages))
	var failed error
	for _, m := range messages {
		// Mandatory: what no queue takes comes back. The broker confirms that too, for it has done
		// all with it that there was to do.
		promise, err := p.ch.PublishWithDeferredConfirm(m.exchange, m.key, true, false, m.Publishing)
		if err != nil {
			failed = fmt.Errorf("publish: %w", err)
			break
		}
		promises = append(promises, promise)
	}
	var fates []rabbit.Delivery
	for _, promise := range promises {
		confirmed, err := p.wait(ctx, promise)
		if err != nil {
			failed = err
			break
		}
		fate := rabbit.Nacked
		if confirmed {
			fate = rabbit.Confirmed
		}
		fates = append(fates, fate)
	}
	// A message comes back before it is confirmed, so by now all have that ever will.
	for _, id := range p.returned() {
		for i := range fates {
			if messages[i].MessageId == id {
				fates[i] = rabbit.Returned
			}
		}
	}
	return fates, failed
}

// wait waits for the answer to one message. A broker that is short of memory or disk gives none,
// and loses nothing either: then it is waited for as long as ctx lasts.
func (p *publisher) wait(ctx context.Context, promise *amqp.DeferredConfirmation) (confirmed bool, err error) {
	for {
		waiting, cancel := context.WithTimeout(ctx, confirmFor)
		confirmed, err = promise.WaitContext(waiting)
		cancel()
		switch {
		case err == nil && !confirmed && p.ch.IsClosed():
			return false, fmt.Errorf("wait for confirm: %w", amqp.ErrClosed) // the library answers for the broker
		case err == nil:
			return confirmed, nil
		case !p.link.Blocked():
			return false, fmt.Errorf("wait for confirm: %w", err)
		}
		if err := p.link.Ready(ctx); err != nil {
			return false, fmt.Errorf("wait for confirm: %w", err)
		}
	}
}

// returned gives the ids of the messages that came back.
func (p *publisher) returned() (ids []string) {
	for {
		select {
		case r, open := <-p.returns:
			if !open {
				return ids
			}
			ids = append(ids, r.MessageId)
		default:
			return ids
		}
	}
}

// publishOne publishes a message. An error says that it is not in a queue, as far as anybody
// knows, and that the channel is of no use any more.
func (p *publisher) publishOne(ctx context.Context, m message) error {
	fates, err := p.publish(ctx, []message{m})
	if err != nil {
		return err
	}
	if fates[0] != rabbit.Confirmed {
		return fmt.Errorf("message %s was %s", m.MessageId, fates[0])
	}
	return nil
}
