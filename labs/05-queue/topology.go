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
	// TODO(lab 05): an exchange keeps nothing. What no queue is bound for is gone. Declare
	//   - a queue for each who consumes, bound to the topic that it is about: ledger and email to
	//     order_placed, recommendations to recommendation_request, payments to payment_processed.
	//     Durable is not enough: amqp.QueueTypeArg, amqp.QueueTypeQuorum
	//   - for each of them a queue NAME.parked, for what it gives up (x-dead-letter-exchange), and
	//     none of that lost on the way (x-dead-letter-strategy: at-least-once)
	//   - queues in which what has failed waits before it comes again (amqp.QueueMessageTTLArg):
	//     a queue that nobody consumes and whose dead letters go back to where they came from
	//   - "events", a stream (amqp.QueueTypeStream) that every event goes to as well, for Replay.
	//     It ends somewhere: amqp.StreamMaxLenBytesArg, amqp.StreamMaxAgeArg
	return nil
}
