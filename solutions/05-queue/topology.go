package queue

import (
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
)

// Exchange is where events are published, each under its topic. It is all that a publisher
// knows: which queues there are is the business of those who consume.
const Exchange = "bytebites"

// The queues of those who consume.
const (
	ledgerQueue         = string(bytebites.EffectLedger)
	emailQueue          = string(bytebites.EffectEmail)
	recommendationQueue = string(bytebites.EffectRecommendation)
	paymentQueue        = "payments"
)

// logQueue is the stream that every event goes to as well, to be read again from the first on.
const logQueue = "events"

const (
	// deadExchange leads a message that a queue gives up to the queue of the parked ones.
	deadExchange = "bytebites.dead"
	// deliveryLimit is how often a message comes back unsettled before its queue gives it up:
	// one that kills its worker never gets as far as to be counted by it.
	deliveryLimit = 20
	// The log ends at whichever comes first. It is cut by whole segments.
	logBytes     = 512 << 20
	logAge       = "7D"
	segmentBytes = 16 << 20
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

// parked is the queue of those of a queue's messages that somebody has to look at.
func parked(queue string) string { return queue + ".parked" }

// delays are how long a message waits before it is tried again: after the first failure, after
// the second, and after each further one.
func delays() []time.Duration {
	return []time.Duration{200 * time.Millisecond, time.Second, 3 * time.Second}
}

// waiting is the queue in which messages wait that long, and the exchange that leads to it
// whatever the routing key. That names the queue that the message comes from: when its time is
// up it is dead-lettered through the default exchange, and so goes back there.
func waiting(delay time.Duration) string { return fmt.Sprintf("%s.retry.%v", Exchange, delay) }

// Declare declares all exchanges, queues and bindings. Declaring them again changes nothing; each
// process does it whenever it has connected, so that none depends on another having been there.
// Where messages go from a queue is declared before the queue, and what leads to it last.
func Declare(ch *amqp.Channel) error {
	d := declaring{ch: ch}
	d.exchange(Exchange, amqp.ExchangeTopic)
	d.exchange(deadExchange, amqp.ExchangeDirect)
	d.queue(logQueue, amqp.Table{
		amqp.QueueTypeArg:                 amqp.QueueTypeStream,
		amqp.StreamMaxLenBytesArg:         int64(logBytes),
		amqp.StreamMaxAgeArg:              logAge,
		amqp.StreamMaxSegmentSizeBytesArg: int64(segmentBytes),
	})
	d.bind(logQueue, "#", Exchange)
	for _, delay := range delays() {
		d.exchange(waiting(delay), amqp.ExchangeFanout)
		d.queue(waiting(delay), deadLettering("", amqp.Table{amqp.QueueMessageTTLArg: delay.Milliseconds()}))
		d.bind(waiting(delay), "", waiting(delay))
	}
	for _, s := range subscriptions() {
		d.queue(parked(s.queue), amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum})
		d.bind(parked(s.queue), s.queue, deadExchange)
		d.queue(s.queue, deadLettering(deadExchange, amqp.Table{
			"x-dead-letter-routing-key": s.queue,
			"x-delivery-limit":          int64(deliveryLimit),
		}))
		d.bind(s.queue, string(s.topic), Exchange)
	}
	return d.err
}

// deadLettering adds to the arguments of a queue that its dead letters go to an exchange, and
// that none is dropped on the way: by default a broker that dies then loses them. It keeps each
// until the other queue has confirmed it, and for that must be told to refuse what it has no
// room for.
func deadLettering(exchange string, arguments amqp.Table) amqp.Table {
	arguments[amqp.QueueTypeArg] = amqp.QueueTypeQuorum
	arguments[amqp.QueueOverflowArg] = amqp.QueueOverflowRejectPublish
	arguments["x-dead-letter-exchange"] = exchange
	arguments["x-dead-letter-strategy"] = "at-least-once"
	return arguments
}

// declaring declares one thing after the other until one fails. All of them outlive the broker
// (durable) and their users (not auto-deleted), and the broker's answer is waited for.
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
