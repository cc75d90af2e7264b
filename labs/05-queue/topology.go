package queue

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/labs/05-queue/replay"
	"bytebites.example/workshop/labs/05-queue/retry"
	"bytebites.example/workshop/shared/bytebites"
)

// Exchange is where events are published, each under its topic. A publisher knows the exchange
// and none of the queues.
const Exchange = "bytebites"

// The queues that workers consume.
const (
	ledgerQueue         = string(bytebites.EffectLedger)
	emailQueue          = string(bytebites.EffectEmail)
	recommendationQueue = string(bytebites.EffectRecommendation)
	paymentQueue        = "payments"
)

// subscription is a queue and the topic whose events it gets.
type subscription struct {
	queue string
	topic bytebites.Topic
}

func subscriptions() []subscription {
	return []subscription{
		{ledgerQueue, bytebites.TopicOrderPlaced},
		{emailQueue, bytebites.TopicOrderPlaced},
		{recommendationQueue, bytebites.TopicRecommendationRequest},
		{paymentQueue, bytebites.TopicPaymentProcessed},
	}
}

// Declare declares all exchanges, queues and bindings. Each process calls it after it has connected.
// To declare the same again changes nothing.
func Declare(ch *amqp.Channel) error {
	d := declaring{ch: ch}
	d.exchange(Exchange, amqp.ExchangeTopic)
	for _, s := range subscriptions() {
		// TODO(lab 05): step 2: keep what a queue holds. A classic queue has one copy and no
		// limit of deliveries, and a message that a worker gives up is gone.
		//   1. Declare an exchange for dead letters, of the type amqp.ExchangeDirect. Choose its name.
		//   2. Declare a quorum queue NAME.parked for each queue, and bind it to that exchange under
		//      the key NAME.
		//   3. Make the queue a quorum queue (amqp.QueueTypeArg) whose dead letters go there
		//      (x-dead-letter-exchange, x-dead-letter-routing-key NAME).
		//   4. Let no dead letter be lost on its way: x-dead-letter-strategy at-least-once, with
		//      x-overflow reject-publish.
		//   5. Limit the deliveries: x-delivery-limit 20.
		d.queue(s.queue, nil)
		d.bind(s.queue, string(s.topic), Exchange)
	}
	d.step("retry queues", func() error { return retry.Declare(ch) })
	d.step("log", func() error { return replay.Declare(ch, Exchange) })
	return d.err
}

// declaring declares one thing after the other until one fails. All of them outlive the broker
// (durable) and their users (not auto-deleted).
type declaring struct {
	ch  *amqp.Channel
	err error
}

func (d *declaring) exchange(name, kind string) {
	d.step("exchange "+name, func() error { return d.ch.ExchangeDeclare(name, kind, true, false, false, false, nil) })
}

func (d *declaring) queue(name string, arguments amqp.Table) {
	d.step("queue "+name, func() error {
		_, err := d.ch.QueueDeclare(name, true, false, false, false, arguments)
		return err
	})
}

func (d *declaring) bind(queue, key, exchange string) {
	d.step("binding of "+queue, func() error { return d.ch.QueueBind(queue, key, exchange, false, nil) })
}

func (d *declaring) step(what string, do func() error) {
	if d.err != nil {
		return
	}
	if err := do(); err != nil {
		d.err = fmt.Errorf("declare %s: %w", what, err)
	}
}
