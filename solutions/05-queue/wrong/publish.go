package wrong

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/labs/05-queue/roles"
	"bytebites.example/workshop/shared/broker"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/outbox"
	"bytebites.example/workshop/solutions/05-queue"
)

// unconfirmed publishes, and takes what was sent without an error for arrived.
func unconfirmed(link *roles.Link, meter *broker.Meter) roles.Publish {
	var ch *amqp.Channel
	return func(ctx context.Context, events []bytebites.Event) (sent []bytebites.EventID, err error) {
		if err := link.Ready(ctx); err != nil {
			return nil, err
		}
		if ch == nil {
			if ch, err = link.Channel(ctx); err != nil {
				return nil, err
			}
		}
		for _, event := range events {
			body, err := outbox.Encode(event)
			if err != nil {
				return sent, err
			}
			err = ch.PublishWithContext(ctx, queue.Exchange, string(event.Topic), false, false, amqp.Publishing{
				MessageId: string(event.ID), DeliveryMode: amqp.Persistent, Body: body,
			})
			if err != nil {
				return sent, err
			}
			sent = append(sent, event.ID)
			meter.Published(broker.Confirmed, 1)
		}
		return sent, nil
	}
}
