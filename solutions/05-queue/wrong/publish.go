package wrong

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/solutions/05-queue"
)

// unconfirmed is the flaw of step 3. An event that was sent without an error counts as stored.
func unconfirmed(link *roles.Link, meter *rabbit.Meter) roles.Publish {
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
				MessageId: string(event.ID), Body: body,
			})
			if err != nil {
				return sent, err
			}
			sent = append(sent, event.ID)
			meter.Published(rabbit.Confirmed, 1)
		}
		return sent, nil
	}
}
