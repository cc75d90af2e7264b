package queue

import (
	"context"

	"bytebites.example/workshop/labs/05-queue/replay"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
)

// Replay is a roles.Replay. It runs the given replay for the topics of the consumer's queue.
func Replay(ctx context.Context, b roles.Broker, c roles.Consumer) error {
	var topics []bytebites.Topic
	for _, s := range subscriptions() {
		if s.queue == c.Queue {
			topics = append(topics, s.topic)
		}
	}
	return replay.Run(ctx, b, c, topics...)
}
