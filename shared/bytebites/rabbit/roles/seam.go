package roles

import (
	"context"
	"log/slog"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/service"
)

// Declare declares what there is to be at the broker: exchanges, queues, bindings. It is called on
// a fresh channel whenever a program has connected, and by several at once.
type Declare func(ch *amqp.Channel) error

// Batch is how many events Publish gets at most.
const Batch = 200

// Publish hands events to the broker, at most Batch of them, in their order. It returns those
// that are safe there, in a queue at least: they are forgotten here. All others come again.
//
// An error says that the connection is of no use any more. What is confirmed counts all the
// same. The context ends after ten seconds and not before, though the program be told to stop.
type Publish func(ctx context.Context, events []bytebites.Event) (confirmed []bytebites.EventID, err error)

// NewPublish makes a Publish for one outbox. It is used until the link is lost, and by one
// goroutine.
type NewPublish func(link *Link, meter *rabbit.Meter) Publish

// Handler does what follows from an event, and reports false when that was done before, by
// whomever. It is called again with the same event when nobody can tell whether it came to an
// end, and with others at the same time.
type Handler func(ctx context.Context, event bytebites.Event) (bool, error)

// Consumer is who handles the messages of a queue.
type Consumer struct {
	Queue    string
	Prefetch int // messages that it has in hand at once, at most
	Handle   Handler
}

// Broker is a consumer's side of the broker.
type Broker struct {
	// Conn is for messages to come by and acknowledgements to go by. Nothing is published
	// over it: a broker that is short of memory stops reading from connections that
	// publish, and acknowledgements are what it needs then.
	Conn *amqp.Connection
	// Link is for messages that go back.
	Link   *Link
	Meter  *rabbit.Meter
	Logger *slog.Logger
}

// Serve handles the messages of a consumer's queue until ctx ends, and returns nil when those in
// hand are settled: within 15 seconds. An error before that says that the connections are of no
// use any more.
type Serve func(ctx context.Context, b Broker, c Consumer) error

// Replay handles all events of the log that are for a consumer's queue, from the first to
// the last that is in it when it is called.
type Replay func(ctx context.Context, b Broker, c Consumer) error

// Consumers returns all consumers there are, each queue's once.
type Consumers func(service.Parts) []Consumer
