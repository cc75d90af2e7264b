package queue

import (
	"fmt"

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

// Declare declares all exchanges, queues and bindings. Declaring them again changes nothing; each
// process does it whenever it has connected, so that none depends on another having been there.
func Declare(ch *amqp.Channel) error {
	// durable: it outlives the broker; not auto-deleted: it outlives its users
	if err := ch.ExchangeDeclare(Exchange, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		return fmt.Errorf("declare exchange: %w", err)
	}
	// TODO(lab 05): declare the queues: an exchange stores nothing, and an event without a
	// bound queue is lost. Declare
	//   - a queue for each consumer, bound to its topic: ledger and email to order_placed,
	//     recommendations to recommendation_request, payments to payment_processed. Durable
	//     alone is not enough: amqp.QueueTypeArg, amqp.QueueTypeQuorum
	//   - for each of them a queue NAME.parked for the messages that it gives up
	//     (x-dead-letter-exchange), without loss on the way (x-dead-letter-strategy:
	//     at-least-once)
	//   - retry queues, in which a failed message waits (amqp.QueueMessageTTLArg): a queue
	//     without a consumer, whose dead letters go back to the first queue
	//   - "events", a stream (amqp.QueueTypeStream) that gets every event too, for Replay.
	//     Bound it: amqp.StreamMaxLenBytesArg, amqp.StreamMaxAgeArg
	return nil
}
