// Package replay is given in lab 05, and finished. It declares the log of all events, a stream, and
// reads it again for one queue. DEEP.md says how it works and how to write it yourself.
package replay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/labs/05-queue/put"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
)

// Log is the stream that gets every event.
const Log = "events"

const (
	// The log ends at whichever bound comes first. It is cut by whole segments.
	logBytes     = 512 << 20
	logAge       = "7D"
	segmentBytes = 16 << 20
	// window is how many events of the log are on their way to a replay.
	window = 100
	// handleFor bounds the work for one event.
	handleFor = 10 * time.Second
)

// Declare declares the log and binds it to all topics of an exchange.
func Declare(ch *amqp.Channel, exchange string) error {
	_, err := ch.QueueDeclare(Log, true, false, false, false, amqp.Table{
		amqp.QueueTypeArg:                 amqp.QueueTypeStream,
		amqp.StreamMaxLenBytesArg:         int64(logBytes),
		amqp.StreamMaxAgeArg:              logAge,
		amqp.StreamMaxSegmentSizeBytesArg: int64(segmentBytes),
	})
	if err != nil {
		return fmt.Errorf("declare stream %s: %w", Log, err)
	}
	if err := ch.QueueBind(Log, "#", exchange, false, nil); err != nil {
		return fmt.Errorf("bind stream %s: %w", Log, err)
	}
	return nil
}

// Run hands every event of the topics in the log to the consumer's handler: from the first event to
// the last one at the time of the call. A log has no end to read up to, so Run first publishes a mark
// that only this replay knows, and stops when it meets the mark. An event that fails stops no other;
// the error then says how many failed. A message that cannot be read is no failure.
func Run(ctx context.Context, b roles.Broker, c roles.Consumer, topics ...bytebites.Topic) error {
	end := "replay:" + rand.Text()
	err := put.New(b.Link).Publish(ctx, "", Log, amqp.Publishing{MessageId: end, DeliveryMode: amqp.Persistent})
	if err != nil {
		return fmt.Errorf("mark the end of the log: %w", err)
	}
	ch, err := b.Conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	defer func() { _ = ch.Close() }()
	if err := ch.Qos(window, 0, false); err != nil {
		return fmt.Errorf("set prefetch: %w", err)
	}
	deliveries, err := ch.Consume(Log, end, false, false, false, false, amqp.Table{"x-stream-offset": "first"})
	if err != nil {
		return fmt.Errorf("consume %s: %w", Log, err)
	}
	r := reading{Broker: b, Consumer: c, topics: topics}
	return r.until(ctx, deliveries, end)
}

// reading is one replay, and what it has counted.
type reading struct {
	roles.Broker
	roles.Consumer
	topics             []bytebites.Topic
	seen, done, failed int
}

// until handles deliveries until it meets the one with the id end.
func (r *reading) until(ctx context.Context, deliveries <-chan amqp.Delivery, end string) error {
	for {
		var d amqp.Delivery
		var open bool
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case d, open = <-deliveries:
		}
		switch {
		case !open:
			return errors.New("the broker delivers no more")
		case d.MessageId == end:
			r.Logger.InfoContext(ctx, "replayed", "queue", r.Queue, "events", r.seen, "done", r.done, "failed", r.failed)
			if r.failed > 0 {
				return fmt.Errorf("%d of %d events failed: replay again", r.failed, r.seen)
			}
			return nil
		case slices.Contains(r.topics, bytebites.Topic(d.RoutingKey)):
			r.handle(ctx, d)
		}
		// A stream deletes nothing that is acknowledged. It delivers more.
		if err := d.Ack(false); err != nil {
			return fmt.Errorf("acknowledge: %w", err)
		}
	}
}

// handle calls the handler with the event of a delivery, and counts the outcome.
func (r *reading) handle(ctx context.Context, d amqp.Delivery) {
	r.seen++
	event, err := outbox.Decode(d.Body)
	if err != nil {
		r.Logger.WarnContext(ctx, "unreadable message in the log", "message", d.MessageId, "error", err)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handleFor)
	defer cancel()
	first, err := r.Handle(ctx, event)
	switch {
	case err != nil:
		r.failed++
		r.Logger.WarnContext(ctx, "event failed", "queue", r.Queue, "event", string(event.ID), "error", err)
	case first:
		r.done++
	}
}
