// Package retry is given in lab 05, and finished. It declares the queues in which a failed message
// waits, and puts messages there.
//
// AMQP has no 'again in a second'. A retry queue has no consumer and a time to live. A message whose
// time is up is a dead letter, and the broker moves it through the default exchange to the queue that
// its routing key names: the queue that it came from. Each delay has a queue of its own, because only
// the message at the head of a queue expires.
package retry

import (
	"context"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/labs/05-queue/put"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
)

// Delays returns how long a message may wait before its next try, the shortest first.
func Delays() []time.Duration {
	return []time.Duration{200 * time.Millisecond, time.Second, 3 * time.Second}
}

// name is the retry queue of a delay, and the fanout exchange that leads to it whatever the routing
// key of a message is.
func name(delay time.Duration) string { return fmt.Sprintf("bytebites.retry.%v", delay) }

// Declare declares the retry queue and its exchange for each delay.
func Declare(ch *amqp.Channel) error {
	for _, delay := range Delays() {
		if err := ch.ExchangeDeclare(name(delay), amqp.ExchangeFanout, true, false, false, false, nil); err != nil {
			return fmt.Errorf("declare exchange %s: %w", name(delay), err)
		}
		// With the strategy at-least-once a broker that dies loses no dead letter. It works only for
		// queues that refuse messages when they are full.
		_, err := ch.QueueDeclare(name(delay), true, false, false, false, amqp.Table{
			amqp.QueueTypeArg:        amqp.QueueTypeQuorum,
			amqp.QueueMessageTTLArg:  delay.Milliseconds(),
			amqp.QueueOverflowArg:    amqp.QueueOverflowRejectPublish,
			"x-dead-letter-exchange": "",
			"x-dead-letter-strategy": "at-least-once",
		})
		if err != nil {
			return fmt.Errorf("declare queue %s: %w", name(delay), err)
		}
		if err := ch.QueueBind(name(delay), "", name(delay), false, nil); err != nil {
			return fmt.Errorf("bind queue %s: %w", name(delay), err)
		}
	}
	return nil
}

// Queues are the retry queues of one consumer.
type Queues struct{ publisher *put.Publisher }

// New returns the retry queues. They publish over the link, and not over the connection that
// consumes: a broker that is short of memory stops reading from connections that publish.
func New(link *roles.Link) *Queues { return &Queues{put.New(link)} }

// Put copies a delivery to the retry queue of a delay, which must be one of Delays. The copy carries
// retries in rabbit.RetriesHeader and comes back to queue when its time is up. Put returns nil when
// the broker has stored the copy; only then may the delivery be acknowledged. An error means that the
// connections cannot be used any more.
func (q *Queues) Put(ctx context.Context, d amqp.Delivery, queue string, delay time.Duration, retries int) error {
	err := q.publisher.Publish(ctx, name(delay), queue, amqp.Publishing{
		// Only a header of our own: the others belong to the broker.
		Headers:   amqp.Table{rabbit.RetriesHeader: int64(retries)},
		MessageId: d.MessageId, Type: d.Type, Timestamp: d.Timestamp,
		ContentType: d.ContentType, DeliveryMode: amqp.Persistent, Body: d.Body,
	})
	if err != nil {
		return fmt.Errorf("retry in %v: %w", delay, err)
	}
	return nil
}
