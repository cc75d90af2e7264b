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
	const dead = Exchange + ".dead"
	d.exchange(dead, amqp.ExchangeDirect)
	for _, s := range subscriptions() {
		// Where a message may go is declared before the queue that it comes from.
		park := s.queue + ".parked"
		d.queue(park, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum})
		d.bind(park, s.queue, dead)
		d.queue(s.queue, amqp.Table{
			amqp.QueueTypeArg:           amqp.QueueTypeQuorum,
			"x-dead-letter-exchange":    dead,
			"x-dead-letter-routing-key": s.queue,
			// By default a broker that dies loses the dead letters that it moves.
			"x-dead-letter-strategy": "at-least-once",
			amqp.QueueOverflowArg:    amqp.QueueOverflowRejectPublish,
			// A message that kills its worker is never counted by a worker.
			"x-delivery-limit": 20,
		})
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
