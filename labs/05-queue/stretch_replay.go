package queue

import (
	"context"

	"bytebites.example/workshop/labs/05-queue/replay"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
)

// Replay is a roles.Replay.
//
// TODO(lab 05, deep dive): write your own. Read the stream replay.Log from its first event
// (x-stream-offset: first), and handle each event that the consumer's queue would get. DEEP.md says
// what to watch for.
func Replay(ctx context.Context, b roles.Broker, c roles.Consumer) error {
	var topics []bytebites.Topic
	for _, s := range subscriptions() {
		if s.queue == c.Queue {
			topics = append(topics, s.topic)
		}
	}
	return replay.Run(ctx, b, c, topics...)
}
