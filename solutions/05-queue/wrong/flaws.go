package wrong

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/labs/05-queue/direct"
	eventlog "bytebites.example/workshop/labs/05-queue/replay"
	"bytebites.example/workshop/labs/05-queue/retry"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/05-queue"
)

// This file has flaws of the starter: the solution with the starter's code of one step. The flaws of
// steps 3, 5 and 6 are NoConfirms, EffectsTwice and PoisonForEver.

// publishAndForget is the flaw of step 1.
func publishAndForget(c *service.Composition) {
	c.Checkout = func(r service.Resources, steps *checkout.Steps) (bytebites.Checkout, error) {
		return forgetful{Steps: steps, direct: direct.New(r, queue.Declare)}, nil
	}
	c.Payments = func(r service.Resources, p service.Parts) (bytebites.Payments, error) {
		return forgetfulPayments{orders: p.Orders, direct: direct.New(r, queue.Declare)}, nil
	}
}

// forgetful sends the events of an order when the order is committed.
type forgetful struct {
	*checkout.Steps
	direct *direct.Publisher
}

func (f forgetful) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	if order, found, err := f.Replay(ctx, request); err != nil || found {
		return order, found, err
	}
	order, err := f.Draft(ctx, request)
	if err != nil {
		return bytebites.Order{}, false, err
	}
	if err := f.Reserve(ctx, order); err != nil {
		return bytebites.Order{}, false, err
	}
	placed, replayed, err := f.Place(ctx, order, nil)
	if err != nil || replayed {
		return placed, replayed, err
	}
	f.direct.Send(ctx, queue.Exchange, teller{}.events(order, request.Email)...)
	return placed, false, nil
}

// forgetfulPayments sends the event of a payment when the payment is recorded.
type forgetfulPayments struct {
	orders bytebites.Orders
	direct *direct.Publisher
}

func (f forgetfulPayments) Receive(ctx context.Context, payment bytebites.PaymentEvent) (bool, error) {
	first, err := f.orders.RecordPayment(ctx, payment, nil)
	if err != nil || !first {
		return false, err
	}
	f.direct.Send(ctx, queue.Exchange, paymentEvent(payment))
	return true, nil
}

// plainQueues is the flaw of step 2: durable classic queues, without dead letters.
func plainQueues(c *service.Composition) {
	c.Roles["relay"] = roles.Relay(declarePlain, queue.NewPublisher)
	c.Roles["worker"] = roles.Worker(declarePlain, queue.Consumers, queue.Serve)
	c.Roles["replay"] = roles.Replaying(declarePlain, queue.Consumers, queue.Replay)
}

func declarePlain(ch *amqp.Channel) error {
	if err := ch.ExchangeDeclare(queue.Exchange, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		return fmt.Errorf("declare exchange: %w", err)
	}
	for name, topic := range topics() {
		if _, err := ch.QueueDeclare(name, true, false, false, false, nil); err != nil {
			return fmt.Errorf("declare %s: %w", name, err)
		}
		if err := ch.QueueBind(name, string(topic), queue.Exchange, false, nil); err != nil {
			return fmt.Errorf("bind %s: %w", name, err)
		}
	}
	return errors.Join(retry.Declare(ch), eventlog.Declare(ch, queue.Exchange))
}

// autoAck is the flaw of step 4: the broker forgets a message when it has sent it, and sends as
// many as it has.
func autoAck(c *service.Composition) {
	consumers := func(p service.Parts) []roles.Consumer {
		all := queue.Consumers(p)
		for i := range all {
			all[i].Prefetch = 1000
		}
		return all
	}
	c.Roles["worker"] = roles.Worker(queue.Declare, consumers, serveUnacknowledged)
}

func serveUnacknowledged(ctx context.Context, b roles.Broker, c roles.Consumer) error {
	ch, err := b.Conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	defer func() { _ = ch.Close() }()
	deliveries, err := ch.Consume(c.Queue, c.Queue, true, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	queues := retry.New(b.Link)
	for {
		select {
		case <-ctx.Done():
			return nil
		case d, open := <-deliveries:
			if !open {
				return errors.New("no more deliveries")
			}
			err := work(ctx, b, c, d)
			if err == nil {
				continue
			}
			b.Logger.WarnContext(ctx, "message failed", "queue", c.Queue, "message", d.MessageId, "error", err)
			if _, unread := outbox.Decode(d.Body); unread != nil {
				continue // parked by the solution, and there is nothing left to park
			}
			if err := queues.Put(ctx, d, c.Queue, retry.Delays()[0], 0); err != nil {
				return err
			}
		}
	}
}
