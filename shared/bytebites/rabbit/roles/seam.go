package roles

import (
	"context"
	"log/slog"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/service"
)

// Declare declares exchanges, queues and bindings at the broker. It is called on a new channel
// after each connect, possibly by several programs at once.
type Declare func(ch *amqp.Channel) error

// Batch is the maximum number of events for one Publish.
const Batch = 200

// Publish sends at most Batch events to the broker, in their order. It returns the events that the
// broker has stored in at least one queue. The caller deletes those from the outbox; all others are
// published again.
//
// An error means that the connection cannot be used any more. The returned events count as
// confirmed even then. The context ends after ten seconds, and not earlier if the program is told
// to stop.
type Publish func(ctx context.Context, events []bytebites.Event) (confirmed []bytebites.EventID, err error)

// NewPublish makes a Publish for one outbox. One goroutine uses it until the link is lost.
type NewPublish func(link *Link, meter *rabbit.Meter) Publish

// Handler does the effect of an event. It reports false if the effect was already done. It is
// called again with the same event if it is unknown whether the first call completed. Calls for
// different events may run at the same time.
type Handler func(ctx context.Context, event bytebites.Event) (bool, error)

// Consumer handles the messages of a queue.
type Consumer struct {
	Queue    string
	Prefetch int // maximum number of unacknowledged messages
	Handle   Handler
}

// Broker is a consumer's side of the broker.
type Broker struct {
	// Conn delivers messages and carries acknowledgements. Do not publish over it. A broker that is
	// short of memory stops reading from connections that publish, and then it would not get the
	// acknowledgements that free its memory.
	Conn *amqp.Connection
	// Link is for republishing messages.
	Link   *Link
	Meter  *rabbit.Meter
	Logger *slog.Logger
}

// Serve handles the messages of a consumer's queue until ctx ends. Then it settles the
// unacknowledged messages within 15 seconds and returns nil. An earlier error means that the
// connections cannot be used any more.
type Serve func(ctx context.Context, b Broker, c Consumer) error

// Replay handles all events of the log for a consumer's queue. It goes from the first event to the
// event that is last when Replay is called. It ends early when ctx does.
type Replay func(ctx context.Context, b Broker, c Consumer) error

// Consumers returns all consumers, one for each queue.
type Consumers func(service.Parts) []Consumer
